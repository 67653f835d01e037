"""The standby: it works when nobody else does, and at no other time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from accounts.database.standing import as_owner
from config.procfile import STAGES
from incidents import engine, tasks
from incidents.delivery.pool import SenderPool
from incidents.engine import (
    deliver_round,
    maintain,
    run_round,
    stamp,
    stamp_ages,
    start_maintaining,
)
from incidents.management.commands.standby import (
    LAPS_A_LOOK,
    MAINTAIN_STALE_SECONDS,
    STALE_SECONDS,
    Standby,
)
from incidents.models import Delivery, Incident
from monitors.models import Heartbeat, ListeningGap, PushReceipt, Transition
from monitors.partitions import ensure_partitions, partition_days, partition_name
from monitors.queries import database_now
from monitors.services import create_monitor
from monitors.sweep import BATCH_ROWS
from tests.incidents.telling import (
    channel_to,
    deliveries,
    events,
    go,
    incidents,
    make_due,
    route_to,
    states,
)
from tests.monitors.pushing import age, listen, make_monitors, push
from tests.providers import Provider
from tests.racing import at_once, before_sql, session, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def standby():
    running = Standby(SenderPool(4))
    yield running
    wait_for_maintenance()
    running.pool.close()


def wait_for_maintenance() -> None:
    for thread in threading.enumerate():
        if thread.name == "maintain":
            thread.join(60)
            assert not thread.is_alive()


@contextmanager
def refusing(what: str, table: str):
    """Have the database refuse each such statement: `what` as in BEFORE DELETE."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(REFUSE.format(what=what, table=table))
    try:
        yield
    finally:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")


def set_stamp(name: str, seconds_ago: float) -> None:
    stamp(name)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE monitors_enginestamp SET at = at - make_interval(secs => %s) WHERE name = %s",
            [seconds_ago, name],
        )


def test_without_any_engine_a_silence_becomes_a_page(team, standby):
    """N8 and S1: no broker, no beat, no worker; the standby alone."""
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        monitor, _ = create_monitor(team=team, name="m")
        push(monitor)
        age(monitor, 91)
        listen()
        standby.look(0.0)
        provider.wait(1)
        push(monitor)
        standby.look(1.0)
        provider.wait(2)
    standby.pool.close()
    wait_for_maintenance()
    assert events(provider) == ["incident.opened", "incident.resolved"]
    assert incidents()[0].cause == "silence"
    assert {"engine:standby", "deliver:standby", "maintain:standby"} <= set(stamp_ages())


def test_it_stands_back_while_the_engine_runs(team, standby):
    set_stamp("engine", STALE_SECONDS - 1)
    set_stamp("deliver", STALE_SECONDS - 1)
    push(create_monitor(team=team, name="m")[0], "fail")
    standby.look(0.0)
    assert incidents() == []
    assert "engine:standby" not in stamp_ages()


def test_it_stands_in_for_one_part_alone(team, standby):
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        push(create_monitor(team=team, name="m")[0], "fail")
        set_stamp("engine", STALE_SECONDS + 1)
        stamp("deliver")
        standby.look(0.0)
        assert states() == ["pending"]
        set_stamp("deliver", STALE_SECONDS + 1)
        stamp("engine")
        standby.look(1.0)
        provider.wait(1)


def test_it_outlives_a_database_that_goes_away(team, standby):
    push(create_monitor(team=team, name="m")[0], "fail")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with session() as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    standby.look(0.0)  # finds its connection dead
    standby.look(1.0)
    assert len(incidents()) == 1


def test_several_engines_at_once_open_one_incident_and_send_one_notice(team):
    """S5: two beats, two standbys, four workers."""
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        monitors = make_monitors(team, 12)
        for n, monitor in enumerate(monitors):
            push(monitor, "fail" if n % 2 else "pass")
            if n % 2 == 0:
                age(monitor, 91)
        listen()
        pools = [SenderPool(4) for _ in range(3)]
        engines = [run_round] * 4 + [lambda p=pool: deliver_round(p) for pool in pools]
        at_once(*engines)
        at_once(*engines)
        wait_for(lambda: deliver_round(pools[0]) == 0 and len(provider.got) >= 12)
        for pool in pools:
            pool.close()
    assert Incident.objects.count() == 12
    assert Delivery.objects.filter(state="delivered", attempt_count=1).count() == 12
    assert len(provider.got) == 12


