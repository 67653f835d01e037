"""The audit log: what to show of an event, what a list is narrowed to, when it is dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.models import AuditEvent

PURGED_AT_ONCE = 5000

# name: purge
# Drop some of the oldest events, team by team, as their index has them.
_PURGE = """
DELETE FROM accounts_auditevent WHERE id IN (
  SELECT e.id FROM accounts_team t CROSS JOIN LATERAL (
    SELECT id FROM accounts_auditevent
    WHERE team_id = t.id AND at < %(before)s ORDER BY at, id LIMIT %(limit)s
  ) e LIMIT %(limit)s
)
"""


def drop_old_events(*, before: datetime) -> int:
    """Drop the events before a time, a bounded number in each transaction; return how many."""
    dropped = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL tocsin.audit_purge = on")
            cursor.execute(_PURGE, {"before": before, "limit": PURGED_AT_ONCE})
            count: int = cursor.rowcount
            cursor.execute("SET LOCAL tocsin.audit_purge = off")
        dropped += count
        if count < PURGED_AT_ONCE:
            return dropped


def narrow_events(
    events: QuerySet[AuditEvent],
    *,
    actor: str = "",
    action: str = "",
    kind: str = "",
    thing: str = "",
    search: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """Return the events that fit all that is given.

    `actor` is whole, in any case, `search` a part of an actor's or thing's name; `since` is
    inclusive, `until` is not.
    """
    if actor:
        events = events.filter(actor__iexact=actor)
    if action:
        events = events.filter(action=action)
    if kind:
        events = events.filter(kind=kind)
    if thing:
        events = events.filter(thing_id=thing)
    if search:
        events = events.filter(Q(actor__icontains=search) | Q(thing_name__icontains=search))
    if since is not None:
        events = events.filter(at__gte=since)
    if until is not None:
        events = events.filter(at__lt=until)
    return events


def changed_fields(event: AuditEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return before and after without what was written again as it was.

    A service that replaces all parts of a thing leaves equal lists on both sides; hidden values
    are equal on both sides too, and stay.
    """
    before, after = dict(event.before), dict(event.after)
    for name in [*before]:
        is_same = isinstance(before[name], list) and after.get(name) == before[name]
        if is_same and not _holds_hidden(before[name]):
            del before[name], after[name]
    return before, after


def _holds_hidden(parts: list[Any]) -> bool:
    return any(isinstance(part, dict) and "(hidden)" in part.values() for part in parts)
