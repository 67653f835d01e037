"""The sweep against pushes, edits, its like, and our own return."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django_scopes import scopes_disabled

from incidents.lifecycle.lanes import advance
from incidents.models import Incident
from monitors.ingest.listening import STAMP
from monitors.models import Heartbeat, Monitor, Transition
from monitors.queries import database_now
from monitors.services import create_monitor, delete_monitor, pause_monitor, update_monitor
from monitors.sweep import sweep, sweep_batch
from tests.monitors.pushing import (
    age,
    assert_chained,
    heartbeat,
    listen,
    make_monitors,
    push,
    set_clock,
    transitions,
)
from tests.racing import PATIENCE_SECONDS, at_once, before_sql, session, start, wait_for_lock

pytestmark = pytest.mark.django_db(transaction=True)
CLAIM, JUDGE, GIVEN = "SKIP LOCKED", "WITH due AS", "jsonb_to_recordset"


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


@pytest.fixture
def due(team) -> Monitor:
    """A monitor whose time is just over."""
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    age(monitor, 90.001)
    listen()
    return monitor


def test_a_push_before_the_claim_saves_the_monitor(due):
    """I2, the push first."""
    with before_sql(CLAIM, lambda: at_once(lambda: push(due))) as met:
        assert sweep() == 0
    assert met
    assert transitions(due) == [("pending", "up", None)]
    assert heartbeat(due).check_at is not None


def test_a_push_after_the_claim_waits_and_then_brings_it_up(due):
    """I2, the sweep first: an incident opens and is resolved; nothing is stuck."""
    with session() as watcher, transaction.atomic():
        assert sweep() == 1
        waiting = start(lambda: push(due))
        wait_for_lock(watcher)
    waiting.result(PATIENCE_SECONDS)
    assert transitions(due)[1:] == [("up", "down", "silence"), ("down", "up", None)]
    advance()
    assert Incident.objects.get(monitor_id=due.pk).resolved_reason == "recovered"
    assert heartbeat(due).check_at is not None, "nobody would notice the next silence"


def test_a_push_that_holds_the_row_is_skipped_by_the_claim(due):
    with transaction.atomic():
        push(due)
        assert at_once(sweep_batch) == [(0, 0)]
    assert at_once(sweep_batch) == [(0, 0)] or heartbeat(due).state == "up"
    listen()
    sweep()
    assert heartbeat(due).state == "up"


def test_pushes_and_sweeps_at_once_never_leave_a_monitor_stuck(team):
    """I2 by the hundred: whoever wins, the chain holds and the alarm is set."""
    monitors = make_monitors(team, 40)
    for monitor in monitors:
        push(monitor)
        age(monitor, 90.001)
    listen()

    def pushes(part: list[Monitor]) -> None:
        for monitor in part:
            push(monitor)

    at_once(sweep, sweep, lambda: pushes(monitors[:20]), lambda: pushes(monitors[20:]))
    for monitor in monitors:
        assert_chained(monitor)
        assert heartbeat(monitor).state == "up"
        assert heartbeat(monitor).check_at is not None


def test_an_edit_between_claim_and_judgement_waits_and_holds(team):
    """I10: the sweep works with the old window, the edit rings the alarm again."""
    (monitor,) = make_monitors(team, 1, silent_after=3600)
    push(monitor)
    age(monitor, 100)
    listen()
    with session() as watcher, transaction.atomic():
        assert sweep_batch() == (1, 0)  # an hour: the alarm moves far ahead
        waiting = start(lambda: update_monitor(monitor=monitor, silent_after=60))
        wait_for_lock(watcher)
    waiting.result(PATIENCE_SECONDS)
    listen()
    assert sweep() == 1
    assert heartbeat(monitor).state == "down"


def test_an_edit_right_before_the_judgement_is_seen_by_it(team):
    """I10: the claim has read nothing yet that an edit could change."""
    (monitor,) = make_monitors(team, 1, silent_after=60)
    push(monitor)
    age(monitor, 100)
    listen()

    def lengthen() -> None:  # what update_monitor writes, without the lock that it would wait for
        Monitor.objects.filter(pk=monitor.pk).update(silent_after=3600)

    with before_sql(JUDGE, lambda: at_once(lengthen)) as met:
        assert sweep() == 0
    assert met
    assert heartbeat(monitor).check_at > database_now() + timedelta(minutes=50)


def test_a_rename_racing_a_recovery_loses_no_deadline(team):
    """I10: an edit saves its own fields and never a whole row."""
    (monitor,) = make_monitors(team, 1)
    push(monitor, "fail")
    stale = Monitor.objects.select_related("heartbeat").get(pk=monitor.pk)
    assert stale.heartbeat.state == "down"
    with session() as watcher, transaction.atomic():
        push(monitor)
        waiting = start(lambda: update_monitor(monitor=stale, name="renamed"))
        wait_for_lock(watcher)
    waiting.result(PATIENCE_SECONDS)
    found = heartbeat(monitor)
    assert (found.state, found.check_at is None) == ("up", False)
    assert Monitor.objects.get().name == "renamed"
    age(monitor, 91)
    listen()
    assert sweep() == 1


def test_pausing_and_deleting_under_the_sweep(team):
    paused, deleted = make_monitors(team, 2)
    for monitor in (paused, deleted):
        push(monitor)
        age(monitor, 91)
    listen()
    doomed = Monitor.objects.get(pk=deleted.pk)  # deleting an object takes its key away
    with session() as watcher, transaction.atomic():
        assert sweep() == 2
        waiting = [
            start(lambda: pause_monitor(monitor=paused)),
            start(lambda: delete_monitor(monitor=doomed)),
        ]
        wait_for_lock(watcher, waiting=2)
    for future in waiting:
        future.result(PATIENCE_SECONDS)
    assert transitions(paused)[-1] == ("down", "paused", None)
    assert transitions(deleted)[-1] == ("down", "deleted", None)
    assert not Heartbeat.objects.filter(monitor=deleted).exists()


def test_two_sweeps_at_once_find_each_silence_once(team):
    """S5."""
    make_monitors(team, 300)
    Heartbeat.objects.update(
        state="up", clock_from="2020-01-01T00:00Z", check_at="2020-01-01T00:00Z"
    )
    listen()
    at_once(sweep, sweep, sweep)
    sweep()
    assert Transition.objects.filter(to_state="down").count() == 300


def test_our_return_in_the_middle_of_a_judgement_judges_nobody_by_the_time_we_were_away(team):
    """The gap is written after the deadlines were worked out, the new stamp is there before they
    are compared with it: the two must not be mixed."""
    (monitor,) = make_monitors(team, 1, cron="* * * * *", cron_timezone="UTC", grace=60)
    push(monitor)
    at = database_now() - timedelta(hours=1)
    set_clock(monitor, at)
    listen(seconds_ago=3540)  # a minute after the push the installation went away for an hour

    def come_back() -> None:
        with connection.cursor() as cursor:
            cursor.execute(STAMP)

    with before_sql(GIVEN, lambda: at_once(come_back)) as met:
        sweep()
    assert met
    assert heartbeat(monitor).state == "up"
    assert sweep() == 0
    assert heartbeat(monitor).state == "up"


def test_a_push_that_fails_is_not_held_up_by_somebody_creating_monitors(team):
    """A transition refers to its team; what creates monitors locks the team to count them."""
    (monitor,) = make_monitors(team, 1)
    with transaction.atomic():
        create_monitor(team=team, name="one of a thousand")
        assert at_once(lambda: push(monitor, "fail"))[0].state == "down"
