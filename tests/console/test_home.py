"""A team's home: who is on call now, and where incidents go."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.models import EscalationPolicy
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.routing import ensure_catch_all
from incidents.rules import create_rule, update_rule
from tests.console.personas import push

HOME = "/t/acme/"


def make_rotation(people, name, *members):
    with scopes_disabled():
        found = [Membership.objects.get(team=people.team, user=member) for member in members]
        layer = LayerValues("week", 1, datetime(2026, 3, 2, 9), found)
        return create_rotation(team=people.team, name=name, timezone="UTC", layers=[layer])


def test_who_is_on_call_now_and_until_when(owner, people, monitor):
    push(monitor)
    assert "On call now" not in owner.get(HOME).content.decode()
    rotation = make_rotation(people, "first <b>", people.member, people.owner)
    make_rotation(people, "second")
    page = owner.get(HOME).content.decode()
    panel = page[page.index("On call now") : page.index('class="tiles"')]
    assert f'href="/t/acme/on-call/rotations/{rotation.pk}/"' in panel
    assert "first &lt;b&gt;" in panel
    assert re.search(r"(member|owner)@acme\.example", panel)
    assert re.search(r"hands off <time [^>]*>in \d", panel)
    assert "nobody" in panel
    assert "no hand-off ahead" in panel
    fragment = owner.get(HOME, headers={"HX-Request": "true"}).content.decode()
    assert "On call now" in fragment


def test_somebody_whom_no_page_reaches_is_told_apart(owner, people, monitor):
    push(monitor)
    with scopes_disabled():
        Membership.objects.filter(user=people.member).update(accepted_at=None)
    make_rotation(people, "first", people.member)
    page = owner.get(HOME).content.decode()
    assert "has not accepted their place in the team" in page


def test_queries_do_not_grow_with_rotations(owner, people, monitor):
    push(monitor)
    make_rotation(people, "r-00", people.member, people.owner)
    owner.get(HOME)
    with CaptureQueriesContext(connection) as few:
        owner.get(HOME)
    for n in range(1, 14):
        make_rotation(people, f"r-{n:02}", people.viewer, people.owner)
    with CaptureQueriesContext(connection) as many:
        page = owner.get(HOME).content.decode()
    assert len(many) <= len(few)
    assert "All 14 rotations" in page
    assert "r-11" in page
    assert "r-12" not in page


def test_where_incidents_go_names_the_policy_of_the_last_rule(owner, people, monitor):
    push(monitor)
    with scopes_disabled():
        policy = EscalationPolicy.objects.create(team=people.team, name="ladder")
        update_rule(rule=ensure_catch_all(people.team), policy=policy)
        create_rule(team=people.team, name="staging", match={})
    page = owner.get(HOME).content.decode()
    assert re.search(r"Incidents go to the escalation policy\s+<a [^>]*>ladder</a>\.", page)
    assert "owners are mailed" not in page
    assert re.search(r'<a href="/t/acme/on-call/rules/">1 alert rule</a> may', page)
