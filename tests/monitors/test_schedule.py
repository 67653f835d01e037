"""Schedules: what is refused, and cron runs against a walk over every minute."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.schedule import (
    Cron,
    InvalidSchedule,
    Window,
    due_at,
    next_run,
    parse_cron,
)
from tests.monitors.instants import CHANGES, NEW_YORK, START, few, instant

MINUTE = timedelta(minutes=1)


def runs(expression: str, zone: str, after: str, count: int) -> list[str]:
    cron, found, moment = parse_cron(expression, zone), [], instant(after)
    for _ in range(count):
        moment = next_run(cron, moment)
        found.append(moment.strftime("%Y-%m-%dT%H:%M"))
    return found


# --- parsing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "zone", "field"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("0 * * * * *", "UTC", "cron"),
        ("@reboot", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("*/0 * * * *", "UTC", "cron"),
        ("5-1 * * * *", "UTC", "cron"),
        ("a * * * *", "UTC", "cron"),
        ("* * * * *\x00", "UTC", "cron"),
        ("٣ * * * *", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("0 0 31 4,6,9,11 *", "UTC", "cron"),
        ("0 0 30 2 */2", "UTC", "cron"),
        (",".join(["1"] * 50) + " * * * *", "UTC", "cron"),
        # Every second Sunday in March, only within the hour that New York skips.
        ("*/5 2 * 3 0#2", NEW_YORK, "cron"),
        ("* * * * *", "", "timezone"),
        ("* * * * *", "Mars/Olympus", "timezone"),
        ("* * * * *", "europe/berlin", "timezone"),
        ("* * * * *", "localtime", "timezone"),
        ("* * * * *", "right/Europe/Berlin", "timezone"),
        ("* * * * *", "../../etc/passwd", "timezone"),
        ("* * * * *", "Europe/Berlin\x00", "timezone"),
        ("* * * * *", "A" * 5000, "timezone"),
    ],
)
def test_bad_schedules_are_refused_with_their_field(expression: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        parse_cron(expression, zone)
    assert refused.value.field == field
    assert refused.value.message


def test_white_space_is_normalised_and_case_is_free() -> None:
    assert parse_cron("  0\t9  * jan  mon-fri\n", "UTC") == Cron("0 9 * jan mon-fri", "UTC")


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 0 L * *", "0 0 LW * *", "0 0 * * 1#2"])
def test_rare_but_possible_dates_are_accepted(expression: str) -> None:
    assert parse_cron(expression, "Asia/Kolkata").expression == expression


@settings(deadline=None, max_examples=300)
@given(
    st.text(alphabet="0123456789*/-,#L W@JANMON²٣", max_size=30)
    | st.lists(
        st.text(alphabet="0123456789*/-,#LW", min_size=1, max_size=6), min_size=5, max_size=5
    ).map(" ".join)
)
def test_any_text_is_either_refused_or_has_a_next_run(expression: str) -> None:
    try:
        cron = parse_cron(expression, "Europe/Berlin")
    except InvalidSchedule:
        return
    assert next_run(cron, START) > START


# --- runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # A fixed time in a gap moves forward by the gap, once.
        ("30 2 * * *", NEW_YORK, "2027-03-13T12:00", ["2027-03-14T07:30", "2027-03-15T06:30"]),
        # From within the moved hour it is still ahead.
        ("30 2 * * *", NEW_YORK, "2027-03-14T07:10", ["2027-03-14T07:30", "2027-03-15T06:30"]),
        # A fixed time in a fold is the first; from between the two it is tomorrow's.
        ("30 1 * * *", NEW_YORK, "2027-11-06T12:00", ["2027-11-07T05:30", "2027-11-08T06:30"]),
        ("30 1 * * *", NEW_YORK, "2027-11-07T06:10", ["2027-11-08T06:30"]),
        ("0 9 * * *", NEW_YORK, "2027-03-13T12:00", ["2027-03-13T14:00", "2027-03-14T13:00"]),
        # Moved onto a run of its own: one run, in order.
        (
            "0,30 2,3 * * *",
            NEW_YORK,
            "2027-03-14T06:00",
            ["2027-03-14T07:00", "2027-03-14T07:30", "2027-03-15T06:00"],
        ),
        # Wildcards keep their rhythm: no run in a gap, both passes of a fold.
        ("30 * * * *", NEW_YORK, "2027-03-14T06:00", ["2027-03-14T06:30", "2027-03-14T07:30"]),
        (
            "*/30 1 * * *",
            NEW_YORK,
            "2027-11-07T04:00",
            [
                "2027-11-07T05:00",
                "2027-11-07T05:30",
                "2027-11-07T06:00",
                "2027-11-07T06:30",
                "2027-11-08T06:00",
            ],
        ),
        ("*/30 2 * * *", NEW_YORK, "2027-03-13T12:00", ["2027-03-15T06:00"]),
        # From the first pass: the same wall time comes again before any later one.
        ("*/15 1 * * *", NEW_YORK, "2027-11-07T05:50", ["2027-11-07T06:00", "2027-11-07T06:15"]),
        # Lord Howe repeats only half an hour.
        (
            "*/15 2 * * *",
            "Australia/Lord_Howe",
            "2027-04-03T14:50",
            ["2027-04-03T15:30", "2027-04-03T15:45", "2027-04-03T16:00"],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2027-10-02T15:00",
            ["2027-10-02T15:45", "2027-10-03T15:15"],
        ),
        # Samoa skipped 30 December 2011: that day's run lands on the next day's.
        (
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00",
            ["2011-12-29T19:00", "2011-12-30T19:00", "2011-12-31T19:00"],
        ),
        # The skipped day itself, which no other run shares.
        ("0 9 30 12 *", "Pacific/Apia", "2011-06-01T00:00", ["2011-12-30T19:00"]),
        # Cairo's clocks jump at midnight.
        ("0 0 * * *", "Africa/Cairo", "2027-04-29T12:00", ["2027-04-29T22:00"]),
        ("0 0 29 2 *", "UTC", "2027-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        # Monrovia was 44 minutes and 30 seconds behind until 1972.
        ("0 * * * *", "Africa/Monrovia", "1960-01-01T00:44:40", ["1960-01-01T01:44"]),
    ],
)
def test_runs_around_changes_of_the_clock(
    expression: str, zone: str, after: str, expected: list[str]
) -> None:
    assert runs(expression, zone, after, len(expected)) == expected


MINUTES = [("*", range(60)), ("*/15", range(0, 60, 15)), ("0", [0]), ("30", [30]),
           ("7,37", [7, 37]), ("0-59/20", [0, 20, 40]), ("59", [59])]  # fmt: skip
HOURS = [("*", range(24)), ("*/2", range(0, 24, 2)), ("0", [0]), ("1", [1]), ("2", [2]),
         ("1,2,3", [1, 2, 3]), ("0-23", range(24)), ("23", [23])]  # fmt: skip
WEEKDAYS = [("*", range(7)), ("0", [0]), ("1-5", range(1, 6)), ("SAT", [6])]


def walk(
    zone: str, begin: datetime, end: datetime, minutes: Iterable[int], hours: Iterable[int],
    weekdays: Iterable[int], *, fixed: bool,
) -> list[datetime]:  # fmt: skip
    """Return all runs by visiting every minute: no offset arithmetic, no cron library."""
    minutes, hours, weekdays = set(minutes), set(hours), set(weekdays)
    found: set[datetime] = set()
    seen: set[datetime] = set()
    previous: datetime | None = None

    def names(wall: datetime) -> bool:
        return wall.minute in minutes and wall.hour in hours and wall.isoweekday() % 7 in weekdays

    moment = begin
    while moment <= end:
        wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        if names(wall) and not (fixed and wall in seen):
            found.add(moment)
        if fixed and previous is not None and wall > previous + MINUTE:
            # The clock jumped: a skipped wall time runs as long after the jump as it lies in it.
            skipped = previous + MINUTE
            while skipped < wall:
                if names(skipped):
                    found.add(moment + (skipped - previous - MINUTE))
                skipped += MINUTE
        seen.add(wall)
        previous = wall
        moment += MINUTE
    return sorted(found)


@few
@given(
    change=st.sampled_from(CHANGES),
    minute=st.sampled_from(MINUTES),
    hour=st.sampled_from(HOURS),
    weekday=st.sampled_from(WEEKDAYS),
    offset=st.integers(-30 * 3600, 20 * 3600),
)
def test_next_run_equals_a_walk_over_every_minute(
    change: tuple[str, str],
    minute: tuple[str, Iterable[int]],
    hour: tuple[str, Iterable[int]],
    weekday: tuple[str, Iterable[int]],
    offset: int,
) -> None:
    zone, day = change
    after = instant(day) + timedelta(seconds=offset)
    cron = parse_cron(f"{minute[0]} {hour[0]} * * {weekday[0]}", zone)
    fixed = minute[0][0] != "*" and hour[0][0] != "*"
    # Well before `after`, so that repeated and skipped wall times are known as such.
    begin = instant(day) - timedelta(hours=80)
    end = instant(day) + timedelta(hours=70)
    expected = [
        run
        for run in walk(zone, begin, end, minute[1], hour[1], weekday[1], fixed=fixed)
        if after < run <= end - timedelta(hours=25)
    ]
    moment = after
    for run in expected[:30]:
        moment = next_run(cron, moment)
        assert moment == run
    if not expected:
        assert next_run(cron, moment) > end - timedelta(hours=25)


@few
@given(
    change=st.sampled_from(CHANGES),
    expression=st.sampled_from(
        ["30 2 * * *", "*/7 * * * *", "0 */5 * * *", "15 1-3 * * *", "0 0 1 * *", "5 4 L 3 1"]
    ),
    offsets=st.lists(st.integers(-200_000, 200_000), min_size=2, max_size=6),
)
def test_runs_lie_ahead_and_never_go_back(
    change: tuple[str, str], expression: str, offsets: list[int]
) -> None:
    zone, day = change
    cron = parse_cron(expression, zone)
    moments = [instant(day) + timedelta(seconds=s) for s in sorted(offsets)]
    found = [next_run(cron, moment) for moment in moments]
    assert all(run > moment for run, moment in zip(found, moments, strict=True))
    assert all(one <= two for one, two in pairwise(found))
    # Nothing lies between an instant and its next run.
    for moment, run in zip(moments, found, strict=True):
        assert next_run(cron, run - timedelta(microseconds=1)) == run
        assert next_run(cron, moment + (run - moment) / 2) == run


def test_the_answer_does_not_depend_on_the_zone_of_the_question() -> None:
    cron = parse_cron("30 1 * * *", NEW_YORK)
    utc = datetime(2027, 11, 7, 5, 10, tzinfo=UTC)
    answers = {
        next_run(cron, utc),
        next_run(cron, utc.astimezone(ZoneInfo(NEW_YORK))),
        next_run(cron, utc.astimezone(timezone(timedelta(hours=9)))),
    }
    assert answers == {datetime(2027, 11, 7, 5, 30, tzinfo=UTC)}
    assert {answer.tzinfo for answer in answers} == {UTC}


def test_naive_times_are_refused() -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="naive"):
        next_run(parse_cron("* * * * *", "UTC"), naive)
    with pytest.raises(ValueError, match="naive"):
        due_at(Window(90, 0, 60), naive, [])
