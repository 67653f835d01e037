"""I7: a monitor that goes down inside a maintenance window."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection

from incidents.delivery.pool import deliver_here
from incidents.engine import run_round
from incidents.lifecycle.actions import resolve_incident
from incidents.maintenance.maintenances import create_maintenance, delete_maintenance
from incidents.models import HeldOutage, MaintenanceSpan
from monitors.models import Heartbeat
from monitors.queries import database_now
from monitors.services import delete_monitor
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.telling import go, incidents

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def team():
    return TeamFactory()


@pytest.fixture
def monitor(team):
    return MonitorFactory(team=team, labels={"env": "prod"})


def window(team, *, monitors=(), labels=None, minutes=60):
    now = database_now()
    return create_maintenance(
        team=team,
        name=f"window {now}",
        monitors=list(monitors),
        labels=labels or {},
        starts_at=now - timedelta(minutes=5),
        ends_at=now + timedelta(minutes=minutes),
    )


def end_spans():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_maintenancespan SET ends_at = clock_timestamp()")


@pytest.mark.parametrize("by", ["monitor", "label"])
def test_nothing_opens_inside_and_it_opens_at_the_end_with_the_true_start(team, monitor, by):
    if by == "monitor":
        window(team, monitors=[monitor])
    else:
        window(team, labels={"env": "prod"})
    go(monitor, "pass", "fail")
    run_round()
    assert incidents() == []
    assert Heartbeat.objects.get().state == "down"
    since = Heartbeat.objects.get().down_since
    end_spans()
    run_round()
    deliver_here()
    (incident,) = incidents()
    assert (incident.down_since, incident.cause, incident.state) == (since, "failure", "open")
    assert incident.opened_at > since
    assert len(mail.outbox) == 1
    run_round()
    assert len(incidents()) == 1


def test_what_recovers_inside_is_told_to_nobody(team, monitor):
    window(team, monitors=[monitor])
    go(monitor, "fail")
    go(monitor, "pass")
    end_spans()
    run_round()
    assert incidents() == []
    assert HeldOutage.objects.count() == 0


def test_down_and_up_in_one_batch_leave_nothing(team, monitor):
    window(team, monitors=[monitor])
    go(monitor, "fail", "pass", "fail", "pass")
    end_spans()
    run_round()
    assert (incidents(), HeldOutage.objects.count()) == ([], 0)


def test_a_deleted_monitor_is_forgotten(team, monitor):
    window(team, monitors=[monitor])
    go(monitor, "fail")
    delete_monitor(monitor=monitor)
    run_round()
    end_spans()
    run_round()
    assert (incidents(), HeldOutage.objects.count()) == ([], 0)


def test_a_second_window_goes_on_holding(team, monitor):
    window(team, monitors=[monitor])
    first = MaintenanceSpan.objects.get()
    go(monitor, "fail")
    window(team, labels={"env": "prod"})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_maintenancespan SET ends_at = clock_timestamp() WHERE id = %s",
            [first.pk],
        )
    run_round()
    assert incidents() == []


def test_deleting_the_window_ends_it(team, monitor):
    maintenance = window(team, monitors=[monitor])
    go(monitor, "fail")
    delete_maintenance(maintenance=maintenance)
    run_round()
    assert len(incidents()) == 1


def test_an_incident_from_before_stays_and_is_not_opened_again(team, monitor):
    go(monitor, "fail")
    window(team, monitors=[monitor])
    go(monitor, "fail")
    resolve_incident(incident=incidents()[0], actor="ana@example.org")
    end_spans()
    run_round()
    assert len(incidents()) == 1


def test_other_monitors_and_other_teams_page_as_usual(team, monitor):
    stranger = MonitorFactory(team=TeamFactory(), labels={"env": "prod"})
    other = MonitorFactory(team=team, labels={"env": "test"})
    window(team, labels={"env": "prod"})
    go(stranger, "fail")
    go(other, "fail")
    assert {i.monitor_id for i in incidents()} == {stranger.pk, other.pk}


def test_a_further_cause_inside_the_window_does_not_open(team):
    monitor = MonitorFactory(team=team, latency_limit_ms=100)
    window(team, monitors=[monitor])
    go(monitor, "fail")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, cause,"
            " detail) VALUES (%s, %s, clock_timestamp(), 'down', 'down', 'silence', '')",
            [team.pk, monitor.pk],
        )
    run_round()
    assert incidents() == []
