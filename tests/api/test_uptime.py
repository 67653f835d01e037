from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Team
from monitors.models import ListeningGap, Monitor, Transition
from monitors.uptime import Change, measure_uptime
from tests.conftest import Api
from tests.factories import MonitorFactory

START = datetime(2027, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def measure(*changes: tuple[float, str, str], state: str = "up") -> tuple[float, float]:
    found = measure_uptime(
        [Change(at(seconds), before, after) for seconds, before, after in changes],
        start=at(0),
        end=at(100),
        state=state,
    )
    return found.known_seconds, found.down_seconds


@pytest.mark.parametrize(
    ("state", "expected"),
    [("up", (100, 0)), ("down", (100, 100)), ("pending", (0, 0)), ("paused", (0, 0))],
)
def test_without_a_change_the_state_holds(state: str, expected: tuple[float, float]) -> None:
    assert measure(state=state) == expected


def test_changes_split_the_time() -> None:
    assert measure((20, "up", "down"), (50, "down", "up")) == (100, 30)
    assert measure((20, "pending", "up"), (90, "up", "down")) == (80, 10)
    assert measure((10, "up", "down"), (20, "down", "paused"), (40, "paused", "pending")) == (
        20,
        10,
    )


def test_a_further_cause_moves_nothing() -> None:
    assert measure((20, "up", "down"), (30, "down", "down"), (50, "down", "up")) == (100, 30)


def test_changes_beyond_the_span_say_what_held_within() -> None:
    assert measure((-10, "up", "down"), (30, "down", "up")) == (100, 30)
    assert measure((-10, "up", "down"), (150, "down", "up")) == (100, 100)
    assert measure((150, "up", "down"), state="down") == (100, 0)
    assert measure((0, "up", "down"), state="down") == (100, 100)
    assert measure((100, "up", "down"), state="down") == (100, 0)


def test_nothing_known_is_no_ratio() -> None:
    assert measure_uptime([], start=at(0), end=at(0), state="up").ratio is None
    assert measure_uptime([], start=at(0), end=at(9), state="paused").ratio is None
    assert measure_uptime([], start=at(0), end=at(9), state="down").ratio == 0


STATES = st.sampled_from(["pending", "up", "down", "paused"])


@given(
    steps=st.lists(st.tuples(st.integers(0, 30), STATES), max_size=12),
    first=STATES,
    start=st.integers(0, 100),
    length=st.integers(0, 100),
)
def test_it_equals_a_count_second_by_second(
    steps: list[tuple[int, str]], first: str, start: int, length: int
) -> None:
    changes, clock, state = [], 0, first
    held = []
    for pause, after in steps:
        held += [state] * pause
        clock += pause
        changes.append(Change(at(clock), state, after))
        state = after
    held += [state] * 500
    within = held[start : start + length]
    known = sum(1 for s in within if s in ("up", "down"))
    found = measure_uptime(changes, start=at(start), end=at(start + length), state=state)
    assert (found.known_seconds, found.down_seconds) == (known, within.count("down"))


def test_the_api_measures_since_the_creation_at_most(api: Api, team: Team) -> None:
    monitor = MonitorFactory(team=team)
    path = f"monitors/{monitor.pk}/uptime"
    assert api.get(path)["uptime"] is None
    with scopes_disabled():
        Monitor.objects.update(created_at=now() - timedelta(hours=10))
        for hours, before, after in ((8, "pending", "up"), (4, "up", "down"), (2, "down", "up")):
            Transition.objects.create(
                team=team,
                monitor=monitor,
                at=now() - timedelta(hours=hours),
                from_state=before,
                to_state=after,
            )
    found = api.get(f"{path}?days=7")
    assert set(found) == {
        "days",
        "from",
        "to",
        "uptime",
        "down_seconds",
        "known_seconds",
        "not_listening",
    }
    assert found["not_listening"] == []
    assert found["days"] == 7
    assert found["down_seconds"] == 7200
    assert abs(found["known_seconds"] - 8 * 3600) <= 1
    assert abs(found["uptime"] - 0.75) < 0.001
    for days in ("0", "91", "x", "-1", "1.5", ""):
        api("GET", f"{path}?days={days}", expect=400)


def test_the_times_in_which_we_did_not_listen_are_said(team: Team, api: Api) -> None:
    monitor = MonitorFactory(team=team)
    here = now()
    with scopes_disabled():
        Monitor.objects.update(created_at=here - timedelta(hours=8))
        for hours, seconds in ((9, 60), (3, 90), (1, 30)):
            start = here - timedelta(hours=hours)
            ListeningGap.objects.create(
                started_at=start, ended_at=start + timedelta(seconds=seconds)
            )
    found = api.get(f"monitors/{monitor.pk}/uptime")["not_listening"]
    lasted = [
        (datetime.fromisoformat(gap["to"]) - datetime.fromisoformat(gap["from"])).seconds
        for gap in found
    ]
    assert lasted == [30, 90]  # one was before there was a monitor
