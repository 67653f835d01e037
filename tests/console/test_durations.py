"""Durations and times as people write and read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.durations import parse_duration, say_ago, say_duration, say_time

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        (" 90 s ", 90),
        ("1 min 30 s", 90),
        ("1m30s", 90),
        ("1 hour, 5 minutes", 3_900),
        ("2 Days", 172_800),
        ("1 w", 604_800),
        ("0", 0),
    ],
)
def test_what_people_write(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "  ", "soon", "5 parsecs", "-5", "1.5 h", "h", "5 5", "1 min 30", "9999999999"]
)
def test_what_nobody_can_read(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=400 * 86_400))
def test_what_a_form_shows_is_what_it_reads(seconds):
    assert parse_duration(say_duration(seconds, units=4)) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (3_725, "1 h 2 min"),
        (7_205, "2 h"),
        (187_200, "2 d 4 h"),
    ],
)
def test_two_units_are_enough(seconds, said):
    assert say_duration(seconds) == said


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (0, "now"),
        (42, "42 s ago"),
        (-42, "in 42 s"),
        (272, "4 min ago"),
        (3_900, "1 h 5 min ago"),
        (40 * 86_400, "13 Oct 2026"),
    ],
)
def test_relative_times(away, said):
    assert say_ago(NOON - timedelta(seconds=away), NOON) == said


def test_exact_times_are_utc():
    assert (
        say_time(datetime.fromisoformat("2026-11-22T15:02:11+01:00")) == "22 Nov 2026 14:02:11 UTC"
    )
