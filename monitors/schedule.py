"""Deadlines of a monitor: cron runs, windows, and the time in which nobody could listen.

Pure arithmetic without a framework: every function takes instants (aware datetimes) and
returns aware UTC datetimes; nothing here reads a clock or a database.

**Cron and clock changes.** The expression is matched against the wall clock of its zone.
What happens when that clock jumps follows Debian's cron, with one correction:

* A *fixed-time* job (neither the minute nor the hour field begins with ``*``) runs once for each
  wall time it names. A wall time that a forward jump skips moves forward by the jump (RFC 5545:
  02:30 becomes 03:30, where cron itself runs it at 03:00 as a catch-up); one that occurs twice
  means its first occurrence. Two wall times that land on one instant are one run.
* A *wildcard* job (``*/15 * * * *``, ``30 * * * *``, ``*/5 2 * * *``) runs at every real minute
  that matches: it keeps its rhythm through both passes of a repeated hour, and wall times that do
  not exist have no run.

**Gaps.** A ``Gap`` is time in which the installation could not accept pushes. Silence counts only
while we were listening, so gaps are added to every deadline that they overlap; a gap that covers
the expected push itself gives a fresh window, since that push was lost to us and the next one is a
whole cadence away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from accounts.zones import zone_names

CRON_LENGTH = 100
CRON_GRACE_DEFAULT_SECONDS = 300
CRON_GRACE_LEAST_SECONDS = 60

_MINUTE = timedelta(minutes=1)
# No zone has ever jumped by more than a day (Samoa skipped one), nor twice within one.
_DAY = timedelta(days=1)
_NOTHING = timedelta(0)
# The rarest date that cron can name (29 February on a given weekday) recurs within 40 years.
_HORIZON = timedelta(days=50 * 366)
# How far from its expected instant a healthy push is still taken for the expected one.
_SLACK_MOST = timedelta(seconds=60)


class InvalidSchedule(ValueError):  # noqa: N818 (it names the thing refused, not a failure)
    """Say which field of a schedule (``cron`` or ``timezone``) is refused, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Gap:
    """Hold one stretch of time in which no push could be accepted."""

    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Cron:
    """Hold a five-field expression and the IANA zone whose wall clock it names.

    Made by ``parse_cron``, or from stored values that once passed it.
    """

    expression: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Window:
    """Hold how long a monitor may be silent; with ``cron``, ``silent_after_seconds`` is ignored."""

    silent_after_seconds: int
    grace_seconds: int
    interval_seconds: int
    cron: Cron | None = None


