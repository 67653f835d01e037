"""A running installation exposes every metric that the dashboard and the alerts name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.observe.test_operator_files import exposed, named
from tests.system.whole import Whole, running, until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with running() as installation:
        yield installation


def said(whole: Whole) -> str:
    answer = whole.request("GET", "/metrics")
    assert answer.status == 200, answer.body
    return answer.body.decode()


def number(whole: Whole, sample: str) -> float:
    """Return the value of a sample by its full name, 0 where there is none."""
    lines = [line for line in said(whole).splitlines() if line.startswith(f"{sample} ")]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_it_exposes_what_the_dashboard_and_the_alerts_name(whole: Whole) -> None:
    monitor = whole.monitor("fleet", silent_after=3600)
    assert whole.push(monitor).status == 201
    assert whole.push(monitor, "fail").status == 201
    delivered = 'tocsin_delivery_attempts_total{kind="email",outcome="sent"}'
    until(lambda: number(whole, delivered) >= 1, "a mail by a worker, told by the web process")
    # A watchdog's round, the slowest of all, takes minutes.
    missing = named() - exposed(said(whole)) - {"tocsin_watchdog_seconds"}
    assert not missing


def test_all_kinds_of_processes_are_seen_and_their_counts_outlive_them(whole: Whole) -> None:
    for process in ("web", "worker-engine", "worker-deliver", "beat", "standby"):
        name = f'tocsin_processes{{process="{process}"}}'
        until(lambda name=name: number(whole, name) >= 1, name)
    monitor = whole.monitor("counted", silent_after=3600)
    for _ in range(20):
        assert whole.push(monitor).status == 201
    kept = 'tocsin_pushes_total{outcome="kept"}'
    # One of two processes took it; what the other says of it is a second old at most.
    until(lambda: number(whole, kept) >= 20, "the sum over the processes")
    before = number(whole, kept)
    whole.signal("worker-engine-1", 9)
    rounds = 'tocsin_engine_round_seconds_count{part="engine"}'
    ended = number(whole, rounds)
    until(lambda: number(whole, rounds) > ended, "the next worker counts on")
    assert number(whole, kept) >= before


def test_the_push_lane_gives_a_request_id_back(whole: Whole) -> None:
    monitor = whole.monitor("echo", silent_after=3600)
    path = f"/api/push/{monitor['slug']}/results"
    given = {"X-Request-ID": "proxy-0123456789"}
    answer = whole.request("POST", path, {"status": "pass"}, given)
    assert (answer.status, answer.headers["x-request-id"]) == (201, "proxy-0123456789")
    answer = whole.request("POST", path, {"status": "pass"}, {"X-Request-ID": "no id at all!"})
    assert answer.status == 201
    assert answer.headers["x-request-id"] is None
