"""What people do to a ladder: acknowledge, snooze, assign, resolve."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from incidents.delivery.pool import deliver_here
from incidents.engine import run_round
from incidents.lifecycle.actions import (
    acknowledge_incident,
    assign_incident,
    resolve_incident,
    snooze_incident,
)
from tests.incidents.climbing import ana, ben, monitor, team, told
from tests.incidents.ladders import ladders, make_steps_due, make_timers_due, policy_of
from tests.incidents.telling import (
    channel_to,
    events,
    go,
    incidents,
    kinds,
    route_to,
    states,
    timeline,
)
from tests.providers import Provider

__all__ = ["ana", "ben", "monitor", "team"]  # the fixtures

pytestmark = pytest.mark.django_db(transaction=True)


def test_acknowledging_cancels_what_waits_and_every_later_step(team, monitor, ana, ben):
    """E2."""
    policy_of(team, (0, [ana]), (60, [ben]))
    go(monitor, "fail")
    acknowledge_incident(incident=incidents()[0], actor="ana@example.org")
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == []
    assert states() == ["cancelled"]


def test_an_acknowledgement_that_runs_out_opens_the_incident_again_from_step_0(team, monitor, ana):
    """E9."""
    policy_of(team, (0, [ana]), acknowledge_timeout=600)
    go(monitor, "fail")
    deliver_here()
    acknowledge_incident(incident=incidents()[0], actor="ana@example.org")
    make_timers_due()
    run_round()
    deliver_here()
    (incident,) = incidents()
    assert (incident.state, incident.acknowledged_by, incident.wake_at) == ("open", None, None)
    assert told() == ["ana@example.org"] * 2


def test_a_snooze_that_ends_while_it_is_still_down_pages_anew(team, monitor, ana):
    """E9."""
    policy_of(team, (0, [ana]), (60, [ana]))
    go(monitor, "fail")
    deliver_here()
    snoozed = snooze_incident(incident=incidents()[0], actor="ana@example.org", seconds=900)
    assert snoozed.snoozed_until - snoozed.acknowledged_at == timedelta(seconds=900)
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == ["ana@example.org"]
    make_timers_due()
    run_round()
    deliver_here()
    (incident,) = incidents()
    assert (incident.state, incident.snoozed_until) == ("open", None)
    assert told() == ["ana@example.org"] * 2
    assert "reopened" in kinds(incident)


def test_a_snooze_that_ends_after_the_recovery_changes_nothing(team, monitor, ana):
    policy_of(team, (0, [ana]))
    go(monitor, "fail")
    deliver_here()
    snooze_incident(incident=incidents()[0], actor="ana@example.org", seconds=900)
    go(monitor, "pass")
    deliver_here()
    make_timers_due()
    run_round()
    deliver_here()
    assert incidents()[0].state == "resolved"
    assert [letter.subject.split(":")[0] for letter in mail.outbox] == [
        "[Tocsin] Down",
        "[Tocsin] Up",
    ]


def test_a_snoozed_incident_without_a_policy_tells_its_channels_again(team, monitor):
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        go(monitor, "fail")
        deliver_here()
        snooze_incident(incident=incidents()[0], actor="ana@example.org", seconds=900)
        make_timers_due()
        run_round()
        deliver_here()
        assert events(provider) == ["incident.opened"] * 2


def test_assigning_pages_the_member_instead_of_the_others(team, monitor, ana, ben):
    policy_of(team, (0, [ana]), (60, [ana]))
    go(monitor, "fail")
    deliver_here()
    assign_incident(incident=incidents()[0], actor="ana@example.org", member=ben)
    run_round()
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == ["ana@example.org", "ben@example.org"]
    assert ("reopened", "Assigned to ben@example.org") in timeline(incidents()[0])


def test_assigning_to_a_policy_climbs_that_one(team, monitor, ana, ben):
    policy_of(team, (0, [ana]))
    other = policy_of(team, (0, [ben]), name="Other", route=False)
    go(monitor, "fail")
    assign_incident(incident=incidents()[0], actor="ana@example.org", policy=other)
    run_round()
    deliver_here()
    assert told() == ["ben@example.org"]


def test_resolving_by_hand_ends_the_ladder(team, monitor, ana, ben):
    policy_of(team, (0, [ana]), (60, [ben]))
    go(monitor, "fail")
    deliver_here()
    resolve_incident(incident=incidents()[0], actor="ana@example.org")
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == ["ana@example.org"] * 2
    assert ladders(incidents()[0])[0].next_step_at is None
