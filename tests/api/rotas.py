"""Rotations by the REST API: making them, and asking who is on call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Team
from tests.conftest import Api
from tests.factories import UserFactory

MISSING = "01890000-0000-7000-8000-000000000000"
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
HANDOFF = "2027-03-01T09:00"


def join(team: Team, *names: str) -> list[str]:
    """Let people join; return their addresses."""
    addresses = [f"{name}@{team.slug}.example" for name in names]
    with scopes_disabled():
        for name, address in zip(names, addresses, strict=True):
            user = UserFactory(email=address, name=name.title())
            Membership.objects.create(team=team, user=user, role=Role.MEMBER)
    return addresses


@pytest.fixture
def people(team: Team) -> list[str]:
    return join(team, "ana", "bo", "cy")


def make(api: Api, members: list[str], **fields: Any) -> dict[str, Any]:
    layer = {"unit": "day", "length": 1, "handoff": HANDOFF, "members": members}
    layer |= {name: fields.pop(name) for name in list(fields) if name in (*layer, "restrictions")}
    fields.setdefault("name", "Primary")
    made: dict[str, Any] = api.make("rotations", **{**fields, "layers": [layer]})
    return made


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def present(api: Api, rotation: dict[str, Any], when: str | None = None) -> Any:
    query = f"?at={when}" if when else ""
    return api.get(f"rotations/{rotation['id']}/on-call{query}")["member"]


def shifts(api: Api, rotation: dict[str, Any], since: str, until: str) -> list[tuple[str, str]]:
    path = f"rotations/{rotation['id']}/shifts?since={since}&until={until}"
    return [(row["start"], row["end"]) for row in api.get(path)["results"]]


def patch(api: Api, rotation: dict[str, Any], expect: int = 200, **fields: Any) -> Any:
    return api("PATCH", f"rotations/{rotation['id']}", fields, expect=expect).json()
