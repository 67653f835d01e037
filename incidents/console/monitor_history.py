"""How a monitor stood: its changes of state, the incidents they belong to, and our own gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from incidents.models import Incident
from monitors.console.results import read_key
from monitors.console.views import read_monitor
from monitors.models import ListeningGap, Monitor, Transition
from monitors.queries import database_now
from monitors.state import Cause

PAGE_ROWS = 50
LOOKED_AT = 5_000  # changes that a search looks through; the next page goes on from there
MOST_GAPS = 50
STATES = ("down", "up", "paused", "pending")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the history: a change of state with its incident, or a time we did not listen."""

    at: datetime
    from_state: str = ""
    to_state: str = ""
    cause: str | None = None
    detail: str = ""
    incident: Incident | None = None
    gap_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """What the address asks for; what cannot be read asks for nothing."""

    state: str = ""
    cause: str = ""
    search: str = ""
    before: datetime | None = None

    @classmethod
    def of(cls, query: Any) -> HistoryFilters:
        """Read the query string."""
        state, cause = query.get("state", ""), query.get("cause", "")
        search = query.get("q", "").replace("\0", "").encode("utf-8", "ignore").decode()
        key = read_key(f"{query.get('before', '')[:40]}~{UUID(int=0)}")
        return cls(
            state=state if state in STATES else "",
            cause=cause if cause in {each.value for each in Cause} else "",
            search=search.strip()[:200],
            before=key[0] if key else None,
        )

    @property
    def active(self) -> bool:
        """Whether anything is left out."""
        return bool(self.state or self.cause or self.search)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Lines, where older ones begin (None: there are none), and how far a search looked."""

    lines: list[Line]
    older: datetime | None = None
    looked_to: datetime | None = None


@team_page()
def show_history(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show every change of a monitor's state, newest first."""
    monitor, now = read_monitor(pk), database_now()
    filters = HistoryFilters.of(request.GET)
    context = {
        "monitor": monitor,
        "filters": filters,
        "states": STATES,
        "causes": [cause.value for cause in Cause],
        "page": read_history(monitor, filters, now=now, rows=PAGE_ROWS),
        "looked_at": LOOKED_AT,
        "now": now,
        "section": "monitors",
    }
    return render_page(request, access, "monitors/page/history.html", context)


def read_history(
    monitor: Monitor, filters: HistoryFilters, *, now: datetime, rows: int
) -> HistoryPage:
    """Return a page of a monitor's history: four queries at most, whatever is asked.

    A page ends between two instants: changes of the same one stay together.
    """
    changes = Transition.objects.filter(monitor=monitor.pk)
    if filters.before is not None:
        changes = changes.filter(at__lt=filters.before)
    looked_to: datetime | None = None
    if filters.active:
        edges = changes.order_by("-id").values_list("id", "at")[LOOKED_AT - 1 : LOOKED_AT]
        edge = next(iter(edges), None)
        if edge is not None:
            changes, looked_to = changes.filter(id__gte=edge[0]), edge[1]
        changes = _narrow(changes, filters)
    found = list(changes.order_by("-id")[: rows + 1])
    older: datetime | None = looked_to
    if len(found) > rows:
        found, looked_to = found[:rows], None
        older = found[-1].at
    lines = link_incidents(found, _incidents_of(monitor, found))
    if not filters.active:
        since = older if older is not None else monitor.created_at
        lines += _gaps(since=since, until=filters.before or now)
        lines.sort(key=lambda line: line.at, reverse=True)
    return HistoryPage(lines=lines, older=older, looked_to=looked_to)


def _narrow(changes: QuerySet[Transition], filters: HistoryFilters) -> QuerySet[Transition]:
    if filters.state:
        changes = changes.filter(to_state=filters.state)
    if filters.cause:
        changes = changes.filter(cause=filters.cause)
    if filters.search:
        changes = changes.filter(detail__icontains=filters.search)
    return changes


def _incidents_of(monitor: Monitor, changes: Sequence[Transition]) -> list[Incident]:
    """Return the incidents that any of these changes may belong to."""
    if not changes:
        return []
    first, last = changes[-1].at, changes[0].at
    touching = Q(resolved_at=None) | Q(resolved_at__gte=first)
    found = Incident.objects.filter(touching, monitor_id=monitor.pk, down_since__lte=last)
    return list(found.order_by("-id")[: 2 * len(changes)])


def _gaps(*, since: datetime, until: datetime) -> list[Line]:
    gaps = ListeningGap.objects.filter(ended_at__gt=since, started_at__gte=since)
    gaps = gaps.filter(started_at__lt=until).order_by("-ended_at")
    spans = gaps.values_list("started_at", "ended_at")[:MOST_GAPS]
    return [Line(at=start, gap_until=end) for start, end in spans]


def link_incidents(changes: Sequence[Transition], incidents: Sequence[Incident]) -> list[Line]:
    """Return the changes with the incident that each opened, joined or ended."""
    linked = []
    for change in changes:
        belongs = None
        if "down" in (change.from_state, change.to_state):
            belongs = next((i for i in incidents if _covers(i, change.at)), None)
        linked.append(
            Line(
                at=change.at,
                from_state=change.from_state,
                to_state=change.to_state,
                cause=change.cause,
                detail=change.detail,
                incident=belongs,
            )
        )
    return linked


def _covers(incident: Incident, at: datetime) -> bool:
    return incident.down_since <= at and (
        incident.resolved_at is None or at <= incident.resolved_at
    )
