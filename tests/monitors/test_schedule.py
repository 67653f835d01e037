"""Cron runs against a walk over every minute; deadlines against a walk over every second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from monitors.schedule import (
    Cron,
    Gap,
    InvalidSchedule,
    Window,
    due_at,
    effective_grace_seconds,
    late_from,
    listened_until,
    next_run,
    parse_cron,
)

START = datetime(2027, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NEW_YORK = "America/New_York"
few = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(expression: str, zone: str, after: str, count: int) -> list[str]:
    cron, found, moment = parse_cron(expression, zone), [], instant(after)
    for _ in range(count):
        moment = next_run(cron, moment)
        found.append(moment.strftime("%Y-%m-%dT%H:%M"))
    return found


def gaps_of(*spans: tuple[float, float]) -> list[Gap]:
    return [Gap(at(start), at(end)) for start, end in spans]


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
# (zone, a day on which its clock changes)
CHANGES = [
    (NEW_YORK, "2027-03-14"), (NEW_YORK, "2027-11-07"),
    ("Europe/Berlin", "2027-03-28"), ("Europe/Berlin", "2027-10-31"),
    ("Australia/Lord_Howe", "2027-04-03"), ("Australia/Lord_Howe", "2027-10-02"),
    ("Pacific/Apia", "2011-12-30"), ("Pacific/Apia", "2012-03-31"),
    ("Africa/Cairo", "2027-04-30"), ("America/Santiago", "2027-04-04"),
    ("Asia/Kolkata", "2027-03-14"), ("UTC", "2027-03-14"),
]  # fmt: skip


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


# --- fixed windows -------------------------------------------------------------------------

spans = st.lists(
    st.tuples(st.integers(-20, 150), st.integers(0, 40)).map(lambda s: (s[0], s[0] + s[1])),
    max_size=5,
)


def walked(start: int, seconds: int, deaf: list[tuple[int, int]]) -> int:
    """Return the second at which that many seconds were listened to, counting one by one."""
    now, heard = start, 0
    while heard < seconds:
        heard += not any(begin <= now < end for begin, end in deaf)
        now += 1
    return now


@given(start=st.integers(0, 30), seconds=st.integers(1, 60), deaf=spans)
def test_only_listened_seconds_count(start: int, seconds: int, deaf: list[tuple[int, int]]) -> None:
    assert listened_until(at(start), seconds, gaps_of(*deaf)) == at(walked(start, seconds, deaf))


@given(silent=st.integers(20, 60), grace=st.integers(0, 30), deaf=spans)
def test_gaps_away_from_the_expected_push_extend_by_what_they_overlap(
    silent: int, grace: int, deaf: list[tuple[int, int]]
) -> None:
    interval = 10
    assume(not any(begin <= 11 and end >= 9 for begin, end in deaf))
    # Meeting gaps are one gap, which may then cover the expected push: leave those out.
    assume(len({s for b, e in deaf for s in range(b, e + 1)} & {9, 10, 11}) == 0)
    window = Window(silent, grace, interval)
    assert due_at(window, at(0), gaps_of(*deaf)) == at(walked(0, silent + grace, deaf))


@given(silent=st.integers(5, 60), interval=st.integers(1, 80), grace=st.integers(0, 30), deaf=spans)
def test_deadlines_with_gaps_are_never_earlier_and_keep_their_order(
    silent: int, interval: int, grace: int, deaf: list[tuple[int, int]]
) -> None:
    window, gaps = Window(silent, grace, interval), gaps_of(*deaf)
    due = due_at(window, at(0), gaps)
    assert due >= at(walked(0, silent + grace, deaf))
    assert due == due_at(window, at(0), gaps[::-1])
    late = late_from(window, at(0), gaps)
    if grace == 0:
        assert late is None
    else:
        assert late is not None
        assert at(silent) <= late <= due - timedelta(seconds=grace)
    assert due_at(replace(window, grace_seconds=grace + 5), at(0), gaps) > due


def first_heard(period: float, deaf: list[tuple[int, int]]) -> datetime:
    turn = 1
    while any(begin <= period * turn <= end for begin, end in deaf if begin < end):
        turn += 1
    return at(period * turn)


@given(interval=st.integers(2, 60), spare=st.integers(1, 40), deaf=spans)
def test_a_sender_in_rhythm_is_never_paged_for_our_gaps(
    interval: int, spare: int, deaf: list[tuple[int, int]]
) -> None:
    window = Window(interval + spare, 0, interval)
    assert first_heard(interval, deaf) <= due_at(window, at(0), gaps_of(*deaf))


@given(
    silent=st.integers(5, 59),
    period=st.integers(1, 59),
    begin=st.integers(0, 59),
    length=st.integers(2, 100),
)
def test_one_gap_never_pages_a_sender_whose_interval_was_left_at_the_default(
    silent: int, period: int, begin: int, length: int
) -> None:
    assume(period < silent)
    deaf = [(begin, begin + length)]
    assert first_heard(period, deaf) <= due_at(Window(silent, 0, 60), at(0), gaps_of(*deaf))


@given(
    interval=st.integers(20, 600),
    jitter=st.floats(-0.1, 0.1),
    begin=st.integers(0, 700),
    length=st.integers(2, 100),
)
def test_one_gap_never_pages_a_sender_with_jitter(
    interval: int, jitter: float, begin: int, length: int
) -> None:
    deaf = [(begin, begin + length)]
    window = Window(interval + 60, 0, interval)
    assert first_heard(interval * (1 + jitter), deaf) <= due_at(window, at(0), gaps_of(*deaf))


@pytest.mark.parametrize(
    ("window", "deaf", "due"),
    [
        (Window(90, 30, 60), [], 120),
        (Window(90, 30, 60), [(-50, 0)], 120),
        (Window(90, 30, 60), [(-50, 5)], 125),
        (Window(90, 30, 60), [(10, 20)], 130),
        (Window(90, 30, 60), [(10, 20), (15, 25), (25, 27)], 137),
        # The expected push fell inside: a fresh window from the end, edges included.
        (Window(90, 30, 60), [(50, 70)], 190),
        (Window(90, 30, 60), [(60, 62)], 182),
        (Window(90, 30, 60), [(40, 60)], 180),
        # Ended long enough before it: only the overlap.
        (Window(90, 30, 60), [(40, 50)], 130),
        # The fresh window is extended by the next gap, which covers no expected push (120) ...
        (Window(90, 30, 60), [(50, 70), (80, 100)], 210),
        # ... and renewed by one that does.
        (Window(90, 30, 60), [(50, 70), (110, 150)], 270),
        # An extension can bring the deadline into reach of a later gap.
        (Window(90, 30, 60), [(70, 110), (125, 130)], 165),
        # A deadline that has passed stays.
        (Window(90, 30, 60), [(120, 500)], 120),
        (Window(60, 0, 60), [(61, 500)], 60),
        # A stop of ten minutes: every healthy monitor gets its chance.
        (Window(6, 0, 5), [(2, 602)], 608),
        (Window(15, 0, 60), [(1, 41)], 56),
        # A daily monitor does not lose its deadline to frequent short restarts.
        (Window(90_000, 0, 86_400), [(h * 3600, h * 3600 + 3) for h in range(1, 24)], 90_069),
        # The limits of the contract.
        (Window(400 * 86_400, 30 * 86_400, 400 * 86_400), [(10, 20)], 430 * 86_400 + 10),
    ],
)
def test_fixed_windows(window: Window, deaf: list[tuple[float, float]], due: int) -> None:
    assert due_at(window, at(0), gaps_of(*deaf)) == at(due)


def test_the_answer_is_in_utc_whatever_zone_the_clock_came_in() -> None:
    clock = datetime(2027, 3, 14, 1, 30, tzinfo=ZoneInfo(NEW_YORK))
    due = due_at(Window(7200, 0, 60), clock, [])
    assert (due, due.tzinfo) == (datetime(2027, 3, 14, 8, 30, tzinfo=UTC), UTC)


# --- cron windows --------------------------------------------------------------------------


def cron_window(expression: str, grace: int = 0, zone: str = "UTC") -> Window:
    return Window(90, grace, 60, parse_cron(expression, zone))


@pytest.mark.parametrize(("grace", "effective"), [(0, 300), (1, 60), (60, 60), (4000, 4000)])
def test_grace_with_a_schedule_defaults_to_five_minutes_and_is_at_least_one(
    grace: int, effective: int
) -> None:
    assert effective_grace_seconds(cron_window("0 * * * *", grace)) == effective
    assert effective_grace_seconds(Window(90, grace, 60)) == grace


@pytest.mark.parametrize(
    ("expression", "grace", "pushed", "deaf", "run", "due"),
    [
        # Silent_after (90 s) plays no part.
        ("0 3 * * *", 0, "02:00", [], "03:00", "03:05"),
        ("0 3 * * *", 0, "03:00", [], "+03:00", "+03:05"),
        ("0 3 * * *", 0, "03:04", [], "+03:00", "+03:05"),
        # Early by up to the grace of 5 minutes, here less than 10% of a day.
        ("0 3 * * *", 0, "02:54:59", [], "03:00", "03:05"),
        ("0 3 * * *", 0, "02:55", [], "+03:00", "+03:05"),
        # Early by up to 10% of ten minutes, here less than the grace.
        ("*/10 * * * *", 1800, "02:58:59", [], "03:00", "03:30"),
        ("*/10 * * * *", 1800, "02:59", [], "03:10", "03:40"),
        # The period is that from the coming run to the next: an hour, then 23.
        ("0 3,4 * * *", 3600, "02:54", [], "04:00", "05:00"),
        ("0 3,4 * * *", 3600, "02:53", [], "03:00", "04:00"),
        ("0 3,4 * * *", 3600, "03:01", [], "04:00", "05:00"),
        # A gap before the run matters nothing, one within the grace is added.
        ("0 3 * * *", 600, "02:00", [("02:10", "02:50")], "03:00", "03:10"),
        ("0 3 * * *", 600, "02:00", [("03:02", "03:04")], "03:00", "03:12"),
        # One over the run, or just behind it, swallowed its push: the next run is awaited.
        ("0 3 * * *", 600, "02:00", [("02:50", "03:04")], "+03:00", "+03:10"),
        ("0 3 * * *", 600, "02:00", [("03:00:10", "03:00:20")], "+03:00", "+03:10"),
        ("*/5 * * * *", 60, "03:01", [("03:04", "03:17")], "03:20", "03:21"),
        ("*/5 * * * *", 60, "03:01", [("03:04", "03:07"), ("03:09", "03:11")], "03:15", "03:16"),
        # Already due when the gap began.
        ("0 3 * * *", 60, "02:00", [("03:01", "04:00")], "03:00", "03:01"),
    ],
)
def test_cron_windows(
    expression: str, grace: int, pushed: str, deaf: list[tuple[str, str]], run: str, due: str
) -> None:
    def clock(text: str) -> datetime:
        day = 2 if text.startswith("+") else 1
        return instant(f"2027-06-{day:02}T{text.removeprefix('+')}")

    window = cron_window(expression, grace)
    gaps = [Gap(clock(begin), clock(end)) for begin, end in deaf]
    assert late_from(window, clock(pushed), gaps) == clock(run)
    assert due_at(window, clock(pushed), gaps) == clock(due)


def test_a_resume_shortly_before_a_run_does_not_count_as_its_push() -> None:
    resumed = instant("2027-06-01T02:58")
    window = cron_window("0 3 * * *")
    assert due_at(window, resumed, [], by_push=False) == instant("2027-06-01T03:05")
    assert late_from(window, resumed, [], by_push=False) == instant("2027-06-01T03:00")
    assert due_at(window, resumed, []) == instant("2027-06-02T03:05")


@pytest.mark.parametrize(
    ("expression", "pushed", "due"),
    [
        # Skipped 02:30 is awaited at 03:30 (07:30Z), but cron may catch up at 03:00 (07:00Z).
        ("30 2 * * *", "2027-03-14T06:59", "2027-03-14T07:35"),
        ("30 2 * * *", "2027-03-14T07:00", "2027-03-15T06:35"),
        ("15,45 2 * * *", "2027-03-14T07:00:05", "2027-03-15T06:20"),
        # A run that is truly named 03:30 is not served half an hour early.
        ("30 3 * * *", "2027-03-14T07:00", "2027-03-14T07:35"),
        ("30 2,3 * * *", "2027-03-14T07:00", "2027-03-14T07:35"),
        # Nor does a push of last summer, under the same offset, serve it.
        ("30 2 14 3 *", "2026-07-01T00:00", "2027-03-14T07:35"),
    ],
)
def test_a_push_of_a_cron_that_catches_up_after_a_jump_serves_the_moved_run(
    expression: str, pushed: str, due: str
) -> None:
    window = cron_window(expression, zone=NEW_YORK)
    assert due_at(window, instant(pushed), []) == instant(due)


@few
@given(
    expression=st.sampled_from(["*/5 * * * *", "30 2 * * *", "0 */3 * * *", "30 1 * * 0"]),
    change=st.sampled_from(CHANGES),
    offset=st.integers(-100_000, 100_000),
    grace=st.sampled_from([0, 60, 3600]),
    delay=st.integers(0, 59),
)
def test_a_job_that_pushes_within_a_minute_of_each_run_is_never_due_before_it(
    expression: str, change: tuple[str, str], offset: int, grace: int, delay: int
) -> None:
    zone, day = change
    window = cron_window(expression, grace, zone)
    assert window.cron is not None
    push = next_run(window.cron, instant(day) + timedelta(seconds=offset))
    push += timedelta(seconds=delay)
    following = next_run(window.cron, push) + timedelta(seconds=delay)
    assert following < due_at(window, push, [])