def test_a_round_goes_on_until_nothing_is_left(team):
    monitor, _ = create_monitor(team=team, name="m")
    push(monitor, "fail")
    assert run_round() == 1
    assert run_round() == 0
    assert not Transition.objects.filter(handled_at=None).exists()
    assert stamp_ages()["engine"] < 5


def test_maintenance_keeps_by_the_databases_clock(team):
    """S6: what an application clock that is far ahead calls old is not."""
    monitor, _ = create_monitor(team=team, name="m")
    push(monitor, receipt="k")
    go(monitor, "fail")
    days = partition_days()
    try:
        with time_machine.travel(now() + timedelta(days=500), tick=True):
            maintain()
        assert set(days) <= set(partition_days())
    finally:
        ensure_partitions(now=database_now())
    assert PushReceipt.objects.count() == 1
    assert Transition.objects.count() == 2
    PushReceipt.objects.update(created_at=now() - timedelta(hours=25))
    Transition.objects.update(handled_at=now() - timedelta(days=401))
    maintain()
    assert (PushReceipt.objects.count(), Transition.objects.count()) == (0, 0)
    assert "maintain" in stamp_ages()


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER refuse BEFORE {what} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


def test_maintenance_that_fails_does_not_keep_the_standby_from_its_work(team, standby):
    """A step that cannot be done must not be the reason why pages do not go out."""
    push(create_monitor(team=team, name="m")[0], "fail")
    ListeningGap.objects.create(started_at="2020-01-01T00:00Z", ended_at="2020-01-02T00:00Z")
    with refusing("DELETE", "monitors_pushreceipt"):
        standby.look(0.0)
        wait_for_maintenance()
    assert len(incidents()) == 1
    assert not ListeningGap.objects.exists()  # nor the other steps from theirs


def test_maintenance_that_takes_long_holds_nobody_up(team, standby):
    push(create_monitor(team=team, name="m")[0], "fail")
    with session() as other, other.transaction():
        other.execute("LOCK TABLE monitors_pushreceipt IN ACCESS EXCLUSIVE MODE")
        tasks.maintain()  # as on the worker that pages people
        assert not start_maintaining()  # once is enough
        standby.look(0.0)
        assert len(incidents()) == 1
        assert "maintain" not in stamp_ages()
    wait_for_maintenance()
    assert "maintain" in stamp_ages()
    assert start_maintaining()
    wait_for_maintenance()


@pytest.mark.parametrize("runner", ["maintain", "maintain:standby"])
def test_it_maintains_where_nobody_has_for_two_hours(team, standby, runner):
    set_stamp(runner, MAINTAIN_STALE_SECONDS - 60)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {partition_name(max(partition_days()))}")
    days = len(partition_days())
    standby.look(0.0)
    wait_for_maintenance()
    assert stamp_ages()[runner] > MAINTAIN_STALE_SECONDS - 61
    assert len(partition_days()) == days + 1  # what is missing is made all the same
    set_stamp(runner, MAINTAIN_STALE_SECONDS + 60)
    standby.look(1.0)
    wait_for_maintenance()
    assert stamp_ages()["maintain:standby"] < 60


def test_old_answers_are_dropped_piece_by_piece(team, monkeypatch):
    monkeypatch.setattr(engine, "CLEAN_ROWS", 2)
    monitor, _ = create_monitor(team=team, name="m")
    for key in "abcdef":
        push(monitor, receipt=key)
    old = PushReceipt.objects.exclude(key="f")
    old.update(created_at=now() - timedelta(hours=25))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        maintain()
    pieces = [q["sql"] for q in queries if 'DELETE FROM "monitors_pushreceipt"' in q["sql"]]
    assert len(pieces) == 3
    assert [receipt.key for receipt in PushReceipt.objects.all()] == ["f"]


