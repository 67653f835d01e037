"""A database that stops, is full of connections, or lacks a day's partition."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from config.embedded import connection_env
from tests.faults.doing import PROGRAMS, assert_never_down, frozen, retire, route, settle, told
from tests.faults.invariants import query
from tests.faults.pressing import Pressed
from tests.providers import Provider
from tests.system.whole import Answer, Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> ALL(%s)
"""


def refusal(whole: Whole, monitor: dict[str, Any]) -> Answer | None:
    """Return the answer to a push if it is 503."""
    answer = whole.push(monitor)
    assert answer.status in {201, 503}, answer.body
    return answer if answer.status == 503 else None


def test_an_immediate_stop_under_load_loses_nothing(
    whole: Whole, receiver: Provider, answered: set[tuple[str, str]]
) -> None:
    load = [whole.monitor(f"crash-{n}", silent_after=3600) for n in range(10)]
    route(whole, "crash-page", receiver.url)
    page = whole.monitor("crash-page", silent_after=3600)
    with Pressed(whole, load, rate=200) as pressed:
        until(lambda: pressed.count() > 50, "pushes")
        assert whole.push(page, "fail").status == 201
        crashed = whole.pid("postgres")
        whole.signal("postgres", signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
        until(lambda: whole.pid("postgres") not in {crashed, None}, "started again", seconds=40)
        before = pressed.count()
        until(lambda: pressed.count() > before + 100, "pushes stored again", seconds=40)
    answered |= pressed.answered
    until(lambda: told(receiver) == ["crash-page"], "the page", seconds=40)
    pressed.assert_honest()
    assert pressed.statuses.get("503"), "refused while the database was away"
    settle(whole)
    retire(whole, [page])


def bearer(whole: Whole) -> dict[str, str]:
    return {"Authorization": f"Bearer {whole.key}"}


@contextlib.contextmanager
def all_connections_taken(whole: Whole) -> Iterator[None]:
    """Take every connection of the database, and from the installation those that it had."""
    address = connection_env(whole.data)["DATABASE_URL"]
    held: list[psycopg.Connection[Any]] = []

    def take() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(address, autocommit=True, connect_timeout=2))
        ours = [connection.info.backend_pid for connection in held]
        return not held[0].execute(OTHERS, [ours]).fetchall()

    try:
        with frozen(whole, *PROGRAMS):  # else they take back what they lose
            until(take, "every connection taken", seconds=30)
        yield
    finally:
        for connection in held:
            connection.close()


def test_a_database_full_of_connections_loses_nothing(
    whole: Whole, receiver: Provider, answered: set[tuple[str, str]]
) -> None:
    load = [whole.monitor(f"full-{n}", silent_after=3600) for n in range(10)]
    well = [whole.monitor(f"full-well-{n}", silent_after=8, interval=2) for n in range(10)]
    route(whole, "full-page", receiver.url)
    page = whole.monitor("full-page", silent_after=3600)
    with Pressed(whole, load, rate=100) as pressed, Pressed(whole, well, rate=5) as cadence:
        until(lambda: cadence.count() > 10, "pushes")
        with all_connections_taken(whole):
            refused = until(lambda: refusal(whole, page), "a refusal", seconds=20)
            assert refused.headers["Retry-After"]
            answer = whole.request("GET", "/api/v1/monitors", None, bearer(whole))
            assert (answer.status, bool(answer.headers["Retry-After"])) == (503, True)
            assert not whole.is_ready()
        until(lambda: whole.push(page, "fail").status == 201, "the fail", seconds=40)
        until(lambda: told(receiver) == ["full-page"], "the page", seconds=40)
        before = cadence.count()
        until(lambda: cadence.count() > before + 20, "pushes stored again", seconds=40)
        assert_never_down(whole, well)
        settle(whole)
        retire(whole, [*well, page])
    answered |= pressed.answered | cadence.answered
    pressed.assert_honest()
    cadence.assert_honest()


def drop_partition(whole: Whole, *, days_ahead: int) -> None:
    [(now,)] = query(whole.data, "SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    day: datetime = now + timedelta(days=days_ahead)
    name = f"monitors_pushresult_{day:%Y%m%d}"
    query(whole.data, f"DO $$ BEGIN DROP TABLE {name}; END $$")


def alarm(whole: Whole) -> str:
    """Return what /readyz says of partitions."""
    answer = whole.request("GET", "/readyz")
    return str(answer.json["stale"].get("partitions", "")) if answer.status == 503 else ""


def test_without_todays_partition_pushes_are_refused_until_it_is_made_again(
    whole: Whole, answered: set[tuple[str, str]]
) -> None:
    monitor = whole.monitor("no-today", silent_after=3600)
    load = [whole.monitor(f"no-today-{n}", silent_after=3600) for n in range(5)]
    with frozen(whole, "standby"):  # who would make it again
        drop_partition(whole, days_ahead=0)
        with Pressed(whole, load, rate=50) as pressed:
            refused = until(lambda: refusal(whole, monitor), "a refusal", seconds=10)
            assert refused.headers["Retry-After"]
            until(lambda: alarm(whole), "the alarm")
            whole.signal("standby", signal.SIGCONT)
            until(lambda: pressed.count() > 20, "pushes stored again", seconds=40)
    answered |= pressed.answered
    pressed.assert_honest()
    assert pressed.statuses.get("503")
    until(lambda: whole.is_ready() and not alarm(whole), "ready again", seconds=40)


def test_without_tomorrows_partition_an_alarm_is_raised_until_it_is_made_again(
    whole: Whole, answered: set[tuple[str, str]]
) -> None:
    monitor = whole.monitor("no-tomorrow", silent_after=3600)
    with frozen(whole, "standby"):
        drop_partition(whole, days_ahead=1)
        until(lambda: alarm(whole), "the alarm")
        answered.add((monitor["id"], whole.push(monitor).json["id"]))
    until(lambda: whole.is_ready() and not alarm(whole), "ready again", seconds=40)
