"""People, rotations and policies for tests of escalation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Team
from incidents.models import (
    Channel,
    ContactMethod,
    Escalation,
    EscalationPolicy,
    Incident,
    Rotation,
)
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.policies.policies import StepValues, create_policy
from incidents.rules import create_rule
from tests.factories import UserFactory

LONG_AGO = datetime(2026, 1, 5, 9)


def add_member(team: Team, address: str, *, role: Role = Role.MEMBER) -> Membership:
    """Add a person with a verified address to a team."""
    with scopes_disabled():
        user = UserFactory(email=address)
        return Membership.objects.create(team=team, user=user, role=role)


def webhook_method(
    membership: Membership, url: str, *, position: int = 0, delay: int = 0, **fields: Any
) -> ContactMethod:
    """Give a member a verified webhook as a contact method."""
    with scopes_disabled():
        return ContactMethod.objects.create(
            team_id=membership.team_id,
            membership=membership,
            kind="webhook",
            config={"url": url, "secret": "whsec_" + "A" * 43 + "="},
            position=position,
            delay=delay,
            verified_at=membership.created_at,
            **fields,
        )


def rotation_of(team: Team, *members: Membership, name: str = "Primary") -> Rotation:
    """Make a weekly rotation; the first of its members is on call for the first week of 2026."""
    with scopes_disabled():
        return create_rotation(team=team, name=name, timezone="UTC", layers=[weekly(*members)])


def weekly(*members: Membership) -> LayerValues:
    """Return a layer of weeks in which these take turns."""
    return LayerValues(unit="week", length=1, handoff=LONG_AGO, members=list(members))


def policy_of(
    team: Team,
    *steps: tuple[int, list[Rotation | Membership | Channel]],
    name: str = "Policy",
    repeat: int = 0,
    acknowledge_timeout: int | None = None,
    route: bool = True,
) -> EscalationPolicy:
    """Make a policy of (delay, targets) and, unless told not to, a rule that sends all to it."""
    values = [StepValues(delay=delay, targets=list(targets)) for delay, targets in steps]
    with scopes_disabled():
        policy = create_policy(
            team=team,
            name=name,
            repeat=repeat,
            steps=values,
            acknowledge_timeout=acknowledge_timeout,
        )
    if route:
        create_rule(team=team, name=f"to {name}", match={}, policy=policy)
    return policy


def make_steps_due() -> None:
    """Let every waiting step be due now, as if its delay had passed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_escalation SET next_step_at = now() WHERE next_step_at IS NOT NULL"
        )


def make_timers_due() -> None:
    """Let acknowledgements, snoozes and quiet minutes be over now."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_incident SET wake_at = now() WHERE wake_at IS NOT NULL")
        cursor.execute(
            "UPDATE incidents_incident SET settle_at = now() WHERE settle_at IS NOT NULL"
        )


def ladders(incident: Incident) -> list[Escalation]:
    """Return an incident's ladders."""
    with scopes_disabled():
        return list(Escalation.objects.filter(incident=incident).order_by("id"))
