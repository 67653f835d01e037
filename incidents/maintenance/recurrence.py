"""Recurrence rules of RFC 5545 by whole days, read from text and walked date by date.

Only rules that name days are taken: an occurrence begins at the wall-clock time of the first one.
The walk is ours because it must be bounded: a library that looks for the next date of a rule which
has none goes on to the year 9999, and a rule is anybody's text. The tests compare it with
python-dateutil and with the definition, day by day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

MOST_RULE = 500
MOST_INTERVAL = 1000
MOST_COUNT = 10_000
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAY = timedelta(days=1)
_INTEGER = re.compile(r"[+-]?[0-9]{1,5}")
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")


class BadWindow(ValueError):  # noqa: N818 - it names what happened
    """A window that is refused; `field` says for which of its parts, the text says why."""

    def __init__(self, text: str, field: str = "rrule") -> None:
        super().__init__(text)
        self.field = field


class BadRule(BadWindow):
    """A recurrence rule that is refused."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence rule as it was read; an empty `by_…` does not limit.

    `until` is inclusive: the last date, or a time, in UTC if it has a zone and else on the wall.
    """

    freq: str
    interval: int = 1
    count: int | None = None
    until: date | datetime | None = None
    by_day: frozenset[tuple[int, int]] = frozenset()  # (n or 0 for every one, weekday)
    by_month_day: frozenset[int] = frozenset()
    by_month: frozenset[int] = frozenset()
    by_set_pos: frozenset[int] = frozenset()
    week_start: int = 0

    def dates(self, first: date, *, since: date, until: date) -> Iterator[date]:
        """Yield the dates that the pattern has from the later of `first` and `since` to `until`.

        `first` sets the phase of the interval and what the rule leaves open. COUNT and UNTIL are
        the caller's to apply. Bounded by the days from the earliest to `until`.
        """
        begin = max(first, since)
        rule = self._completed(first)
        for start, end in rule._periods(first, begin):
            if start > until:
                return
            for day in rule._chosen(start, end):
                if begin <= day <= until:
                    yield day

    def _completed(self, first: date) -> Rule:
        """Return the rule with what it leaves open taken from the first date."""
        if self.by_month_day or self.by_day or self.freq == "DAILY":
            return self
        if self.freq == "WEEKLY":
            return replace(self, by_day=frozenset({(0, first.weekday())}))
        months = self.by_month
        if self.freq == "YEARLY" and not months:
            months = frozenset({first.month})
        return replace(self, by_month_day=frozenset({first.day}), by_month=months)

    def _periods(self, first: date, begin: date) -> Iterator[tuple[date, date]]:
        """Yield the first and last day of every period of the interval that ends past `begin`."""
        if self.freq in ("DAILY", "WEEKLY"):
            days = 1 if self.freq == "DAILY" else 7
            origin = first - timedelta(days=(first.weekday() - self.week_start) % 7)
            start, step = (first if days == 1 else origin), timedelta(days=days * self.interval)
            start += max(0, (begin - start) // step) * step
            while True:
                yield start, start + timedelta(days=days - 1)
                start += step
        months = 1 if self.freq == "MONTHLY" else 12
        origin_month = first.year * 12 + (first.month - 1 if months == 1 else 0)
        skipped = begin.year * 12 + begin.month - 1 - origin_month
        every = months * self.interval
        number = origin_month + max(0, skipped // every) * every
        while number < 9000 * 12:
            yield _month(number), _month(number + months) - _DAY
            number += every

    def _chosen(self, start: date, end: date) -> list[date]:
        """Return what a period holds, in order."""
        found = [day for day in self._candidates(start, end) if self._fits(day)]
        if not self.by_set_pos:
            return found
        places, size = self.by_set_pos, len(found)
        return [day for i, day in enumerate(found) if i + 1 in places or i - size in places]

    def _candidates(self, start: date, end: date) -> Iterator[date]:
        """Yield the days of a period that are in the months of the rule."""
        months = self.by_month
        if start.month == end.month and start.year == end.year:
            if months and start.month not in months:
                return
        elif self.freq == "YEARLY" and months:
            for month in sorted(months):
                number = start.year * 12 + month - 1
                yield from _days(_month(number), _month(number + 1) - _DAY)
            return
        for day in _days(start, end):
            if not months or day.month in months:
                yield day

    def _fits(self, day: date) -> bool:
        if self.by_month_day and day.day not in self.by_month_day:
            length = (_month(day.year * 12 + day.month) - _DAY).day
            if day.day - length - 1 not in self.by_month_day:
                return False
        if not self.by_day:
            return True
        weekday = day.weekday()
        if (0, weekday) in self.by_day:
            return True
        if self.freq in ("DAILY", "WEEKLY"):
            return False
        places = _places(day, in_year=self.freq == "YEARLY" and not self.by_month)
        return any((nth, weekday) in self.by_day for nth in places)


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=i) for i in range((end - start).days + 1))


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _places(day: date, *, in_year: bool) -> tuple[int, int]:
    """Return which of its weekday a day is, from the front and from the back."""
    if in_year:
        start, after = date(day.year, 1, 1), date(day.year + 1, 1, 1)
    else:
        number = day.year * 12 + day.month
        start, after = day.replace(day=1), _month(number)
    return (day - start).days // 7 + 1, -((after - _DAY - day).days // 7 + 1)


def takes(moment: datetime, until: date | datetime | None, wall: datetime) -> bool:
    """Return whether an occurrence at `moment`, on the wall at `wall`, is not past `until`."""
    if until is None:
        return True
    if not isinstance(until, datetime):
        return wall.date() <= until
    return wall <= until if until.tzinfo is None else moment <= until


@dataclass(slots=True)
class _Parts:
    """The parts of a rule's text while they are read."""

    values: dict[str, str] = field(default_factory=dict)

    def integer(self, name: str, most: int) -> int | None:
        """Return a positive integer. Raises BadRule."""
        if name not in self.values:
            return None
        text = self.values[name]
        if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= most:
            raise BadRule(f"{name} must be an integer from 1 to {most:,}.")
        return int(text)

    def integers(self, name: str, most: int, *, negative: bool = True) -> frozenset[int]:
        """Return a list of integers but 0. Raises BadRule."""
        if name not in self.values:
            return frozenset()
        found = set()
        for text in self.values[name].split(","):
            number = int(text) if _INTEGER.fullmatch(text) else 0
            if not 1 <= abs(number) <= most or (number < 0 and not negative):
                span = f"1 to {most}" + (f" or -{most} to -1" if negative else "")
                raise BadRule(f"{name} must be integers from {span}, with commas between them.")
            found.add(number)
        return frozenset(found)


