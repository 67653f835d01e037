from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Heartbeat, ListeningGap, ListeningStamp, Monitor
from tests.conftest import Api
from tests.factories import MonitorFactory

HOUR = 3600


def up_since(monitor: Monitor, seconds: int, **fields: Any) -> None:
    """Let the last push be so many seconds ago, and the sweep's alarm be rung."""
    at = now() - timedelta(seconds=seconds)
    with scopes_disabled():
        Heartbeat.objects.filter(monitor=monitor).update(
            **{"state": "up", "last_push_at": at, "clock_from": at, "check_at": now(), **fields}
        )


def listed(api: Api, state: str) -> set[str]:
    found = api.get(f"monitors?state={state}")["results"]
    assert {row["state"] for row in found} <= {state}
    return {row["name"] for row in found}


def make_listening() -> None:
    ListeningStamp.objects.update_or_create(id=1, defaults={"at": now()})


def test_fixed_windows(api: Api, team: Team) -> None:
    make_listening()
    for name, ago, grace, state in (
        ("fresh", 10, HOUR, "up"),
        ("late", 100, HOUR, "up"),
        ("due", HOUR + 100, HOUR, "up"),
        ("no grace", 100, 0, "up"),
        ("down", 100, HOUR, "down"),
    ):
        up_since(MonitorFactory(team=team, name=name, grace=grace), ago, state=state)
    assert listed(api, "late") == {"late"}
    assert listed(api, "up") == {"fresh", "due", "no grace"}
    assert listed(api, "down") == {"down"}


def test_cron_schedules(api: Api, team: Team) -> None:
    make_listening()
    every = {"cron": "* * * * *", "cron_timezone": "UTC", "grace": HOUR}
    far = {"cron": "0 0 29 2 *", "cron_timezone": "UTC"}
    up_since(MonitorFactory(team=team, name="missed", **every), 200)
    up_since(MonitorFactory(team=team, name="on time", **far), 200)
    served = MonitorFactory(team=team, name="unswept", **far)
    up_since(served, 200, check_at=now() + timedelta(days=20))
    assert listed(api, "late") == {"missed"}
    assert listed(api, "up") == {"on time", "unswept"}


def test_a_gap_in_listening_makes_nobody_late(api: Api, team: Team) -> None:
    make_listening()
    for name, ago in (("touched", 100), ("late all the same", 1000)):
        up_since(MonitorFactory(team=team, name=name, grace=HOUR), ago)
    assert listed(api, "late") == {"touched", "late all the same"}
    ListeningGap.objects.create(
        started_at=now() - timedelta(seconds=60), ended_at=now() - timedelta(seconds=30)
    )
    assert listed(api, "late") == {"late all the same"}
    assert listed(api, "up") == {"touched"}


def test_while_nobody_listens_nobody_becomes_late(api: Api, team: Team) -> None:
    make_listening()
    up_since(MonitorFactory(team=team, name="m", grace=HOUR), 100)
    assert listed(api, "late") == {"m"}
    ListeningStamp.objects.update(at=now() - timedelta(seconds=50))
    assert listed(api, "late") == set()
    assert listed(api, "up") == {"m"}
