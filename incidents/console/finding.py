"""Which incidents a list shows: what its address asks for, read with patience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.access import Access
from accounts.models import Membership, Namespace
from accounts.zones import reader_zone
from incidents.models import Incident, IncidentState
from monitors.models import Monitor, Severity
from monitors.state import Cause

MOST_TEXT = 400
MOST_NAMED = 200  # of namespaces and people that a form offers
ME = "me"
BY_LINK = " (by link)"  # what the page behind a mail's link adds to an address
SEVERITIES = {
    Severity.CRITICAL.value: _("Critical"),
    Severity.WARNING.value: _("Warning"),
    Severity.INFO.value: _("Info"),
}
CAUSES = {
    Cause.SILENCE.value: _("Went silent"),
    Cause.FAILURE.value: _("Failed"),
    Cause.LATENCY.value: _("Slow"),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for. An id that is none matches nothing, like one of another team."""

    state: str = ""
    severity: str = ""
    cause: str = ""
    namespace: str = ""
    monitor: str = ""
    label: str = ""
    by: str = ""
    since: str = ""
    until: str = ""
    flapping: str = ""
    search: str = ""

    @property
    def active(self) -> bool:
        """Whether anything is left out."""
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def detailed(self) -> bool:
        """Whether something is asked for that stands in the folded part of the form."""
        plain = {"state", "search", "monitor"}
        return any(getattr(self, field.name) for field in fields(self) if field.name not in plain)


def read_filters(query: Mapping[str, str]) -> Filters:
    """Return the filters of a query string; what cannot be read asks for nothing."""

    def read(name: str, words: Any = None) -> str:
        text = str(query.get(name, "")).replace("\0", "").strip()[:MOST_TEXT]
        return text if words is None or text in words else ""

    return Filters(
        state=read("state", IncidentState.values),
        severity=read("severity", SEVERITIES),
        cause=read("cause", CAUSES),
        namespace=read("namespace"),
        monitor=read("monitor"),
        label=read("label"),
        by=read("by"),
        since=read("since") if read_day(read("since")) else "",
        until=read("until") if read_day(read("until")) else "",
        flapping=read("flapping", {"1"}),
        search=read("search")[:200],
    )


def find_incidents(filters: Filters, *, access: Access) -> QuerySet[Incident]:
    """Return the incidents that the filters let through, but for the state."""
    found = Incident.objects.all()
    for name in ("severity", "cause", "namespace"):
        if value := getattr(filters, name):
            found = found.filter(**{name: value})
    if filters.monitor:
        wanted = read_id(filters.monitor)
        found = found.filter(monitor_id=wanted) if wanted else found.none()
    if filters.label:
        key, _sign, value = filters.label.replace("=", ":", 1).partition(":")
        labelled = Monitor.objects.filter(labels__contains={key.strip(): value.strip()})
        found = found.filter(monitor_id__in=labelled.values("pk"))
    if filters.by:
        who = access.actor if filters.by == ME else filters.by
        found = found.filter(acknowledged_by__in=[who, f"{who}{BY_LINK}"])
    if since := read_day(filters.since):
        found = found.filter(opened_at__gte=since)
    if until := read_day(filters.until, days=1):
        found = found.filter(opened_at__lt=until)
    if filters.flapping:
        found = found.filter(flapping=True)
    if filters.search:
        said = Q(monitor_name__icontains=filters.search) | Q(summary__icontains=filters.search)
        found = found.filter(said)
    return found


def count_states(found: QuerySet[Incident]) -> dict[str, int]:
    """Return how many of these incidents are in each state."""
    counts = dict(found.order_by().values_list("state").annotate(Count("id")))
    return {name: counts.get(name, 0) for name in IncidentState.values}


def order_by_need(found: QuerySet[Incident]) -> QuerySet[Incident]:
    """Return them in order: what is open, then what somebody has, then what is over; newest first.

    What is over is the most by far, and comes last.
    """
    is_over = Q(state=IncidentState.RESOLVED)
    return found.annotate(is_over=is_over).order_by("is_over", "-state", "-id")


def offer_choices() -> dict[str, Any]:
    """Return what the form of the filters offers: the team's namespaces and people."""
    people = Membership.objects.filter(accepted_at__isnull=False).select_related("user")
    return {
        "severities": list(SEVERITIES.items()),
        "causes": list(CAUSES.items()),
        "namespaces": list(
            Namespace.objects.order_by("name").values_list("name", flat=True)[:MOST_NAMED]
        ),
        "members": [
            (row.user.email, row.get_full_name())
            for row in people.order_by("user__email")[:MOST_NAMED]
        ],
    }


def read_id(text: str) -> UUID | None:
    """Return the id in a text; None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def read_day(text: str, *, days: int = 0) -> datetime | None:
    """Return when a day of the reader's zone begins, or `days` later; None for what is no day."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d") + timedelta(days=days)  # noqa: DTZ007 - a wall's
        at = day.replace(tzinfo=reader_zone())
        at.timestamp()  # the first and the last day of all may have no instant
    except (ValueError, OverflowError):
        return None
    return at if 1970 <= at.year <= 9000 else None
