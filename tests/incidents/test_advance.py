"""From transitions to incidents: one at a time per monitor, in order, nothing half done."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction

from incidents.lifecycle.advance import advance_batch
from incidents.lifecycle.lanes import advance
from incidents.models import Delivery, Incident, Notification, TimelineEvent
from monitors.models import Monitor, Transition
from monitors.services import create_monitor, delete_monitor, pause_monitor, resume_monitor
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.telling import deliveries, go, incidents, kinds, timeline
from tests.monitors.pushing import age, listen, make_monitors, push
from tests.racing import at_once, session

pytestmark = pytest.mark.django_db


@pytest.fixture
def monitor(team) -> Monitor:
    return create_monitor(team=team, name="backup", severity="warning")[0]


def unhandled() -> int:
    return Transition.objects.filter(handled_at=None).count()


def test_a_failure_opens_an_incident_that_says_what_happened(monitor):
    go(monitor, "pass")
    push(monitor, "fail", message="disk full")
    assert advance() == (1, 1)
    (incident,) = incidents()
    change = Transition.objects.get(to_state="down")
    assert (incident.state, incident.cause, incident.severity) == ("open", "failure", "warning")
    assert incident.summary == "backup reports failure: disk full"
    assert incident.down_since == change.at
    assert incident.opened_at >= change.at
    assert (incident.monitor_name, incident.namespace) == ("backup", "acme")
    assert kinds(incident) == ["opened"]
    assert unhandled() == 0
    assert advance() == (0, 0)


def test_a_silence_says_since_when(monitor):
    push(monitor)
    age(monitor, 91)
    listen()
    go(monitor)
    (incident,) = incidents()
    assert incident.cause == "silence"
    assert "went silent" in incident.summary
    assert incident.down_since < incident.opened_at
    assert incident.down_since == Transition.objects.get(to_state="down").since


def test_one_that_never_pushed_says_so(team):
    monitor, _ = create_monitor(team=team, name="m", arm_on_create=True)
    age(monitor, 91)
    listen()
    go(monitor)
    assert incidents()[0].summary == "m never pushed"


def test_a_further_cause_is_an_event_and_pages_nobody_anew(monitor):
    go(monitor, "fail")
    age(monitor, 91)
    listen()
    go(monitor)
    (incident,) = incidents()
    assert (incident.cause, kinds(incident)) == ("failure", ["opened", "cause"])
    assert timeline(incident)[1][1] == "Pushes have stopped as well"
    assert len(deliveries()) == 1


def test_a_pass_resolves_and_tells_those_who_were_paged(monitor):
    go(monitor, "fail")
    go(monitor, "pass")
    (incident,) = incidents()
    assert (incident.state, incident.resolved_reason) == ("resolved", "recovered")
    assert incident.resolved_at == Transition.objects.latest("id").at
    opened, resolved = deliveries()
    assert (opened.event, resolved.event) == ("incident.opened", "incident.resolved")
    assert resolved.after_id == opened.pk
    assert resolved.contact == opened.contact
    assert opened.payload["incident"]["state"] == "open"
    assert resolved.payload["incident"]["state"] == "resolved"
    assert Notification.objects.count() == 2


def test_a_fail_and_a_pass_in_one_batch_are_both_told_in_order(monitor):
    """I3."""
    go(monitor, "fail", "pass")
    (incident,) = incidents()
    assert (incident.state, kinds(incident)) == ("resolved", ["opened", "resolved"])
    opened, resolved = sorted(deliveries(), key=lambda row: row.event)
    assert (opened.state, resolved.state) == ("pending", "pending")
    assert resolved.after_id == opened.pk
    assert opened.payload["incident"]["state"] == "open"


def test_a_fail_after_the_end_opens_a_new_incident_linked_to_the_last(monitor):
    for _ in range(3):
        go(monitor, "fail")
        go(monitor, "pass")
    first, second, third = incidents()
    assert (first.previous_id, second.previous_id, third.previous_id) == (
        None,
        first.pk,
        second.pk,
    )


def test_many_changes_of_many_monitors_in_one_batch_form_chains(team):
    """Ids made within one millisecond say nothing of their order: the links must not rely on it."""
    monitors = make_monitors(team, 25)
    for monitor in monitors:
        for status in ("fail", "pass", "fail", "pass", "fail"):
            push(monitor, status)
    advance()
    for monitor in monitors:
        first, second, third = incidents(monitor)
        assert [i.state for i in (first, second, third)] == ["resolved", "resolved", "open"]
        assert (second.previous_id, third.previous_id) == (first.pk, second.pk)
        assert (second.flapping, third.flapping) == (False, True)  # the fourth change opened it
        push(monitor, "pass")
        push(monitor, "fail")
    advance()
    for monitor in monitors:
        assert [i.state for i in incidents(monitor)] == ["resolved"] * 2 + ["open"]


def test_a_clock_that_was_set_back_confuses_no_incident(monitor):
    """S6: ids carry the application's time; what is open must not be found by them."""
    with time_machine.travel(datetime.now().astimezone() + timedelta(hours=1), tick=True):
        go(monitor, "fail", "pass")
    go(monitor, "fail")
    first, second = incidents()
    assert second.previous_id == first.pk
    go(monitor, "pass")
    assert [i.state for i in incidents()] == ["resolved", "resolved"]
    go(monitor, "fail")
    assert incidents()[2].previous_id == second.pk


