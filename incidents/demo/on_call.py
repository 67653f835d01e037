"""The demo team's people, their rotation, the ladder of its pages, and a window ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.models import Membership, Role, Team, User
from accounts.teams import verify_address
from incidents.maintenance.maintenances import create_maintenance
from incidents.models import Channel, EscalationPolicy, empty_match
from incidents.oncall.overrides import create_override
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.policies.policies import StepValues, create_policy
from incidents.rules import create_rule

ZONE = "Europe/Berlin"
PEOPLE = (("ana@demo.example", "Ana Sousa"), ("ben@demo.example", "Ben Okafor"))


def make_on_call(
    *, team: Team, owner: User, channels: dict[str, Channel], now: datetime
) -> EscalationPolicy:
    """Create a weekly rotation with an override, a policy with its rule, and a window."""
    members = [Membership.objects.get(team=team, user=owner)]
    for address, name in PEOPLE:
        person = User.objects.create_user(address, name=name)
        verify_address(person)
        members.append(Membership.objects.create(team=team, user=person, role=Role.MEMBER))
    monday = (now - timedelta(days=now.weekday() + 21)).replace(hour=9, minute=0)
    rotation = create_rotation(
        team=team,
        name="Platform",
        timezone=ZONE,
        layers=[
            LayerValues(
                unit="week",
                length=1,
                handoff=monday.replace(second=0, microsecond=0, tzinfo=None),
                members=members,
            )
        ],
    )
    soon = (now + timedelta(days=3)).replace(hour=17, minute=0, second=0, microsecond=0)
    create_override(
        rotation=rotation,
        start=soon,
        end=soon + timedelta(hours=16),
        membership=members[-1],
        actor=owner.email,
    )
    policy = create_policy(
        team=team,
        name="Platform on call",
        repeat=1,
        acknowledge_timeout=3600,
        steps=[
            StepValues(delay=0, targets=[rotation]),
            StepValues(delay=300, targets=[members[0], *list(channels.values())[:1]]),
        ],
    )
    create_rule(
        team=team,
        name="Fleets to the platform team",
        match={**empty_match(), "labels": {"pattern": "air-gapped"}},
        policy=policy,
    )
    create_maintenance(
        team=team,
        name="Weekly database upgrade",
        labels={"team": "platform"},
        starts_at=soon + timedelta(days=1),
        ends_at=soon + timedelta(days=1, hours=1),
        rrule="FREQ=WEEKLY",
        timezone=ZONE,
    )
    return policy
