"""Uptime against a second-by-second count, across the days on which clocks change."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statuspages.uptime import day_views, first_instant, measure_days, uptime

UTC_NOON = datetime(2027, 3, 10, 12, tzinfo=UTC)
DAYS = 4
# Instants shortly after a change of the clock, by zone.
CHANGES = {
    "Australia/Lord_Howe": (
        datetime(2027, 4, 4, 20, tzinfo=UTC),
        datetime(2027, 10, 4, tzinfo=UTC),
    ),
    "Pacific/Apia": (datetime(2012, 1, 1, 3, tzinfo=UTC), datetime(2021, 4, 5, tzinfo=UTC)),
    "Europe/Berlin": (datetime(2027, 3, 29, tzinfo=UTC), datetime(2027, 10, 31, 21, tzinfo=UTC)),
    "America/New_York": (datetime(2027, 3, 15, tzinfo=UTC), datetime(2027, 11, 8, 12, tzinfo=UTC)),
    "Africa/Casablanca": (
        datetime(2027, 2, 8, 5, tzinfo=UTC),
        datetime(2027, 3, 15, 5, tzinfo=UTC),
    ),
    "America/Havana": (datetime(2027, 3, 15, tzinfo=UTC), datetime(2027, 11, 8, 12, tzinfo=UTC)),
    "UTC": (UTC_NOON,),
}
CASES = [(name, until) for name, instants in CHANGES.items() for until in instants]
KINDS = ("major", "partial", "degraded", "maintenance", "no_data")
# From what counts least to what counts most: later paint covers earlier.
PAINT = ("no_data", "degraded", "partial", "major", "maintenance")


@lru_cache(maxsize=32)
def dates_of_seconds(name: str, until: datetime) -> tuple[datetime, tuple[date, ...]]:
    """Return the last days' first second, and the local date of each second from it on."""
    zone = ZoneInfo(name)
    begin = until - timedelta(days=DAYS + 3)
    count = int((until - begin).total_seconds())
    # The date changes within a second at the most, so each is asked for.
    dates = [(begin + timedelta(seconds=n)).astimezone(zone).date() for n in range(count)]
    kept = sorted(set(dates))[-DAYS:]
    skip = dates.index(kept[0])
    return begin + timedelta(seconds=skip), tuple(dates[skip:])


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, datetime, list[tuple[str, int, int | None]]]:
    name, until = draw(st.sampled_from(CASES))
    span = st.tuples(
        st.sampled_from(KINDS),
        st.integers(-90_000, DAYS * 90_000),
        st.one_of(st.none(), st.integers(0, 200_000)),
    )
    return name, until, draw(st.lists(span, max_size=8))


@settings(max_examples=60, deadline=None)
@given(histories(), st.sampled_from([(1.0, 0.3), (1.0, 0.0), (0.7, 0.1)]))
def test_uptime_is_what_counting_every_second_gives(
    history: tuple[str, datetime, list[tuple[str, int, int | None]]], pair: tuple[float, float]
) -> None:
    name, until, drawn = history
    begin, dates = dates_of_seconds(name, until)
    spans = []
    painted = ["good"] * len(dates)
    for kind in PAINT:
        for drawn_kind, start, length in drawn:
            if drawn_kind != kind:
                continue
            end = None if length is None else start + length
            spans.append(
                (
                    kind,
                    begin + timedelta(seconds=start),
                    None if end is None else begin + timedelta(seconds=end),
                )
            )
            left = max(0, start)
            right = len(dates) if end is None else min(max(end, left), len(dates))
            if left < right:
                painted[left:right] = [kind] * (right - left)
    weights = {"major": pair[0], "partial": pair[1]}
    measured = measure_days(spans, zone=ZoneInfo(name), until=until, days=DAYS, weights=weights)
    counted = Counter(zip(dates, painted, strict=True))
    assert [view.date for view in measured.days] == sorted(set(dates))
    for view in measured.days:
        day = {kind: counted[view.date, kind] for kind in (*KINDS, "good")}
        assert view.length_seconds == sum(day.values())
        for kind in KINDS:
            assert getattr(view, f"{kind}_seconds") == day[kind], kind
        assert view.uptime == expected(day, weights)
    assert measured.uptime == expected(Counter(painted), weights)


