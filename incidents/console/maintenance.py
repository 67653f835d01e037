"""A team's maintenance windows: what is on, what comes, what is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from accounts.zones import zone_names
from incidents.console.maintenance_form import MOST_LISTED, MaintenanceForm, say_repeats
from incidents.console.searching import offer_search, read_search, read_word
from incidents.maintenance.announcing import find_page
from incidents.maintenance.covering import count_covered
from incidents.maintenance.maintenances import (
    DuplicateName,
    MonitorGone,
    NothingChosen,
    PageGone,
    create_maintenance,
    delete_maintenance,
    end_maintenance,
    update_maintenance,
    window_of,
)
from incidents.maintenance.reading import next_span, with_standing
from incidents.maintenance.recurrence import BadWindow
from incidents.maintenance.windows import Span, next_spans
from incidents.models import Maintenance, MaintenanceSpan
from monitors.models import Monitor
from monitors.queries import database_now

TITLES = {"on": _lazy("On now"), "coming": _lazy("Coming up"), "over": _lazy("Over")}
MOST_ROWS = 200
MOST_PAST = 50
NEXT_SHOWN = 5
NAMED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence, as its zone's clocks show it."""

    starts_at: datetime
    ends_at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Row:
    """A window and how it stands."""

    window: Maintenance
    shown: Occurrence  # the one that is on, else the next, else the first
    state: str  # on, coming or over
    repeats: str
    covered: int


def say_span(span: Span, zone: ZoneInfo) -> str:
    """Return a span on the wall of a zone: "Mon 1 Mar 2027, 02:00 to 04:00"."""
    start, end = (at.astimezone(zone) for at in span)
    first = f"{start:%a} {start.day} {start:%b %Y}, {start:%H:%M}"
    if start.date() == end.date():
        return f"{first} to {end:%H:%M}"
    return f"{first} to {end:%a} {end.day} {end:%b %Y}, {end:%H:%M}"


def _occurrence(span: Span, maintenance: Maintenance) -> Occurrence:
    return Occurrence(*span, said=say_span(span, ZoneInfo(maintenance.timezone)))


def read_rows(windows: Sequence[Any], now: datetime) -> list[Row]:
    """Return the windows, read by `with_standing`, with how they stand."""
    counts = count_covered([window.pk for window in windows])
    rows = []
    for window in windows:
        lasts = window.ends_at - window.starts_at
        following = next_span(window, now)
        if window.active:
            state, span = "on", (window.active_until - lasts, window.active_until)
        elif following:
            state, span = "coming", following
        else:
            state, span = "over", (window.starts_at, window.ends_at)
        rows.append(
            Row(
                window=window,
                shown=_occurrence(span, window),
                state=state,
                repeats=say_repeats(window),
                covered=counts[window.pk],
            )
        )
    return rows


