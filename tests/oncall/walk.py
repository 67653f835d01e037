"""Who is on call, found the slow way: minute by minute, and from clocks that only run forward.

Nothing of `incidents.oncall.schedule` is used but its data classes. A wall-clock time becomes an
instant by looking for it on the zone's clock, which is read from instants alone; what begins when
is dateutil's. Every definition is on whole minutes, so a minute has one person.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from dateutil import rrule

from incidents.oncall.schedule import Layer, Schedule

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# What gave a minute to somebody; minutes in a row with the same are of one shift.
Source = tuple[Hashable, ...]


@lru_cache(maxsize=100_000)
def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the zone's clock first shows `local`; if it never does, moved by the gap."""
    middle = local.replace(tzinfo=UTC)
    scan = [middle + number * timedelta(hours=1) for number in range(-28, 28)]
    shown = [(at, at.astimezone(zone).replace(tzinfo=None)) for at in scan]
    offsets = {wall - at.replace(tzinfo=None) for at, wall in shown}
    hits = [
        middle - offset
        for offset in offsets
        if (middle - offset).astimezone(zone).replace(tzinfo=None) == local
    ]
    if hits:
        return min(hits)
    at, wall = max(row for row in shown if row[1] < local)
    return middle - (wall - at.replace(tzinfo=None))


class Walk:
    """A schedule between two instants, worked out minute by minute."""

    def __init__(self, schedule: Schedule, since: datetime, until: datetime) -> None:
        self.schedule, self.since, self.until = schedule, since, until
        self._turns = [self._turns_of(layer) for layer in schedule.layers]
        self._hours = [self._hours_of(layer) for layer in schedule.layers]
        self.minutes = {at: self._source(at) for at in _minutes(since, until)}

    def member(self, at: datetime) -> Hashable | None:
        """Return who is on call in the minute that begins at `at`."""
        source = self.minutes[at]
        return source[-1] if source else None

    def shifts(self) -> list[tuple[datetime, datetime, Hashable]]:
        """Return the runs of minutes from one source, cut off at both ends."""
        runs: list[tuple[datetime, datetime, Hashable]] = []
        previous: Source | None = None
        for at, source in self.minutes.items():
            if source is not None and source == previous:
                runs[-1] = runs[-1][0], at + MINUTE, source[-1]
            elif source is not None:
                runs.append((at, at + MINUTE, source[-1]))
            previous = source
        return runs

    def changes(self) -> list[datetime]:
        """Return the minutes that are of another source than the one before."""
        return [b for a, b in pairwise(self.minutes) if self.minutes[a] != self.minutes[b]]

    def _turns_of(self, layer: Layer) -> list[tuple[datetime, int]]:
        """Return when turns begin, with their numbers; of those that begin together the last."""
        zone = self.schedule.zone
        if layer.unit == "hour":
            step, begin = timedelta(hours=layer.length), instant(layer.handoff, zone)
            number = (self.since - begin) // step
            found = []
            while begin + number * step < self.until:
                found.append((begin + number * step, number))
                number += 1
            return found
        step = {"day": DAY, "week": 7 * DAY}[layer.unit] * layer.length
        far = (layer.handoff - self.since.replace(tzinfo=None)) // step + 3
        back = max(far, 0)
        begins = rrule.rrule(
            {"day": rrule.DAILY, "week": rrule.WEEKLY}[layer.unit],
            interval=layer.length,
            dtstart=layer.handoff - back * step,
            until=self.until.replace(tzinfo=None) + 3 * DAY,
        )
        near = self.since.replace(tzinfo=None) - step - 3 * DAY
        numbered = {
            instant(local, zone): number - back
            for number, local in enumerate(begins)
            if local >= near
        }
        return sorted(numbered.items())

    def _hours_of(self, layer: Layer) -> set[datetime] | None:
        """Return the minutes in which the layer is active; None for all."""
        if not layer.restrictions:
            return None
        active: set[datetime] = set()
        first, last = self.since.date() - 4 * DAY, self.until.date() + 4 * DAY
        for day in rrule.rrule(rrule.DAILY, dtstart=first, until=last):
            for hours in layer.restrictions:
                if day.weekday() in hours.weekdays:
                    start = datetime.combine(day, hours.start)
                    end = datetime.combine(day, hours.end)
                    end += DAY if end <= start else timedelta()
                    zone = self.schedule.zone
                    active.update(_minutes(instant(start, zone), instant(end, zone)))
        return active

    def _source(self, at: datetime) -> Source | None:
        for override in self.schedule.overrides:
            if override.start <= at < override.end:
                return ("override", override.id, override.member)
        for index in reversed(range(len(self.schedule.layers))):
            layer, hours = self.schedule.layers[index], self._hours[index]
            if any(layer.members) and (hours is None or at in hours):
                turn = self._turns[index][bisect_right(self._turns[index], (at, 10**9)) - 1][1]
                place = (turn + layer.offset) % len(layer.members)
                row = layer.members[place:] + layer.members[:place]
                return ("layer", index, turn, next(filter(None, row)))
        return None


def _minutes(since: datetime, until: datetime) -> list[datetime]:
    return [since + number * MINUTE for number in range(max(0, (until - since) // MINUTE))]
