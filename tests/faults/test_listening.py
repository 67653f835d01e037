"""Our own outages: nobody who was well is paged for them, and who died is found."""

from __future__ import annotations

import time

import pytest

from tests.faults.doing import (
    FULL,
    assert_never_down,
    frozen,
    long_or_short,
    retire,
    route,
    told,
)
from tests.faults.invariants import query
from tests.faults.pressing import Pressed
from tests.providers import Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
SLEEP_SECONDS = long_or_short("TOCSIN_FAULT_SLEEP", full=600, short=40)
HEALTHY = 500 if FULL else 30
GAPS = "SELECT extract(epoch FROM ended_at - started_at) FROM monitors_listeninggap"


def longest_gap(whole: Whole) -> float:
    return max((float(seconds) for (seconds,) in query(whole.data, GAPS)), default=0.0)


@pytest.mark.timeout(SLEEP_SECONDS + 400)
def test_after_a_long_sleep_of_ours_only_the_dead_one_is_paged(
    whole: Whole, receiver: Provider, answered: set[tuple[str, str]]
) -> None:
    route(whole, "sleep", receiver.url)
    healthy = [whole.monitor(f"sleep-{n}", silent_after=15, interval=5) for n in range(HEALTHY)]
    dead = whole.monitor("sleep-dead", silent_after=15, interval=5)
    with Pressed(whole, healthy, rate=HEALTHY / 4) as pressed:
        until(lambda: pressed.count() > HEALTHY, "a push of each")
        whole.push(dead)
        whole.stop()
        time.sleep(SLEEP_SECONDS)
        whole.start()
        until(lambda: whole.incidents(dead), "the one that died", seconds=60)
        until(lambda: told(receiver), "its page", seconds=20)
        before = pressed.count()  # four rounds more, longer than any window
        until(lambda: pressed.count() > before + 4 * HEALTHY, "healthy pushes", seconds=60)
        assert told(receiver) == ["sleep-dead"]
        assert_never_down(whole, healthy)
        retire(whole, [*healthy, dead])
    answered |= pressed.answered
    assert set(pressed.statuses) <= {"201", "503"}
    assert longest_gap(whole) > SLEEP_SECONDS


def test_a_restart_of_five_seconds_pages_nobody_whose_window_is_six(
    whole: Whole, answered: set[tuple[str, str]]
) -> None:
    healthy = [whole.monitor(f"restart-{n}", silent_after=6, interval=2) for n in range(10)]
    with Pressed(whole, healthy, rate=5) as pressed:
        until(lambda: pressed.count() > 20, "two pushes of each")
        whole.stop()
        time.sleep(5)
        whole.start()
        before = pressed.count()
        until(lambda: pressed.count() > before + 40, "four pushes of each", seconds=40)
        assert_never_down(whole, healthy)
        retire(whole, healthy)
    answered |= pressed.answered
    assert set(pressed.statuses) <= {"201", "503"}


def test_while_only_ingest_is_away_the_sweep_blames_nobody(
    whole: Whole, answered: set[tuple[str, str]]
) -> None:
    healthy = [whole.monitor(f"deaf-{n}", silent_after=6, interval=2) for n in range(10)]
    dead = whole.monitor("deaf-dead", silent_after=6, interval=2)
    with Pressed(whole, healthy, rate=5) as pressed:
        whole.push(dead)
        until(lambda: pressed.count() > 20, "two pushes of each")
        before = len(query(whole.data, GAPS))
        with frozen(whole, "ingest-1", "web-1"):
            time.sleep(10)
        until(lambda: whole.incidents(dead), "the one that died", seconds=40)
        until(lambda: pressed.count() > 60, "four pushes more of each", seconds=40)
        assert_never_down(whole, healthy)
        retire(whole, [*healthy, dead])
    answered |= pressed.answered
    assert len(query(whole.data, GAPS)) > before
    assert set(pressed.statuses) <= {"201", "503"}