@team_page()
def list_maintenances(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what is on now, then what comes, then what is over."""
    now = database_now()
    ahead = MaintenanceSpan.objects.filter(maintenance=OuterRef("pk"), ends_at__gt=now)
    found = with_standing(now).annotate(ahead=Exists(ahead))
    search, wanted = read_search(request), read_word(request, "state", TITLES)
    if search:
        found = found.filter(name__icontains=search)
    lively = Q(ahead=True) | ~Q(rrule="")
    past = found.exclude(lively).order_by("-ends_at")[:MOST_PAST]
    rows = read_rows([*found.filter(lively).order_by("-pk")[:MOST_ROWS], *past], now)
    by_state: dict[str, list[Row]] = {"on": [], "coming": [], "over": []}
    for row in rows:
        by_state[row.state].append(row)
    by_state["on"].sort(key=lambda row: row.shown.ends_at)
    by_state["coming"].sort(key=lambda row: row.shown.starts_at)
    by_state["over"].sort(key=lambda row: row.shown.ends_at, reverse=True)
    counted = [(state, str(word), len(by_state[state])) for state, word in TITLES.items()]
    context = {
        "groups": [
            (state, word, by_state[state])
            for state, word, count in counted
            if count and wanted in ("", state)
        ],
        "finder": offer_search(
            here=request.path,
            label=_("Search windows"),
            search=search,
            param="state",
            chosen=wanted,
            choices=[("", _("All"), len(rows)), *counted],
        ),
        "now": now,
    }
    return _render(request, access, "list", context)


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new window."""
    now = database_now()
    hour = now.replace(minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(hours=1)
    initial: dict[str, Any] = {
        "starts_at": hour,
        "ends_at": hour + timedelta(hours=1),
        "timezone": "UTC",
    }
    chosen = request.GET.getlist("monitor")
    if chosen:
        initial["monitors"] = [pk for pk in chosen if _is_id(pk)]
    form = MaintenanceForm(request.POST or None, initial=initial)
    return _edit(request, access, form, None)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for changes to a window."""
    maintenance = get_object(Maintenance.objects.prefetch_related("monitor_links"), pk)
    form = MaintenanceForm(request.POST or None, maintenance=maintenance)
    return _edit(request, access, form, maintenance)


def _edit(
    request: HttpRequest, access: Access, form: MaintenanceForm, maintenance: Maintenance | None
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        saved = _save(access, form, maintenance)
        if saved is not None:
            messages.success(request, f"“{straight(saved.name)}” is saved.")
            return redirect("console:maintenance", team=access.team.slug, pk=saved.pk)
    context = {
        "form": form,
        "maintenance": maintenance,
        "zones": sorted(zone_names()),
        **_choices(form),
    }
    return _render(request, access, "form", context)


def _save(
    access: Access, form: MaintenanceForm, maintenance: Maintenance | None
) -> Maintenance | None:
    """Return the stored window, or None with the reason in the form."""
    try:
        if maintenance is None:
            return create_maintenance(team=access.team, **form.values())
        return update_maintenance(maintenance=maintenance, **form.values())
    except DuplicateName:
        form.add_error("name", "A window of that name exists. Choose another name.")
    except (MonitorGone, NothingChosen, PageGone, Maintenance.DoesNotExist):
        form.add_error(None, "Something was deleted meanwhile. Look again at what is chosen.")
    except BadWindow as error:
        form.add_error(error.field, str(error))
    return None


def _choices(form: MaintenanceForm) -> dict[str, Any]:
    """Return the monitors to tick, those that are ticked first; not ten thousand of them."""
    ticked = {str(value) for value in form["monitors"].value() or [] if _is_id(value)}
    named = Monitor.objects.select_related("namespace").order_by("name")
    chosen = list(named.filter(pk__in=ticked))
    others = list(named.exclude(pk__in=ticked)[: MOST_LISTED + 1])
    return {
        "chosen": chosen,
        "others": others[:MOST_LISTED],
        "more_monitors": len(others) > MOST_LISTED,
    }


@team_page()
def show(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show a window, its next occurrences, and what it covers."""
    now = database_now()
    maintenance = get_object(with_standing(now), pk)
    [row] = read_rows([maintenance], now)
    try:
        ahead = next_spans(window_of(maintenance), now, most=NEXT_SHOWN)
    except BadWindow:
        ahead = []
    linked = [link.monitor_id for link in maintenance.monitor_links.all()]
    context = {
        "row": row,
        "ahead": [_occurrence(span, maintenance) for span in ahead],
        "named": Monitor.objects.filter(pk__in=linked).order_by("name")[:NAMED_SHOWN],
        "more_named": max(0, len(linked) - NAMED_SHOWN),
        "page_name": find_page(maintenance.status_page_id) if maintenance.status_page_id else None,
        "now": now,
    }
    return _render(request, access, "window", context)


@require_POST
@team_page(Scope.WRITE)
def end_now(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """End a window that is on and does not repeat."""
    now = database_now()
    maintenance = get_object(with_standing(now), pk)
    if maintenance.rrule or not getattr(maintenance, "active", False):
        messages.error(request, "Only a window that is on and does not repeat can be ended.")
    else:
        end_maintenance(maintenance=maintenance)
        name = straight(maintenance.name)
        messages.success(request, f"“{name}” is over. What is still down opens its incident now.")
    return redirect("console:maintenances", team=access.team.slug)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a window."""
    now = database_now()
    maintenance = get_object(with_standing(now), pk)
    if request.method == "POST":
        delete_maintenance(maintenance=maintenance)
        messages.success(request, f"“{straight(maintenance.name)}” is deleted.")
        return redirect("console:maintenances", team=access.team.slug)
    return _render(request, access, "delete", {"maintenance": maintenance})


def _is_id(text: object) -> bool:
    try:
        UUID(str(text))
    except ValueError:
        return False
    return True


def _render(
    request: HttpRequest, access: Access, name: str, context: dict[str, Any]
) -> HttpResponse:
    context["section"] = "maintenance"
    return render_page(request, access, f"maintenance/{name}.html", context)