def test_pausing_in_mid_incident_resolves_it_with_that_reason(monitor):
    """I6: what was not sent is cancelled, the history stays."""
    go(monitor, "fail")
    pause_monitor(monitor=monitor)
    go(monitor)
    (incident,) = incidents()
    assert (incident.state, incident.resolved_reason) == ("resolved", "paused")
    assert [(d.event, d.state) for d in deliveries()] == [("incident.opened", "cancelled")]
    resume_monitor(monitor=monitor)
    go(monitor, "fail")
    assert incidents()[1].previous_id == incident.pk


def test_pausing_tells_those_who_had_been_paged(monitor):
    go(monitor, "fail")
    Delivery.objects.update(state="delivered")
    pause_monitor(monitor=monitor)
    go(monitor)
    told = deliveries()[1]
    assert (told.event, told.payload["incident"]["resolved_reason"]) == (
        "incident.resolved",
        "paused",
    )


def test_deleting_in_mid_incident_resolves_it_and_tells_nobody(monitor):
    """I6."""
    go(monitor, "fail")
    Delivery.objects.update(state="delivered")
    pk = monitor.pk
    delete_monitor(monitor=monitor)
    assert advance() == (1, 0)
    (incident,) = incidents()
    assert (incident.state, incident.resolved_reason) == ("resolved", "deleted")
    assert (incident.monitor_id, incident.monitor_name) == (pk, "backup")
    assert len(deliveries()) == 1


def test_opening_and_deleting_between_two_rounds_is_forgotten(monitor):
    push(monitor, "fail")
    delete_monitor(monitor=monitor)
    assert advance() == (2, 0)
    assert incidents() == []
    assert unhandled() == 0


def test_pausing_and_resuming_within_one_batch(monitor):
    go(monitor, "fail")
    pause_monitor(monitor=monitor)
    resume_monitor(monitor=monitor)
    push(monitor, "fail")
    advance()
    assert [(i.state, i.resolved_reason) for i in incidents()] == [
        ("resolved", "paused"),
        ("open", None),
    ]


def test_thousands_of_transitions_are_handled_in_batches(team):
    monitors = make_monitors(team, 1200)
    Transition.objects.bulk_create(
        Transition(
            team=team,
            monitor=monitor,
            at=team.created_at,
            from_state="up",
            to_state="down",
            cause="failure",
        )
        for monitor in monitors
    )
    assert advance_batch(limit=500) == (500, 500)
    assert advance() == (700, 700)
    assert Incident.objects.filter(state="open").count() == 1200
    assert TimelineEvent.objects.filter(kind="opened").count() == 1200


@pytest.mark.django_db(transaction=True)
def test_two_advances_at_once_open_each_incident_once(team):
    """S5."""
    for monitor in make_monitors(team, 30):
        push(monitor, "fail")
    at_once(advance, advance, advance)
    advance()
    assert Incident.objects.count() == 30
    assert Delivery.objects.count() == 30


@pytest.mark.django_db(transaction=True)
def test_a_crash_before_the_commit_leaves_everything_to_the_next_round(monitor):
    push(monitor, "fail")

    @transaction.atomic
    def crash() -> None:
        assert advance_batch() == (1, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert (unhandled(), incidents(), deliveries()) == (1, [], [])
    assert advance() == (1, 1)
    assert len(incidents()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_killed_in_mid_batch_leaves_nothing_half_done(monitor):
    push(monitor, "fail")

    def doomed() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        try:
            with transaction.atomic():
                advance_batch()
                with session() as killer:
                    killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        except Exception as error:
            return type(error).__name__
        return "survived"

    assert at_once(doomed) == ["OperationalError"]
    assert unhandled() == 1
    assert advance() == (1, 1)
    assert (len(incidents()), len(deliveries())) == (1, 1)


def test_a_team_with_thousands_lets_anothers_first_change_through(team):
    for monitor in make_monitors(team, 40):
        push(monitor, "fail")
    other = MonitorFactory(team=TeamFactory())
    push(other, "fail")
    advance_batch(limit=10)
    assert other.pk in {incident.monitor_id for incident in incidents()}
    assert len(incidents()) == 10
    assert advance()[0] == 31
