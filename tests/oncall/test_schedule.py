"""Who is on call: the rows of the product's rules, and everything else against a slow walk."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from incidents.oncall.schedule import (
    Layer,
    Override,
    Restriction,
    Schedule,
    Shift,
    next_change,
    on_call,
    shifts,
    turn_at,
)
from tests.oncall.walk import MINUTE, Walk, instant

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVERY_DAY = frozenset(range(7))


def z(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(handoff: str, zone: ZoneInfo, *members: str | None, **options: object) -> Schedule:
    fields = {"unit": "day", "length": 1} | options
    layer = Layer(
        handoff=datetime.fromisoformat(handoff),
        members=members or ("a", "b"),
        **fields,  # type: ignore[arg-type]
    )
    return Schedule(zone, (layer,))


def bounds(schedule: Schedule, at: str) -> tuple[datetime, datetime]:
    shift = on_call(schedule, z(at))
    assert shift is not None
    return shift.start, shift.end


@pytest.mark.parametrize(
    ("handoff", "at", "start", "end"),
    [
        ("09:00", "2027-03-13T20:00", "2027-03-13T14:00", "2027-03-14T13:00"),
        ("09:00", "2027-11-06T20:00", "2027-11-06T13:00", "2027-11-07T14:00"),
        ("02:30", "2027-03-14T08:00", "2027-03-14T07:30", "2027-03-15T06:30"),
        ("02:30", "2027-03-14T07:00", "2027-03-13T07:30", "2027-03-14T07:30"),
        ("01:30", "2027-11-07T06:30", "2027-11-07T05:30", "2027-11-08T06:30"),
    ],
)
def test_a_day_in_new_york_is_as_long_as_its_clock_says(
    handoff: str, at: str, start: str, end: str
) -> None:
    for begun in ("2027-03-01", "1999-03-01", "2055-03-01"):
        schedule = daily(f"{begun}T{handoff}", NEW_YORK)
        assert bounds(schedule, at) == (z(start), z(end))


def test_a_week_in_berlin_has_167_or_169_hours() -> None:
    schedule = daily("2027-03-01T09:00", BERLIN, unit="week")
    for at, hours in (("2027-03-24T00:00", 167), ("2027-10-27T00:00", 169), ("2027-06-01", 168)):
        start, end = bounds(schedule, at)
        assert end - start == hours * HOUR


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31", "2019-03-31", "2040-10-28"])
def test_twelve_hours_are_twelve_elapsed_hours(day: str) -> None:
    schedule = daily("2027-03-01T09:00", BERLIN, unit="hour", length=12)
    found = shifts(schedule, z(day) - 2 * DAY, z(day) + 2 * DAY)
    assert {shift.end - shift.start for shift in found} == {12 * HOUR}


def test_the_handoff_belongs_to_the_one_who_comes() -> None:
    schedule = daily("2027-03-01T09:00", BERLIN, "a", "b", "c")
    tick = timedelta(microseconds=1)
    for at, member in ((-tick, "c"), (tick * 0, "a"), (DAY - tick, "a"), (DAY, "b"), (-DAY, "c")):
        shift = on_call(schedule, z("2027-03-01T08:00") + at)
        assert shift is not None
        assert shift.member == member
    layer = schedule.layers[0]
    assert turn_at(layer, BERLIN, z("2027-03-01T08:00")) == 0
    assert turn_at(layer, BERLIN, z("2027-03-01T07:59")) == -1


def test_a_day_that_a_zone_skips_is_nobodys() -> None:
    schedule = daily("2011-12-25T09:00", ZoneInfo("Pacific/Apia"), "a", "b", "c", "d", "e", "f")
    found = shifts(schedule, z("2011-12-27T19:00"), z("2012-01-01T19:00"))
    assert [shift.member for shift in found] == ["c", "d", "e", "a", "b"]
    assert {shift.end - shift.start for shift in found} == {DAY}


def test_an_empty_slot_is_taken_by_the_next() -> None:
    schedule = daily("2027-03-01T00:00", ZoneInfo("UTC"), "a", None, None, "b", None)
    found = shifts(schedule, z("2027-03-01"), z("2027-03-06"))
    assert "".join(str(shift.member) for shift in found) == "abbba"
    assert [shift.end - shift.start for shift in found] == [DAY] * 5


def test_a_layer_of_nobody_lets_the_lower_one_through() -> None:
    low = daily("2027-03-01T00:00", BERLIN, "a").layers[0]
    for members in ((), (None, None)):
        high = Layer("hour", 1, datetime(2027, 1, 1), members)
        schedule = Schedule(BERLIN, (low, high))
        assert shifts(schedule, z("2027-03-01"), z("2027-04-01")) == shifts(
            Schedule(BERLIN, (low,)), z("2027-03-01"), z("2027-04-01")
        )
        assert on_call(Schedule(BERLIN, (high,)), z("2027-03-01")) is None
        assert next_change(Schedule(BERLIN, (high,)), z("2027-03-01")) is None


def test_one_person_in_a_row_is_not_merged_and_nothing_is_cut_off() -> None:
    schedule = daily("2027-03-01T09:00", ZoneInfo("UTC"), "a")
    found = shifts(schedule, z("2027-03-01T12:00"), z("2027-03-03T09:00"))
    assert [(shift.start, shift.end) for shift in found] == [
        (z("2027-03-01T09:00"), z("2027-03-02T09:00")),
        (z("2027-03-02T09:00"), z("2027-03-03T09:00")),
    ]
    assert shifts(schedule, z("2027-03-02"), z("2027-03-02")) == []


def test_a_cover_splits_a_shift_into_two_true_ones() -> None:
    low = Layer("week", 1, datetime(2027, 3, 1), ("a", "b"))
    noon = Restriction(frozenset({2}), time(12), time(13))
    high = Layer("day", 1, datetime(2027, 3, 1), ("h",), 0, (noon,))
    cover = Override(z("2027-03-05T06:00"), z("2027-03-05T07:00"), "o", 7)
    schedule = Schedule(ZoneInfo("UTC"), (low, high), (cover,))
    found = shifts(schedule, z("2027-03-03T12:30"), z("2027-03-05T06:30"))
    assert found == [
        Shift(z("2027-03-03T12:00"), z("2027-03-03T13:00"), "h", 1, None),
        Shift(z("2027-03-03T13:00"), z("2027-03-05T06:00"), "a", 0, None),
        Shift(z("2027-03-05T06:00"), z("2027-03-05T07:00"), "o", None, 7),
    ]
    last = on_call(schedule, z("2027-03-06"))
    assert last == Shift(z("2027-03-05T07:00"), z("2027-03-08"), "a", 0, None)


def test_hours_that_touch_do_not_split_a_shift_however_long_it_is() -> None:
    halves = (
        Restriction(EVERY_DAY, time(0), time(9)),
        Restriction(EVERY_DAY, time(9), time(0)),
    )
    schedule = daily(
        "2027-03-01T09:00", BERLIN, "a", "b", unit="week", length=53, restrictions=halves
    )
    start, end = bounds(schedule, "2027-09-01")
    assert (start, end) == (z("2027-03-01T08:00"), z("2028-03-06T08:00"))
    assert len(shifts(schedule, z("2027-03-02"), z("2028-03-05"))) == 1


def test_hours_past_midnight_belong_to_the_day_they_began() -> None:
    friday = (Restriction(frozenset({4}), time(22), time(6)),)
    schedule = daily("2027-03-01T00:00", ZoneInfo("UTC"), "a", unit="week", restrictions=friday)
    found = shifts(schedule, z("2027-03-01"), z("2027-03-15"))
    assert [(shift.start, shift.end) for shift in found] == [
        (z("2027-03-05T22:00"), z("2027-03-06T06:00")),
        (z("2027-03-12T22:00"), z("2027-03-13T06:00")),
    ]
    assert next_change(schedule, z("2027-03-06T06:00")) == z("2027-03-12T22:00")
    assert on_call(schedule, z("2027-03-06T06:00")) is None


def test_hours_inside_a_gap_do_not_come_that_day() -> None:
    gap = (Restriction(EVERY_DAY, time(2, 0), time(3, 0)),)
    schedule = daily("2027-03-01T00:00", NEW_YORK, "a", restrictions=gap)
    found = shifts(schedule, z("2027-03-13"), z("2027-03-16"))
    assert [shift.start for shift in found] == [z("2027-03-13T07:00"), z("2027-03-15T06:00")]


def test_a_handoff_of_long_ago_costs_no_walk() -> None:
    for unit in ("hour", "day", "week"):
        schedule = daily("1970-01-01T09:00", BERLIN, unit=unit)
        for at in ("1970-01-01", "2027-03-01", "8999-06-01"):
            start, end = bounds(schedule, at)
            assert start <= z(at) < end


ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Asia/Gaza",
    "America/Santiago",
    "America/Havana",
    "Asia/Kolkata",
]
# Days around which these zones change their clocks, and days on which none does.
DAYS = {
    "America/New_York": ["2027-03-14", "2027-11-07"],
    "Europe/Berlin": ["2027-03-28", "2027-10-31"],
    "Australia/Lord_Howe": ["2027-04-04", "2027-10-03"],
    "Pacific/Chatham": ["2027-04-04", "2027-09-26"],
    "Pacific/Apia": ["2011-12-30", "2020-04-05"],
    "Antarctica/Troll": ["2027-03-28", "2027-10-31"],
    "Africa/Casablanca": ["2027-02-07", "2027-03-14"],
    "Asia/Gaza": ["2027-03-27", "2027-10-30"],
    "America/Santiago": ["2027-04-04", "2027-09-05"],
    "America/Havana": ["2027-03-14", "2027-11-07"],
}
CLOCKS = st.one_of(
    st.builds(time, st.integers(0, 4), st.sampled_from([0, 15, 30, 45])),
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
)
RESTRICTIONS = st.builds(Restriction, st.frozensets(st.integers(0, 6), min_size=1), CLOCKS, CLOCKS)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    """Draw a schedule, and an instant near which something may happen."""
    name = draw(st.sampled_from(ZONES))
    day = datetime.fromisoformat(draw(st.sampled_from(DAYS.get(name, ["2027-03-01"]))))
    member = st.sampled_from(["a", "b", "c", None])
    layers = draw(
        st.lists(
            st.builds(
                Layer,
                unit=st.sampled_from(["hour", "day", "week"]),
                length=st.integers(1, 3),
                handoff=st.builds(
                    lambda days, clock: datetime.combine(day + days * DAY, clock),
                    st.one_of(st.integers(-9, 9), st.integers(-900, 900)),
                    CLOCKS,
                ),
                members=st.lists(member, max_size=4).map(tuple),
                offset=st.integers(-5, 5),
                restrictions=st.lists(RESTRICTIONS, max_size=3).map(tuple),
            ),
            max_size=3,
        )
    )
    middle = day.replace(tzinfo=UTC)
    edges = sorted(draw(st.sets(st.integers(-2 * 1440, 2 * 1440), max_size=4)))
    overrides = [
        Override(middle + start * MINUTE, middle + end * MINUTE, f"o{number}", number)
        for number, (start, end) in enumerate(pairwise(edges))
        if draw(st.booleans())
    ]
    at = middle + draw(st.integers(-1440, 1440)) * MINUTE
    return Schedule(ZoneInfo(name), tuple(layers), tuple(overrides)), at


GAP_INVERTED = Layer(
    "week",
    1,
    datetime(2027, 3, 1),
    ("a",),
    0,
    (
        Restriction(EVERY_DAY, time(1, 0), time(3, 15)),
        Restriction(EVERY_DAY, time(2, 30), time(5, 0)),
    ),
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedules())
@example((Schedule(NEW_YORK, (GAP_INVERTED,)), z("2027-03-14T07:20")))
def test_everything_equals_a_walk_minute_by_minute(drawn: tuple[Schedule, datetime]) -> None:
    schedule, at = drawn
    since, until = at - 36 * HOUR, at + 36 * HOUR
    walk = Walk(schedule, since, until)
    found = shifts(schedule, since, until)
    cut = [(max(s.start, since), min(s.end, until), s.member) for s in found]
    assert cut == walk.shifts()
    for minute in [at, *walk.changes(), *(change - MINUTE for change in walk.changes())]:
        present = on_call(schedule, minute)
        assert (present and present.member) == walk.member(minute)
        assert present is None or present.start <= minute < present.end
        assert present is None or present in found
    for shift in found:
        assert shift.start < until
        assert shift.end > since
        assert on_call(schedule, shift.start) == shift
        assert on_call(schedule, shift.end - timedelta(microseconds=1)) == shift
    assert all(a.end <= b.start for a, b in pairwise(found))
    stops, now = [], since
    while (now := next_change(schedule, now) or until) < until:
        stops.append(now)
    assert stops == sorted(set(stops))
    assert set(walk.changes()) <= set(stops)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedules())
def test_a_long_list_is_the_short_ones_one_after_the_other(
    drawn: tuple[Schedule, datetime],
) -> None:
    schedule, at = drawn
    whole = shifts(schedule, at - 20 * DAY, at + 20 * DAY)
    pieces: list[Shift] = []
    for number in range(-20, 20, 8):
        for shift in shifts(schedule, at + number * DAY, at + (number + 8) * DAY):
            if shift not in pieces[-1:]:
                pieces.append(shift)
    assert pieces == whole
    step = on_call(schedule, at)
    walked, now = [step] if step else [], at
    while (now := next_change(schedule, now) or at + 20 * DAY) < at + 20 * DAY:
        if step := on_call(schedule, now):
            walked.append(step)
    assert walked == shifts(schedule, at, at + 20 * DAY)


def test_every_zone_of_the_world_hands_off_by_its_wall_clock() -> None:
    since, until = z("2026-01-01"), z("2029-01-01")
    clocks = {
        ZoneInfo(name)
        for name in sorted(available_timezones() - {"localtime", "Factory"})
        if not name.startswith("posix/") and not name.startswith("right/")
    }
    assert len(clocks) > 400
    for zone in clocks:
        # The days before and after each change of the clock, and one in between.
        days = {datetime(2026, 1, 1), datetime(2028, 12, 30)}
        offset = since.astimezone(zone).utcoffset()
        at = since
        while at < until:
            at += DAY
            if (now := at.astimezone(zone).utcoffset()) != offset:
                offset = now
                local = at.astimezone(zone).replace(tzinfo=None, hour=0, minute=0)
                days |= {local + number * DAY for number in (-2, -1, 0)}
        for clock in (timedelta(minutes=30), timedelta(hours=2, minutes=30), timedelta(hours=9)):
            schedule = daily((datetime(2026, 1, 1) + clock).isoformat(), zone, "a", "b", "c")
            for day in days:
                start, end = instant(day + clock, zone), instant(day + clock + DAY, zone)
                if start < end:
                    turn = (day - datetime(2026, 1, 1)).days
                    expected = Shift(start, end, "abc"[turn % 3], 0, None)
                    assert on_call(schedule, start) == expected, (zone, day)
                    assert on_call(schedule, end - MINUTE) == expected, (zone, day)
