"""The sweep: who is found silent, at which instant, and what a pushing world does to that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django_scopes import scopes_disabled

from monitors.models import Heartbeat, ListeningGap, ListeningStamp, Monitor, Transition
from monitors.queries import database_now, standings, with_standing
from monitors.services import create_monitor, pause_monitor, resume_monitor, update_monitor
from monitors.sweep import sweep, sweep_batch
from tests.monitors.pushing import (
    age,
    heartbeat,
    listen,
    make_monitors,
    push,
    results,
    set_clock,
    transitions,
)

pytestmark = pytest.mark.django_db
TICK = timedelta(microseconds=1)


def stamp_at(at: datetime) -> None:
    ListeningStamp.objects.update_or_create(id=1, defaults={"at": at})


def gap(start: datetime, seconds: float) -> ListeningGap:
    return ListeningGap.objects.create(
        started_at=start, ended_at=start + timedelta(seconds=seconds)
    )


def made(team: Any, **fields: Any) -> Monitor:
    monitor, _ = create_monitor(team=team, name=f"m-{Monitor.objects.count()}", **fields)
    return monitor


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


@pytest.fixture
def pushed(team) -> tuple[Monitor, datetime]:
    """A monitor of 90 + 30 s that was pushed to an hour ago, and that instant."""
    monitor = made(team, silent_after=90, grace=30)
    push(monitor)
    at = database_now() - timedelta(hours=1)
    set_clock(monitor, at)
    return monitor, at


def test_silence_begins_at_the_due_instant_and_not_a_tick_before(pushed):
    monitor, at = pushed
    due = at + timedelta(seconds=120)
    stamp_at(due - TICK)
    assert sweep_batch() == (1, 0)
    assert heartbeat(monitor).check_at == due
    assert sweep_batch() == (0, 0)  # the alarm is set for the due time: nothing to look at
    stamp_at(due)
    assert sweep_batch() == (1, 1)
    found = heartbeat(monitor)
    assert (found.state, found.cause, found.down_since) == ("down", "silence", due)
    assert found.check_at is None
    last = Transition.objects.get(to_state="down")
    assert (last.since, last.cause) == (due, "silence")
    assert last.at > due  # when it was noticed
    assert sweep_batch() == (0, 0)


def test_the_alarm_is_lazy_but_never_late(pushed):
    monitor, at = pushed
    set_clock(monitor, at + timedelta(seconds=100))
    Heartbeat.objects.update(check_at=at)
    stamp_at(at + timedelta(seconds=130))
    assert sweep_batch() == (1, 0)
    assert heartbeat(monitor).check_at == at + timedelta(seconds=220)


def test_a_monitor_that_was_never_pushed_to_is_not_judged_unless_armed(team):
    idle, armed = made(team), made(team, arm_on_create=True)
    age(armed, 91)
    listen()
    assert sweep() == 1
    assert heartbeat(idle).state == "pending"
    assert transitions(armed) == [("pending", "down", "silence")]


def test_without_a_listening_stamp_nobody_is_judged(pushed):
    monitor, _ = pushed
    assert sweep_batch() == (0, 0)
    assert heartbeat(monitor).state == "up"


def test_a_stale_stamp_holds_the_judgement_back(pushed):
    """Nobody has listened for an hour but a minute: the silence of that time is our own."""
    monitor, at = pushed
    stamp_at(at + timedelta(seconds=60))
    assert sweep() == 0
    assert heartbeat(monitor).state == "up"


def test_our_own_outage_over_the_expected_push_gives_a_fresh_window(team):
    monitor = made(team, interval=60, silent_after=90)
    push(monitor)
    at = database_now() - timedelta(hours=1)
    set_clock(monitor, at)
    ours = gap(at + timedelta(seconds=50), 30)
    due = ours.ended_at + timedelta(seconds=90)
    stamp_at(due - TICK)
    assert sweep_batch() == (1, 0)
    assert heartbeat(monitor).check_at == due
    stamp_at(due)
    assert sweep_batch() == (1, 1)
    assert heartbeat(monitor).down_since == due


def test_our_own_outage_elsewhere_only_extends_the_deadline(team):
    daily = made(team, interval=86_400, silent_after=90_000)
    push(daily)
    at = database_now() - timedelta(hours=30)
    set_clock(daily, at)
    gap(at + timedelta(hours=1), 7)
    gap(at + timedelta(hours=2), 5)
    gap(at - timedelta(hours=1), 500)  # before its clock began
    due = at + timedelta(seconds=90_012)
    stamp_at(due - TICK)
    assert sweep_batch() == (1, 0)
    stamp_at(due)
    assert sweep_batch() == (1, 1)
    assert heartbeat(daily).down_since == due


def test_a_batch_of_touched_and_untouched_windows_is_judged_at_once(team):
    before, after = made(team, silent_after=600), made(team)
    now = database_now()
    for monitor, seconds in ((before, 700), (after, 100)):
        push(monitor)
        set_clock(monitor, now - timedelta(seconds=seconds))
    gap(now - timedelta(seconds=650), 500)
    listen()
    assert sweep_batch() == (2, 1)
    assert heartbeat(after).state == "down"
    assert heartbeat(before).check_at == now + timedelta(seconds=450)


def test_a_cron_schedule_is_due_after_its_run_and_grace(team):
    monitor = made(team, cron="0 3 * * *", cron_timezone="UTC", grace=600, silent_after=5)
    push(monitor)
    yesterday = datetime.combine(database_now() - timedelta(days=1), datetime.min.time(), UTC)
    set_clock(monitor, yesterday - timedelta(hours=20))
    due = yesterday + timedelta(hours=3, minutes=10)
    stamp_at(due - TICK)
    assert sweep_batch() == (1, 0)
    assert heartbeat(monitor).check_at == due
    stamp_at(due)
    assert sweep_batch() == (1, 1)
    assert heartbeat(monitor).down_since == due


def test_one_schedule_that_cannot_be_read_holds_nobody_else_up(team):
    """A stored zone may vanish with an update of the zone database."""
    broken = made(team, cron="0 3 * * *", cron_timezone="UTC")
    fine = made(team, cron="* * * * *", cron_timezone="UTC")
    fixed = made(team)
    Monitor.objects.filter(pk=broken.pk).update(cron_timezone="Mars/Olympus")
    for monitor in (broken, fine, fixed):
        push(monitor)
        age(monitor, 4 * 86_400)
    listen()
    assert sweep() == 2
    assert (heartbeat(fine).state, heartbeat(fixed).state) == ("down", "down")
    assert heartbeat(broken).state == "up"
    assert sweep_batch()[0] == 0, "it must not be looked at again in every round"


def test_a_silence_while_down_by_failure_is_a_further_cause(team):
    monitor = made(team, failures_to_open=1)
    push(monitor, "fail")
    since = heartbeat(monitor).down_since
    age(monitor, 91)
    listen()
    assert sweep() == 1
    assert transitions(monitor)[-1] == ("down", "down", "silence")
    found = heartbeat(monitor)
    assert (found.cause, found.open_causes, found.down_since) == ("failure", 3, since)
    assert sweep() == 0


def test_any_push_restarts_the_clock_of_the_silent(team):
    monitor = made(team, passes_to_close=2)
    push(monitor)
    age(monitor, 91)
    listen()
    sweep()
    push(monitor)  # one pass of two: still down, and watched again
    assert (heartbeat(monitor).state, heartbeat(monitor).check_at is None) == ("down", False)
    age(monitor, 91)
    listen()
    sweep()
    assert transitions(monitor)[-1] == ("up", "down", "silence")  # silent again: known already
    assert len(transitions(monitor)) == 2
    assert heartbeat(monitor).consecutive_passes == 0
    push(monitor)
    push(monitor)
    assert heartbeat(monitor).state == "up"


def test_a_paused_monitor_is_never_silent_and_a_resumed_one_starts_anew(pushed):
    monitor, _ = pushed
    pause_monitor(monitor=monitor)
    listen()
    assert sweep_batch() == (0, 0)
    resume_monitor(monitor=monitor)
    listen()
    assert sweep_batch() == (1, 0)
    found = heartbeat(monitor)
    assert found.check_at == found.clock_from + timedelta(seconds=120)
    age(monitor, 121)
    assert sweep() == 1
    assert transitions(monitor)[-3:] == [
        ("up", "paused", None),
        ("paused", "pending", None),
        ("pending", "down", "silence"),
    ]


def test_one_that_was_never_pushed_to_is_not_armed_by_resuming(team):
    never, meanwhile = made(team), made(team)
    for monitor in (never, meanwhile):
        pause_monitor(monitor=monitor)
    push(meanwhile)  # stored, and changes nothing else; but it was pushed to
    for monitor in (never, meanwhile):
        resume_monitor(monitor=monitor)
    assert heartbeat(never).check_at is None
    assert heartbeat(meanwhile).check_at is not None


def test_a_shorter_window_is_judged_at_once_and_a_longer_one_holds(team):
    shorter, longer = made(team, silent_after=3600), made(team, silent_after=60)
    for monitor in (shorter, longer):
        push(monitor)
        age(monitor, 50)
        listen()
        sweep_batch()  # the alarm is now far ahead, or about to ring
    update_monitor(monitor=shorter, silent_after=30)
    update_monitor(monitor=longer, silent_after=3600)
    age(longer, 70)
    listen()
    assert sweep() == 1
    assert (heartbeat(shorter).state, heartbeat(longer).state) == ("down", "up")


def test_arming_by_an_edit_starts_the_clock_then(team):
    monitor = made(team)
    Monitor.objects.update(created_at=database_now() - timedelta(days=1))
    update_monitor(monitor=monitor, arm_on_create=True)
    listen()
    assert sweep_batch() == (1, 0)
    age(monitor, 91)
    assert sweep() == 1


def test_many_monitors_are_judged_in_batches(team):
    make_monitors(team, 250)
    Heartbeat.objects.update(
        state="up", clock_from="2020-01-01T00:00Z", check_at="2020-01-01T00:00Z"
    )
    listen()
    assert sweep_batch(limit=100) == (100, 100)
    assert sweep() == 150
    assert Transition.objects.filter(to_state="down").count() == 250


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_application_clock_that_is_wrong_changes_no_state(team, hours):
    """S6: deadlines are measured by the database's clock alone."""
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        late, fine, resumed = made(team), made(team), made(team)
        for monitor in (late, fine, resumed):
            push(monitor)
        pause_monitor(monitor=resumed)
        resume_monitor(monitor=resumed)
        update_monitor(monitor=fine, silent_after=80)
        age(late, 91)
        listen()
        assert sweep() == 1
        assert heartbeat(late).state == "down"
        assert (heartbeat(fine).state, heartbeat(resumed).state) == ("up", "pending")
        shown = standings(with_standing(Monitor.objects.all()), now=database_now())
        assert [shown[m.pk].state for m in (late, fine, resumed)] == ["down", "up", "pending"]
        assert abs(heartbeat(fine).last_push_at - database_now()) < timedelta(minutes=1)
        received = results(fine)[0].received_at
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp() - %s < interval '1 minute'", [received])
            assert cursor.fetchone()[0]


def test_what_falls_due_after_a_flood_is_found_before_the_flood_is_over(team):
    flood = make_monitors(team, 40, prefix="flood")
    for monitor in flood:
        push(monitor)
        age(monitor, 200)
    (early,) = make_monitors(team, 1, prefix="early")
    (late,) = make_monitors(team, 1, prefix="late")
    for monitor, seconds in ((early, 300), (late, 91)):
        push(monitor)
        age(monitor, seconds)
    listen()
    assert sweep_batch(limit=8) == (8, 8)
    assert (heartbeat(early).state, heartbeat(late).state) == ("down", "down")
    while sweep_batch(limit=8)[0]:
        pass
    assert {heartbeat(monitor).state for monitor in flood} == {"down"}
