"""Who uses the console: an owner, a teammate, a viewer and a stranger, and what they look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Team, User
from accounts.teams import create_team, verify_address
from incidents.lifecycle.lanes import advance
from incidents.models import Incident
from monitors.ingest import record_push
from monitors.ingest.push import Push
from monitors.models import Heartbeat, Monitor
from monitors.services import create_monitor

PASSWORD = "correct-horse-71"


@dataclass
class Personas:
    team: Team
    owner: User
    member: User
    viewer: User
    stranger: User


def make_personas() -> Personas:
    people = {}
    for name in ("owner", "member", "viewer", "stranger"):
        people[name] = User.objects.create_user(f"{name}@acme.example", PASSWORD)
        verify_address(people[name])
    team = create_team(slug="acme", name="Acme", owner=people["owner"])
    create_team(slug="elsewhere", name="Elsewhere", owner=people["stranger"])
    with scopes_disabled():
        for role in (Role.MEMBER, Role.VIEWER):
            Membership.objects.create(team=team, user=people[role.value], role=role)
    return Personas(team=team, **people)


def make_monitor(team: Team, name: str = "nightly-backup", **fields: object) -> Monitor:
    return create_monitor(team=team, name=name, **fields)[0]


def push(monitor: Monitor, *, fail: bool = False, **fields: object) -> None:
    assert record_push(Push(fail=fail, monitor=monitor.pk, **fields)) is not None  # type: ignore[arg-type]


def make_incident(monitor: Monitor, message: str = "exit status 1") -> Incident:
    push(monitor)
    push(monitor, fail=True, message=message)
    advance()
    with scopes_disabled():
        return Incident.objects.get(monitor_id=monitor.pk, resolved_at=None)


def make_late(monitor: Monitor, *, silent_for: timedelta) -> None:
    """Let the last push of an up monitor lie that far back."""
    push(monitor)
    with scopes_disabled():
        Heartbeat.objects.filter(monitor=monitor).update(
            clock_from=Now() - silent_for, last_push_at=Now() - silent_for
        )


def listen_now() -> None:
    """Say that pushes can be accepted: without it, time counts as a listening gap."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_listeningstamp (id, at) VALUES (1, clock_timestamp()) "
            "ON CONFLICT (id) DO UPDATE SET at = excluded.at"
        )
