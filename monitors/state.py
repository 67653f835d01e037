"""The rules by which pushes and silence change a monitor.

This is the specification: the recorder applies the same rules in one SQL statement, and a
property test drives both with the same histories.

**What does not sit here.** Maintenance windows and flapping never change a state: states go on as
written below, and every change is a transition. Both decide only in ``incidents``, where a
transition is turned into an incident: maintenance holds an incident back until the window ends,
flapping keeps one open. A rule of theirs that seems to need a line here is in the wrong place.

``late`` is not a state either: ``shown_state`` works it out when a monitor is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

COUNT_MOST = 1_000_000
LATE = "late"


class State(StrEnum):
    """Name what is known of a monitor."""

    PENDING = "pending"
    UP = "up"
    DOWN = "down"
    PAUSED = "paused"


class Cause(StrEnum):
    """Name why a monitor is down."""

    SILENCE = "silence"
    FAILURE = "failure"
    LATENCY = "latency"


class PushKind(StrEnum):
    """Name how a push is judged; ``slow`` is a pass above the latency limit."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold a monitor's thresholds; counts are 1 or more, the limit is in milliseconds."""

    failures_to_open: int = 1
    passes_to_close: int = 1
    latency_limit_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold what a monitor's past amounts to.

    ``cause`` is the first cause of the present incident, ``open_causes`` all of them so far; both
    are empty unless the state is down. At most one of the three counts is above zero.
    """

    state: State = State.PENDING
    cause: Cause | None = None
    open_causes: frozenset[Cause] = frozenset()
    consecutive_fails: int = 0
    consecutive_slow: int = 0
    consecutive_passes: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """Hold one transition row.

    From down to down it reports a later cause: an event on the incident's timeline that pages
    nobody anew.
    """

    from_state: State
    to_state: State
    cause: Cause | None = None


def push_kind(status: str, latency_ms: float | None, rules: Rules) -> PushKind:
    """Return how a push counts: a pass is slow only strictly above the limit, a fail never is."""
    if PushKind(status) is PushKind.FAIL:
        return PushKind.FAIL
    limit = rules.latency_limit_ms
    if limit is not None and latency_ms is not None and latency_ms > limit:
        return PushKind.SLOW
    return PushKind.PASS


def after_push(standing: Standing, kind: PushKind, rules: Rules) -> tuple[Standing, Change | None]:
    """Return the standing after an accepted push, and the transition if there is one.

    1. A paused monitor keeps its standing.
    2. Each kind counts up its own row and breaks the other two.
    3. Fails or slow passes in a row that reach failures_to_open open their cause: down, or a
       later cause if it is down already. Slow passes close nothing.
    4. Passes in a row that reach passes_to_close bring a down monitor up.
    5. The first push ends pending whatever it says: up, unless it opened a cause.
    """
    if standing.state is State.PAUSED:
        return standing, None
    counted = replace(
        standing,
        consecutive_fails=_one_more(standing.consecutive_fails, kind is PushKind.FAIL),
        consecutive_slow=_one_more(standing.consecutive_slow, kind is PushKind.SLOW),
        consecutive_passes=_one_more(standing.consecutive_passes, kind is PushKind.PASS),
    )
    if kind is PushKind.FAIL and counted.consecutive_fails >= rules.failures_to_open:
        return _with_cause(counted, Cause.FAILURE)
    if kind is PushKind.SLOW and counted.consecutive_slow >= rules.failures_to_open:
        return _with_cause(counted, Cause.LATENCY)
    closes = kind is PushKind.PASS and counted.consecutive_passes >= rules.passes_to_close
    if standing.state is State.PENDING or (standing.state is State.DOWN and closes):
        up = replace(counted, state=State.UP, cause=None, open_causes=frozenset())
        return up, Change(standing.state, State.UP)
    return counted, None


def after_silence(standing: Standing) -> tuple[Standing, Change | None]:
    """Return the standing once the due time has passed, and the transition if there is one.

    The caller has made sure that a pending monitor is armed. Silence breaks a row of passes, so
    recovery needs all of passes_to_close anew; it neither adds to nor breaks fails and slow ones.
    """
    if standing.state is State.PAUSED:
        return standing, None
    return _with_cause(replace(standing, consecutive_passes=0), Cause.SILENCE)


def after_pause(standing: Standing) -> tuple[Standing, Change | None]:
    """Return the paused standing (its incident ends), or no change if it was paused already."""
    if standing.state is State.PAUSED:
        return standing, None
    paused = replace(standing, state=State.PAUSED, cause=None, open_causes=frozenset())
    return paused, Change(standing.state, State.PAUSED)


def after_resume(standing: Standing, ever_pushed: bool) -> tuple[Standing, Change | None, bool]:
    """Return the standing, the transition, and whether the silence clock starts (armed).

    A resumed monitor is pending with counters at zero, and armed if it was ever pushed to. One
    that was not paused stays as it is: no change, and its clock is left alone.
    """
    if standing.state is not State.PAUSED:
        return standing, None, False
    return Standing(), Change(State.PAUSED, State.PENDING), ever_pushed


def shown_state(
    state: State, late_from: datetime | None, due_at: datetime | None, now: datetime
) -> str:
    """Return the state as readers see it: ``late`` for an up monitor within its grace."""
    if state is not State.UP or late_from is None or due_at is None:
        return state.value
    return LATE if late_from <= now < due_at else state.value


def _one_more(count: int, counts: bool) -> int:
    return min(count + 1, COUNT_MOST) if counts else 0


def _with_cause(standing: Standing, cause: Cause) -> tuple[Standing, Change | None]:
    """Return the standing with a cause opened: the first one stays the incident's cause."""
    if cause in standing.open_causes:
        return standing, None
    down = replace(
        standing,
        state=State.DOWN,
        cause=standing.cause or cause,
        open_causes=standing.open_causes | {cause},
    )
    return down, Change(standing.state, State.DOWN, cause)