def expected(seconds: dict[str, int], weights: dict[str, float]) -> Decimal | None:
    judged = sum(seconds.get(k, 0) for k in ("good", "major", "partial", "degraded"))
    if not judged:
        return None
    lost = sum(Fraction(str(weights[k])) * seconds.get(k, 0) for k in ("major", "partial"))
    return Decimal(math.floor((1 - Fraction(lost) / judged) * 100_000)) / 1000


@pytest.mark.parametrize(
    ("name", "until", "day", "hours"),
    [
        ("Europe/Berlin", CHANGES["Europe/Berlin"][0], date(2027, 3, 28), 23),
        ("Europe/Berlin", CHANGES["Europe/Berlin"][1], date(2027, 10, 31), 23),  # not over yet
        ("America/New_York", CHANGES["America/New_York"][1], date(2027, 11, 7), 25),
        ("Australia/Lord_Howe", CHANGES["Australia/Lord_Howe"][1], date(2027, 10, 3), 23.5),
    ],
)
def test_days_are_as_long_as_they_are(name: str, until: datetime, day: date, hours: float) -> None:
    views = day_views([], zone=ZoneInfo(name), until=until, days=3)
    assert {view.date: view.length_seconds for view in views}[day] == hours * 3600


def test_a_day_that_a_zone_left_out_is_none() -> None:
    until = datetime(2012, 1, 1, 3, tzinfo=UTC)
    views = day_views([], zone=ZoneInfo("Pacific/Apia"), until=until, days=4)
    assert [view.date.day for view in views] == [28, 29, 31, 1]


def test_today_is_cut_at_the_present_and_all_days_are_there() -> None:
    views = day_views([("major", UTC_NOON, None)], zone=UTC, until=UTC_NOON, days=90)
    assert len(views) == 90
    assert views[-1].length_seconds == 43_200
    assert views[-1].major_seconds == 0
    assert first_instant(zone=UTC, until=UTC_NOON, days=90) == datetime(2026, 12, 11, tzinfo=UTC)


def test_at_midnight_today_has_begun_and_nothing_is_known_of_it() -> None:
    midnight = UTC_NOON.replace(hour=0)
    (view,) = day_views([], zone=UTC, until=midnight, days=1)
    assert (view.date, view.length_seconds, view.uptime) == (date(2027, 3, 10), 0, None)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ({"window": 86_400}, "100.000"),
        ({"window": 86_400, "major": 1}, "99.998"),  # never rounded up
        ({"window": 1000, "partial": 100}, "97.000"),  # three tenths of a tenth, exactly
        ({"window": 1000, "major": 1000}, "0.000"),
        ({"window": 1000, "maintenance": 500, "major": 250}, "50.000"),
        ({"window": 1000, "no_data": 400, "maintenance": 600}, None),
        ({"window": 0}, None),
    ],
)
def test_the_formula(seconds: dict[str, int], said: str | None) -> None:
    assert uptime(**seconds) == (None if said is None else Decimal(said))


def test_weights_above_one_never_go_below_nothing() -> None:
    assert uptime(window=10, major=10, weights={"major": 3.0, "partial": 1.0}) == Decimal("0.000")


def test_a_blip_of_less_than_a_second_still_counts() -> None:
    span = ("major", UTC_NOON - timedelta(seconds=2), UTC_NOON - timedelta(seconds=1.5))
    measured = measure_days([span], zone=UTC, until=UTC_NOON, days=1)
    assert measured.days[0].major_seconds == 0
    assert measured.uptime == Decimal("99.998")
