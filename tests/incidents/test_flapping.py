"""I5: the fourth change between up and down within a quarter of an hour."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import connection

from incidents.delivery.pool import deliver_here
from incidents.engine import run_round
from incidents.lifecycle.actions import resolve_incident
from monitors.services import pause_monitor
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.ladders import make_timers_due
from tests.incidents.telling import channel_to, events, go, incidents, kinds, route_to
from tests.providers import Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def monitor(provider):
    team = TeamFactory()
    route_to(team, channel_to(team, provider))
    return MonitorFactory(team=team)


def go_slowly(monitor, *steps):
    for step in steps:
        go(monitor, step)
        deliver_here()
        deliver_here()


def age_changes(minutes):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE monitors_transition SET at = at - make_interval(mins => %s)", [minutes]
        )


def test_the_fourth_change_marks_the_incident_with_one_notice(monitor, provider):
    """Down, up, down page as usual; the fourth change is an up and leaves the incident open."""
    go_slowly(monitor, "pass", "fail", "pass", "fail", "pass")
    first, second = incidents()
    assert (first.state, first.flapping) == ("resolved", False)
    assert (second.state, second.flapping) == ("open", True)
    assert events(provider) == [
        "incident.opened",
        "incident.resolved",
        "incident.opened",
        "incident.flapping",
    ]
    go_slowly(monitor, "fail", "pass", "fail", "pass")
    assert len(incidents()) == 2
    assert len(provider.got) == 4
    assert kinds(second).count("flapping") == 1


def test_it_resolves_after_ten_quiet_minutes(monitor, provider):
    go_slowly(monitor, "pass", "fail", "pass", "fail", "pass")
    (*_, flapping) = incidents()
    assert (flapping.settle_at - flapping.opened_at).total_seconds() > 590
    run_round()
    assert incidents()[1].state == "open"
    make_timers_due()
    run_round()
    deliver_here()
    (*_, settled) = incidents()
    assert (settled.state, settled.resolved_reason, settled.flapping) == (
        "resolved",
        "recovered",
        True,
    )
    assert events(provider)[-1] == "incident.resolved"


def test_one_that_is_down_after_ten_quiet_minutes_stays_open(monitor, provider):
    go_slowly(monitor, "pass", "fail", "pass", "fail", "pass", "fail")
    make_timers_due()
    run_round()
    (*_, still) = incidents()
    assert (still.state, still.settle_at) == ("open", None)
    go_slowly(monitor, "pass")
    assert incidents()[-1].state == "open"  # ten quiet minutes are asked for again
    make_timers_due()
    run_round()
    assert incidents()[-1].state == "resolved"


def test_a_fourth_change_that_is_a_fall_opens_a_flapping_incident_and_pages_once(monitor, provider):
    go_slowly(monitor, "fail", "pass", "fail", "pass", "fail")
    (*_, third) = incidents()
    assert (third.state, third.flapping) == ("open", True)
    assert events(provider).count("incident.opened") == 3
    assert "incident.flapping" not in events(provider)


def test_changes_that_are_a_quarter_of_an_hour_old_do_not_count(monitor, provider):
    go_slowly(monitor, "pass", "fail", "pass")
    age_changes(16)
    go_slowly(monitor, "fail", "pass")
    assert [i.state for i in incidents()] == ["resolved", "resolved"]
    assert [i.flapping for i in incidents()] == [False, False]


def test_pending_and_paused_are_no_changes(monitor, provider):
    go_slowly(monitor, "fail", "pass", "fail", "pass")  # up, down, up after the first fall
    assert [i.flapping for i in incidents()] == [False, False]


def test_pausing_and_resolving_by_hand_end_it_at_once(monitor, provider):
    go_slowly(monitor, "pass", "fail", "pass", "fail", "pass")
    pause_monitor(monitor=monitor)
    run_round()
    assert incidents()[1].resolved_reason == "paused"
    assert incidents()[1].settle_at is None


def test_resolving_a_flapping_one_by_hand(monitor, provider):
    go_slowly(monitor, "pass", "fail", "pass", "fail", "pass")
    resolve_incident(incident=incidents()[1], actor="ana@example.org")
    make_timers_due()
    run_round()
    assert incidents()[1].resolved_reason == "resolved by ana@example.org"
    assert mail.outbox == []
