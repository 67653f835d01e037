"""Who follows a status page: the list, adding, changing, removing, and the list as a file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from monitors.queries import database_now
from statuspages.console.frame import find_page, render_tab
from statuspages.console.post_forms import components_of
from statuspages.console.post_page import back_to
from statuspages.console.refusing import attempt
from statuspages.console.subscriber_forms import SubscriberForm
from statuspages.models import Component, StatusPage, Subscriber
from statuspages.models.subscribers import SubscriberKind
from statuspages.services.components import TooMany
from statuspages.subscribers.standings import STANDINGS, standing_of
from statuspages.subscribers.subscribing import (
    MOST_SUBSCRIBERS,
    AskedAlready,
    DuplicateSubscriber,
    NotWaiting,
    add_subscriber,
    ask_again,
    unsubscribe,
    update_subscriber,
)

PAGE_ROWS = 50
KINDS = {"email": "E-mail", "webhook": "Webhook"}
STATES = {"confirmed": "Confirmed", "waiting": "Waiting", "disabled": "Disabled"}
_ICONS = {"confirmed": "up", "waiting": "pending", "disabled": "down"}
# A cell that begins so is taken for a formula by spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Filters:
    """What the address asks for; what is no word of ours asks for nothing."""

    state: str
    kind: str
    search: str

    @property
    def active(self) -> bool:
        """Return whether anything is filtered."""
        return bool(self.state or self.kind or self.search)


@dataclass(frozen=True, slots=True)
class Row:
    """A subscriber as the team sees it."""

    subscriber: Subscriber
    kind: str
    state: str
    icon: str
    word: str
    components: tuple[str, ...]


def read_filters(query: QueryDict) -> Filters:
    """Return the filters of a query string."""
    state, kind = query.get("state", ""), query.get("kind", "")
    return Filters(
        state=state if state in STATES else "",
        kind=kind if kind in KINDS else "",
        search=query.get("search", "").replace("\x00", "").strip()[:254],
    )


def _select(page: StatusPage, filters: Filters) -> QuerySet[Subscriber]:
    found = Subscriber.objects.filter(page=page)
    if filters.kind:
        found = found.filter(kind=filters.kind)
    if filters.search:
        found = found.filter(address__icontains=filters.search)
    return found


def _names(page: StatusPage) -> dict[str, str]:
    return dict(Component.objects.filter(page=page).values_list("code", "name"))


def _describe(subscriber: Subscriber, names: dict[str, str]) -> Row:
    state = standing_of(subscriber)
    return Row(
        subscriber=subscriber,
        kind=KINDS[subscriber.kind],
        state=state,
        icon=_ICONS[state],
        word=STATES[state],
        components=tuple(names[code] for code in subscriber.components if code in names),
    )


@team_page()
def list_subscribers(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show who follows the page, the newest first."""
    page = find_page(pk)
    filters = read_filters(request.GET)
    found = _select(page, filters)
    counts = found.aggregate(
        all=Count("pk"), **{name: Count("pk", filter=stands) for name, stands in STANDINGS.items()}
    )
    if filters.state:
        found = found.filter(STANDINGS[filters.state])
    rows = Paginator(found.order_by("-created_at", "-pk"), PAGE_ROWS).get_page(
        request.GET.get("page")
    )
    names = _names(page)
    context = {
        "rows": rows,
        "subscribers": [_describe(subscriber, names) for subscriber in rows.object_list],
        "filters": filters,
        "matching": counts.pop("all"),
        "states": [(name, word, _ICONS[name], counts[name]) for name, word in STATES.items()],
        "kinds": list(KINDS.items()),
        "now": database_now(),
    }
    return _render(request, access, page, "subscribers", context)


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for an address or a URL; the signing secret of a URL is told once."""
    page = find_page(pk)
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else SubscriberKind.EMAIL.value
    form = SubscriberForm(
        request.POST if request.method == "POST" else None,
        kind=kind,
        components=components_of(page),
        initial={"locale": page.locale},
    )
    if form.is_valid():
        try:
            made = attempt(form, lambda: add_subscriber(page=page, kind=kind, **form.values()))
        except DuplicateSubscriber:
            made = None
            form.add_error("address", "It follows the page already. Look for it in the list.")
        except TooMany:
            made = None
            form.add_error(None, f"A page has at most {MOST_SUBSCRIBERS} subscribers.")
        if made is not None:
            return _added(request, access, page, made)
    return _render(request, access, page, "subscriber_form", {"form": form, "kind": kind})


def _added(
    request: HttpRequest, access: Access, page: StatusPage, subscriber: Subscriber
) -> HttpResponse:
    if subscriber.kind == SubscriberKind.EMAIL:
        address = straight(subscriber.address)
        messages.success(request, f"{address} is told of nothing before following the link there.")
        return back_to(access, page, "subscribers")
    context = {"subscriber": subscriber, "secret": subscriber.secret}
    response = _render(request, access, page, "subscriber_secret", context)
    response["Cache-Control"] = "no-store"
    return response


def _find(page: StatusPage, pk: UUID) -> Subscriber:
    return get_object(Subscriber.objects.filter(page=page), pk)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID, subscriber: UUID) -> HttpResponse:
    """Ask for other components, or another language."""
    page = find_page(pk)
    found = _find(page, subscriber)
    form = SubscriberForm(
        request.POST if request.method == "POST" else None,
        kind=found.kind,
        components=components_of(page),
        subscriber=found,
    )
    if form.is_valid():
        saved = attempt(form, lambda: update_subscriber(subscriber=found, **form.values()))
        if saved is not None:
            messages.success(request, f"{straight(saved.address)} is saved.")
            return back_to(access, page, "subscribers")
    context = {"form": form, "kind": found.kind, "subscriber": found}
    return _render(request, access, page, "subscriber_form", context)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID, subscriber: UUID) -> HttpResponse:
    """Ask once more, by address, and forget a subscriber."""
    page = find_page(pk)
    found = _find(page, subscriber)
    if request.method == "POST":
        address = straight(found.address)
        unsubscribe(subscriber=found)
        messages.success(request, f"{address} is forgotten.")
        return back_to(access, page, "subscribers")
    return _render(request, access, page, "subscriber_delete", {"subscriber": found})


@require_POST
@team_page(Scope.WRITE)
def resend(request: HttpRequest, access: Access, pk: UUID, subscriber: UUID) -> HttpResponse:
    """Send what asks to confirm once more."""
    page = find_page(pk)
    found = _find(page, subscriber)
    address = straight(found.address)
    try:
        ask_again(subscriber=found)
    except NotWaiting:
        messages.error(request, f"{address} does not wait to be confirmed.")
    except AskedAlready:
        text = f"{address} was sent the link within ten minutes, or often enough today. Wait a bit."
        messages.error(request, text)
    except Subscriber.DoesNotExist:
        messages.error(request, f"{address} was forgotten in the meantime.")
    else:
        messages.success(request, f"{address} is sent the link once more.")
    return back_to(access, page, "subscribers")


@team_page()
def export(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Answer the list, filtered as on the page, as CSV without secrets."""
    page = find_page(pk)
    filters = read_filters(request.GET)
    found = _select(page, filters)
    if filters.state:
        found = found.filter(STANDINGS[filters.state])
    names = _names(page)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["kind", "address", "state", "components", "locale", "confirmed_at", "created_at"]
    )
    for subscriber in found.order_by("created_at", "pk").iterator(chunk_size=2_000):
        chosen = [names[code] for code in subscriber.components if code in names]
        cells = [
            subscriber.kind,
            subscriber.address,
            standing_of(subscriber),
            "; ".join(chosen),
            subscriber.locale,
            _instant(subscriber.confirmed_at),
            _instant(subscriber.created_at),
        ]
        writer.writerow([tame(cell) for cell in cells])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{page.slug}-subscribers.csv"'
    response["Cache-Control"] = "no-store"
    return response


def tame(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe goes before one."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _instant(at: Any) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _render(
    request: HttpRequest, access: Access, page: StatusPage, name: str, context: dict[str, Any]
) -> HttpResponse:
    template = f"statuspages/console/{name}.html"
    return render_tab(request, access, template, page=page, tab="subscribers", context=context)