def parse_cron(expression: str, timezone: str) -> Cron:
    """Return the checked schedule, its white space normalised.

    Five fields as in Debian's cron, plus ``L``, ``LW`` and ``MON#2``; no seconds, no ``@`` words.
    Raises InvalidSchedule for a bad expression, one that never comes, or an unknown zone.
    """
    cleaned = " ".join(expression.split())
    if len(cleaned) > CRON_LENGTH:
        raise InvalidSchedule("cron", f"may have at most {CRON_LENGTH} characters")
    if timezone not in zone_names():
        raise InvalidSchedule("timezone", "is not a known IANA time zone")
    if len(cleaned.split(" ")) != 5:
        raise InvalidSchedule("cron", "must have five fields: minute hour day month weekday")
    cron = Cron(cleaned, timezone)
    try:
        # The probe starts from a constant: what is accepted must not depend on today's date.
        _find_run(cron, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidSchedule("cron", f"is not valid: {error}") from error
    return cron


def next_run(cron: Cron, after: datetime) -> datetime:
    """Return the first run strictly after the given instant, in UTC.

    Raises InvalidSchedule if there is none within 50 years (never for a parsed schedule).
    """
    after = _utc(after)
    # Runs fall on whole minutes, so all instants within one minute share a cache entry. Offsets
    # with seconds (before 1972) break that: the cached run may then lie before `after`.
    run = _find_run_cached(cron, after.replace(second=0, microsecond=0))
    return run if run > after else _find_run(cron, after)


def effective_grace_seconds(window: Window) -> int:
    """Return the grace that applies: with a cron schedule 300 s unless set, and at least 60 s."""
    if window.cron is None:
        return window.grace_seconds
    if window.grace_seconds <= 0:
        return CRON_GRACE_DEFAULT_SECONDS
    return max(CRON_GRACE_LEAST_SECONDS, window.grace_seconds)


def due_at(
    window: Window, clock_from: datetime, gaps: Sequence[Gap], *, by_push: bool = True
) -> datetime:
    """Return the instant at which silence becomes an incident, in UTC.

    ``clock_from`` is the last accepted push, or a later resume or arming: then ``by_push=False``,
    since only a push can count for a cron run that is still to come. ``gaps`` may be unsorted,
    overlap, or lie anywhere; those before ``clock_from`` do not matter.
    """
    clock_from = _utc(clock_from)
    if window.cron is not None:
        run = _expected_run(window, window.cron, clock_from, gaps, by_push)
        return listened_until(run, effective_grace_seconds(window), gaps)
    seconds = window.silent_after_seconds + window.grace_seconds
    return _fixed_deadline(window, clock_from, seconds, gaps)


def late_from(
    window: Window, clock_from: datetime, gaps: Sequence[Gap], *, by_push: bool = True
) -> datetime | None:
    """Return the instant from which the monitor counts as late, or None if it has no grace.

    Arguments are those of ``due_at``; the result is never after it.
    """
    clock_from = _utc(clock_from)
    if window.cron is not None:
        return _expected_run(window, window.cron, clock_from, gaps, by_push)
    if window.grace_seconds <= 0:
        return None
    return _fixed_deadline(window, clock_from, window.silent_after_seconds, gaps)


def listened_until(start: datetime, seconds: int, gaps: Sequence[Gap]) -> datetime:
    """Return the instant at which we have listened for that many seconds since ``start``."""
    start = _utc(start)
    until = start + timedelta(seconds=seconds)
    for gap in _merged(gaps, start):
        if gap.started_at >= until:
            break
        until += gap.ended_at - max(gap.started_at, start)
    return until


def _fixed_deadline(
    window: Window, clock_from: datetime, seconds: int, gaps: Sequence[Gap]
) -> datetime:
    """Return when ``seconds`` of silence are over, lost expected pushes considered.

    1. A push is expected at every multiple of the interval after the last one, give or take a
       slack (a tenth of the interval, at most a minute): real senders jitter.
    2. An interval above silent_after says nothing of the true cadence (it is the default beside a
       short window): a push is then expected anywhere within the first silent_after.
    3. A gap that may have swallowed the expected push restarts the window at the gap's end, and
       the next multiple is awaited; any other gap extends the deadline by its length.
    4. A deadline that passed while we listened stays: later gaps do not move it.
    """
    length = timedelta(seconds=seconds)
    due = clock_from + length
    if not gaps:
        return due
    step: timedelta | None = None
    earliest, latest = clock_from, clock_from + timedelta(seconds=window.silent_after_seconds)
    if window.interval_seconds <= window.silent_after_seconds:
        step = timedelta(seconds=max(1, window.interval_seconds))
        slack = min(_SLACK_MOST, step / 10)
        earliest, latest = clock_from + step - slack, clock_from + step + slack
    for gap in _merged(gaps, clock_from):
        if gap.started_at >= due:
            break
        if gap.ended_at < earliest or gap.started_at > latest:
            due += gap.ended_at - max(gap.started_at, clock_from)
            continue
        due = gap.ended_at + length
        if step is not None:
            expected = earliest + (latest - earliest) / 2
            skipped = (max(0, (gap.ended_at - expected) // step) + 1) * step
            earliest, latest = earliest + skipped, latest + skipped
    return due


def _expected_run(
    window: Window, cron: Cron, clock_from: datetime, gaps: Sequence[Gap], by_push: bool
) -> datetime:
    """Return the run whose push is awaited: the coming one that no gap swallowed.

    A job whose run fell into a gap pushes again only at its next run, so that one is awaited: the
    fresh window of a cron schedule. The push follows its run, hence the slack is on that side.
    """
    run = _coming_run(cron, clock_from, effective_grace_seconds(window), by_push)
    for gap in _merged(gaps, clock_from):
        if gap.ended_at < run:
            continue
        slack = min(_SLACK_MOST, (next_run(cron, run) - run) / 10)
        if gap.started_at >= run + slack:
            break
        run = next_run(cron, max(run, gap.ended_at))
    return run


def _coming_run(cron: Cron, clock_from: datetime, grace_seconds: int, by_push: bool) -> datetime:
    """Return the first run that a push at ``clock_from`` has not already served.

    A push up to min(grace, 10% of the period) early counts for the coming run. The period is the
    smaller of the distances from that run to its neighbours: of runs at 03:00 and 04:00, a late
    push of the first must not serve the second because the third is a day away.
    """
    run = next_run(cron, clock_from)
    if not by_push:
        return run
    following = next_run(cron, run)
    early = run - clock_from
    is_early = early <= min(timedelta(seconds=grace_seconds), (following - run) / 10)
    # No other run within ten times the earliness: the distance before is large enough too.
    if is_early and next_run(cron, run - 10 * early) == run:
        return following
    while _was_caught_up(cron, run, clock_from):
        run = next_run(cron, run)
    return run


def _was_caught_up(cron: Cron, run: datetime, pushed_at: datetime) -> bool:
    """Return whether a push came between a clock's forward jump and a run that the jump moved.

    We expect a skipped 02:30 at 03:30, but cron daemons catch up at 03:00: such a push is the
    run's own, not an early one, and must not be followed by a page at 03:30.
    """
    zone = ZoneInfo(cron.timezone)
    jump = _offset(run, zone) - _offset(run - _DAY, zone)
    if run - pushed_at >= jump or _offset(pushed_at, zone) != _offset(run, zone):
        return False
    wall = _wall(run, zone)
    return next(CronSim(cron.expression, wall - _MINUTE)) != wall


@lru_cache(maxsize=16_384)
def _find_run_cached(cron: Cron, minute: datetime) -> datetime:
    return _find_run(cron, minute)


def _find_run(cron: Cron, after: datetime) -> datetime:
    """Return the earliest instant after ``after`` at which the job runs.

    cronsim supplies the matching wall times (as naive datetimes, where it knows no zones); zones
    are ours:

    1. Start at the wall time of ``after``, set back by as much as a run still ahead can have a
       smaller wall time: a fixed-time run that a jump within the last day moved forward, or a
       wildcard run in the second pass of an hour that is about to repeat.
    2. Turn each wall time into its instants and keep the earliest one that lies ahead.
    3. Stop at the first later wall time that exists and lies ahead: the rest come after it.
    """
    zone = ZoneInfo(cron.timezone)
    minute, hour = cron.expression.split()[:2]
    is_fixed_time = not (minute.startswith("*") or hour.startswith("*"))
    wall_after = _wall(after, zone)
    neighbour = after - _DAY if is_fixed_time else after + _DAY
    set_back = max(_NOTHING, _offset(after, zone) - _offset(neighbour, zone))
    earliest: datetime | None = None
    for wall in CronSim(cron.expression, wall_after - set_back):
        if wall - wall_after > _HORIZON:
            break
        # fold=0 reads a wall time in a gap with the offset from before the jump, which is
        # exactly "moved forward by the gap"; it then shows a different wall time.
        first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        exists = _wall(first, zone) == wall
        instants = [first] if exists or is_fixed_time else []
        if exists and not is_fixed_time:
            instants.append(wall.replace(tzinfo=zone, fold=1).astimezone(UTC))
        ahead = [at for at in instants if at > after]
        if not ahead:
            continue
        earliest = min(ahead) if earliest is None else min(earliest, *ahead)
        if exists and wall > wall_after:
            return earliest
    if earliest is None:
        raise InvalidSchedule("cron", "never comes")
    return earliest


def _merged(gaps: Sequence[Gap], start: datetime) -> list[Gap]:
    """Return the gaps that reach past ``start``, in order, those that meet made one."""
    merged: list[Gap] = []
    relevant = (Gap(_utc(g.started_at), _utc(g.ended_at)) for g in gaps if g.ended_at > start)
    for gap in sorted(relevant, key=lambda g: g.started_at):
        if gap.ended_at <= gap.started_at:
            continue
        if merged and gap.started_at <= merged[-1].ended_at:
            last = merged.pop()
            gap = Gap(last.started_at, max(last.ended_at, gap.ended_at))
        merged.append(gap)
    return merged


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a naive datetime names no instant")
    return at.astimezone(UTC)


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or _NOTHING
