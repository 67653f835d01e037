"""The strip and the latency plot: what they draw, and what they leave out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils.timezone import now
from django_scopes import scope, scopes_disabled
from hypothesis import given
from hypothesis import strategies as st

from accounts.ids import uuid7
from incidents.console.day import BUCKETS as QUARTERS
from incidents.console.day import count_quarters, read_day
from monitors.console.latency import (
    BUCKETS,
    HEIGHT,
    PER_SLICE,
    SLICES,
    TOP,
    WHOLE,
    Bucket,
    draw_plot,
    nice_ceiling,
    read_buckets,
    say_latency,
)
from monitors.console.strip import WIDTH, build_strip
from monitors.console.thinning import MOST_PIECES, thin_strip
from monitors.console.timespan import Span, span_of
from tests.console.personas import make_incident

UNTIL = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SINCE = UNTIL - timedelta(hours=24)
LAST_DAY = span_of("24h", UNTIL)


def at(hours):
    return SINCE + timedelta(hours=hours)


def strip(changes=(), *, state="up", born_at=SINCE - timedelta(days=9), gaps=()):
    return build_strip(changes, state=state, born_at=born_at, since=SINCE, until=UNTIL, gaps=gaps)


def test_nothing_changed():
    found = strip()
    assert [(p.state, p.x, p.width) for p in found.pieces] == [("up", 0, WIDTH)]
    assert found.up_percent == 100
    assert found.down_count == 0


def test_one_outage():
    found = strip([(at(6), "up", "down"), (at(12), "down", "up")])
    assert [(p.state, p.x, p.width) for p in found.pieces] == [
        ("up", 0, 250),
        ("down", 250, 250),
        ("up", 500, 500),
    ]
    assert found.up_percent == 75
    assert found.down_seconds == 6 * 3600


def test_what_came_before_the_strip_tells_its_first_state():
    found = strip([(SINCE - timedelta(hours=1), "up", "down"), (at(12), "down", "up")])
    assert [p.state for p in found.pieces] == ["down", "up"]
    assert found.pieces[0].width == WIDTH / 2


def test_before_it_was_made_is_a_gap_and_no_state():
    found = strip(born_at=at(18), state="pending")
    assert [(p.state, p.x) for p in found.pieces] == [("pending", 750)]
    assert found.up_percent is None


def test_a_further_cause_is_no_new_outage():
    found = strip([(at(6), "up", "down"), (at(7), "down", "down")], state="down")
    assert found.down_count == 1


def test_when_we_did_not_listen_shows():
    found = strip(gaps=[(SINCE - timedelta(hours=1), at(1)), (at(23), UNTIL + timedelta(hours=1))])
    assert [(round(p.x), round(p.width)) for p in found.unheard] == [(0, 42), (958, 42)]


@given(
    st.lists(st.floats(min_value=-5, max_value=30), max_size=12).map(sorted),
    st.floats(min_value=-30, max_value=23),
)
def test_pieces_never_overlap_and_fill_the_strip(hours, born):
    states = ["up", "down"]
    changes = [(at(h), states[n % 2], states[(n + 1) % 2]) for n, h in enumerate(hours)]
    found = strip(changes, state=states[len(hours) % 2], born_at=at(born))
    for left, right in zip(found.pieces, found.pieces[1:], strict=False):
        assert left.ended_at <= right.started_at
    assert sum(p.width for p in found.pieces) <= WIDTH + 0.1
    if not any(at(born) < change[0] <= UNTIL for change in changes):
        assert len(found.pieces) == 1


def bucket(index, median, high):
    return Bucket(index, SINCE + timedelta(minutes=15 * index), 9, median, high)


def test_a_stretch_without_latency_is_a_gap_in_the_line_and_never_zero():
    plot = draw_plot(
        [bucket(0, 10, 20), bucket(1, 12, 22), bucket(5, 11, 21)], span=LAST_DAY, limit_ms=None
    )
    assert re.findall("[MLH]", plot.median_path) == ["M", "L", "M", "H"]
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", plot.median_path)]
    assert all(y < HEIGHT for y in heights)


def test_axes_have_units_and_the_limit_is_drawn_where_it_can_be_read():
    plot = draw_plot([bucket(0, 800, 1_300)], span=LAST_DAY, limit_ms=900)
    assert [tick.text for tick in plot.ticks] == ["0 ms", "1 s", "2 s"]
    assert plot.limit is not None
    assert TOP < plot.limit.y < HEIGHT
    far = draw_plot([bucket(0, 8, 13)], span=LAST_DAY, limit_ms=9_000)
    assert far.limit is None


@given(st.floats(min_value=0, max_value=1e9), st.floats(min_value=0, max_value=1e9))
def test_the_labels_of_both_lines_can_be_read(median, extra):
    plot = draw_plot([bucket(0, median, median + extra)], span=LAST_DAY, limit_ms=None)
    assert plot.median_label.y - plot.high_label.y >= 12.9
    assert plot.high_label.y >= TOP
    assert plot.median_label.y <= HEIGHT + 8


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_the_axis_reaches_the_highest_value_and_wastes_little(value):
    top = nice_ceiling(value)
    assert value * 0.9999 <= top <= value * 2.01


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0 ms"),
        (12.345, "12.3 ms"),
        (999, "999 ms"),
        (1_520.5, "1.52 s"),
        (90_000, "1.5 min"),
        (999.6, "1000 ms"),
        (1e9, "11.6 d"),
        (5e-324, "< 0.001 ms"),
    ],
)
def test_latencies_in_words(milliseconds, said):
    assert say_latency(milliseconds) == said


def test_percentiles_come_from_the_results(people, monitor):
    until = now()
    rows = [(until - timedelta(minutes=1), float(n)) for n in range(1, 101)]
    rows.append((until - timedelta(minutes=40), 7.0))
    rows.append((until - timedelta(minutes=30), None))
    rows.append((until - timedelta(hours=2), 9_999.0))
    with scopes_disabled(), connection.cursor() as cursor:
        for received_at, latency in rows:
            cursor.execute(
                "INSERT INTO monitors_pushresult (id, team_id, monitor_id, received_at, status, "
                "latency_ms) VALUES (%s, %s, %s, %s, 'pass', %s)",
                [uuid7(), people.team.pk, monitor.pk, received_at, latency],
            )
    with scope(team=people.team):
        found, is_sample = read_buckets(
            team_id=people.team.pk, monitor_id=monitor.pk, span=span_of("1h", until)
        )
    assert not is_sample
    assert [b.count for b in found] == [1, 100]
    assert (found[1].median, found[1].high) == (50.5, pytest.approx(95.05))
    assert found[0].index < found[1].index < BUCKETS


def test_many_results_are_sampled_within_every_bucket(people, monitor):
    until = now()
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_pushresult (id, team_id, monitor_id, received_at, status, "
            "latency_ms) SELECT gen_random_uuid(), %s, %s, %s - n * interval '0.3 seconds', "
            "'pass', 10 + n %% 2 FROM generate_series(1, %s) n",
            [people.team.pk, monitor.pk, until, WHOLE + 1_000],
        )
    with scope(team=people.team):
        found, is_sample = read_buckets(
            team_id=people.team.pk, monitor_id=monitor.pk, span=span_of("1h", until)
        )
    assert is_sample
    assert len(found) >= 88, "eleven thousand results reach back 55 minutes"
    assert {b.count for b in found[1:]} == {SLICES * PER_SLICE}
    assert all(10 <= b.median <= 11 == b.high for b in found)


@pytest.mark.parametrize(
    ("hours", "times"),
    [
        (4, ("08:00", "09:00", "10:00", "11:00", "12:00")),
        (48, ("20 Nov 12:00", "21 Nov 00:00", "21 Nov 12:00", "22 Nov 00:00", "22 Nov 12:00")),
        (24 * 8, ("14 Nov", "16 Nov", "18 Nov", "20 Nov", "22 Nov")),
    ],
)
def test_a_time_of_ones_own_has_its_instants_below(hours, times):
    span = Span("", UNTIL - timedelta(hours=hours), UNTIL)
    assert draw_plot([bucket(0, 1, 2)], span=span, limit_ms=None).times == times


def test_a_strip_with_too_many_pieces_shows_the_worst_of_each_step():
    changes = []
    for n in range(2_000):
        changes.append((SINCE + timedelta(seconds=40 * n), "up", "down"))
        changes.append((SINCE + timedelta(seconds=40 * n + 1), "down", "up"))
    whole = strip(changes)
    found = thin_strip(whole)
    assert len(found.pieces) <= MOST_PIECES < len(whole.pieces)
    assert [p.state for p in found.pieces] == ["down", "up"]
    assert found.down_count == 2_000
    assert sum(p.width for p in found.pieces) == pytest.approx(WIDTH, abs=1)
    assert thin_strip(strip()) == strip()


def test_quarters_count_every_incident_that_touches_them():
    spans = [(0, 0, 1), (0, 3, 2), (95, 97, 1), (3, 2, 4), (97, 99, 9)]
    counts = count_quarters(spans)
    assert counts[:5] == [3, 2, 2, 6, 0]
    assert counts[-1] == 1
    assert len(counts) == QUARTERS


def test_a_teams_day_counts_its_incidents(people, monitor):
    make_incident(monitor)
    born = now() - timedelta(hours=3)
    with scope(team=people.team):
        day = read_day(team_id=people.team.pk, first_monitor_at=born, now=now())
        nothing = read_day(team_id=uuid7(), first_monitor_at=None, now=now())
    assert len(day.quarters) in {12, 13}, "what lies before the first monitor is a gap"
    assert [q.down for q in day.quarters[-2:]] == [0, 1]
    assert "At worst 1 incident within" in day.summary
    assert nothing.quarters == ()
    assert QUARTERS == 96
