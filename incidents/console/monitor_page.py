"""The page of one monitor, top to bottom; its live part is also a fragment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from incidents.console.rehearsing import SaidRehearsal, say_rehearsal
from incidents.maintenance.covering import current_windows
from incidents.models import Incident, IncidentState
from incidents.policies.rehearsal import rehearse, subject_of
from monitors.console.latency import (
    DEFAULT_RANGE,
    RANGES,
    draw_plot,
    read_buckets,
)
from monitors.console.strip import Strip, build_strip
from monitors.console.views import read_monitor, rotation_forms, setup_context
from monitors.models import ListeningGap, Monitor, PushResult, Transition
from monitors.queries import database_now, standings
from monitors.schedule import effective_grace_seconds
from monitors.state import Cause

RESULT_ROWS = 20
HISTORY_ROWS = 20
MOST_CHANGES = 1_000
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the state history, with the incident it belongs to."""

    at: datetime
    from_state: str
    to_state: str
    cause: str | None
    detail: str
    incident: Incident | None


@team_page()
def show_monitor(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show everything about a monitor."""
    monitor = read_monitor(pk)
    context = {"section": "monitors", **_live_context(request, access, monitor)}
    if is_htmx(request):
        return render_page(request, access, "incidents/_monitor.html", context)
    return render_page(
        request,
        access,
        "incidents/monitor.html",
        {
            **context,
            **setup_context(monitor, token=None),
            **rotation_forms(),
            "found": _rehearse(access, monitor, context["now"]),
        },
    )


def _rehearse(access: Access, monitor: Monitor, now: datetime) -> SaidRehearsal:
    subject = subject_of(monitor, cause=Cause.SILENCE, at=now)
    return say_rehearsal(rehearse(team=access.team, subject=subject), team=access.team)


def _live_context(request: HttpRequest, access: Access, monitor: Monitor) -> dict[str, Any]:
    now = database_now()
    changes = list(Transition.objects.filter(monitor=monitor.pk).order_by("-id")[:MOST_CHANGES])
    incidents = list(
        Incident.objects.filter(monitor_id=monitor.pk).order_by("-id")[: 2 * HISTORY_ROWS]
    )
    range_name = request.GET.get("range", "")
    if range_name not in RANGES:
        range_name = DEFAULT_RANGE
    label = request.GET.get("label", "").replace("\0", "")[:400]
    results = _results(monitor, label)
    buckets = read_buckets(
        team_id=access.team.pk, monitor_id=monitor.pk, until=now, seconds=RANGES[range_name]
    )
    standing = standings([monitor], now=now)[monitor.pk]
    return {
        "monitor": monitor,
        "standing": standing,
        "since": standing.since or (changes[0].at if changes else monitor.created_at),
        "strip": _strip(monitor, changes, now),
        "plot": draw_plot(buckets, range_name=range_name, limit_ms=monitor.latency_limit_ms),
        "ranges": list(RANGES),
        "label": label,
        "results": results[:RESULT_ROWS],
        "more_results": len(results) > RESULT_ROWS,
        "history": link_incidents(changes[:HISTORY_ROWS], incidents),
        "maintenance": current_windows([monitor.pk], now).get(monitor.pk),
        "incident": next((i for i in incidents if i.state != IncidentState.RESOLVED), None),
        "grace_seconds": effective_grace_seconds(monitor.window),
        "now": now,
    }


def _results(monitor: Monitor, label: str) -> list[PushResult]:
    found = PushResult.objects.filter(monitor=monitor.pk).order_by("-received_at", "-id")
    if label:
        key, _, value = label.partition(":")
        # Bounded by time: labels have no index, and a rare one must not read every day.
        found = found.filter(labels__contains={key: value}, received_at__gt=database_now() - DAY)
    return list(found[: RESULT_ROWS + 1])


def _strip(monitor: Monitor, changes: Sequence[Transition], now: datetime) -> Strip:
    gaps = ListeningGap.objects.filter(ended_at__gt=now - DAY, started_at__lt=now)
    return build_strip(
        [(change.at, change.from_state, change.to_state) for change in reversed(changes)],
        state=monitor.heartbeat.state,
        born_at=monitor.created_at,
        since=now - DAY,
        until=now,
        gaps=list(gaps.order_by("id").values_list("started_at", "ended_at")[:200]),
    )


def link_incidents(changes: Sequence[Transition], incidents: Sequence[Incident]) -> list[Change]:
    """Return the changes with the incident that each opened, joined or ended."""
    linked = []
    for change in changes:
        belongs = None
        if "down" in (change.from_state, change.to_state):
            belongs = next((i for i in incidents if _covers(i, change.at)), None)
        linked.append(
            Change(
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
