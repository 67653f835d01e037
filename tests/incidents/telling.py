"""What tests of incidents ask: channels at a provider, what was queued, what was sent."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.destinations import create_channel
from incidents.engine import run_round
from incidents.models import Channel, Delivery, Incident, TimelineEvent
from incidents.rules import create_rule
from monitors.models import Monitor
from tests.monitors.pushing import push
from tests.providers import Provider

LOOPBACK = ("127.0.0.0/8",)


def go(monitor: Monitor, *steps: str) -> None:
    """Push these results one after the other, then let the engine run."""
    for step in steps:
        push(monitor, step)
    run_round()


def channel_to(team: Team, provider: Provider | str, name: str = "hook") -> Channel:
    """Create a webhook channel that posts to a provider (or a URL)."""
    url = provider if isinstance(provider, str) else provider.url
    with scopes_disabled():
        return create_channel(team=team, name=name, kind="webhook", config={"url": url})


def route_to(team: Team, *channels: Channel, name: str = "rule", **options: Any) -> Any:
    """Create a rule that sends everything (or what `match` says) to the channels."""
    match = options.pop("match", {})
    return create_rule(team=team, name=name, match=match, channels=channels, **options)


def page(team: Team, monitor: Monitor, provider: Provider) -> None:
    """Send every incident of the team to a provider, and let the monitor fail."""
    route_to(team, channel_to(team, provider))
    go(monitor, "fail")


def incidents(monitor: Monitor | None = None) -> list[Incident]:
    """Return the incidents (of a monitor) in the order in which they began."""
    with scopes_disabled():
        rows = Incident.objects.order_by("opened_at", "down_since")
        return list(rows.filter(monitor_id=monitor.pk) if monitor else rows)


def deliveries(**filters: Any) -> list[Delivery]:
    """Return the deliveries in the order of their making."""
    with scopes_disabled():
        return list(Delivery.objects.filter(**filters).order_by("created_at", "id"))


def states(**filters: Any) -> list[str]:
    """Return the states of the deliveries in the order of their making."""
    return [delivery.state for delivery in deliveries(**filters)]


def timeline(incident: Incident) -> list[tuple[str, str]]:
    """Return (kind, text) of an incident's history, in order."""
    with scopes_disabled():
        rows = TimelineEvent.objects.filter(incident=incident).order_by("id")
        return [(row.kind, row.text) for row in rows]


def kinds(incident: Incident) -> list[str]:
    """Return the kinds of an incident's events, in order."""
    return [kind for kind, _ in timeline(incident)]


def make_due() -> None:
    """Let every message that waits be due: no test waits for a backoff."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE incidents_delivery SET next_attempt_at = now() - interval '1 s'")


def events(provider: Provider) -> list[str]:
    """Return the types of the messages that a provider got, in order."""
    return [received.json["type"] for received in provider.got]


def ids(provider: Provider) -> list[str]:
    """Return the idempotency keys that a provider got, in order."""
    return [received.headers["webhook-id"] for received in provider.got]


assert settings.configured
