"""Reading monitors: states as shown, due times, and what belongs to one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from monitors.ingest.listening import GAP_SECONDS
from monitors.models import Monitor, PushKey
from monitors.schedule import Gap, due_at, late_from
from monitors.state import State, shown_state
from monitors.sweep import gaps_since


def database_now() -> datetime:
    """Return the time of the database's clock, which all deadlines are measured by."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at


def with_standing(monitors: QuerySet[Monitor]) -> QuerySet[Monitor]:
    """Return the monitors with heartbeat, namespace and present slug, without further queries."""
    slug = PushKey.objects.filter(monitor=OuterRef("pk"), is_current=True).values("value")[:1]
    return monitors.select_related("heartbeat", "namespace").annotate(slug=Subquery(slug))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a monitor stands at the moment of reading."""

    state: str  # with `late`, which is never stored
    cause: str | None
    due_at: datetime | None
    late_at: datetime | None
    since: datetime | None


def current_gaps(*, now: datetime, since: datetime) -> list[Gap]:
    """Return the listening gaps after `since`, one that still lasts included."""
    gaps = gaps_since(since)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, (SELECT deaf_from FROM monitors_canary WHERE held_until > %s) "
            "FROM monitors_listeningstamp WHERE id = 1",
            [now],
        )
        row = cursor.fetchone()
    if row and now - row[0] >= timedelta(seconds=GAP_SECONDS):
        gaps.append(Gap(row[0], now))
    if row and row[1] is not None and row[1] < now:
        gaps.append(Gap(row[1], now))
    return gaps


def standings(monitors: Iterable[Monitor], *, now: datetime) -> dict[Any, Standing]:
    """Return how each monitor stands at `now`, by id: two queries, however many monitors."""
    found = list(monitors)
    clocks = [m.heartbeat.clock_from for m in found if m.heartbeat.clock_from]
    gaps = current_gaps(now=now, since=min(clocks)) if clocks else []
    return {monitor.pk: _standing(monitor, gaps, now) for monitor in found}


def _standing(monitor: Monitor, gaps: list[Gap], now: datetime) -> Standing:
    heartbeat = monitor.heartbeat
    state = State(heartbeat.state)
    due = late = None
    if heartbeat.clock_from is not None and state is not State.PAUSED:
        by_push = heartbeat.clock_from == heartbeat.last_push_at
        due = due_at(monitor.window, heartbeat.clock_from, gaps, by_push=by_push)
        late = late_from(monitor.window, heartbeat.clock_from, gaps, by_push=by_push)
    return Standing(
        state=shown_state(state, late, due, now),
        cause=heartbeat.cause,
        due_at=due,
        late_at=late,
        since=heartbeat.down_since,
    )


def push_url(slug: str) -> str:
    """Return the URL that a service posts its results to."""
    return f"{settings.BASE_URL}/api/push/{slug}/results"
