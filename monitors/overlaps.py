"""Old push URLs and tokens that still work after a rotation, and ending that before its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django_scopes import scopes_disabled

from monitors.models import Heartbeat, Monitor, PushKey


@dataclass(frozen=True, slots=True)
class Overlap:
    """Until when the old ones work; None where none does."""

    slug_until: datetime | None
    token_until: datetime | None


def read_overlap(monitor: Monitor, *, now: datetime) -> Overlap:
    """Return until when a monitor's old credentials work; one query."""
    expires = (
        PushKey.objects.filter(monitor=monitor.pk, is_current=False, expires_at__gt=now)
        .order_by("-expires_at")
        .values_list("expires_at", flat=True)
        .first()
    )
    until = monitor.old_token_expires_at
    return Overlap(slug_until=expires, token_until=until if until and until > now else None)


def end_old_slugs(*, monitor: Monitor) -> None:
    """Let every push URL of a monitor but its present one stop working at once."""
    with transaction.atomic(), scopes_disabled():
        Heartbeat.objects.select_for_update(no_key=True).get(monitor=monitor)
        PushKey.objects.filter(monitor=monitor, is_current=False).delete()


def end_old_token(*, monitor: Monitor) -> None:
    """Let a monitor's old token stop working at once."""
    with transaction.atomic(), scopes_disabled():
        Heartbeat.objects.select_for_update(no_key=True).get(monitor=monitor)
        Monitor.objects.filter(pk=monitor.pk).update(old_token_hash=None, old_token_expires_at=None)
