"""What the installation's own team has: its monitors, and where their incidents go to."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.db import transaction
from django_scopes import scopes_disabled

from accounts.internal import INTERNAL_TEAM, internal_team
from incidents.channels import watchdog
from incidents.models import AlertRule, AlertRuleChannel, Channel
from incidents.outbound.client import Reply, post
from incidents.routing import ensure_catch_all
from monitors.models import Monitor, PushKey
from monitors.services import DuplicateName, create_monitor

CANARY, WATCHDOG = "canary", "watchdog"
TIMEOUT_SECONDS = 5.0
# The operator's own addresses: private ones are as good as any.
ANYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_RECEIVER = "receiver"
_FIELDS: dict[str, dict[str, Any]] = {
    # It is asked whether it got through, not judged by silence.
    CANARY: {"interval": 5, "silent_after": 86_400, "severity": "info"},
    WATCHDOG: {"interval": 5, "silent_after": 5, "severity": "info"},
}


def find_monitor(name: str) -> tuple[Monitor, str]:
    """Return one of our own monitors and its slug, made at its first use."""
    with scopes_disabled():
        for _ in range(2):
            monitor = Monitor.objects.filter(team=INTERNAL_TEAM, name=name).first()
            if monitor is not None:
                return monitor, PushKey.objects.get(monitor=monitor, is_current=True).value
            try:
                create_monitor(team=internal_team(), name=name, **_FIELDS[name])
            except DuplicateName:
                continue  # somebody else has just made it
    raise RuntimeError(f"our own monitor {name} can be neither found nor made")


def ensure_receiver() -> None:
    """Let all incidents of our own team go to our own receiver."""
    with transaction.atomic(), scopes_disabled():
        team = internal_team()
        channel, _ = Channel.objects.get_or_create(
            team=team, name=_RECEIVER, defaults={"kind": watchdog.KIND.name}
        )
        ensure_catch_all(team)
        rule = AlertRule.objects.get(team=team, is_catch_all=True)
        AlertRuleChannel.objects.get_or_create(team=team, rule=rule, channel=channel)


def push_publicly(slug: str) -> Reply:
    """Push a pass over the public path, as a customer does. Raises OutboundError."""
    return post(
        f"{settings.CANARY_URL}/api/push/{slug}/results",
        body=b'{"status":"pass"}',
        headers={"Content-Type": "application/json"},
        allow=ANYWHERE,
        timeout_seconds=TIMEOUT_SECONDS,
        deadline_seconds=TIMEOUT_SECONDS,
    )
