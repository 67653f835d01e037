"""Which instants a window covers, against the definition walked day by day and against dateutil."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from incidents.maintenance.recurrence import WEEKDAYS, read_rrule
from incidents.maintenance.windows import BadRule, BadWindow, check_window, next_spans, spans
from tests.incidents.windows import at, starts, window

NY, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")


def test_a_window_without_a_rule_is_once() -> None:
    once = window("2027-03-01T09:00")
    assert spans(once, at("2027-03-01T09:59"), at("2027-04-01")) == [
        (at("2027-03-01T09:00"), at("2027-03-01T10:00"))
    ]
    assert spans(once, at("2027-03-01T10:00"), at("2027-04-01")) == []
    assert spans(once, at("2027-01-01"), at("2027-03-01T09:00")) == []


def test_repetitions_follow_the_wall_clock() -> None:
    daily = window("2027-03-12T14:00", "FREQ=DAILY", "America/New_York")
    assert starts(daily, "2027-03-16") == [
        "2027-03-12T14:00",
        "2027-03-13T14:00",
        "2027-03-14T13:00",
        "2027-03-15T13:00",
    ]


def test_a_gap_is_jumped_by_the_gap_and_a_fold_is_the_first() -> None:
    gap = window("2027-03-13T07:30", "FREQ=DAILY", "America/New_York")
    assert starts(gap, "2027-03-16") == [
        "2027-03-13T07:30",
        "2027-03-14T07:30",
        "2027-03-15T06:30",
    ]
    fold = window("2027-11-06T05:30", "FREQ=DAILY", "America/New_York")
    assert starts(fold, "2027-11-09") == [
        "2027-11-06T05:30",
        "2027-11-07T05:30",
        "2027-11-08T06:30",
    ]
    half_hour = window("2026-10-02T15:40", "FREQ=DAILY", "Australia/Lord_Howe")
    assert starts(half_hour, "2026-10-05")[1:] == ["2026-10-03T15:40", "2026-10-04T15:10"]


def test_a_start_in_the_second_hour_of_a_fold_is_kept() -> None:
    fold = window("2027-11-07T06:30", "FREQ=DAILY", "America/New_York")
    assert starts(fold, "2027-11-09") == ["2027-11-07T06:30", "2027-11-08T06:30"]


def test_every_occurrence_lasts_as_long_as_the_first() -> None:
    night = window("2027-03-12T23:00", "FREQ=DAILY;COUNT=4", "Europe/Berlin", lasts=8)
    found = spans(night, at("2027-01-01"), at("2028-01-01"))
    assert {end - start for start, end in found} == {timedelta(hours=8)}


def test_the_start_counts_though_the_pattern_has_it_not() -> None:
    tuesday = window("2027-03-02T09:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=3")
    assert starts(tuesday, "2028-01-01") == [
        "2027-03-02T09:00",
        "2027-03-08T09:00",
        "2027-03-15T09:00",
    ]


def test_until_is_inclusive_as_a_date_and_as_a_time() -> None:
    for until in ("20270303", "20270303T090000Z", "20270303T100000"):
        berlin = window("2027-03-01T09:00", f"FREQ=DAILY;UNTIL={until}", "Europe/Berlin")
        assert len(starts(berlin, "2028-01-01")) == 3, until
    earlier = window("2027-03-01T09:00", "FREQ=DAILY;UNTIL=20270303T085959Z", "Europe/Berlin")
    assert len(starts(earlier, "2028-01-01")) == 2


def test_a_day_that_a_zone_left_out_is_not_doubled() -> None:
    apia = window("2011-12-28T19:00", "FREQ=DAILY", "Pacific/Apia")
    found = starts(apia, "2012-01-02")
    assert len(found) == len(set(found)) == 5  # six dates, of which one has no day


def test_occurrences_may_overlap() -> None:
    long = window("2027-03-01T00:00", "FREQ=DAILY", lasts=72)
    assert len(spans(long, at("2027-03-10T12:00"), at("2027-03-10T12:01"))) == 3


def test_next_spans_look_as_far_as_a_leap_day() -> None:
    leap = window("2096-02-29T09:00", "FREQ=YEARLY")
    check_window(leap)
    assert [s.year for s, _ in next_spans(leap, at("2096-03-01"), most=1)] == [2104]
    assert next_spans(window("2027-03-01T09:00"), at("2027-03-01T10:00"), most=5) == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "NAME=VALUE"),
        ("nonsense", "NAME=VALUE"),
        ("FREQ", "NAME=VALUE"),
        ("INTERVAL=2", "FREQ is missing"),
        ("FREQ=HOURLY", "FREQ=HOURLY is not supported"),
        ("FREQ=SECONDLY", "FREQ=SECONDLY is not supported"),
        ("FREQ=FORTNIGHTLY", "FREQ is unknown"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
        ("FREQ=DAILY;BYHOUR=3", "BYHOUR is not supported"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO is not supported"),
        ("FREQ=DAILY;X-OWN=1", "does not know"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL must be"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 400, "INTERVAL must be"),
        ("FREQ=DAILY;COUNT=0", "COUNT must be"),
        ("FREQ=DAILY;COUNT=10001", "COUNT must be"),
        ("FREQ=DAILY;COUNT=٣", "COUNT must be"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270401", "not both"),
        ("FREQ=DAILY;UNTIL=20270230", "UNTIL must be"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL must be"),
        ("FREQ=DAILY;UNTIL=00000000", "UNTIL must be"),
        ("FREQ=DAILY;UNTIL=20270301T250000Z", "UNTIL must be"),
        ("FREQ=WEEKLY;BYDAY=1MO", "does not go with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "does not go beyond 5"),
        ("FREQ=MONTHLY;BYDAY=0MO", "does not go beyond 5"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY must be"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY does not go"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY must be"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH must be"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs"),
        ("FREQ=WEEKLY;WKST=MON", "WKST must be"),
        ("DTSTART:20270301T090000Z\nRRULE:FREQ=DAILY", "one line"),
        ("DTSTART:20270301T090000Z;FREQ=DAILY", "DTSTART is not part"),
        ("FREQ=DAILY;EXDATE=20270301", "EXDATE is not part"),
        ("FREQ=DAILY;" * 60, "at most 500"),
    ],
)
def test_a_refused_rule_says_why(rule: str, words: str) -> None:
    with pytest.raises(BadRule) as refused:
        read_rrule(rule)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31;COUNT=3",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=2",
        "FREQ=DAILY;BYMONTH=3;BYSETPOS=7",
        "FREQ=YEARLY;INTERVAL=1000",
        "FREQ=DAILY;UNTIL=20270227",
    ],
)
def test_a_rule_that_never_comes_is_refused(rule: str) -> None:
    with pytest.raises(BadRule):
        check_window(window("2027-02-28T09:00", rule))


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY;COUNT=1", "RRULE:FREQ=DAILY", " freq=weekly;byday=mo ", "FREQ=DAILY;"]
)
def test_what_is_meant_well_is_taken(rule: str) -> None:
    check_window(window("2027-03-01T09:00", rule))


@pytest.mark.parametrize(
    ("start", "lasts", "rule", "field"),
    [
        ("2027-03-01T09:00", 0, "", "ends_at"),
        ("2027-03-01T09:00", -1, "FREQ=DAILY", "ends_at"),
        ("2027-03-01T09:00", 24 * 400 + 1, "", "ends_at"),
        ("2027-03-01T09:00", 24 * 31 + 1, "FREQ=YEARLY", "ends_at"),
        ("1999-12-31T23:00", 2, "", "starts_at"),
        ("2099-12-31T23:00", 2, "", "ends_at"),
    ],
)
def test_a_window_out_of_bounds_is_refused(start: str, lasts: float, rule: str, field: str) -> None:
    with pytest.raises(BadWindow) as refused:
        check_window(window(start, rule, lasts=lasts))
    assert refused.value.field == field


def test_no_text_takes_long() -> None:
    rng = random.Random(20270301)
    freqs = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
    many_days = ",".join(f"{n}{day}" for n in (1, 2, 3, 4, 5, -1) for day in WEEKDAYS)
    pieces = [
        "INTERVAL=1",
        "INTERVAL=999",
        "COUNT=10000",
        "COUNT=2",
        "UNTIL=99991231T235959Z",
        "BYDAY=MO,TU,WE,TH,FR,SA,SU",
        f"BYDAY={many_days}",
        "BYDAY=5FR",
        "BYMONTHDAY=30",
        "BYMONTHDAY=29",
        "BYMONTHDAY=13",
        "BYMONTHDAY=" + ",".join(str(n) for n in range(-31, 0)),
        "BYMONTH=2",
        "BYSETPOS=366",
        "BYSETPOS=" + ",".join(str(n) for n in range(1, 60)),
        "WKST=SU",
    ]
    texts = [
        ";".join([f"FREQ={rng.choice(freqs)}", *rng.sample(pieces, rng.randint(1, 4))])
        for _ in range(400)
    ]
    texts += ["FREQ=DAILY;COUNT=10000;BYMONTH=2;BYMONTHDAY=29", "FREQ=" + "A" * 495, ";" * 500]
    slowest = 0.0
    for text in texts:
        for start in ("2000-01-01T00:00", "2027-03-01T09:00"):
            candidate = window(start, text, "Australia/Lord_Howe")
            begun = time.process_time()
            try:
                check_window(candidate)
                spans(candidate, at("2027-03-01"), at("2027-05-01"))
            except BadRule:
                pass
            slowest = max(slowest, time.process_time() - begun)
    # Ten times what it takes here: dateutil would take seconds, which is what must not come back.
    assert slowest < 0.5
