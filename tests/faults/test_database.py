"""A database that stops, is full of connections, or lacks today's partition."""

from __future__ import annotations

import contextlib
import signal
import time
from datetime import UTC, datetime

import psycopg
import pytest

from config.embedded import connection_env
from tests.faults.doing import route, told
from tests.faults.invariants import assert_sound, query
from tests.providers import Provider
from tests.system.whole import Load, Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]


def test_an_immediate_stop_under_load_loses_nothing(whole: Whole, receiver: Provider) -> None:
    monitors = [whole.monitor(f"crash-{n}", silent_after=3600) for n in range(4)]
    route(whole, "crash-page", receiver.url)
    page = whole.monitor("crash-page", silent_after=3600)
    with Load(whole, monitors) as load:
        time.sleep(0.5)
        assert whole.push(page, "fail").status == 201
        whole.signal("postgres", signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
        refused = until(
            lambda: (
                next((a for a in [whole.push(monitors[0])] if a.status == 503), None)
                if not load.bad
                else True
            ),
            "an answer while the database is away",
            seconds=10,
        )
        if refused is not True:
            assert refused.headers["Retry-After"]
        before = len(load.stored)
        until(lambda: len(load.stored) > before + 20, "pushes stored again", seconds=30)
    until(lambda: told(receiver) == ["crash-page"], "the page", seconds=20)
    assert not load.bad
    assert_sound(whole, load.stored)


def test_a_database_full_of_connections_loses_nothing(whole: Whole, receiver: Provider) -> None:
    monitors = [whole.monitor(f"full-{n}", silent_after=3600) for n in range(4)]
    route(whole, "full-page", receiver.url)
    page = whole.monitor("full-page", silent_after=3600)
    address = connection_env(whole.data)["DATABASE_URL"]
    with Load(whole, monitors) as load, contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(address, connect_timeout=2))
        until(lambda: whole.push(page, "fail").status in {201, 503}, "an answer", seconds=5)
        time.sleep(4)
        held.close()
        until(lambda: whole.push(page, "fail").status == 201, "the fail", seconds=20)
        until(lambda: told(receiver) == ["full-page"], "the page", seconds=20)
    assert load.stored
    assert not load.bad
    assert_sound(whole, load.stored)


def test_a_missing_partition_is_refused_until_it_is_made_again(whole: Whole) -> None:
    monitor = whole.monitor("no-partition", silent_after=3600)
    answered = {(monitor["id"], whole.push(monitor).json["id"])}
    today = f"monitors_pushresult_{datetime.now(UTC):%Y%m%d}"
    [(name,)] = query(
        whole.data,
        "SELECT inhrelid::regclass::text FROM pg_inherits "
        "WHERE inhparent = 'monitors_pushresult'::regclass "
        "AND inhrelid::regclass::text LIKE %s",
        [f"%{datetime.now(UTC):%Y%m%d}%"],
    )
    assert name == today or name
    with psycopg.connect(connection_env(whole.data)["DATABASE_URL"], autocommit=True) as database:
        [(bound,)] = database.execute(
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = %s::regclass", [name]
        ).fetchall()
        database.execute(f"ALTER TABLE monitors_pushresult DETACH PARTITION {name}")
        answer = whole.push(monitor)
        assert answer.status in {201, 503}, answer.body
        if answer.status == 201:  # made anew at once: the old rows must not get in its way
            pytest.skip("the partition was made again before the push")
        assert answer.headers["Retry-After"]
        database.execute(f"ALTER TABLE monitors_pushresult ATTACH PARTITION {name} {bound}")
    stored = until(
        lambda: next((a for a in [whole.push(monitor)] if a.status == 201), None),
        "pushes stored again",
        seconds=20,
    )
    answered.add((monitor["id"], stored.json["id"]))
    assert_sound(whole, answered)
