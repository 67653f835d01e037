"""The log of what was sent: every message, each attempt at it, and why it came to what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict

from accounts.access import Access, get_object
from accounts.console.pages import is_htmx, render_page, team_page
from incidents.channels.base import Message
from incidents.channels.notice import Notice, write_notice
from incidents.channels.registry import KINDS
from incidents.console.channel_forms import label_of
from incidents.models import Channel, Delivery, DeliveryState, Incident
from monitors.queries import database_now

PAGE_ROWS = 50
MOST_CARRIED = 100
# What they say proves who reads them: it is for nobody else.
_UNTOLD = frozenset({"contact.code"})
_RECEIVER = ("channel", "incident", "contact_method__membership__user")


@dataclass(frozen=True)
class Filters:
    """What the address asks for. An id that is none matches nothing, like one of another team."""

    state: str
    kind: str
    channel: str
    incident: str

    @property
    def active(self) -> bool:
        """Return whether anything is filtered."""
        return bool(self.state or self.kind or self.channel or self.incident)


def read_filters(query: QueryDict) -> Filters:
    """Return the filters of a query string."""
    state, kind = query.get("state", ""), query.get("kind", "")
    return Filters(
        state=state if state in DeliveryState.values else "",
        kind=kind if kind in KINDS else "",
        channel=query.get("channel", "").strip()[:40],
        incident=query.get("incident", "").strip()[:40],
    )


@team_page()
def list_deliveries(request: HttpRequest, access: Access) -> HttpResponse:
    """Show every message, newest first."""
    filters = read_filters(request.GET)
    found = _select(filters)
    states = dict(found.order_by().values_list("state").annotate(Count("id")))
    if filters.state:
        found = found.filter(state=filters.state)
    shown = found.select_related(*_RECEIVER).defer("payload").order_by("-id")
    page = Paginator(shown, PAGE_ROWS).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "deliveries": count_carried(page),
        "filters": filters,
        "counts": {name: states.get(name, 0) for name in DeliveryState.values},
        "matching": sum(states.values()),
        "now": database_now(),
        "section": "channels",
    }
    if is_htmx(request):
        return render_page(request, access, "deliveries/_list.html", context)
    incident = _find(Incident.objects.all(), filters.incident)
    context |= {
        "channels": Channel.objects.order_by("name"),
        "kinds": sorted(((name, label_of(name)) for name in KINDS), key=lambda row: row[1].lower()),
        "incident": incident,
    }
    return render_page(request, access, "deliveries/list.html", context)


@team_page()
def show_delivery(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show one message: to whom, what it said, and each attempt."""
    delivery = get_object(Delivery.objects.select_related(*_RECEIVER, "bundle"), pk)
    carried = Delivery.objects.filter(bundle=delivery).select_related("incident").defer("payload")
    context: dict[str, Any] = {
        "delivery": delivery,
        "notice": read_notice(delivery),
        "carried": carried.order_by("id")[:MOST_CARRIED],
        "carried_count": carried.count(),
        "is_over": delivery.finished_at is not None,
        "now": database_now(),
        "section": "channels",
    }
    template = "deliveries/_one.html" if is_htmx(request) else "deliveries/one.html"
    return render_page(request, access, template, context)


def count_carried(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return the deliveries, each with `carried`: how many others it stands for."""
    rows = list(deliveries)
    digests = [row.pk for row in rows if row.event == "incident.digest"]
    counts: dict[UUID, int] = {}
    if digests:
        bundled = Delivery.objects.filter(bundle__in=digests).order_by()
        counts = dict(bundled.values_list("bundle").annotate(Count("id")))
    for row in rows:
        row.carried = counts.get(row.pk, 0)  # type: ignore[attr-defined]
    return rows


def read_notice(delivery: Delivery) -> Notice | None:
    """Return what a message said, None where that is for its receiver alone."""
    if delivery.event in _UNTOLD:
        return None
    message = Message(
        key=str(delivery.pk),
        event=delivery.event,
        at=delivery.created_at,
        payload=delivery.payload if isinstance(delivery.payload, dict) else {},
    )
    return write_notice(message, now=delivery.created_at)


def _select(filters: Filters) -> QuerySet[Delivery]:
    found = Delivery.objects.all()
    if filters.kind:
        found = found.filter(kind=filters.kind)
    for name, given in (("channel_id", filters.channel), ("incident_id", filters.incident)):
        if given:
            wanted = _read_id(given)
            found = found.filter(**{name: wanted}) if wanted else found.none()
    return found


def _find(objects: QuerySet[Incident], given: str) -> Incident | None:
    wanted = _read_id(given)
    return objects.filter(pk=wanted).first() if wanted else None


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
