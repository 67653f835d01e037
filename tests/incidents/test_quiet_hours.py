"""Quiet hours: until when what is not critical waits, checked against a walk in minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.contacts import Method, quiet_until
from incidents.routing import within_hours

MINUTE = timedelta(minutes=1)
NIGHT = {"weekdays": list(range(7)), "from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}


def quiet(*entries: dict[str, Any]) -> Method:
    return Method(uuid4(), uuid4(), "email", "email:x", 0, tuple(entries))


def until(at: str, *entries: dict[str, Any], severity: str = "warning") -> str | None:
    start = datetime.fromisoformat(at)
    end = quiet_until(quiet(*entries), severity=severity, at=start)
    return end and end.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_quiet_hours_end_when_they_end() -> None:
    assert until("2027-01-12T23:30:00Z", NIGHT) == "2027-01-13T06:00:00Z"
    assert until("2027-01-13T05:59:59Z", NIGHT) == "2027-01-13T06:00:00Z"
    assert until("2027-01-13T06:00:00Z", NIGHT) is None
    assert until("2027-01-13T20:59:59Z", NIGHT) is None
    assert until("2027-01-13T21:00:00Z", NIGHT) == "2027-01-14T06:00:00Z"


def test_what_is_critical_is_not_held_back() -> None:
    assert until("2027-01-12T23:30:00Z", NIGHT, severity="critical") is None
    assert until("2027-01-12T23:30:00Z", NIGHT, severity="info") is not None


def test_hours_that_touch_or_overlap_end_together() -> None:
    evening = NIGHT | {"from": "20:00", "to": "22:00"}
    breakfast = NIGHT | {"from": "06:30", "to": "09:00"}
    assert until("2027-01-12T19:30:00Z", NIGHT, breakfast, evening) == "2027-01-13T08:00:00Z"


def test_a_weekend_is_chained_of_its_days_and_always_ends_after_eight_days() -> None:
    weekend = {"weekdays": [5, 6], "from": "00:00", "to": "24:00", "timezone": "UTC"}
    assert until("2027-01-16T10:00:00Z", weekend) == "2027-01-18T00:00:00Z"
    always = weekend | {"weekdays": list(range(7))}
    assert until("2027-01-16T10:00:00Z", always) == "2027-01-24T10:00:00Z"


def test_the_nights_of_the_clock_change() -> None:
    # Berlin: 28 March 2027 at 01:00Z to summer time, 31 October 2027 at 01:00Z back.
    assert until("2027-03-27T23:00:00Z", NIGHT) == "2027-03-28T05:00:00Z"
    assert until("2027-10-30T23:00:00Z", NIGHT) == "2027-10-31T06:00:00Z"
    gap = NIGHT | {"from": "01:00", "to": "02:30"}  # 02:30 is not on the clock that night
    assert until("2027-03-28T00:30:00Z", gap) == "2027-03-28T01:00:00Z"
    fold = NIGHT | {"from": "01:00", "to": "02:30"}  # the clock shows 02:00 to 03:00 twice
    assert until("2027-10-30T23:30:00Z", fold) == "2027-10-31T00:30:00Z"
    assert until("2027-10-31T01:10:00Z", fold) == "2027-10-31T01:30:00Z"


def test_hours_that_cannot_be_read_hold_nothing_back() -> None:
    gone = NIGHT | {"timezone": "Europe/Atlantis"}
    assert until("2027-01-12T23:30:00Z", gone) is None
    assert until("2027-01-12T23:30:00Z", gone, NIGHT) == "2027-01-13T06:00:00Z"


clock_texts = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30]))
entries = st.fixed_dictionaries(
    {
        "weekdays": st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True),
        "from": clock_texts,
        "to": st.one_of(clock_texts, st.just("24:00")),
        "timezone": st.sampled_from(
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
        ),
    }
)
# The weeks around the changes of the clocks in these zones, and any other.
starts = st.sampled_from(
    [datetime(2027, month, day, tzinfo=UTC) for month, day in ((3, 26), (4, 2), (10, 1), (11, 5))]
    + [datetime(2027, 10, 29, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(entries, min_size=1, max_size=3), starts, st.integers(0, 3 * 96))
def test_quiet_hours_equal_a_walk_in_minutes(
    hours: list[dict[str, Any]], start: datetime, quarters: int
) -> None:
    at = start + quarters * 15 * MINUTE
    end = at
    while end < at + timedelta(days=8) and any(within_hours(entry, end) for entry in hours):
        end += MINUTE
    assert quiet_until(quiet(*hours), severity="info", at=at) == (None if end == at else end)
