"""What forms and filters of the console say of another team's things: what they say of nothing."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.destinations import create_channel
from incidents.models import AlertRule, EscalationPolicy, Maintenance, Rotation, RotationOverride
from incidents.oncall.rotations import create_rotation
from incidents.policies.policies import create_policy
from statuspages.models import Component, Subscriber
from statuspages.services.components import create_component
from statuspages.services.pages import create_page
from tests.console.personas import make_incident, make_monitor
from tests.console.rotas import fields_of
from tests.console.test_access import said
from tests.console.test_policies import typed

MARK = "quokka"
TIMES = {"starts_at": "2027-03-22T02:00", "ends_at": "2027-03-22T04:00", "timezone": "UTC"}
SPAN = {"start": "2027-03-22T02:00", "end": "2027-03-22T04:00"}
MADE = (AlertRule, EscalationPolicy, Maintenance, Rotation, RotationOverride, Component, Subscriber)


@pytest.fixture
def foreign(people):
    """Return the ids of a team's things that is not the one of the owner who asks."""
    with scopes_disabled():
        team = Team.objects.get(slug="elsewhere")
        member = Membership.objects.get(team=team)
    page = create_page(team=team, name=MARK, slug=MARK)
    monitor = make_monitor(team, MARK)
    return {
        "member": member.pk,
        "monitor": monitor.pk,
        "incident": make_incident(monitor).pk,
        "policy": create_policy(team=team, name=MARK, steps=[]).pk,
        "rotation": create_rotation(team=team, name=MARK, timezone="UTC", layers=[]).pk,
        "channel": create_channel(
            team=team, name=MARK, kind="email", config={"to": f"{MARK}@elsewhere.example"}
        ).pk,
        "page": page.pk,
        "component": create_component(page=page, name=MARK).code,
    }


@pytest.fixture
def ours(people):
    rotation = create_rotation(team=people.team, name="storage", timezone="UTC", layers=[])
    page = create_page(team=people.team, name="Acme", slug="acme")
    component = create_component(page=page, name="API")
    return {
        "rotation": f"on-call/rotations/{rotation.pk}",
        "page": f"status-pages/{page.pk}",
        "component": f"status-pages/{page.pk}/components/{component.pk}",
        "incident": f"incidents/{make_incident(make_monitor(people.team)).pk}",
    }


class _Stands:
    """Fields of a rotation's form take things that have a key."""

    def __init__(self, pk):
        self.pk = pk


FORMS = (
    ("on-call/rules/new", "policy", lambda x: {"name": "n", "policy": x}),
    ("on-call/rules/new", "channel", lambda x: {"name": "n", "channels": [x]}),
    *(
        ("on-call/policies/new", kind, lambda x, k=kind: typed(steps=[("0", [f"{k}:{x}"])]))
        for kind in ("member", "rotation", "channel")
    ),
    (
        "on-call/rotations/new",
        "member",
        lambda x: {"name": "n", "timezone": "UTC", **fields_of(_Stands(x))},
    ),
    ("{rotation}/overrides", "member", lambda x: {"member": x, **SPAN}),
    ("{incident}/assign", "member", lambda x: {"to": f"member:{x}"}),
    ("{incident}/assign", "policy", lambda x: {"to": f"policy:{x}"}),
    (
        "maintenance/new",
        "monitor",
        lambda x: {"name": "n", "repeats": "", "monitors": [x], **TIMES},
    ),
    (
        "maintenance/new",
        "page",
        lambda x: {"name": "n", "repeats": "", "labels": "a=b", "status_page": x, **TIMES},
    ),
    ("channels/route", "channel", lambda x: {"channels": [x]}),
    ("{page}/components/new", "monitor", lambda x: {"name": "n", "rule": "any", "monitors": [x]}),
    ("{component}/edit", "monitor", lambda x: {"name": "n", "rule": "any", "monitors": [x]}),
    (
        "{page}/subscribers/new",
        "component",
        lambda x: {"address": "a@example.org", "locale": "en", "components": [x]},
    ),
)
LISTS = (
    ("channels/deliveries/?channel={}", "channel"),
    ("channels/deliveries/?incident={}", "incident"),
    ("maintenance/new?monitor={}", "monitor"),
    ("on-call/?rotation={}", "rotation"),
)


def counts():
    with scopes_disabled():
        return [model.objects.count() for model in MADE]


def plain(answer, text):
    """Return an answer without the id that was sent, and what is new in every page."""
    status, headers, body = said(answer)
    return status, headers, body.replace(str(text).encode(), b"")


@pytest.mark.parametrize(("path", "thing", "fields"), FORMS, ids=[f"{p} {t}" for p, t, _ in FORMS])
def test_a_form_takes_no_thing_of_another_team(owner, ours, foreign, path, thing, fields):
    address = f"/t/acme/{path.format(**ours)}"
    before = counts()
    nothing = "0" * len(foreign[thing]) if thing == "component" else uuid4()
    answers = [plain(owner.post(address, fields(x)), x) for x in (foreign[thing], nothing)]
    assert answers[0] == answers[1]
    assert MARK.encode() not in answers[0][2]
    assert counts() == before


@pytest.mark.parametrize(("path", "thing"), LISTS)
def test_a_filter_shows_no_thing_of_another_team(owner, ours, foreign, path, thing):
    answers = [plain(owner.get(f"/t/acme/{path.format(x)}"), x) for x in (foreign[thing], uuid4())]
    assert answers[0] == answers[1]
    assert MARK.encode() not in answers[0][2]


def test_a_search_finds_nothing_of_another_team(owner, ours, foreign):
    nowhere = "kiwi7x"
    for path in (
        "monitors/?search={}",
        "monitors/?q={}",
        "incidents/?search={}",
        "on-call/rules/?monitor={}",
        "on-call/rules/?monitor=elsewhere/{}",
        "settings/audit?actor=stranger@acme.example&name={}",
    ):
        answers = [
            plain(owner.get(f"/t/acme/{path.format(text)}"), text) for text in (MARK, nowhere)
        ]
        assert answers[0] == answers[1], path


def test_no_page_of_a_team_shows_anything_of_another(owner, ours, foreign):
    for path in (
        "",
        "monitors/",
        "incidents/",
        "maintenance/",
        "channels/",
        "channels/deliveries/",
        "on-call/",
        "on-call/contacts/",
        "on-call/policies/",
        "on-call/policies/new",
        "on-call/rules/",
        "on-call/rules/new",
        "status-pages/",
        "settings/members",
        "settings/keys",
        "settings/audit",
    ):
        assert MARK.encode() not in owner.get(f"/t/acme/{path}").content, path
