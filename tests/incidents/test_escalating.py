"""Climbing a policy: E1 to E9, with real deliveries to a loopback provider."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from accounts.models import Membership
from incidents.delivery.pool import deliver_here
from incidents.destinations import create_channel
from incidents.engine import run_round
from incidents.lifecycle.escalating import ROUND_PAUSE, fire_steps
from incidents.lifecycle.lanes import advance
from incidents.models import ContactMethod, Delivery, EscalationStep, IncidentState
from incidents.oncall.rotations import update_rotation
from incidents.policies.policies import StepValues, update_policy
from incidents.rules import create_rule
from monitors.services import delete_monitor, pause_monitor
from tests.factories import MonitorFactory
from tests.incidents.climbing import ana, ben, monitor, team, told
from tests.incidents.ladders import (
    ladders,
    make_steps_due,
    policy_of,
    rotation_of,
    webhook_method,
    weekly,
)
from tests.incidents.telling import (
    channel_to,
    deliveries,
    events,
    go,
    incidents,
    kinds,
    make_due,
    timeline,
)
from tests.monitors.pushing import push
from tests.providers import Provider
from tests.racing import at_once

__all__ = ["ana", "ben", "monitor", "team"]  # the fixtures

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_first_step_pages_at_once_and_the_second_after_its_delay(team, monitor, ana, ben):
    """E1."""
    policy_of(team, (0, [rotation_of(team, ana)]), (300, [ben]))
    go(monitor, "fail")
    deliver_here()
    assert told() == ["ana@example.org"]
    (ladder,) = ladders(incidents()[0])
    fired = deliveries()[0].created_at
    assert ladder.next_step_at - fired == timedelta(seconds=300)
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == ["ana@example.org", "ben@example.org"]
    assert ("step", "Step 2 of “Policy” pages ben@example.org.") in timeline(incidents()[0])


def test_two_steps_repeated_twice_fire_six_times_and_are_then_exhausted(team, monitor, ana, ben):
    """E4."""
    policy_of(team, (0, [ana]), (60, [ben]), repeat=2)
    go(monitor, "fail")
    for _ in range(8):
        make_steps_due()
        run_round()
    deliver_here()
    assert sorted(told()) == ["ana@example.org"] * 3 + ["ben@example.org"] * 3
    said = kinds(incidents()[0])
    assert (said.count("step"), said.count("exhausted")) == (6, 1)
    assert incidents()[0].state == IncidentState.OPEN


def test_a_policy_without_delays_takes_a_breath_between_its_rounds(team, monitor, ana):
    policy_of(team, (0, [ana]), repeat=9)
    go(monitor, "fail")
    (ladder,) = ladders(incidents()[0])
    assert ladder.firings == 1
    assert ladder.next_step_at - deliveries()[0].created_at == ROUND_PAUSE


def test_a_step_that_reaches_nobody_says_so_and_the_next_fires_at_once(team, monitor, ana, ben):
    """E5: an empty rotation, and a person whose only method is not verified."""
    ContactMethod.objects.create(
        team=team, membership=ana, kind="webhook", config={"url": "https://example.org"}
    )
    policy_of(team, (0, [rotation_of(team)]), (3600, [ana]), (3600, [ben]))
    go(monitor, "fail")
    deliver_here()
    assert told() == ["ben@example.org"]
    said = [text for kind, text in timeline(incidents()[0]) if kind == "skipped"]
    assert said == [
        "Step 1 of “Policy”: Rotation “Primary” has nobody on call.",
        "Step 1 of “Policy” reached nobody.",
        "Step 2 of “Policy”: ana@example.org has no verified contact method.",
        "Step 2 of “Policy” reached nobody.",
    ]


def test_when_no_step_reaches_anybody_the_owners_are_mailed(team, monitor):
    """E6."""
    policy_of(team, (0, [rotation_of(team)]), (3600, [rotation_of(team, name="Other")]))
    go(monitor, "fail")
    deliver_here()
    owner = Membership.objects.get(team=team, role="owner").user.email
    assert told() == [owner]
    assert ("notified", "No step reached anybody: mailing the owners.") in timeline(incidents()[0])
    for _ in range(3):
        run_round()
    deliver_here()
    assert len(mail.outbox) == 1


def test_an_empty_round_does_not_spin(team, monitor):
    policy_of(team, (0, [rotation_of(team)]), repeat=9)
    go(monitor, "fail")
    for _ in range(5):
        run_round()
    assert ladders(incidents()[0])[0].firings == 1


def test_when_all_messages_of_a_step_fail_the_next_step_fires_at_once(team, monitor, ana):
    with Provider(lambda n: 404) as gone:
        policy_of(team, (0, [channel_to(team, gone)]), (3600, [ana]))
        go(monitor, "fail")
        deliver_here()
        run_round()
        deliver_here()
    assert told() == ["ana@example.org"]


def test_when_every_message_fails_for_good_the_owners_are_mailed(team, monitor):
    """E6."""
    with Provider(lambda n: 404) as gone:
        policy_of(team, (0, [channel_to(team, gone)]))
        go(monitor, "fail")
        deliver_here()
    deliver_here()
    assert told() == [Membership.objects.get(team=team, role="owner").user.email]


def test_the_same_person_through_two_targets_is_told_once(team, monitor, ana):
    """E7."""
    policy_of(team, (0, [rotation_of(team, ana), ana]))
    go(monitor, "fail")
    deliver_here()
    assert told() == ["ana@example.org"]


def test_an_edit_in_mid_incident_leaves_its_ladder_but_the_person_is_read_at_the_step(
    team, monitor, ana, ben
):
    """E8."""
    rotation = rotation_of(team, ana)
    policy = policy_of(team, (0, [ana]), (60, [rotation]))
    go(monitor, "fail")
    update_policy(policy=policy, steps=[StepValues(delay=0, targets=[ben])])
    assert EscalationStep.objects.count() == 1
    update_rotation(rotation=rotation, layers=[weekly(ben)])
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == ["ana@example.org", "ben@example.org"]


def test_the_recovery_is_told_once_to_everybody_who_was_paged(team, monitor, ana, ben):
    """I4: twice paged by two steps, told once; who was not paged yet hears nothing."""
    policy_of(team, (0, [ana]), (60, [ana]), (600, [ben]))
    go(monitor, "fail")
    make_steps_due()
    run_round()
    deliver_here()
    go(monitor, "pass")
    deliver_here()
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == ["ana@example.org"] * 3
    assert mail.outbox[-1].subject.startswith("[Tocsin] Up")


def test_methods_come_in_their_order_with_their_delays(team, monitor, ana):
    with Provider() as first, Provider() as second:
        webhook_method(ana, first.url)
        webhook_method(ana, second.url, position=1, delay=120)
        policy_of(team, (0, [ana]))
        go(monitor, "fail")
        deliver_here()
        assert (len(first.got), len(second.got)) == (1, 0)
        make_due()
        deliver_here()
        assert (len(first.got), len(second.got)) == (1, 1)


def test_the_next_method_is_used_at_once_when_one_fails(team, monitor, ana):
    """N2, N3."""
    with Provider(lambda n: 404) as broken, Provider() as fine:
        webhook_method(ana, broken.url)
        webhook_method(ana, fine.url, position=1, delay=3600)
        policy_of(team, (0, [ana]))
        go(monitor, "fail")
        deliver_here()
        deliver_here()
        assert (len(broken.got), len(fine.got)) == (1, 1)
    assert mail.outbox == []


def test_a_method_whose_provider_is_gone_is_disabled(team, monitor, ana):
    with Provider(lambda n: 410) as gone:
        method = webhook_method(ana, gone.url)
        policy_of(team, (0, [ana]))
        go(monitor, "fail")
        deliver_here()
    method.refresh_from_db()
    assert method.disabled_at is not None


def test_a_recovery_cancels_the_methods_that_would_come_later(team, monitor, ana):
    with Provider() as first, Provider() as second:
        webhook_method(ana, first.url)
        webhook_method(ana, second.url, position=1, delay=3600)
        policy_of(team, (0, [ana]))
        go(monitor, "fail")
        deliver_here()
        go(monitor, "pass")
        make_due()
        deliver_here()
        deliver_here()
        assert events(first) == ["incident.opened", "incident.resolved"]
        assert second.got == []


def test_pausing_and_deleting_end_the_ladder(team, ana):
    policy_of(team, (0, [ana]), (60, [ana]))
    for end in (pause_monitor, delete_monitor):
        monitor = MonitorFactory(team=team)
        go(monitor, "fail")
        end(monitor=monitor)
        run_round()
        make_steps_due()
        run_round()
    assert Delivery.objects.filter(state="pending", event="incident.opened").count() == 0
    assert [ladder.next_step_at for i in incidents() for ladder in ladders(i)] == [None, None]


def test_a_rule_that_goes_on_starts_several_policies(team, monitor, ana, ben):
    first = policy_of(team, (0, [ana]), name="First", route=False)
    second = policy_of(team, (0, [ben]), name="Second", route=False)
    create_rule(team=team, name="a", match={}, policy=first, continue_matching=True)
    create_rule(team=team, name="b", match={}, policy=second)
    go(monitor, "fail")
    deliver_here()
    assert sorted(told()) == ["ana@example.org", "ben@example.org"]


def test_two_engines_at_once_fire_each_step_once(team, ana):
    """S5."""
    policy_of(team, (0, [ana]), (0, [ana]), (0, [ana]), repeat=1)
    for _ in range(20):
        push(MonitorFactory(team=team), "fail")
    advance()
    at_once(*[lambda: [fire_steps(limit=7) for _ in range(12)]] * 4)
    assert {ladder.firings for i in incidents() for ladder in ladders(i)} == {3}
    assert Delivery.objects.filter(event="incident.opened").count() == 60
    assert {i.step_seq for i in incidents()} == {3}


def test_a_fail_and_a_pass_within_one_second_are_both_told_in_order(team, monitor, ana):
    """I3, through a policy: the incident is over before its first step fires."""
    policy_of(team, (0, [ana]), (60, [ana]))
    go(monitor, "pass")
    go(monitor, "fail", "pass")
    deliver_here()
    deliver_here()
    assert [letter.subject.split(":")[0] for letter in mail.outbox] == [
        "[Tocsin] Down",
        "[Tocsin] Up",
    ]
    (incident,) = incidents()
    assert incident.state == "resolved"
    assert incident.opened_at <= incident.resolved_at
    assert ladders(incident)[0].next_step_at is None
    make_steps_due()
    run_round()
    assert len(deliveries()) == 2


def test_a_blip_before_a_delayed_first_step_pages_nobody(team, monitor, ana):
    policy_of(team, (60, [ana]))
    go(monitor, "fail", "pass")
    make_steps_due()
    run_round()
    deliver_here()
    assert told() == []


def test_deleting_a_monitor_closes_the_alert_at_a_provider_that_keeps_account(team, monitor):
    with Provider(lambda n: 202) as provider:
        config = {"routing_key": "R" * 32, "api_url": provider.url}
        channel = create_channel(team=team, name="pd", kind="pagerduty", config=config)
        policy_of(team, (0, [channel]))
        go(monitor, "fail")
        deliver_here()
        delete_monitor(monitor=monitor)
        run_round()
        deliver_here()
        assert [got.json["event_action"] for got in provider.got] == ["trigger", "resolve"]