_NAMES = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"}
)
_REFUSED = frozenset({"BYSECOND", "BYMINUTE", "BYHOUR", "BYYEARDAY", "BYWEEKNO"})


def clean_rrule(text: str) -> str:
    """Return a rule's text as it is kept: in capitals, without "RRULE:" in front."""
    return text.strip().upper().removeprefix("RRULE:")


def read_rrule(text: str) -> Rule:
    """Return the rule that a text says. Raises BadRule with a sentence for a person (RFC 5545)."""
    if len(text) > MOST_RULE:
        raise BadRule(f"A rule has at most {MOST_RULE} characters.")
    parts = _split(clean_rrule(text))
    freq = parts.values["FREQ"]
    if freq not in _FREQUENCIES:
        known = freq in ("HOURLY", "MINUTELY", "SECONDLY")
        said = f"FREQ={freq} is not supported" if known else "FREQ is unknown"
        raise BadRule(f"{said}: use DAILY, WEEKLY, MONTHLY or YEARLY.")
    if "COUNT" in parts.values and "UNTIL" in parts.values:
        raise BadRule("Give COUNT or UNTIL, not both.")
    rule = Rule(
        freq=freq,
        interval=parts.integer("INTERVAL", MOST_INTERVAL) or 1,
        count=parts.integer("COUNT", MOST_COUNT),
        until=_read_until(parts.values.get("UNTIL")),
        by_day=_read_weekdays(parts.values.get("BYDAY"), freq),
        by_month_day=parts.integers("BYMONTHDAY", 31),
        by_month=parts.integers("BYMONTH", 12, negative=False),
        by_set_pos=parts.integers("BYSETPOS", 366),
        week_start=_read_week_start(parts.values.get("WKST", "MO")),
    )
    if rule.by_month_day and freq == "WEEKLY":
        raise BadRule("BYMONTHDAY does not go with FREQ=WEEKLY.")
    if rule.by_set_pos and not (rule.by_day or rule.by_month_day or rule.by_month):
        raise BadRule("BYSETPOS needs BYDAY, BYMONTHDAY or BYMONTH beside it.")
    return rule


