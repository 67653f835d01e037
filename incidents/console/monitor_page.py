"""The page of one monitor, top to bottom; its live part is also a fragment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.plans import history_days
from incidents.console.monitor_history import HistoryFilters, read_history
from incidents.console.rehearsing import SaidRehearsal, say_rehearsal
from incidents.maintenance.covering import current_windows
from incidents.models import Incident, IncidentState
from incidents.policies.rehearsal import rehearse, subject_of
from monitors.badges import badge_url
from monitors.console.facets import count_facets
from monitors.console.latency import draw_plot, read_buckets
from monitors.console.results import ResultFilters, read_page, results_of
from monitors.console.strip import Strip, build_strip
from monitors.console.thinning import thin_strip
from monitors.console.timespan import (
    RANGES,
    Asked,
    Span,
    neighbours,
    read_span,
    write_instant,
    write_wall,
)
from monitors.console.uptimes import measure_uptimes, read_changes
from monitors.console.views import read_monitor, rotation_forms, setup_context
from monitors.history import history_start
from monitors.models import Badge, ListeningGap, Monitor
from monitors.overlaps import read_overlap
from monitors.queries import database_now, standings
from monitors.schedule import effective_grace_seconds
from monitors.state import Cause
from monitors.uptime import Change

HISTORY_ROWS = 10
INCIDENT_ROWS = 5
MOST_GAPS = 100
DAY = timedelta(hours=24)


@team_page()
def show_monitor(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show everything about a monitor."""
    monitor, now = read_monitor(pk), database_now()
    earliest = history_start(access.team, now)
    asked = read_span(request.GET, now=now, earliest=earliest)
    changes, known_from = read_changes(monitor, now=now)
    context = {
        "section": "monitors",
        "monitor": monitor,
        "now": now,
        **_live_context(monitor, changes, now),
        **_results_context(request, access, monitor, asked, now),
        "facets": _facets(access, monitor, asked.span, earliest=earliest, now=now),
        "uptimes": measure_uptimes(
            changes, known_from=known_from, now=now, state=monitor.heartbeat.state
        ),
        "ranges": list(RANGES),
    }
    if is_htmx(request):
        return render_page(request, access, "monitors/page/_live.html", context)
    span = asked.or_default(now)
    return render_page(
        request,
        access,
        "incidents/monitor.html",
        {
            **context,
            **setup_context(monitor, token=None),
            **rotation_forms(),
            **_latency_context(access, monitor, span, now=now, earliest=earliest),
            "asked": asked,
            "from_field": asked.given["from"] if asked.errors else write_wall(span.since),
            "to_field": asked.given["to"] if asked.errors else write_wall(span.until),
            "history_days": history_days(access.team),
            "badge": _badge(monitor),
            "overlap": read_overlap(monitor, now=now),
            "found": _rehearse(access, monitor, now),
        },
    )


def _rehearse(access: Access, monitor: Monitor, now: datetime) -> SaidRehearsal:
    subject = subject_of(monitor, cause=Cause.SILENCE, at=now)
    return say_rehearsal(rehearse(team=access.team, subject=subject), team=access.team)


def _badge(monitor: Monitor) -> str:
    key = Badge.objects.filter(monitor=monitor.pk).values_list("key", flat=True).first()
    return badge_url(key) if key else ""


def _live_context(monitor: Monitor, changes: Sequence[Change], now: datetime) -> dict[str, Any]:
    standing = standings([monitor], now=now)[monitor.pk]
    incidents = list(Incident.objects.filter(monitor_id=monitor.pk).order_by("-id")[:INCIDENT_ROWS])
    history = read_history(monitor, HistoryFilters(), now=now, rows=HISTORY_ROWS)
    fell = next((line for line in history.lines if line.to_state == "down"), None)
    return {
        "standing": standing,
        "since": standing.since or (changes[-1].at if changes else monitor.created_at),
        "said_last": fell.detail if fell and standing.state == "down" else "",
        "strip": _strip(monitor, changes, now),
        "history": history,
        "incidents": incidents,
        "incident": next((i for i in incidents if i.state != IncidentState.RESOLVED), None),
        "maintenance": current_windows([monitor.pk], now).get(monitor.pk),
        "grace_seconds": effective_grace_seconds(monitor.window),
    }


def _strip(monitor: Monitor, changes: Sequence[Change], now: datetime) -> Strip:
    gaps = ListeningGap.objects.filter(ended_at__gt=now - DAY, started_at__lt=now)
    strip = build_strip(
        [(change.at, change.from_state, change.to_state) for change in changes],
        state=monitor.heartbeat.state,
        born_at=monitor.created_at,
        since=now - DAY,
        until=now,
        gaps=list(gaps.order_by("id").values_list("started_at", "ended_at")[:MOST_GAPS]),
    )
    return thin_strip(strip)


def _results_context(
    request: HttpRequest, access: Access, monitor: Monitor, asked: Asked, now: datetime
) -> dict[str, Any]:
    filters = ResultFilters.of(request.GET)
    results = results_of(monitor, team=access.team, span=asked.span, now=now)
    kept = ("q", "status", "label", "range", "from", "to", "before", "after")
    return {
        "filters": filters,
        "span": asked.span,
        "results": read_page(results, filters),
        # What leads to other pages of the same results, or to all of them as a file.
        "result_params": _params(request, kept),
        "file_params": _params(request, kept[:6]),
    }


def _params(request: HttpRequest, names: Sequence[str]) -> str:
    kept = request.GET.copy()
    for name in list(kept):
        if name not in names:
            del kept[name]
    return kept.urlencode()


def _latency_context(
    access: Access, monitor: Monitor, span: Span, *, now: datetime, earliest: datetime
) -> dict[str, Any]:
    buckets, is_sample = read_buckets(team_id=access.team.pk, monitor_id=monitor.pk, span=span)
    beside = neighbours(span, now=now, earliest=earliest)
    return {
        "plot": draw_plot(
            buckets, span=span, limit_ms=monitor.latency_limit_ms, is_sample=is_sample
        ),
        "plot_from": write_instant(span.since),
        "plot_to": write_instant(span.until),
        "beside": {
            name: (write_instant(other.since), write_instant(other.until)) if other else None
            for name, other in beside.items()
        },
    }


def _facets(
    access: Access, monitor: Monitor, span: Span | None, *, earliest: datetime, now: datetime
) -> Any:
    return count_facets(
        team_id=access.team.pk,
        monitor_id=monitor.pk,
        since=span.since if span else earliest,
        until=span.until if span else now,
    )
