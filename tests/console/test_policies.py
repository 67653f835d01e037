"""Escalation policies in the console: ladders to read, and a form that needs no script."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.destinations import create_channel
from incidents.models import EscalationPolicy, Rotation
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.policies.policies import StepValues, create_policy
from incidents.policies.snapshot import load_policies
from incidents.rules import create_rule

LIST = "/t/acme/on-call/policies/"
NEW = f"{LIST}new"


@pytest.fixture
def member(people):
    with scopes_disabled():
        return Membership.objects.get(team=people.team, user=people.member)


@pytest.fixture
def channel(people):
    config = {"to": ["ops@acme.example"]}
    return create_channel(team=people.team, name="ops", kind="email", config=config)


def typed(**change):
    """Return what the form sends for one step; `step` rows are ("delay", ["kind:id", …])."""
    steps = change.pop("steps", [("0 s", [])])
    body = {"name": "First line", "repeat": "0", "acknowledge_timeout": ""}
    body["step"] = [str(n) for n in range(len(steps))]
    for n, (delay, targets) in enumerate(steps):
        body |= {f"step-{n}-delay": delay, f"step-{n}-target": targets}
    return body | change


def only_policy():
    with scopes_disabled():
        row = EscalationPolicy.objects.get()
        return load_policies([row.pk])[row.pk]


def text_of(page):
    body = re.sub("<[^>]+>", " ", page[page.index("<main") :])
    return re.sub(r"\s+", " ", body)


def test_a_team_without_policies_is_told_what_one_is(owner, browse, people):
    assert b"Make your first policy" in owner.get(LIST).content
    page = browse(people.viewer).get(LIST).content.decode()
    assert "A policy is a ladder" in page
    assert "Make your first policy" not in page


def test_a_policy_is_made_without_a_script(owner, member, channel):
    steps = [
        ("0", [f"member:{member.pk}"]),
        ("5 min", [f"channel:{channel.pk}", "", f"member:{member.pk}"]),
    ]
    answer = owner.post(NEW, typed(steps=steps, repeat="2", acknowledge_timeout="1 h"), follow=True)
    assert "“First line” is ready" in answer.content.decode()
    made = only_policy()
    assert (made.name, made.repeat, made.acknowledge_timeout) == ("First line", 2, 3600)
    assert made.steps == [
        {"delay": 0, "targets": [{"member": str(member.pk), "name": "member@acme.example"}]},
        {
            "delay": 300,
            "targets": [
                {"channel": str(channel.pk), "name": "ops"},
                {"member": str(member.pk), "name": "member@acme.example"},
            ],
        },
    ]


def test_the_list_reads_as_a_ladder(owner, people, member, channel):
    layer = LayerValues(unit="week", length=1, handoff=datetime(2026, 1, 5, 9), members=[member])
    rotation = create_rotation(team=people.team, name="Primary", timezone="UTC", layers=[layer])
    steps = [StepValues(0, [rotation]), StepValues(300, [channel]), StepValues(600, [member])]
    policy = create_policy(team=people.team, name="Storage", repeat=2, steps=steps)
    page = text_of(owner.get(LIST).content.decode())
    assert "At once Primary (now member@acme.example )" in page.replace("( now", "(now")
    assert "After 5 min ops" in page
    assert "After 15 min member@acme.example" in page
    assert "Repeats twice." in page
    assert "No alert rule follows it yet" in page
    create_rule(team=people.team, name="night", match={}, policy=policy)
    assert "Followed by the alert rule “ night ”" in text_of(owner.get(LIST).content.decode())


def test_who_cannot_be_reached_is_said(owner, people, member):
    with scopes_disabled():
        rotation = Rotation.objects.create(team=people.team, name="Primary")
        Membership.objects.filter(pk=member.pk).update(accepted_at=None)
    create_policy(team=people.team, name="p", steps=[StepValues(0, [rotation, member])])
    page = owner.get(LIST).content.decode()
    assert "Rotation “Primary” has nobody on call." in page
    assert "member@acme.example has not accepted their place yet." in page


def test_buttons_ask_anew_and_store_nothing(owner, member):
    body = typed(steps=[("1 min", [f"member:{member.pk}"])], name="Half")
    page = owner.post(NEW, body | {"do": "add-step"}).content.decode()
    assert 'id="step-1"' in page
    assert 'value="1 min"' in page
    assert 'value="Half"' in page
    assert re.search(rf'value="member:{member.pk}" selected', page)
    page = owner.post(NEW, body | {"do": "add-target:0"}).content.decode()
    assert page.count('name="step-0-target"') == 2
    two = typed(steps=[("1 min", []), ("2 min", [])])
    page = owner.post(NEW, two | {"do": "up-step:1"}).content.decode()
    assert page.index('value="2 min"') < page.index('value="1 min"')
    page = owner.post(NEW, two | {"do": "drop-step:0"}).content.decode()
    assert 'value="1 min"' not in page
    assert 'value="2 min"' in page
    for nonsense in ("drop-step:7", "drop-step:", "up-step:0", "x", "add-target:-1", "up-step:²"):
        assert owner.post(NEW, two | {"do": nonsense}).content.decode().count('name="step"') == 2
    with scopes_disabled():
        assert not EscalationPolicy.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "Give it a name"),
        ({"name": "x" * 121}, "Give it a name"),
        ({"name": "a\0b"}, "Give it a name"),
        ({"repeat": "10"}, "Choose from 0 to 9"),
        ({"repeat": ""}, "Choose from 0 to 9"),
        ({"acknowledge_timeout": "30 s"}, "Choose between 1 min and 30 d"),
        ({"acknowledge_timeout": "soon"}, "Write a duration"),
        ({"step-0-delay": "8 d"}, "Choose between 0 s and 7 d"),
        ({"step-0-delay": "\0"}, "Null characters"),
        ({"step-0-target": [""]}, "Choose whom this step pages"),
        ({"step-0-target": ["member:nonsense"]}, "One of these is gone"),
        ({"step-0-target": ["team:01890000-0000-7000-8000-000000000000"]}, "is gone"),
        ({"step-0-target": ["rotation:01890000-0000-7000-8000-000000000000"]}, "is gone"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(owner, member, change, words):
    body = typed(steps=[("0", [f"member:{member.pk}"])]) | change
    page = owner.post(NEW, body).content.decode()
    assert words in page
    assert "another look" in page
    with scopes_disabled():
        assert not EscalationPolicy.objects.exists()


def test_somebody_of_another_team_is_as_gone_as_nobody(owner, people):
    with scopes_disabled():
        foreign = Membership.objects.get(user=people.stranger)
    page = owner.post(NEW, typed(steps=[("0", [f"member:{foreign.pk}"])])).content.decode()
    assert "One of these is gone" in page
    assert "stranger@" not in page


def test_a_policy_is_edited(owner, people, member, channel):
    steps = [StepValues(90, [member]), StepValues(0, [channel])]
    policy = create_policy(team=people.team, name="p", steps=steps, acknowledge_timeout=5400)
    address = f"{LIST}{policy.pk}/edit"
    page = owner.get(address).content.decode()
    for shown in ('value="1 min 30 s"', 'value="1 h 30 min"', 'value="p"'):
        assert shown in page
    body = typed(steps=[("0", [f"channel:{channel.pk}"])], name="q", repeat="1")
    assert b"is changed" in owner.post(address, body, follow=True).content
    made = only_policy()
    assert (made.name, made.repeat, made.acknowledge_timeout) == ("q", 1, None)
    assert [step["targets"][0]["name"] for step in made.steps] == ["ops"]
    create_policy(team=people.team, name="taken", steps=steps)
    assert b"Choose another name" in owner.post(address, body | {"name": "taken"}).content


def test_whoever_has_not_accepted_yet_keeps_their_step(owner, people, member):
    policy = create_policy(team=people.team, name="p", steps=[StepValues(0, [member])])
    with scopes_disabled():
        Membership.objects.filter(pk=member.pk).update(accepted_at=None)
    page = owner.get(f"{LIST}{policy.pk}/edit").content.decode()
    assert f'value="member:{member.pk}" selected>member@acme.example (has not accepted yet)' in page


def test_a_policy_that_is_followed_stays(owner, people, member):
    policy = create_policy(team=people.team, name="p", steps=[StepValues(0, [member])])
    rule = create_rule(team=people.team, name="night", match={}, policy=policy)
    address = f"{LIST}{policy.pk}/delete"
    page = owner.get(address).content.decode()
    assert "night" in page
    assert 'method="post"' not in page[page.index("<main") :]
    owner.post(address)
    with scopes_disabled():
        assert EscalationPolicy.objects.exists()
        rule.delete()
    assert b"is deleted" in owner.post(address, follow=True).content
    with scopes_disabled():
        assert not EscalationPolicy.objects.exists()


def test_viewers_read_and_find_no_button(browse, people, member):
    create_policy(team=people.team, name="p", steps=[StepValues(0, [member])])
    page = browse(people.viewer).get(LIST).content.decode()
    main = page[page.index("<main") :]
    assert "At once" in main
    for hidden in ("New policy", "Edit", "Delete", 'method="post"'):
        assert hidden not in main