def _split(text: str) -> _Parts:
    if "\n" in text or "\r" in text:
        raise BadRule("Give one rule on one line.")
    for word in ("DTSTART", "DTEND", "EXDATE", "RDATE", "EXRULE"):
        if text.startswith(word) or f";{word}" in text:
            raise BadRule(f"{word} is not part of a rule: give only what follows “RRULE:”.")
    parts = _Parts()
    for piece in text.removesuffix(";").split(";"):
        name, sign, value = piece.partition("=")
        if not sign or not value:
            raise BadRule("Write parts as NAME=VALUE with semicolons between them.")
        if name in _REFUSED:
            raise BadRule(f"{name} is not supported.")
        if name not in _NAMES:
            raise BadRule("There is a part that RFC 5545 does not know.")
        if name in parts.values:
            raise BadRule(f"{name} is given twice.")
        parts.values[name] = value
    if "FREQ" not in parts.values:
        raise BadRule("FREQ is missing: a rule begins with FREQ=DAILY, for example.")
    return parts


def _read_until(text: str | None) -> date | datetime | None:
    if text is None:
        return None
    said = _UNTIL.fullmatch(text)
    try:
        day = date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:8]}") if said else None
        at = f"{text[9:11]}:{text[11:13]}:{text[13:15]}" if said and said[1] else None
        clock = time.fromisoformat(at) if at else None
    except ValueError:
        day = None
    if day is None:
        raise BadRule("UNTIL must be a date, 20270331, or a UTC time, 20270331T220000Z.")
    if clock is None:
        return day
    return datetime.combine(day, clock, tzinfo=UTC if text.endswith("Z") else None)


def _read_weekdays(text: str | None, freq: str) -> frozenset[tuple[int, int]]:
    if text is None:
        return frozenset()
    most = 53 if freq == "YEARLY" else 5
    found = set()
    for part in text.split(","):
        match = _WEEKDAY.fullmatch(part)
        if match is None:
            raise BadRule("BYDAY must be days such as MO,TH or, by the month, 1MO or -1FR.")
        nth = int(match[1] or 0)
        if match[1] and (freq in ("DAILY", "WEEKLY") or not 1 <= abs(nth) <= most):
            where = f"with FREQ={freq}" if freq in ("DAILY", "WEEKLY") else f"beyond {most}"
            raise BadRule(f"A number in BYDAY does not go {where}.")
        found.add((nth, WEEKDAYS.index(match[2])))
    return frozenset(found)


def _read_week_start(text: str) -> int:
    if text not in WEEKDAYS:
        raise BadRule(f"WKST must be one of {', '.join(WEEKDAYS)}.")
    return WEEKDAYS.index(text)


def occurs_after(rule: Rule, first: date, *, days: int) -> bool:
    """Return whether the pattern has a date in the `days` after the first."""
    found = rule.dates(first, since=first + _DAY, until=first + timedelta(days=days))
    return next(found, None) is not None