def test_the_first_pages_of_many_go_out_before_the_last_incident_is_opened(
    team, standby, monkeypatch
):
    monkeypatch.setattr("incidents.lifecycle.lanes.BATCH_ROWS", 1)
    monkeypatch.setattr(engine, "BATCHES_A_LAP", 1)
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        for monitor in make_monitors(team, 5):
            push(monitor, "fail")
        standby.look(0.0)
        provider.wait(1)
        assert len(incidents()) == LAPS_A_LOOK
        set_stamp("engine:standby", STALE_SECONDS + 1)
        standby.look(1.0)
        standby.look(2.0)
        assert len(incidents()) == 5


def test_a_part_that_raises_leaves_the_others_to_their_work(team):
    begun = []

    def fails(runner):
        raise OperationalError(runner)

    others = {"a": fails, "b": lambda runner: begun.append(runner), "c": lambda runner: 1 / 0}
    standby = Standby(SenderPool(1), {**others, "d": lambda runner: begun.append(runner)})
    for name in ("engine", "maintain"):
        stamp(name)
    with refusing("INSERT OR UPDATE", "monitors_enginestamp"):
        standby.look(0.0)  # no round can be stamped
    standby.pool.close()
    assert begun == ["b:standby", "d:standby"]


def test_a_sweep_that_fails_leaves_incidents_to_open_and_counts_as_no_round(team):
    """Pages go out, and whoever asks for the stamp is told that silence is not found."""
    silent, failing = make_monitors(team, 2)
    push(silent)
    age(silent, 91)
    push(failing, "fail")
    listen()
    with refusing("UPDATE", "monitors_heartbeat"):
        run_round()
        assert [incident.cause for incident in incidents()] == ["failure"]
        assert "engine" not in stamp_ages()
    run_round()
    assert {incident.cause for incident in incidents()} == {"failure", "silence"}
    assert "engine" in stamp_ages()


def test_a_connection_that_dies_in_the_middle_of_a_round_costs_one_part_alone(team):
    push(create_monitor(team=team, name="m")[0], "fail")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]

    def kill():
        with session() as killer:
            killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    with before_sql("pg_try_advisory_xact_lock", kill) as met:
        run_round()
    assert met  # by the sweep
    assert len(incidents()) == 1
    assert "engine" not in stamp_ages()
    run_round()
    assert "engine" in stamp_ages()


def test_a_pool_of_the_standby_and_one_of_a_worker_share_the_outbox(team):
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        for monitor in make_monitors(team, 20):
            go(monitor, "fail")
        make_due()
        pools = [SenderPool(6), SenderPool(6)]
        at_once(*[lambda p=pool: p.deliver_due(round_seconds=3) for pool in pools])
        wait_for(lambda: pools[0].deliver_due(round_seconds=1) == 0 and len(provider.got) >= 20)
        for pool in pools:
            pool.close()
    assert len(provider.got) == 20
    assert {d.state for d in deliveries()} == {"delivered"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_whatever_it_waits_for(number):
    code = """
import threading
from incidents.management.commands.standby import stop_on_signal
stopping = stop_on_signal()
held = threading.Lock()
held.acquire()
threading.Thread(target=held.acquire).start()  # which the interpreter would wait for at its end
print("waits", flush=True)
held.acquire()
"""
    command = [sys.executable, "-c", "import django; django.setup()" + code]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "waits\n"
            began = time.monotonic()
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - began < STAGES["standby"][1]
        finally:
            process.kill()


def test_a_round_goes_on_while_alarms_ring_however_few_mean_a_silence(team, monkeypatch):
    """Where a hundred thousand push, most alarms that ring are only set anew."""
    monkeypatch.setattr(engine, "SWEPT_A_LAP", 1)
    make_monitors(team, BATCH_ROWS + 100, interval=60, silent_after=90)
    at = database_now()
    Heartbeat.objects.filter(team=team).update(
        state="up", clock_from=at, last_push_at=at, check_at=at - timedelta(seconds=1)
    )
    listen()
    assert run_round() == 0
    assert not Heartbeat.objects.filter(check_at__lte=at).exists()
