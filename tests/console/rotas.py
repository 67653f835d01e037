"""Rotations in the console: making them, their pages, what their form sends."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.models import Rotation
from incidents.oncall.loading import load_schedule
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.oncall.schedule import on_call
from monitors.queries import database_now

HOME = "/t/acme/on-call/"
NEW = f"{HOME}rotations/new"
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 9)


def places(people):
    """Return the memberships by the word before the @ of their address."""
    with scopes_disabled():
        rows = Membership.objects.filter(team=people.team).select_related("user")
        return {row.user.email.partition("@")[0]: row for row in rows}


def make_rotation(people, *names, name="storage", zone="Europe/Berlin", **fields):
    here = places(people)
    members = [here[one] for one in names or ("owner", "member")]
    layer = LayerValues(
        **{"unit": "week", "length": 1, "handoff": MONDAY} | fields, members=members
    )
    return create_rotation(team=people.team, name=name, timezone=zone, layers=[layer])


def page_of(rotation, part=""):
    return f"{HOME}rotations/{rotation.pk}/{part}"


def fields_of(*members, n=0, **change):
    """Return what the form sends for one layer."""
    sent = {"unit": "week", "length": "1", "handoff": "2026-03-02T09:00"} | change
    return {f"layer-{n}-{name}": value for name, value in sent.items()} | {
        "layer": [str(n)],
        f"layer-{n}-member": [str(member.pk) for member in members],
    }


def only_rotation():
    with scopes_disabled():
        return Rotation.objects.get()


def body(answer):
    return answer.content.decode()


def who_now(rotation):
    with scopes_disabled():
        shift = on_call(load_schedule(rotation), database_now())
    return shift.member if shift else None


def wall(at, zone=BERLIN):
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"
