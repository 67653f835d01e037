"""The past of one monitor, as its pushes would have left it: results, and changes of state.

The rules are those of `monitors.state`, applied to every push of the story in order.
"""

from __future__ import annotations

import json
import math
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.ids import uuid7
from incidents.demo.story import Outage, Told
from monitors.schedule import Cron, next_run
from monitors.state import (
    Change,
    PushKind,
    Rules,
    Standing,
    State,
    after_pause,
    after_push,
    after_silence,
    push_kind,
)

RUN_SECONDS = 95.0  # how long after its time a scheduled job pushes
SLOW_FACTOR = 5.5


@dataclass(frozen=True)
class Moved:
    """A change of state at an instant; `since` is when it really began."""

    at: datetime
    change: Change
    since: datetime | None
    detail: str
    last_push_at: datetime | None


@dataclass
class Past:
    """What a monitor has behind it."""

    told: Told
    results: list[tuple[Any, ...]] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    standing: Standing = field(default_factory=Standing)
    last_push_at: datetime | None = None
    last_status: str | None = None
    down_since: datetime | None = None


def id_at(at: datetime) -> uuid.UUID:
    """Return a fresh time-ordered id that lies where a row of that time would lie."""
    low = uuid7().int & ((1 << 80) - 1)
    return uuid.UUID(int=(int(at.timestamp() * 1000) << 80) | low)


def tell_past(told: Told, *, start: datetime, now: datetime, team_id: Any, monitor_id: Any) -> Past:
    """Live through a monitor's story from `start` to `now`."""
    numbers = random.Random(told.name)  # noqa: S311 - a story, no secret
    rules = Rules(failures_to_open=told.failures_to_open, latency_limit_ms=told.latency_limit_ms)
    past = Past(told)
    if told.is_pending:
        return past
    for at in _push_times(told, start, now, numbers):
        outage = _outage_at(told, at, now)
        if outage is not None and outage.cause == "silence":
            continue
        _fall_silent(past, at)
        status = "fail" if outage is not None and outage.cause == "failure" else "pass"
        latency = _latency(told, at, numbers)
        if latency is not None and outage is not None and outage.cause == "latency":
            latency = round(latency * SLOW_FACTOR, 1)
        message = outage.text if outage is not None else _choose(told.messages, numbers)
        past.standing, change = after_push(
            past.standing, kind := push_kind(status, latency, rules), rules
        )
        past.last_push_at, past.last_status = at, status
        if change is not None:
            detail = message or "" if change.to_state is State.DOWN else ""
            if kind is PushKind.SLOW:
                detail = f"latency {latency:g} ms"
            _move(past, change, at, at if change.to_state is State.DOWN else None, detail)
        past.results.append(
            (
                *(str(team_id), str(monitor_id), at, str(id_at(at)), status, latency, message),
                json.dumps(told.labels),
            )
        )
    if told.is_paused:
        past.standing, change = after_pause(past.standing)
        assert change is not None
        _move(past, change, now - timedelta(days=2, hours=3), None, "")
    return past


def _fall_silent(past: Past, until: datetime) -> None:
    """Let the window run out, if it did before the push at `until`."""
    if past.last_push_at is None or past.told.cron:
        return
    due = past.last_push_at + timedelta(seconds=past.told.was_silent_after_seconds)
    if due < until:
        past.standing, change = after_silence(past.standing)
        if change is not None:
            _move(past, change, due + timedelta(seconds=0.8), due, "")


def _move(past: Past, change: Change, at: datetime, since: datetime | None, detail: str) -> None:
    past.moves.append(Moved(at, change, since, detail, past.last_push_at))
    if change.to_state is not State.DOWN:
        past.down_since = None
    elif change.from_state is not State.DOWN:
        past.down_since = since


def _push_times(
    told: Told, start: datetime, now: datetime, numbers: random.Random
) -> Iterator[datetime]:
    if told.is_paused:
        now -= timedelta(days=2, hours=4)
    if told.cron:
        cron = Cron(told.cron, told.cron_timezone)
        run = next_run(cron, start)
        while (at := run + timedelta(seconds=RUN_SECONDS * numbers.uniform(0.9, 1.1))) < now:
            yield at
            run = next_run(cron, run)
        return
    # A cadence that ends a moment ago, whatever the interval is.
    count = int((now - start).total_seconds() // told.interval)
    for step in range(count, -1, -1):
        jitter = numbers.uniform(0.0, 0.04) * told.interval
        yield now - timedelta(seconds=step * told.interval + jitter + 1)


def _outage_at(told: Told, at: datetime, now: datetime) -> Outage | None:
    for outage in told.outages:
        began = now - timedelta(days=outage.days_ago)
        if at >= began and (not outage.minutes or at < began + timedelta(minutes=outage.minutes)):
            return outage
    return None


def _latency(told: Told, at: datetime, numbers: random.Random) -> float | None:
    """Return a latency that follows the day, with a long tail."""
    if told.latency_ms is None:
        return None
    hour = at.hour + at.minute / 60
    day = 1 + 0.22 * math.sin((hour - 8) / 24 * 2 * math.pi)
    return round(told.latency_ms * day * math.exp(numbers.gauss(0, 0.16)), 1)


def _choose(texts: tuple[str, ...], numbers: random.Random) -> str | None:
    return numbers.choice(texts) if texts else None
