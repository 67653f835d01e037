"""Snoozing and handing on an incident in the console."""

from __future__ import annotations

import re

from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.models import Escalation, EscalationPolicy, Incident
from incidents.policies.policies import StepValues, create_policy
from tests.console.personas import make_incident


def stored(incident):
    with scopes_disabled():
        return Incident.objects.get(pk=incident.pk)


def membership(person):
    with scopes_disabled():
        return Membership.objects.get(user=person, team__slug="acme")


def test_snoozing_takes_it_on_until_then(owner, monitor):
    incident = make_incident(monitor)
    address = f"/t/acme/incidents/{incident.pk}/"
    page = owner.post(f"{address}snooze", {"seconds": "900"}, follow=True).content.decode()
    now = stored(incident)
    assert (now.state, now.acknowledged_by) == ("acknowledged", "owner@acme.example")
    assert (now.snoozed_until - now.acknowledged_at).total_seconds() == 900
    assert "paging starts anew" in page


def test_a_snooze_of_any_other_length_is_refused(owner, monitor):
    incident = make_incident(monitor)
    page = owner.post(f"/t/acme/incidents/{incident.pk}/snooze", {"seconds": "1"}, follow=True)
    assert "Choose for how long" in page.content.decode()
    assert stored(incident).state == "open"


def test_assigning_to_a_member_or_a_policy(owner, monitor, people):
    incident = make_incident(monitor)
    address = f"/t/acme/incidents/{incident.pk}/"
    member = membership(people.member)
    with scopes_disabled():
        policy = create_policy(
            team=people.team, name="Night", repeat=0, steps=[StepValues(delay=0, targets=[member])]
        )
    people.member.name = "Mia Member"
    people.member.save()
    page = owner.get(address).content.decode()
    assert "Mia Member" in page
    assert "Night" in page
    assert re.search(r'<option value=""[^>]*selected', page), "nobody is chosen by default"
    owner.post(f"{address}assign", {"to": f"member:{member.pk}"})
    with scopes_disabled():
        assert Escalation.objects.get(incident=incident).policy_name == "member@acme.example"
    page = owner.get(address).content.decode()
    assert "assigned to <bdi>Mia Member</bdi>" in page
    assert "<dt>Assigned to</dt><dd>Mia Member</dd>" in page
    assert "Assigned to <bdi>Mia Member</bdi>, who is paged now." in page
    assert "step fired" not in page
    with scopes_disabled():
        Escalation.objects.update(firings=1, reached=True, next_step_at=None)
    story = owner.get(f"{address}?part=story", headers={"HX-Request": "true"}).content.decode()
    assert "<bdi>Mia Member</bdi>, who was paged. Nobody else" in story
    page = owner.post(f"{address}assign", {"to": f"policy:{policy.pk}"}, follow=True)
    with scopes_disabled():
        assert Escalation.objects.get(incident=incident).policy_name == "Night"
    assert "Night" in page.content.decode()
    assert "<dt>Assigned to</dt>" not in page.content.decode()


def test_nobody_elses_people_can_be_chosen(owner, monitor, people):
    incident = make_incident(monitor)
    with scopes_disabled():
        stranger = Membership.objects.get(user=people.stranger)
        assert EscalationPolicy.objects.count() == 0
    for bad in (f"member:{stranger.pk}", "member:", "policy:x", "", "odd"):
        page = owner.post(f"/t/acme/incidents/{incident.pk}/assign", {"to": bad}, follow=True)
        assert "Choose whom to hand it to" in page.content.decode()
    with scopes_disabled():
        assert Escalation.objects.count() == 0
