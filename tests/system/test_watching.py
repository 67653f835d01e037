"""A whole installation that watches itself, as its operator sees it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.doing import frozen
from tests.faults.invariants import query
from tests.providers import Provider
from tests.system.whole import Whole, running_with, until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def outside() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def whole(outside: Provider) -> Iterator[Whole]:
    environment = {
        "CANARY_SECONDS": "1",
        "WATCHDOG_SECONDS": "5",
        "WATCHDOG_URL": outside.url,
        "OPERATOR_EMAIL": "operator@example.org",
        "OPERATOR_GAP_SECONDS": "3",
        "OUTBOUND_ALLOW": "",  # our own receiver needs no hole
    }
    with running_with(**environment) as installation:
        yield installation


def rounds(whole: Whole, result: str) -> int:
    statement = "SELECT count(*) FROM incidents_watchround WHERE result = %s"
    return int(query(whole.data, statement, [result])[0][0])


def test_rounds_complete_and_the_outside_is_pinged(whole: Whole, outside: Provider) -> None:
    until(lambda: outside.got, "a ping", seconds=30)
    assert outside.got[0].method == "GET"
    until(lambda: rounds(whole, "well") >= 3, "three rounds", seconds=60)
    assert rounds(whole, "failed") == 0
    told = query(whole.data, "SELECT kind, event FROM incidents_delivery WHERE state = 'delivered'")
    assert {("watchdog", "incident.opened"), ("watchdog", "incident.resolved")} <= set(told)
    assert whole.api("GET", "monitors")["results"] == []
    assert whole.api("GET", "incidents?state=open")["results"] == []


def test_an_outage_of_ours_is_told_on_return(whole: Whole) -> None:
    with frozen(whole, "ingest-1", "web-1"):
        until(
            lambda: query(
                whole.data,
                "SELECT 1 FROM monitors_listeningstamp "
                "WHERE at < clock_timestamp() - interval '6 seconds'",
            ),
            "deaf for a while",
            seconds=20,
        )
    mails = until(
        lambda: [m for m in whole.mails() if "We were not listening" in str(m["Subject"])],
        "the operator's mail",
        seconds=20,
    )
    assert mails[0]["To"] == "operator@example.org"
    (gap,) = query(whole.data, "SELECT cause FROM monitors_listeninggap ORDER BY id DESC LIMIT 1")
    assert gap == ("stamp",)  # the canary had no say of its own
    before = rounds(whole, "well")
    until(lambda: rounds(whole, "well") > before, "a further round", seconds=40)


def test_the_standby_carries_canary_and_watchdog_on(whole: Whole) -> None:
    with frozen(whole, "beat", "worker-engine-1"):
        began = rounds(whole, "well")
        until(lambda: rounds(whole, "well") > began + 1, "rounds without beat", seconds=60)
        newest = "SELECT clock_timestamp() - good_at < interval '5 seconds' FROM monitors_canary"
        until(lambda: query(whole.data, newest) == [(True,)], "a canary", seconds=20)
