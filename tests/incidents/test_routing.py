"""Alert rules: which one takes an incident, and where that sends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Membership, Role
from incidents.destinations import delete_channel
from incidents.models import AlertRule, AlertRuleChannel, Channel
from incidents.policies.policies import StepValues, create_policy
from incidents.routing import (
    CATCH_ALL_NAME,
    Rule,
    Subject,
    ensure_catch_all,
    load_rules,
    matching_rules,
    route,
    rule_matches,
)
from incidents.rules import create_rule, delete_rule, update_rule
from monitors.services import create_monitor
from tests.factories import TeamFactory, UserFactory
from tests.incidents.telling import channel_to, deliveries, go, incidents, kinds, route_to, timeline
from tests.racing import at_once

MONDAY = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)


def subject(**fields: Any) -> Subject:
    given_fields: dict[str, Any] = {
        "labels": {"env": "prod", "tier": "1"},
        "namespace": "acme",
        "name": "db-backup",
        "severity": "critical",
        "cause": "silence",
        "at": MONDAY,
    }
    return Subject(**given_fields | fields)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"labels": {"env": "prod"}}, True),
        ({"labels": {"env": "prod", "tier": "1"}}, True),
        ({"labels": {"env": "prod", "tier": "2"}}, False),
        ({"labels": {"region": "eu"}}, False),
        ({"labels": {"region": ""}}, False),
        ({"namespaces": ["other", "acme"]}, True),
        ({"namespaces": ["other"]}, False),
        ({"names": ["db-*"]}, True),
        ({"names": ["DB-*"]}, False),
        ({"names": ["web-*", "*-backup"]}, True),
        ({"names": ["db-backu?"]}, True),
        ({"names": ["backup"]}, False),
        ({"severities": ["warning", "critical"]}, True),
        ({"severities": ["info"]}, False),
        ({"causes": ["silence"]}, True),
        ({"causes": ["failure", "latency"]}, False),
        ({"labels": {"env": "prod"}, "causes": ["failure"]}, False),
        ({"labels": None, "names": None, "hours": None}, True),
    ],
)
def test_matchers(match, expected):
    assert rule_matches(match, subject()) is expected


def hours(**entry: Any) -> dict[str, Any]:
    return {"hours": [entry]}


@pytest.mark.parametrize(
    ("entry", "at", "expected"),
    [
        # weekdays 0..6 are Monday to Sunday; [from, to)
        ({"weekdays": [0], "from": "09:00", "to": "17:00"}, "2027-03-01T09:00Z", True),
        ({"weekdays": [0], "from": "09:00", "to": "17:00"}, "2027-03-01T08:59:59Z", False),
        ({"weekdays": [0], "from": "09:00", "to": "17:00"}, "2027-03-01T17:00Z", False),
        ({"weekdays": [1], "from": "09:00", "to": "17:00"}, "2027-03-01T10:00Z", False),
        ({"weekdays": [], "from": "09:00", "to": "17:00"}, "2027-03-01T10:00Z", True),
        ({"from": "00:00", "to": "24:00", "weekdays": [0]}, "2027-03-01T23:59:59Z", True),
        ({"from": "00:00", "to": "24:00", "weekdays": [0]}, "2027-03-02T00:00Z", False),
        ({"from": "18:00", "to": "24:00", "weekdays": [0]}, "2027-03-01T17:59Z", False),
        ({"from": "18:00", "to": "24:00", "weekdays": [0]}, "2027-03-01T23:59Z", True),
        # past midnight it still belongs to the day on which it began
        ({"weekdays": [0], "from": "22:00", "to": "06:00"}, "2027-03-01T22:00Z", True),
        ({"weekdays": [0], "from": "22:00", "to": "06:00"}, "2027-03-02T05:59Z", True),
        ({"weekdays": [0], "from": "22:00", "to": "06:00"}, "2027-03-02T06:00Z", False),
        ({"weekdays": [0], "from": "22:00", "to": "06:00"}, "2027-03-01T05:00Z", False),
        ({"weekdays": [6], "from": "22:00", "to": "06:00"}, "2027-03-01T05:00Z", True),
        ({"weekdays": [0], "from": "08:00", "to": "08:00"}, "2027-03-02T07:00Z", True),
        # by the wall clock of its zone, before and after its clocks change
        (
            {"weekdays": [0], "from": "09:00", "to": "10:00", "timezone": "America/New_York"},
            "2027-03-08T14:30Z",
            True,
        ),
        (
            {"weekdays": [0], "from": "09:00", "to": "10:00", "timezone": "America/New_York"},
            "2027-03-15T13:30Z",
            True,
        ),
        (
            {"weekdays": [0], "from": "09:00", "to": "10:00", "timezone": "America/New_York"},
            "2027-03-15T14:30Z",
            False,
        ),
        (
            {"weekdays": [1], "from": "00:00", "to": "06:00", "timezone": "Pacific/Auckland"},
            "2027-03-01T12:00Z",
            True,
        ),
    ],
)
def test_hours(entry, at, expected):
    moment = datetime.fromisoformat(at)
    assert rule_matches(hours(**entry), subject(at=moment)) is expected


CLOCK = st.times().map(lambda t: f"{t.hour:02}:{t.minute:02}")


@given(
    start=CLOCK,
    end=CLOCK,
    weekdays=st.sets(st.integers(0, 6), min_size=1),
    minute=st.integers(0, 14 * 24 * 60),
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"]),
)
def test_hours_equal_a_walk_back_to_the_beginning_of_the_span(start, end, weekdays, minute, zone):
    """Oracle: walk the wall clock back, minute by minute, to `from` on one of the days."""
    at = datetime(2027, 3, 8, tzinfo=UTC) + timedelta(minutes=minute)
    wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    first, last = (int(t[:2]) * 60 + int(t[3:]) for t in (start, end))
    length = (last - first) % 1440 or 1440
    began = wall - timedelta(minutes=(wall.hour * 60 + wall.minute - first) % 1440)
    expected = wall - began < timedelta(minutes=length) and began.weekday() in weekdays
    entry = {"weekdays": sorted(weekdays), "from": start, "to": end, "timezone": zone}
    assert rule_matches(hours(**entry), subject(at=at)) is expected


def a_rule(name: str, *channels: UUID, **options: Any) -> Rule:
    return Rule(id=uuid4(), name=name, match=options.pop("match", {}), channels=channels, **options)


CATCH_ALL = Rule(id=uuid4(), name=CATCH_ALL_NAME, match={}, is_catch_all=True)
A, B, C = uuid4(), uuid4(), uuid4()
NEVER = {"causes": ["latency"]}


def test_the_first_match_wins_unless_it_continues():
    rules = [
        a_rule("never", C, match=NEVER),
        a_rule("one", A, continues=True),
        a_rule("two", B),
        a_rule("three", C),
        CATCH_ALL,
    ]
    assert [rule.name for rule in matching_rules(rules, subject())] == ["one", "two"]
    found = route(rules, subject())
    assert (found.channels, found.owners, found.rules) == ([A, B], False, ["one", "two"])


def test_a_rule_that_continues_into_the_catch_all_mails_the_owners_too():
    found = route([a_rule("one", A, continues=True), CATCH_ALL], subject())
    assert (found.channels, found.owners) == ([A], True)


def test_each_channel_is_told_once():
    found = route(
        [a_rule("one", A, B, continues=True), a_rule("two", B, A, C), CATCH_ALL], subject()
    )
    assert found.channels == [A, B, C]
    assert found.named_by == {A: "one", B: "one", C: "two"}


def test_nothing_goes_nowhere():
    assert route([CATCH_ALL], subject()).owners
    assert route([a_rule("never", A, match=NEVER), CATCH_ALL], subject()).owners
    assert route([a_rule("without a channel")], subject()).owners
    assert route([], subject()).owners


def test_a_catch_all_with_channels_sends_there_instead():
    catch_all = Rule(id=uuid4(), name="rest", match={}, channels=(A,), is_catch_all=True)
    found = route([catch_all], subject())
    assert (found.channels, found.owners) == ([A], False)


def test_a_policy_is_a_way_too_and_followed_once():
    one, two = uuid4(), uuid4()
    rules = [
        a_rule("one", policy=one, continues=True),
        a_rule("two", A, policy=two, continues=True),
        a_rule("three", policy=one),
        CATCH_ALL,
    ]
    found = route(rules, subject())
    assert list(found.policies.items()) == [(one, "one"), (two, "two")]
    assert (found.named_by, found.owners) == ({A: "two"}, False)


def test_a_catch_all_with_a_policy_leaves_the_owners_alone():
    policy = uuid4()
    catch_all = Rule(id=uuid4(), name="rest", match={}, policy=policy, is_catch_all=True)
    assert not route([catch_all], subject()).owners
    assert not route([a_rule("one", A, continues=True), catch_all], subject()).owners
    assert route([a_rule("one", policy=policy, continues=True), CATCH_ALL], subject()).owners


# --- with rows ------------------------------------------------------------------------------

HOOK = "http://127.0.0.1:9/hook"


@pytest.mark.django_db
def test_rules_are_loaded_in_order_with_the_catch_all_last(team):
    rival = TeamFactory()
    hook = channel_to(team, HOOK)
    route_to(team, hook, name="b")
    route_to(team, name="a")
    route_to(team, name="first", position=0)
    update_rule(rule=ensure_catch_all(team), name="rest")
    loaded = load_rules([team.pk, rival.pk])
    assert [rule.name for rule in loaded[team.pk]] == ["first", "b", "a", "rest"]
    assert loaded[team.pk][1].channels == (hook.pk,)
    assert [rule.name for rule in loaded[rival.pk]] == [CATCH_ALL_NAME]


@pytest.mark.django_db
def test_an_incident_goes_where_its_rule_says(team):
    hook, other = channel_to(team, HOOK), channel_to(team, HOOK, name="other")
    route_to(team, hook, match={"labels": {"env": "prod"}})
    route_to(team, other, name="rest", match={"names": ["m-*"]})
    for name, labels in (("m-prod", {"env": "prod"}), ("m-dev", {}), ("else", {})):
        go(create_monitor(team=team, name=name, labels=labels)[0], "fail")
    owner = f"email:{Membership.objects.get().user.email}"
    told = {d.payload["monitor"]["name"]: d.contact for d in deliveries()}
    assert told == {
        "m-prod": f"channel:{hook.pk}",
        "m-dev": f"channel:{other.pk}",
        "else": owner,
    }


@pytest.mark.django_db
def test_a_disabled_channel_is_left_out_and_that_is_said(team):
    off, on = channel_to(team, HOOK, name="off"), channel_to(team, HOOK, name="on")
    Channel.objects.filter(pk=off.pk).update(disabled_at=off.created_at)
    route_to(team, off, on)
    monitor, _ = create_monitor(team=team, name="m")
    go(monitor, "fail")
    assert [d.channel_id for d in deliveries()] == [on.pk]
    assert ("skipped", "Channel “off” is disabled and was left out.") in timeline(incidents()[0])
    Channel.objects.update(disabled_at=off.created_at)
    go(monitor, "pass", "fail")
    owner = Membership.objects.get().user.email
    assert [d.contact for d in deliveries(incident=incidents()[1])] == [f"email:{owner}"]


@pytest.mark.django_db
def test_the_owners_are_several_verified_and_active(team):
    for n, role in enumerate([Role.OWNER, Role.OWNER, Role.ADMIN]):
        user = UserFactory(email=f"extra-{n}@example.org")
        user.is_active = n != 1
        user.save()
        Membership.objects.create(team=team, user=user, role=role)
    go(create_monitor(team=team, name="m")[0], "fail")
    first = Membership.objects.order_by("created_at").first()
    assert {d.contact for d in deliveries()} == {
        f"email:{first.user.email}",
        "email:extra-0@example.org",
    }


@pytest.mark.django_db
def test_a_team_that_nobody_owns_says_so_on_the_timeline(team):
    Membership.objects.all().delete()
    go(create_monitor(team=team, name="m")[0], "fail")
    (incident,) = incidents()
    assert kinds(incident) == ["opened", "skipped"]
    assert deliveries() == []


@pytest.mark.django_db
def test_deleting_a_channel_leaves_its_rule_and_the_incident_goes_to_the_owners(team):
    hook = channel_to(team, HOOK)
    route_to(team, hook)
    delete_channel(channel=hook)
    assert not AlertRuleChannel.objects.exists()
    go(create_monitor(team=team, name="m")[0], "fail")
    assert deliveries()[0].contact.startswith("email:")


@pytest.mark.django_db
def test_rules_are_loaded_with_their_policies(team):
    policy = create_policy(team=team, name="p", steps=[StepValues(0, [Membership.objects.get()])])
    route_to(team, name="a", policy=policy)
    update_rule(rule=ensure_catch_all(team), policy=policy)
    assert [rule.policy for rule in load_rules([team.pk])[team.pk]] == [policy.pk, policy.pk]
    update_rule(rule=ensure_catch_all(team), policy=None)
    assert [rule.policy for rule in load_rules([team.pk])[team.pk]] == [policy.pk, None]


def positions(team: Any) -> list[tuple[str, int | None]]:
    rows = AlertRule.objects.filter(team=team).order_by("position")
    return [(row.name, row.position) for row in rows if not row.is_catch_all]


@pytest.mark.django_db
def test_positions_are_insertion_indices_without_holes(team):
    for name in "abcd":
        create_rule(team=team, name=name, match={})
    rules = {rule.name: rule for rule in AlertRule.objects.all()}
    update_rule(rule=rules["d"], position=0)
    update_rule(rule=rules["a"], position=99)
    assert positions(team) == [("d", 0), ("b", 1), ("c", 2), ("a", 3)]
    update_rule(rule=rules["c"], position=1)
    delete_rule(rule=rules["d"])
    assert positions(team) == [("c", 0), ("b", 1), ("a", 2)]


@pytest.mark.django_db(transaction=True)
def test_rules_that_are_made_and_moved_at_once_stand_in_one_row(team):
    rules = [create_rule(team=team, name=f"old-{n}", match={}) for n in range(3)]
    at_once(
        *(lambda n=n: create_rule(team=team, name=f"new-{n}", match={}, position=0) for n in "abc"),
        lambda: update_rule(rule=rules[0], position=2),
        lambda: delete_rule(rule=rules[1]),
    )
    assert [position for _, position in positions(team)] == list(range(5))
    assert AlertRule.objects.filter(is_catch_all=True).count() == 1


@pytest.mark.django_db
def test_each_channel_is_told_which_rule_names_it(team):
    first, second = channel_to(team, HOOK, name="first"), channel_to(team, HOOK, name="second")
    route_to(team, first, name="one", continue_matching=True)
    update_rule(rule=ensure_catch_all(team), channels=[first, second])
    go(create_monitor(team=team, name="m")[0], "fail")
    reasons = {row.channel_id: row.payload["reason"] for row in deliveries()}
    assert reasons == {
        first.pk: "Alert rule “one” sends to the channel “first”.",
        second.pk: "Alert rule “Everything else” sends to the channel “second”.",
    }
