"""Our own outages: nobody who was well is paged for them, and who died is found."""

from __future__ import annotations

import os
import time

import pytest

from tests.faults.doing import Steady, frozen, route, told
from tests.faults.invariants import assert_sound, query
from tests.providers import Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
OUTAGE_SECONDS = int(os.environ.get("TOCSIN_OUTAGE_SECONDS", "40"))


def never_down(whole: Whole, monitors: list[dict[str, object]]) -> None:
    for monitor in monitors:
        assert whole.incidents(monitor) == []
        assert whole.incidents(monitor, "resolved") == []


def test_thirty_healthy_and_one_dead_sleep_through_our_outage(
    whole: Whole, receiver: Provider
) -> None:
    route(whole, "outage", receiver.url)
    healthy = [whole.monitor(f"outage-{n}", silent_after=15, interval=5) for n in range(30)]
    dead = whole.monitor("outage-dead", silent_after=15, interval=5)
    with Steady(whole, healthy, every=4) as steady:
        whole.push(dead)
        time.sleep(5)
        whole.stop()
        time.sleep(OUTAGE_SECONDS)
        whole.start()
        until(lambda: whole.incidents(dead), "the one that died", seconds=40)
        until(lambda: told(receiver), "its page", seconds=5)
        time.sleep(10)
        assert told(receiver) == ["outage-dead"]
        never_down(whole, healthy)
    assert not steady.bad
    for monitor in [*healthy, dead]:
        whole.api("POST", f"monitors/{monitor['id']}/pause", {})
    assert_sound(whole, steady.answered)


def test_a_restart_shorter_than_the_windows_pages_no_healthy_one(whole: Whole) -> None:
    healthy = [whole.monitor(f"short-{n}", silent_after=6, interval=2) for n in range(10)]
    with Steady(whole, healthy, every=2) as steady:
        time.sleep(4)
        whole.stop()
        time.sleep(5)
        whole.start()
        time.sleep(12)
        never_down(whole, healthy)
    assert not steady.bad
    for monitor in healthy:
        whole.api("POST", f"monitors/{monitor['id']}/pause", {})
    assert_sound(whole, steady.answered)


def test_while_only_ingest_is_away_the_sweep_blames_nobody(whole: Whole) -> None:
    healthy = [whole.monitor(f"deaf-{n}", silent_after=6, interval=2) for n in range(10)]
    dead = whole.monitor("deaf-dead", silent_after=6, interval=2)
    with Steady(whole, healthy, every=2) as steady:
        whole.push(dead)
        time.sleep(4)
        with frozen(whole, "ingest-1", "web-1"):
            time.sleep(12)
        until(lambda: whole.incidents(dead), "the one that died", seconds=25)
        time.sleep(6)
        never_down(whole, healthy)
    gaps = query(whole.data, "SELECT ended_at - started_at FROM monitors_listeninggap")
    assert any(10 < length.total_seconds() < 20 for (length,) in gaps), gaps
    for monitor in [*healthy, dead]:
        whole.api("POST", f"monitors/{monitor['id']}/pause", {})
    assert_sound(whole, steady.answered)
