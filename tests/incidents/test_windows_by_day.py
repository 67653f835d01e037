"""Occurrences against an oracle: the definition, walked day by day."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.maintenance.recurrence import WEEKDAYS, Rule, read_rrule
from incidents.maintenance.windows import Window, spans
from tests.incidents.windows import DAY, ZONES


def has_day(rule: Rule, day: date, first: date) -> bool:
    """Whether RFC 5545's pattern, from `first`, has a day: straight from the text of the RFC."""
    if rule.freq == "DAILY":
        off, period = (day - first).days, [day]
    elif rule.freq == "WEEKLY":

        def week(d: date) -> date:
            return d - timedelta(days=(d.weekday() - rule.week_start) % 7)

        off = (week(day) - week(first)).days // 7
        period = [week(day) + timedelta(days=i) for i in range(7)]
    elif rule.freq == "MONTHLY":
        off = (day.year - first.year) * 12 + day.month - first.month
        period = [day.replace(day=i + 1) for i in range(monthrange(day.year, day.month)[1])]
    else:
        off = day.year - first.year
        new_year = date(day.year, 1, 1)
        period = [
            new_year + timedelta(days=i) for i in range((date(day.year + 1, 1, 1) - new_year).days)
        ]
    if off % rule.interval:
        return False
    chosen = [d for d in period if matches(rule, d, first)]
    if not rule.by_set_pos:
        return day in chosen
    return any(
        -len(chosen) <= (index := p - 1 if p > 0 else p) < len(chosen) and chosen[index] == day
        for p in rule.by_set_pos
    )


def matches(rule: Rule, day: date, first: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    open_days = not rule.by_month_day and not rule.by_day
    if rule.by_month and day.month not in rule.by_month:
        return False
    if rule.by_month_day and not {day.day, day.day - length - 1} & rule.by_month_day:
        return False
    if rule.by_day:
        by_year = rule.freq == "YEARLY" and not rule.by_month
        same = [
            d
            for i in range(-53, 54)
            if (d := day + timedelta(weeks=i)).year == day.year
            and (by_year or d.month == day.month)
        ]
        places = {0, same.index(day) + 1, same.index(day) - len(same)}
        if not any(w == day.weekday() and n in places for n, w in rule.by_day):
            return False
    if open_days and rule.freq == "WEEKLY":
        return day.weekday() == first.weekday()
    if open_days and rule.freq in ("MONTHLY", "YEARLY"):
        same_month = rule.freq == "MONTHLY" or rule.by_month or day.month == first.month
        return bool(same_month) and day.day == first.day
    return True


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the wall shows that time, or, in a gap, later by the gap."""
    near = wall.replace(tzinfo=UTC)
    offsets = {
        (near + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in (-36, 0, 36)
    }
    shown = [
        candidate
        for offset in offsets
        if offset is not None
        and (candidate := near - offset).astimezone(zone).replace(tzinfo=None) == wall
    ]
    if shown:
        return min(shown)
    before = (wall - DAY).replace(tzinfo=zone).utcoffset()
    assert before is not None
    return (wall - before).replace(tzinfo=UTC)


def oracle(given: Window, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    first = given.starts_at.astimezone(given.zone).replace(tzinfo=None)
    found = {given.starts_at}
    if given.rrule:
        rule = read_rrule(given.rrule)
        day, left = first.date() + DAY, (rule.count or 10**9) - 1
        while day <= until.date() + 2 * DAY and left:
            if has_day(rule, day, first.date()):
                wall = datetime.combine(day, first.time())
                start = instant(wall, given.zone)
                if isinstance(rule.until, datetime):
                    if start > rule.until.replace(tzinfo=UTC):
                        break
                elif rule.until and day > rule.until:
                    break
                found.add(start)
                left -= 1
            day += DAY
    lasts = given.ends_at - given.starts_at
    return [(s, s + lasts) for s in sorted(found) if s < until and s + lasts > since]


numbers = st.integers(1, 5)


weekdays = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> str:  # noqa: C901
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={freq}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(numbers)}")
    if draw(st.booleans()):
        days = draw(weekdays)
        if freq in ("MONTHLY", "YEARLY") and draw(st.booleans()):
            days = [f"{draw(st.sampled_from([1, 2, 5, -1, -2]))}{day}" for day in days]
        parts.append(f"BYDAY={','.join(days)}")
    if freq != "WEEKLY" and draw(st.booleans()):
        days = draw(st.lists(st.sampled_from([1, 13, 29, 31, -1, -30]), min_size=1, max_size=3))
        parts.append(f"BYMONTHDAY={','.join(map(str, days))}")
    if draw(st.integers(0, 3)) == 0:
        parts.append(f"BYMONTH={draw(st.sampled_from(['1', '2,3', '10,11,12']))}")
    if "BY" in parts[-1] and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from(['1', '-1', '2,-2']))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(WEEKDAYS))}")
    end = draw(st.integers(0, 3))
    if end == 1:
        parts.append(f"COUNT={draw(st.integers(1, 40))}")
    elif end == 2:
        parts.append("UNTIL=20270331")
    elif end == 3:
        parts.append("UNTIL=20270502T030000Z")
    return ";".join(parts)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    first = date(2026, 9, 20) + timedelta(days=draw(st.integers(0, 150)))
    wall = datetime.combine(first, datetime.min.time()) + timedelta(
        minutes=15 * draw(st.integers(0, 95))
    )
    starts_at = instant(wall, zone)
    lasts = timedelta(minutes=draw(st.sampled_from([15, 60, 24 * 60, 25 * 60, 9 * 24 * 60])))
    return Window(starts_at, starts_at + lasts, draw(rules()), zone)


@settings(max_examples=100, deadline=None)
@given(given_window=windows(), after=st.integers(0, 240), days=st.integers(1, 70))
def test_spans_are_what_a_walk_day_by_day_finds(
    given_window: Window, after: int, days: int
) -> None:
    since = datetime(2026, 9, 1, 5, 30, tzinfo=UTC) + timedelta(days=after)
    until = since + timedelta(days=days)
    assert spans(given_window, since, until) == oracle(given_window, since, until)


@settings(max_examples=100, deadline=None)
@given(given_window=windows())
def test_dates_are_those_of_dateutil(given_window: Window) -> None:
    rule = read_rrule(given_window.rrule)
    if rule.by_set_pos and rule.freq == "WEEKLY":
        return  # there dateutil counts from the first occurrence, not from the start of its week
    first = given_window.wall.date()
    text = ";".join(
        part for part in given_window.rrule.split(";") if not part.startswith(("COUNT", "UNTIL"))
    )
    theirs = rrulestr(
        f"{text};UNTIL=20291231", dtstart=datetime.combine(first, datetime.min.time())
    )
    if not list(rule.dates(first, since=first, until=date(2040, 1, 1))):
        return  # dateutil would look for one up to the year 9999
    ours = rule.dates(first, since=first, until=date(2029, 12, 31))
    assert list(ours) == [found.date() for found in theirs]
