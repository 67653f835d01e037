"""Alert rules in the console: their order, the form for every matcher, and the dry run."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Membership
from accounts.teams import claim_namespace
from incidents.console.rule_words import say_match
from incidents.destinations import create_channel
from incidents.models import AlertRule, Delivery, Incident, empty_match
from incidents.policies.policies import StepValues, create_policy
from incidents.routing import ensure_catch_all
from incidents.rules import create_rule, update_rule
from tests.console.personas import make_monitor

LIST = "/t/acme/on-call/rules/"
NEW = f"{LIST}new"


@pytest.fixture
def channel(people):
    config = {"to": ["ops@acme.example"]}
    return create_channel(team=people.team, name="ops", kind="email", config=config)


@pytest.fixture
def policy(people):
    with scopes_disabled():
        member = Membership.objects.get(team=people.team, user=people.member)
    steps = [StepValues(0, [member]), StepValues(300, [member])]
    return create_policy(team=people.team, name="First line", repeat=1, steps=steps)


def rule_named(name):
    with scopes_disabled():
        return AlertRule.objects.get(name=name)


def names():
    with scopes_disabled():
        return list(AlertRule.objects.order_by("position").values_list("name", flat=True))


def text_of(page):
    body = re.sub("<[^>]+>", " ", page[page.index("<main") :])
    return re.sub(r"\s+", " ", body)


def test_a_team_without_rules_sees_the_last_one(owner):
    page = text_of(owner.get(LIST).content.decode())
    assert "So far there is only the last rule" in page
    assert "Everything else" in page
    assert "Every incident" in page
    assert "the owners' mail" in page
    owner.post(NEW, {"name": "another"})
    assert "What no rule above takes" in text_of(owner.get(LIST).content.decode())


def test_a_rule_is_made_with_every_matcher(owner, people, channel, policy):
    claim_namespace(team=people.team, name="acme-eu")
    answer = owner.post(
        NEW,
        {
            "name": "Night",
            "labels": "env=prod\n tier = gold ",
            "namespaces": ["acme-eu"],
            "names": "db-*\n\nnightly backup, big\n",
            "severities": ["critical", "warning"],
            "causes": ["silence"],
            "hours": ["0"],
            "hours-0-weekday": ["0", "4"],
            "hours-0-from": "22:00",
            "hours-0-to": "06:00",
            "hours-0-timezone": "Europe/Berlin",
            "policy": str(policy.pk),
            "channels": [str(channel.pk)],
            "continue": "1",
        },
        follow=True,
    )
    assert "“Night” is tried after" in answer.content.decode()
    made = rule_named("Night")
    assert made.match == {
        "labels": {"env": "prod", "tier": "gold"},
        "namespaces": ["acme-eu"],
        "names": ["db-*", "nightly backup, big"],
        "severities": ["critical", "warning"],
        "causes": ["silence"],
        "hours": [
            {"weekdays": [0, 4], "from": "22:00", "to": "06:00", "timezone": "Europe/Berlin"}
        ],
    }
    assert (made.policy_id, made.continue_matching, made.position) == (policy.pk, True, 0)
    with scopes_disabled():
        assert [found.pk for found in made.channels.all()] == [channel.pk]
    page = text_of(answer.content.decode())
    for words in (
        "Label env is prod and label tier is gold",
        "namespace is acme-eu",
        "severity is critical or warning",
        "time is Mon, Fri 22:00 to 06:00 Europe/Berlin",
        "First line , ops",
        "and on to the next rules",
    ):
        assert words in page, words


def test_saving_the_form_as_it_is_changes_nothing(owner, people, channel, policy):
    match = {
        "labels": {"env": "prod"},
        "namespaces": ["not-ours-any-more"],
        "names": ["db-*"],
        "severities": ["info"],
        "causes": ["failure", "latency"],
        "hours": [{"weekdays": [6], "from": "09:00", "to": "17:30", "timezone": "UTC"}],
    }
    create_rule(
        team=people.team,
        name="a",
        match=match,
        policy=policy,
        channels=[channel],
        continue_matching=True,
    )
    address = f"{LIST}{rule_named('a').pk}/edit"
    page = owner.get(address).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    body: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", main):
        got = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if got.get("type") != "checkbox" or " checked" in tag:
            body.setdefault(got["name"], []).append(got.get("value", ""))
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>([^<]*)<', main):
        body[name] = [text]
    body["policy"] = re.findall(r'value="([^"]+)" selected', main)
    before = rule_named("a").__dict__
    assert b"is changed" in owner.post(address, body, follow=True).content
    after = rule_named("a").__dict__
    assert {k: v for k, v in after.items() if k != "_state"} == {
        k: v for k, v in before.items() if k != "_state"
    }
    with scopes_disabled():
        assert rule_named("a").channels.count() == 1


def test_hours_are_added_without_a_script(owner):
    body = {"name": "half", "labels": "a=b"}
    page = owner.post(NEW, body | {"do": "add-hours"}).content.decode()
    assert 'name="hours-0-from" value="09:00"' in page
    assert 'value="half"' in page
    body |= {"hours": ["0"], "hours-0-from": "10:00", "hours-0-timezone": "Asia/Tokyo"}
    page = owner.post(NEW, body | {"do": "add-hours"}).content.decode()
    assert page.count('value="Asia/Tokyo" aria') == 2
    page = owner.post(NEW, body | {"do": "drop-hours:0"}).content.decode()
    assert "hours-0-from" not in page
    for nonsense in ("drop-hours:9", "drop-hours:x", "x:1", "drop-hours:²"):
        assert owner.post(NEW, body | {"do": nonsense}).status_code == 200
    assert names() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Give it a name"),
        ({"name": "a\0b"}, "Give it a name"),
        ({"name": "Everything else"}, "A rule of that name exists"),
        ({"labels": "nonsense"}, "Write “nonsense” as key=value"),
        ({"labels": "a=\0"}, "as key=value"),
        ({"labels": f"{'a' * 64}=b"}, "is too long"),
        ({"labels": "\n".join(f"l{n}=x" for n in range(33))}, "at most 32 labels"),
        ({"names": "x" * 254}, "each of up to 253"),
        ({"namespaces": ["a\0"]}, "Choose again"),
        ({"severities": ["loud"]}, "Choose again"),
        ({"causes": ["boredom"]}, "Choose again"),
        ({"policy": "nonsense"}, "This policy is gone"),
        ({"policy": "01890000-0000-7000-8000-000000000000"}, "This policy is gone"),
        ({"channels": ["nonsense"]}, "One of these channels is gone"),
        ({"hours-0-weekday": []}, "Choose at least one day"),
        ({"hours-0-from": "9"}, "Give both times"),
        ({"hours-0-timezone": "Mars"}, "Choose a time zone"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(owner, people, change, words):
    ensure_catch_all(people.team)
    body = {
        "name": "a",
        "hours": ["0"],
        "hours-0-weekday": ["0"],
        "hours-0-from": "09:00",
        "hours-0-to": "10:00",
        "hours-0-timezone": "UTC",
    }
    page = owner.post(NEW, body | change).content.decode()
    assert words in page
    assert "another look" in page
    assert names() == ["Everything else"]


def test_rules_move_up_and_down(owner, people):
    for name in "abc":
        create_rule(team=people.team, name=name, match={})
    for name, to, expected in (
        ("c", "up", "acb"),
        ("a", "down", "cab"),
        ("c", "up", "cab"),
        ("b", "down", "cab"),
        ("a", "sideways", "cab"),
        ("Everything else", "up", "cab"),
    ):
        owner.post(f"{LIST}{rule_named(name).pk}/move", {"to": to})
        assert names() == [*expected, "Everything else"]


def test_of_the_catch_all_policy_and_channels_can_be_chosen(owner, people, channel, policy):
    rule = ensure_catch_all(people.team)
    address = f"{LIST}{rule.pk}/edit"
    page = owner.get(address).content.decode()
    assert "stays last" in page
    assert 'name="labels"' not in page
    body = {
        "name": "Rest",
        "policy": str(policy.pk),
        "channels": [str(channel.pk)],
        "labels": "a=b",
    }
    owner.post(address, body)
    rule = rule_named("Rest")
    assert (rule.policy_id, rule.match, rule.position) == (policy.pk, empty_match(), None)
    assert b"cannot" not in owner.get(f"{LIST}{rule.pk}/delete").content
    assert b"not deleted" in owner.get(f"{LIST}{rule.pk}/delete").content
    owner.post(f"{LIST}{rule.pk}/delete")
    assert names() == ["Rest"]
    # The old form on the channels' page changes the channels and leaves the policy.
    owner.post("/t/acme/channels/route", {})
    assert rule_named("Rest").policy_id == policy.pk


def test_a_rule_is_deleted_by_name(owner, people):
    create_rule(team=people.team, name="night", match={"causes": ["silence"]})
    address = f"{LIST}{rule_named('night').pk}/delete"
    page = text_of(owner.get(address).content.decode())
    assert "Delete night?" in page
    assert "Cause: went silent" in page
    owner.post(address)
    assert names() == ["Everything else"]


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({}, []),
        (empty_match(), []),
        ({"labels": {"a": "b", "c": "d"}}, ["label a is b", "label c is d"]),
        ({"names": ["a*", "b", "c"]}, ["name is like a*, b or c"]),
        ({"causes": ["silence", "latency"]}, ["cause: went silent or slow"]),
        (
            {"hours": [{"weekdays": [0, 1, 2, 3, 4], "from": "09:00", "to": "17:00"}]},
            ["time is Mon to Fri 09:00 to 17:00 UTC"],
        ),
        (
            {"hours": [{"weekdays": [5, 6], "from": "00:00", "to": "24:00", "timezone": "X"}]},
            ["time is Sat, Sun 00:00 to 24:00 X"],
        ),
        ({"hours": [{"from": "22:00", "to": "06:00"}]}, ["time is every day 22:00 to 06:00 UTC"]),
    ],
)
def test_matchers_in_words(match, words):
    assert say_match(match) == words


def test_a_dry_run_says_whom_an_incident_would_page(browse, people, channel, policy, monitor):
    create_rule(
        team=people.team,
        name="failures",
        match={"causes": ["failure"]},
        policy=policy,
        channels=[channel],
        continue_matching=True,
    )
    viewer = browse(people.viewer)
    page = text_of(viewer.get(f"{LIST}?monitor=nightly-backup&cause=silence&at=").content.decode())
    assert "If nightly-backup went silent now" in page
    assert "The owners are mailed: owner@acme.example" in page
    assert "Taken by the rule “ Everything else ”" in page
    page = viewer.get(f"{LIST}?monitor=acme/nightly-backup&cause=failure&at=2027-03-01T09:00")
    page = text_of(page.content.decode())
    assert "failed at 1 Mar 2027 09:00:00 UTC" in page
    assert "At once to ops" in page
    assert "At once 1 Mar 2027 09:00:00 UTC member@acme.example : e-mail" in page
    assert "After 5 min 1 Mar 2027 09:05:00 UTC member@acme.example" in page
    assert "Repeats once." in page
    assert "The owners are mailed too: owner@acme.example" in page
    with scopes_disabled():
        assert not Incident.objects.exists()
        assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("monitor=nobody", "No monitor has this name"),
        ("monitor=", "This field is required"),
        ("monitor=elsewhere/theirs", "No monitor has this name"),
        ("monitor=theirs", "No monitor has this name"),
        ("monitor=nightly-backup&at=soon", "Choose a date and a time"),
        ("monitor=nightly-backup&at=9999-12-31T00:00", "Choose a date between"),
        ("monitor=nightly-backup&cause=x", "Select a valid choice"),
        ("monitor=a%00b", "Null characters"),
    ],
)
def test_a_dry_run_of_nonsense_says_what_is_wrong(owner, people, monitor, query, words):
    with scopes_disabled():
        elsewhere = people.stranger.memberships.get().team
    make_monitor(elsewhere, name="theirs")
    page = owner.get(f"{LIST}?{query}").content.decode()
    assert words in page
    assert "dry-run-answer" not in page


def test_two_monitors_of_one_name_are_told_apart(owner, people, monitor):
    claim_namespace(team=people.team, name="acme-eu")
    make_monitor(people.team, name="nightly-backup", namespace="acme-eu")
    assert b"Several have this name" in owner.get(f"{LIST}?monitor=nightly-backup").content
    page = owner.get(f"{LIST}?monitor=acme-eu/nightly-backup").content.decode()
    assert "dry-run-answer" in page


def test_a_monitors_page_says_who_would_be_paged_now(owner, people, monitor, policy):
    address = f"/t/acme/monitors/{monitor.pk}/"
    assert "The owners are mailed: owner@acme.example" in text_of(
        owner.get(address).content.decode()
    )
    update_rule(rule=ensure_catch_all(people.team), policy=policy)
    page = text_of(owner.get(address).content.decode())
    assert "Who would be paged" in page
    assert "At once member@acme.example : e-mail" in page
    assert "owners are mailed" not in page


def test_the_list_costs_the_same_however_long(owner, people, channel, policy):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            owner.get(LIST)
        return len(captured)

    create_rule(team=people.team, name="a", match={}, policy=policy, channels=[channel])
    owner.get(LIST)
    few = queries()
    for n in range(8):
        create_rule(team=people.team, name=f"r{n}", match={}, policy=policy, channels=[channel])
    assert queries() <= few


def test_viewers_read_and_find_no_button(browse, people):
    create_rule(team=people.team, name="night", match={})
    page = browse(people.viewer).get(LIST).content.decode()
    main = page[page.index("<main") :]
    assert "night" in main
    for hidden in ("New rule", "Edit", "Delete", 'method="post"'):
        assert hidden not in main


def test_names_of_others_are_inert(owner, people):
    create_rule(team=people.team, name="<script>x\u202e", match={"names": ["<b>*"]})
    page = owner.get(LIST).content.decode()
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    assert "\u202e" not in page
    assert "<b>*" not in page


def test_a_dry_run_of_a_made_up_monitor(owner, people, channel, policy):
    create_rule(
        team=people.team,
        name="Gold",
        match={"labels": {"tier": "gold"}, "names": ["db-*"], "severities": ["warning"]},
        policy=policy,
    )
    asked = "monitor=acme/db-9&made_up=on&labels=tier%3Dgold&cause=failure&at=2027-03-01T09:00"
    page = text_of(owner.get(f"{LIST}?{asked}&severity=warning").content.decode())
    assert "Taken by the rule “ Gold ”" in page
    assert "tier = gold" in page or "tier=gold" in page
    assert "(made up)" in page
    assert "First line" in page
    page = text_of(owner.get(f"{LIST}?{asked}&severity=info").content.decode())
    assert "Taken by the rule “ Everything else ”" in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("monitor=acme/&made_up=on", "Give it a name after the slash"),
        ("monitor=x&made_up=on&labels=nonsense", "Write “nonsense” as key=value"),
        ("monitor=x&made_up=on&severity=odd", "Select a valid choice"),
        ("monitor=x", "make one up"),
    ],
)
def test_a_dry_run_of_nonsense_made_up_says_what_is_wrong(owner, people, query, words):
    page = owner.get(f"{LIST}?{query}").content.decode()
    assert words in text_of(page)
    assert "dry-run-answer" not in page


def test_a_rung_of_a_dry_run_says_when_it_would_fire(owner, people, monitor):
    with scopes_disabled():
        member = Membership.objects.get(team=people.team, user=people.member)
    steps = [StepValues(delay=0, targets=[member]), StepValues(delay=300, targets=[member])]
    ladder = create_policy(team=people.team, name="ladder", repeat=0, steps=steps)
    create_rule(team=people.team, name="all", match={}, policy=ladder)
    page = owner.get(f"{LIST}?monitor=nightly-backup&cause=failure&at=2027-03-01T09:00")
    page = text_of(page.content.decode())
    assert re.search(r"At once\s+1 Mar 2027 09:00:00 UTC", page)
    assert re.search(r"After 5 min\s+1 Mar 2027 09:05:00 UTC", page)


def test_rules_are_searched_and_keep_their_numbers(owner, people, channel):
    create_rule(team=people.team, name="Night", match={"labels": {"env": "prod"}})
    create_rule(team=people.team, name="Day", match={}, channels=[channel])
    page = text_of(owner.get(f"{LIST}?search=DAY").content.decode())
    assert "2. Day" in page
    assert "Night" not in page
    assert "1 of 3 rules" in page
    page = text_of(owner.get(f"{LIST}?search=prod").content.decode())
    assert "1. Night" in page
    page = text_of(owner.get(f"{LIST}?to=channel").content.decode())
    assert "Day" in page
    assert "Night" not in page
    assert "No rule matches" in owner.get(f"{LIST}?search=none%00").content.decode()
