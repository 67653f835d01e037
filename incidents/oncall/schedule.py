"""Who is on call: a function of a rotation's definition and an instant.

A layer's turns have no beginning and no end: turn 0 begins at the hand-off, turn -1 ends there.
Days and weeks are counted on the wall clock of the zone, hours by elapsed time. A wall-clock time
that a zone skips is moved forward by the gap, one that comes twice is its first; so a whole day
that is skipped makes a turn without length, which nobody sees.

How the answer for one instant is found:

1. An override that holds it wins; else the highest layer that is active then and has somebody.
2. The layer's turn is estimated on the wall clock and then corrected, however long ago the
   hand-off was.
3. The shift is that turn, within the layer's united hours, between the nearest covers above it.

All instants given and returned are aware, and are compared and subtracted in UTC alone: two times
of one zone would be subtracted by their wall clocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

LONGEST_SHIFT = timedelta(weeks=54)
_DAY = timedelta(days=1)
_UNITS = {"hour": timedelta(hours=1), "day": _DAY, "week": timedelta(weeks=1)}
_REACHES = (timedelta(days=2), timedelta(days=10), timedelta(days=60), timedelta(days=500))

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Restriction:
    """Hours of the week in which a layer is active; 0 is Monday.

    An `end` that is not after `start` is on the day after: midnight as the end is 24:00.
    """

    weekdays: frozenset[int]
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of turns of `length` units; the slot `offset` begins at `handoff`, a wall-clock time.

    A slot of None is empty: the next that is not takes its turns.
    """

    unit: str
    length: int
    handoff: datetime
    members: tuple[Hashable | None, ...]
    offset: int = 0
    restrictions: tuple[Restriction, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        return all(member is None for member in self.members)


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody who takes over from `start` until `end`, above all layers. Two never overlap."""

    start: datetime
    end: datetime
    member: Hashable
    id: Hashable


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rotation: of several layers a later one is higher and wins where it has somebody."""

    zone: ZoneInfo
    layers: tuple[Layer, ...]
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Shift:
    """A person's time on call, [start, end), and what gave it to them: a layer or an override."""

    start: datetime
    end: datetime
    member: Hashable
    layer: int | None
    override: Hashable | None


def on_call(schedule: Schedule, at: datetime) -> Shift | None:
    """Return the shift that holds `at`, whole; None if nobody is on call."""
    at = at.astimezone(UTC)
    covers: list[Interval] = []
    for override in schedule.overrides:
        start, end = override.start.astimezone(UTC), override.end.astimezone(UTC)
        if start <= at < end:
            return Shift(start, end, override.member, None, override.id)
        covers.append((start, end))
    above: list[Layer] = []
    for index in reversed(range(len(schedule.layers))):
        layer = schedule.layers[index]
        if layer.is_empty:
            continue
        turn = turn_at(layer, schedule.zone, at)
        start, end = _turn_bounds(layer, schedule.zone, turn)
        around = _look_around(layer, schedule.zone, at, start, end)
        if around.window is None:
            above.append(layer)
            continue
        start, end = max(start, around.window[0]), min(end, around.window[1])
        start = max([start, *(until for _, until in covers if until <= at)])
        end = min([end, *(since for since, _ in covers if since > at)])
        for higher in above:
            around = _look_around(higher, schedule.zone, at, start, end)
            start = max(start, around.last_end or start)
            end = min(end, around.next_start or end)
        return Shift(start, end, member_of(layer, turn), index, None)
    return None


def shifts(schedule: Schedule, since: datetime, until: datetime) -> list[Shift]:
    """Return the shifts that overlap [since, until), in order, with their real start and end."""
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    if since >= until:
        return []
    found: list[Shift] = []
    free: list[Interval] = [(since, until)]
    sources = [_override_pieces(schedule, since, until)]
    sources += [
        _layer_pieces(schedule, index, since, until)
        for index in reversed(range(len(schedule.layers)))
    ]
    for source in sources:
        if not free:
            break
        pieces = list(source)
        found += _within(pieces, free)
        free = _without(free, pieces)
    found.sort(key=lambda shift: shift.start)
    # Only at the two ends can one have been cut off.
    for edge in (0, -1) if found else ():
        whole = on_call(schedule, found[edge].start)
        assert whole is not None
        found[edge] = whole
    return found


def next_change(schedule: Schedule, at: datetime) -> datetime | None:
    """Return when the shift that holds `at` ends, or the next one begins; None if none ever does.

    The same person may go on after it.
    """
    at = at.astimezone(UTC)
    present = on_call(schedule, at)
    if present is not None:
        return present.end
    coming = [override.start.astimezone(UTC) for override in schedule.overrides]
    for layer in schedule.layers:
        if not layer.is_empty:
            around = _look_around(layer, schedule.zone, at, at, at + _REACHES[-1])
            if around.next_start is not None:
                coming.append(around.next_start)
    return min((start for start in coming if start > at), default=None)


def turn_at(layer: Layer, zone: ZoneInfo, at: datetime) -> int:
    """Return the number of the layer's turn that holds `at`; turn 0 begins at the hand-off."""
    length = _UNITS[layer.unit] * layer.length
    if layer.unit == "hour":
        return (at - resolve(layer.handoff, zone)) // length
    turn = (at.astimezone(zone).replace(tzinfo=None) - layer.handoff) // length
    while _turn_start(layer, zone, turn) > at:
        turn -= 1
    while _turn_start(layer, zone, turn + 1) <= at:
        turn += 1
    return turn


def slot_of(layer: Layer, turn: int) -> int | None:
    """Return the index of the slot whose member takes the turn; None if all are empty."""
    count = len(layer.members)
    for step in range(count):
        slot = (turn + layer.offset + step) % count
        if layer.members[slot] is not None:
            return slot
    return None


def member_of(layer: Layer, turn: int) -> Hashable | None:
    """Return who takes the turn; None if all slots are empty."""
    slot = slot_of(layer, turn)
    return None if slot is None else layer.members[slot]


def resolve(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall-clock time: moved forward in a gap, the first of two."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _turn_start(layer: Layer, zone: ZoneInfo, turn: int) -> datetime:
    length = _UNITS[layer.unit] * layer.length
    if layer.unit == "hour":
        return resolve(layer.handoff, zone) + turn * length
    return resolve(layer.handoff + turn * length, zone)


def _turn_bounds(layer: Layer, zone: ZoneInfo, turn: int) -> Interval:
    return _turn_start(layer, zone, turn), _turn_start(layer, zone, turn + 1)


@dataclass(frozen=True, slots=True)
class _Around:
    """What a layer's hours are near an instant: the window that holds it, or those beside it."""

    window: Interval | None
    last_end: datetime | None = None
    next_start: datetime | None = None


def _look_around(
    layer: Layer, zone: ZoneInfo, at: datetime, low: datetime, high: datetime
) -> _Around:
    """Return the layer's hours around `at` as far as they matter between `low` and `high`.

    It looks near first and then farther, since hours that touch each other day after day are one
    window without an end.
    """
    if not layer.restrictions:
        return _Around((low, high))
    for reach in _REACHES:
        start, end = max(low, at - reach), min(high, at + reach)
        windows = _windows(layer, zone, start, end)
        window = next((w for w in windows if w[0] <= at < w[1]), None)
        last_end = max((w[1] for w in windows if w[1] <= at), default=None)
        next_start = min((w[0] for w in windows if w[0] > at), default=None)
        if window is not None:
            begins, ends = window[0] > start, window[1] < end
        else:
            begins, ends = last_end is not None, next_start is not None
        if (begins or start == low) and (ends or end == high):
            break
    return _Around(window, last_end, next_start)


def _windows(layer: Layer, zone: ZoneInfo, since: datetime, until: datetime) -> list[Interval]:
    """Return the layer's united hours that touch [since, until], true between these two."""
    # A window lasts a day at most, and a zone can skip or repeat another.
    first = since.astimezone(zone).date() - 3 * _DAY
    days = (until.astimezone(zone).date() - first).days + 3
    found = [
        (start, end)
        for day in (first + number * _DAY for number in range(days))
        for start, end in _windows_of(layer, zone, day)
        if start < end and start <= until and end >= since
    ]
    return _unite(found)


def _windows_of(layer: Layer, zone: ZoneInfo, day: date) -> Iterator[Interval]:
    for restriction in layer.restrictions:
        if day.weekday() in restriction.weekdays:
            last = day if restriction.end > restriction.start else day + _DAY
            yield (
                resolve(datetime.combine(day, restriction.start), zone),
                resolve(datetime.combine(last, restriction.end), zone),
            )


def _unite(intervals: list[Interval]) -> list[Interval]:
    united: list[Interval] = []
    for start, end in sorted(intervals):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united


def _override_pieces(schedule: Schedule, since: datetime, until: datetime) -> Iterator[Shift]:
    for override in sorted(schedule.overrides, key=lambda override: override.start):
        start = max(since, override.start.astimezone(UTC))
        end = min(until, override.end.astimezone(UTC))
        if start < end:
            yield Shift(start, end, override.member, None, override.id)


def _layer_pieces(
    schedule: Schedule, index: int, since: datetime, until: datetime
) -> Iterator[Shift]:
    """Yield what the layer alone would give between `since` and `until`, cut off at both."""
    layer, zone = schedule.layers[index], schedule.zone
    if layer.is_empty:
        return
    windows = [(since, until)]
    if layer.restrictions:
        windows = _windows(layer, zone, since, until)
    for start, end in windows:
        start, end = max(start, since), min(end, until)
        if start >= end:
            continue
        turn = turn_at(layer, zone, start)
        while start < end:
            stop = min(end, _turn_start(layer, zone, turn + 1))
            if start < stop:
                yield Shift(start, stop, member_of(layer, turn), index, None)
            start, turn = stop, turn + 1


def _within(pieces: list[Shift], free: list[Interval]) -> Iterator[Shift]:
    """Yield the parts of the pieces that lie in the free intervals; both are in order."""
    number = 0
    for piece in pieces:
        while number < len(free) and free[number][1] <= piece.start:
            number += 1
        for start, end in islice(free, number, None):
            if start >= piece.end:
                break
            begins, ends = max(start, piece.start), min(end, piece.end)
            yield Shift(begins, ends, piece.member, piece.layer, piece.override)


def _without(free: list[Interval], pieces: Iterable[Shift]) -> list[Interval]:
    """Return the free intervals without what the pieces cover."""
    left: list[Interval] = []
    covers = _unite([(piece.start, piece.end) for piece in pieces])
    number = 0
    for start, end in free:
        while number < len(covers) and covers[number][1] <= start:
            number += 1
        position = number
        while position < len(covers) and covers[position][0] < end:
            if start < covers[position][0]:
                left.append((start, covers[position][0]))
            start = max(start, covers[position][1])
            position += 1
        if start < end:
            left.append((start, end))
    return left
