"""Ways in which a page could get lost, or go where it must not: each was possible once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection

from accounts.database.standing import as_owner
from accounts.models import Membership
from incidents.delivery.pool import deliver_here
from incidents.engine import run_round
from incidents.lifecycle.actions import (
    acknowledge_incident,
    assign_incident,
    resolve_incident,
    snooze_incident,
)
from incidents.lifecycle.lanes import advance
from incidents.maintenance.maintenances import create_maintenance
from incidents.models import ContactMethod, Escalation, EscalationPolicy
from monitors.queries import database_now
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.ladders import (
    add_member,
    make_timers_due,
    policy_of,
    rotation_of,
    webhook_method,
)
from tests.incidents.telling import channel_to, go, incidents, kinds, make_due, route_to, timeline
from tests.monitors.pushing import push
from tests.providers import Answer, Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def team():
    return TeamFactory()


@pytest.fixture
def monitor(team):
    return MonitorFactory(team=team)


@pytest.fixture
def ana(team):
    return add_member(team, "ana@example.org")


@pytest.fixture
def owner(team):
    return Membership.objects.get(team=team, role="owner").user.email


def told() -> list[str]:
    return [letter.to[0] for letter in mail.outbox]


def test_a_snooze_that_ends_with_nobody_left_mails_the_owners_each_time(team, monitor, ana, owner):
    policy_of(team, (0, [ana]))
    go(monitor, "fail")
    deliver_here()
    ContactMethod.objects.filter(membership=ana).update(disabled_at=database_now())
    for times in (1, 2):
        snooze_incident(incident=incidents()[0], actor="ana@example.org", seconds=900)
        make_timers_due()
        run_round()
        deliver_here()
        assert told() == ["ana@example.org"] + [owner] * times


def test_assigning_to_somebody_who_cannot_be_reached_mails_the_owners(team, monitor, ana, owner):
    mute = add_member(team, "mute@example.org")
    ContactMethod.objects.create(team=team, membership=mute, kind="webhook", config={})
    policy_of(team, (0, [ana]))
    go(monitor, "fail")
    deliver_here()
    assign_incident(incident=incidents()[0], actor="ana@example.org", member=mute)
    run_round()
    deliver_here()
    assert told() == ["ana@example.org", owner]


def test_a_provider_that_asks_for_an_hour_does_not_keep_the_page_to_itself(team, monitor, owner):
    """E6: within 60 s somebody else hears of it; the tries go on."""
    with Provider(lambda n: Answer(429, {"Retry-After": "3600"})) as busy:
        route_to(team, channel_to(team, busy))
        go(monitor, "fail")
        deliver_here()
    assert told() == [owner]
    assert kinds(incidents()[0]).count("notified") >= 1


def test_a_rotation_that_cannot_be_read_keeps_nobody_elses_pages(team, monitor, ana):
    other = TeamFactory()
    broken = rotation_of(other, add_member(other, "ben@example.org"))
    policy_of(other, (0, [broken]))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_rotation SET timezone = 'Atlantis/Gone', check_at = NULL")
    policy_of(team, (0, [ana]))
    go(MonitorFactory(team=other), "fail")
    go(monitor, "fail")
    deliver_here()
    rival = Membership.objects.get(team=other, role="owner").user.email
    assert sorted(told()) == sorted(["ana@example.org", rival])


def test_a_ladder_that_cannot_be_climbed_keeps_nobody_elses_pages(team, monitor, ana):
    policy_of(team, (0, [ana]))
    other = TeamFactory()
    poison = MonitorFactory(team=other)
    policy_of(other, (0, [add_member(other, "ben@example.org")]))
    push(poison, "fail")
    advance()
    Escalation.objects.update(steps=[{"delay": 0}])
    go(monitor, "fail")
    deliver_here()
    assert told() == ["ana@example.org"]


def test_a_policy_that_is_gone_when_its_rule_matches_leaves_the_owners(team, monitor, ana, owner):
    policy = policy_of(team, (0, [ana]))
    # As after a deletion between the engine's two looks.
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM incidents_escalationpolicy WHERE id = %s", [policy.pk])
        cursor.execute("SET session_replication_role = DEFAULT")
    assert EscalationPolicy.objects.count() == 0
    go(monitor, "fail")
    deliver_here()
    assert told() == [owner]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_alertrule SET policy_id = NULL")


def test_a_page_that_waits_for_the_morning_does_not_count_as_reached(team, monitor, ana, owner):
    monitor.severity = "warning"
    monitor.save(update_fields=["severity"])
    ben = add_member(team, "ben@example.org")
    always = [{"weekdays": list(range(7)), "from": "00:00", "to": "00:00", "timezone": "UTC"}]
    with Provider(lambda n: 404) as gone, Provider() as asleep:
        webhook_method(ana, gone.url)
        webhook_method(ben, asleep.url, quiet_hours=always)
        policy_of(team, (0, [ana, ben]))
        go(monitor, "fail")
        deliver_here()
        assert asleep.got == []
    assert told() == [owner]


def test_the_owner_of_a_method_that_was_switched_off_is_told(team, monitor, ana):
    """N3."""
    with Provider(lambda n: 410) as gone:
        webhook_method(ana, gone.url, name="phone")
        policy_of(team, (0, [ana]))
        go(monitor, "fail")
        deliver_here()
    assert "[Tocsin] Channel disabled: phone" in [letter.subject for letter in mail.outbox]
    assert "ana@example.org" in told()


def test_a_further_cause_inside_a_window_opens_nothing(team):
    monitor = MonitorFactory(team=team)
    now = database_now()
    go(monitor, "fail")
    create_maintenance(
        team=team,
        name="w",
        monitors=[monitor],
        starts_at=now - timedelta(minutes=5),
        ends_at=now + timedelta(hours=1),
    )
    resolve_incident(incident=incidents()[0], actor="ana@example.org")
    go(monitor, "fail")
    assert [incident.state for incident in incidents()] == ["resolved"]


def test_a_snooze_that_ends_while_a_flapping_monitor_is_up_pages_nobody(team, monitor, ana):
    policy_of(team, (0, [ana]))
    for step in ("pass", "fail", "pass", "fail", "pass"):
        go(monitor, step)
        deliver_here()
    before = len(mail.outbox)
    snooze_incident(incident=incidents()[1], actor="ana@example.org", seconds=60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_incident SET wake_at = now() WHERE wake_at IS NOT NULL")
    run_round()
    deliver_here()
    assert len(mail.outbox) == before
    assert incidents()[1].wake_at is None


def test_somebody_who_left_the_team_is_not_mailed_what_still_waited(team, monitor, ana, owner):
    ContactMethod.objects.create(
        team=team,
        membership=ana,
        kind="email",
        config={"to": ["ana@example.org"]},
        delay=600,
        verified_at=database_now(),
    )
    policy_of(team, (0, [ana]))
    go(monitor, "fail")
    Membership.objects.get(pk=ana.pk).delete()
    make_due()
    deliver_here()
    assert "ana@example.org" not in told()
    assert told() == [owner]
    assert any("not proved" in text for _, text in timeline(incidents()[0]))
    acknowledge_incident(incident=incidents()[0], actor=owner)
