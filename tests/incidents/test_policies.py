"""Policies as services: what is kept of them, and whom their targets reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Role
from incidents.destinations import delete_channel
from incidents.models import (
    AlertRule,
    Channel,
    ContactMethod,
    EscalationPolicy,
    EscalationStep,
    EscalationTarget,
    Rotation,
)
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.policies.policies import (
    DuplicateName,
    PolicyInUse,
    StepValues,
    TargetGone,
    create_policy,
    delete_policy,
    update_policy,
)
from incidents.policies.reaching import due_at, resolve_targets
from incidents.policies.snapshot import load_policies
from incidents.rules import TargetGone as RuleTargetGone
from incidents.rules import create_rule
from tests.factories import TeamFactory, UserFactory
from tests.incidents.telling import channel_to
from tests.racing import at_once

pytestmark = pytest.mark.django_db
AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOOK = "http://127.0.0.1:9/hook"


def join(team, email, **fields):
    return Membership.objects.create(
        team=team, user=UserFactory(email=email), role=Role.MEMBER, **fields
    )


def rotation_of(team, *members, name="Primary", handoff=datetime(2027, 3, 1, 9)):
    layer = LayerValues(unit="hour", length=1, handoff=handoff, members=list(members))
    return create_rotation(team=team, name=name, timezone="UTC", layers=[layer] if members else [])


def target(thing, name="gone"):
    kind = {"Membership": "member"}.get(type(thing).__name__, type(thing).__name__.lower())
    return {kind: str(thing.pk), "name": name if kind == "member" else thing.name}


def reach(*things, **options):
    return resolve_targets([target(thing) for thing in things], at=AT, **options)


def test_a_snapshot_is_what_an_escalation_keeps(team):
    ana, hook = join(team, "ana@example.org"), channel_to(team, HOOK)
    rotation = rotation_of(team, ana)
    policy = create_policy(
        team=team,
        name="p",
        repeat=3,
        acknowledge_timeout=60,
        steps=[StepValues(0, [rotation, hook]), StepValues(300, [ana, ana])],
    )
    other = create_policy(team=TeamFactory(), name="q", steps=[])
    with CaptureQueriesContext(connection) as captured:
        loaded = load_policies([policy.pk, other.pk, ana.pk])
    assert len(captured) == 1
    assert set(loaded) == {policy.pk, other.pk}
    shot = loaded[policy.pk]
    assert (shot.policy_id, shot.name, shot.repeat) == (policy.pk, "p", 3)
    assert shot.acknowledge_timeout == 60
    assert shot.steps == [
        {
            "delay": 0,
            "targets": [
                {"rotation": str(rotation.pk), "name": "Primary"},
                {"channel": str(hook.pk), "name": "hook"},
            ],
        },
        {"delay": 300, "targets": [{"member": str(ana.pk), "name": "ana@example.org"}]},
    ]


def test_an_update_keeps_what_it_does_not_name(team):
    ana = join(team, "ana@example.org")
    policy = create_policy(
        team=team, name="p", repeat=1, steps=[StepValues(0, [ana])], acknowledge_timeout=60
    )
    update_policy(policy=policy, repeat=2)
    shot = load_policies([policy.pk])[policy.pk]
    assert (shot.name, shot.repeat, shot.acknowledge_timeout, len(shot.steps)) == ("p", 2, 60, 1)
    update_policy(policy=policy, acknowledge_timeout=None, steps=[StepValues(5, [ana])] * 2)
    shot = load_policies([policy.pk])[policy.pk]
    assert (shot.acknowledge_timeout, [step["delay"] for step in shot.steps]) == (None, [5, 5])
    assert EscalationTarget.objects.count() == 2
    create_policy(team=team, name="q", steps=[])
    with pytest.raises(DuplicateName):
        update_policy(policy=policy, name="q")
    assert EscalationPolicy.objects.get(pk=policy.pk).name == "p"


def test_a_policy_that_rules_follow_cannot_go(team):
    policy = create_policy(team=team, name="p", steps=[])
    create_rule(team=team, name="one", match={}, policy=policy)
    create_rule(team=team, name="two", match={}, policy=policy, position=0)
    with pytest.raises(PolicyInUse) as raised:
        delete_policy(policy=policy)
    assert raised.value.rules == ["two", "one"]
    AlertRule.objects.all().delete()
    delete_policy(policy=policy)
    assert not EscalationPolicy.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_another_teams_things_cannot_be_paged_whatever_the_code_above_does(team):
    stranger = Membership.objects.get(team=TeamFactory())
    with pytest.raises(TargetGone):
        create_policy(team=team, name="p", steps=[StepValues(0, [stranger])])
    assert not EscalationPolicy.objects.exists()
    foreign = create_policy(team=stranger.team, name="q", steps=[])
    with pytest.raises(RuleTargetGone):
        create_rule(team=team, name="r", match={}, policy=foreign)


@pytest.mark.django_db(transaction=True)
def test_a_policy_that_is_deleted_while_a_rule_comes_to_follow_it(team):
    for n in range(5):
        policy = create_policy(team=team, name=f"p{n}", steps=[])
        outcomes = _race(policy, team, n)
        assert sorted(outcomes) in (["deleted", "gone"], ["in use", "made"])
        exists = EscalationPolicy.objects.filter(pk=policy.pk).exists()
        assert AlertRule.objects.filter(policy=policy.pk).exists() == exists


def _race(policy, team, n):
    outcomes = []

    def delete():
        try:
            delete_policy(policy=policy)
            outcomes.append("deleted")
        except PolicyInUse:
            outcomes.append("in use")

    def follow():
        try:
            create_rule(team=team, name=f"r{n}", match={}, policy=policy)
            outcomes.append("made")
        except RuleTargetGone:
            outcomes.append("gone")

    at_once(delete, follow)
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_two_that_change_a_policy_at_once_leave_the_steps_of_one(team):
    ana = join(team, "ana@example.org")
    policy = create_policy(team=team, name="p", steps=[])
    at_once(
        *(
            lambda n=n: update_policy(policy=policy, steps=[StepValues(n, [ana])] * 3)
            for n in (1, 2, 3)
        )
    )
    delays = list(EscalationStep.objects.order_by("position").values_list("delay", flat=True))
    assert len(delays) == 3
    assert len(set(delays)) == 1


# --- whom a target reaches ----------------------------------------------------------------------


def test_a_rotation_reaches_who_is_on_call_by_their_methods_in_order(team):
    ana, ben = join(team, "ana@example.org"), join(team, "ben@example.org")
    rotation = rotation_of(team, ana, ben)
    for position, delay in enumerate((5, 60)):
        ContactMethod.objects.create(
            team=team,
            membership=ana,
            name=f"way {position}",
            kind="webhook",
            config={"url": HOOK},
            position=position,
            delay=delay,
            quiet_hours=[{"from": "08:00", "to": "10:00"}],
            verified_at=AT,
        )
    [found] = reach(rotation)
    assert (found.person, found.remark) == ("ana@example.org", "")
    assert [(way.label, way.kind, way.delay_seconds) for way in found.contacts] == [
        ("way 0", "webhook", 5),
        ("way 1", "webhook", 65),
    ]
    assert all(way.key == f"method:{way.method_id}" for way in found.contacts)
    [later] = resolve_targets([target(rotation)], at=AT + timedelta(hours=1))
    assert later.person == "ben@example.org"
    assert [(way.key, way.label) for way in later.contacts] == [
        ("email:ben@example.org", "ben@example.org")
    ]


def test_quiet_hours_hold_a_page_back_unless_it_is_critical(team):
    ana = join(team, "ana@example.org")
    quiet = [{"weekdays": [0], "from": "08:00", "to": "10:00", "timezone": "UTC"}]
    ContactMethod.objects.create(
        team=team, membership=ana, kind="webhook", delay=30, quiet_hours=quiet, verified_at=AT
    )
    [found] = reach(ana)
    [way] = found.contacts
    assert way.quiet_hours == tuple(quiet)
    assert due_at(way, fired_at=AT, severity="warning") == AT + timedelta(hours=1)
    assert due_at(way, fired_at=AT, severity="critical") == AT + timedelta(seconds=30)
    [found] = reach(ana, severity="critical")
    assert found.contacts[0].quiet_hours == ()


def test_a_channel_is_reached_unless_it_is_disabled_or_gone(team):
    hook, off, gone = (channel_to(team, HOOK, name=name) for name in ("hook", "off", "lost"))
    Channel.objects.filter(pk=off.pk).update(disabled_at=AT)
    delete_channel(channel=gone)
    gone.pk = channel_to(team, HOOK, name="new").pk
    delete_channel(channel=Channel.objects.get(pk=gone.pk))
    found = reach(hook, off, gone)
    [way] = found[0].contacts
    assert (way.key, way.channel_id, way.method_id) == (f"channel:{hook.pk}", hook.pk, None)
    assert (way.kind, way.label, way.delay_seconds) == ("webhook", "hook", 0)
    assert [(r.contacts, r.remark) for r in found[1:]] == [
        ([], "Channel “off” is disabled."),
        ([], "The channel “lost” is gone."),
    ]


def test_who_is_not_reached_is_said(team):
    empty = rotation_of(team, name="Empty")
    away = join(team, "away@example.org", accepted_at=None)
    mute = join(team, "mute@example.org")
    ContactMethod.objects.create(team=team, membership=mute, kind="webhook", verified_at=None)
    shut = join(team, "shut@example.org")
    shut.user.is_active = False
    shut.user.save()
    left = join(team, "left@example.org")
    lost = target(left, name="left@example.org")
    left.delete()
    gone = target(rotation_of(team, name="Gone"))
    Rotation.objects.filter(name="Gone").delete()
    targets = [target(empty), target(away), target(mute), target(shut), lost, gone]
    found = resolve_targets(targets, at=AT)
    assert [row.contacts for row in found] == [[]] * 6
    assert [row.remark for row in found] == [
        "Rotation “Empty” has nobody on call.",
        "away@example.org has not accepted their place yet.",
        "mute@example.org has no verified contact method.",
        "The account of shut@example.org is disabled.",
        "left@example.org is no longer in the team.",
        "The rotation “Gone” is gone.",
    ]
    assert [row.target for row in found] == targets


def test_thousands_of_targets_cost_as_many_queries_as_one_of_each(team):
    ana, hook = join(team, "ana@example.org"), channel_to(team, HOOK)
    one = [target(rotation_of(team, ana)), target(ana), target(hook)]
    other = TeamFactory()
    many = list(one)
    for n in range(20):
        member = join(other, f"p{n}@example.org")
        many += [target(rotation_of(other, member, name=str(n))), target(member)]
    resolve_targets(many, at=AT)
    with CaptureQueriesContext(connection) as few:
        resolve_targets(one, at=AT)
    with CaptureQueriesContext(connection) as captured:
        found = resolve_targets(many * 100, at=AT)
    assert len(captured) == len(few)
    assert len(found) == len(many) * 100
    assert all(row.contacts for row in found)


def test_nothing_costs_nothing(team):
    with CaptureQueriesContext(connection) as captured:
        assert resolve_targets([], at=AT) == []
    assert len(captured) == 0
