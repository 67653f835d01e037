"""How people can be reached: the verified methods of members, in the order they want."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from accounts.database.standing import unscoped
from incidents.models import ContactMethod
from incidents.routing import within_hours

log = logging.getLogger(__name__)

# However the hours are set, what is held back is held no longer than this.
MOST_QUIET = timedelta(days=8)
MOST_QUIET_HOURS = 20  # entries of a method
MOST_DELAY_SECONDS = 86_400  # of a method after the one before it

# Everybody who has accepted a place, proved an address and named no way to be reached.
_BARE = """
FROM accounts_membership p JOIN accounts_user u ON u.id = p.user_id
WHERE p.id = ANY(%s) AND p.accepted_at IS NOT NULL AND u.is_active
  AND EXISTS (SELECT FROM account_emailaddress e
    WHERE e.user_id = u.id AND lower(e.email) = lower(u.email) AND e.verified)
  AND NOT EXISTS (SELECT FROM incidents_contactmethod c WHERE c.membership_id = p.id)
"""

# name: lock_bare_members
# Two that give the same member a first method would both take position 0; one waits here.
LOCK = f"SELECT p.id {_BARE} ORDER BY p.id FOR NO KEY UPDATE OF p"

# name: ensure_account_methods
# They are reached at their account's address.
ENSURE = f"""
INSERT INTO incidents_contactmethod (id, team_id, membership_id, name, kind, config, position,
  delay, quiet_hours, verified_at, code_tries, disabled_reason, created_at)
SELECT gen_random_uuid(), p.team_id, p.id, 'Account address', 'email',
  jsonb_build_object('to', jsonb_build_array(lower(u.email))), 0, 0, '[]', now(), 0, '', now()
{_BARE}
"""


@dataclass(frozen=True, slots=True)
class Method:
    """A verified, working way to reach a member, `delay_seconds` after they are first tried."""

    id: UUID
    membership_id: UUID
    kind: str
    key: str  # `email:<address>` or `method:<id>`: a contact gets one message per key
    delay_seconds: int
    quiet_hours: tuple[dict[str, Any], ...]


def contact_key(kind: str, config: dict[str, Any], method_id: UUID) -> str:
    """Return what names the place a method leads to: two methods with one address are one."""
    to = config.get("to")
    if kind == "email" and isinstance(to, list) and len(to) == 1:
        return f"email:{to[0].lower()}"
    return f"method:{method_id}"


def as_method(row: ContactMethod, delay_seconds: int = 0) -> Method:
    """Return a stored method as what the engine asks of it."""
    return Method(
        id=row.pk,
        membership_id=row.membership_id,
        kind=row.kind,
        key=contact_key(row.kind, row.config, row.pk),
        delay_seconds=delay_seconds,
        quiet_hours=tuple(row.quiet_hours),
    )


@unscoped
def ensure_account_methods(membership_ids: Iterable[UUID]) -> None:
    """Give members without any contact method their verified account address as one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, [list(membership_ids)])
        bare = [row[0] for row in cursor.fetchall()]
        if bare:
            cursor.execute(ENSURE, [bare])


def usable_methods(membership_ids: Iterable[UUID]) -> dict[UUID, list[Method]]:
    """Return for each member the methods that may be used, in order; delays are summed up.

    Runs without a scope: callers are the engine's, which serves all teams.
    """
    wanted = list(membership_ids)
    ensure_account_methods(wanted)
    found: dict[UUID, list[Method]] = {pk: [] for pk in wanted}
    waited: dict[UUID, int] = dict.fromkeys(wanted, 0)
    rows = ContactMethod.objects.filter(
        membership__in=wanted,
        membership__accepted_at__isnull=False,
        membership__user__is_active=True,
        verified_at__isnull=False,
        disabled_at=None,
    )
    for row in rows.order_by("membership", "position"):
        waited[row.membership_id] += row.delay
        found[row.membership_id].append(as_method(row, waited[row.membership_id]))
    return found


def quiet_until(method: Method, *, severity: str, at: datetime) -> datetime | None:
    """Return when the quiet hours that `at` lies in end; None if nothing is held back.

    What is critical is never held back. Hours that touch or overlap end together, at the latest
    eight days after `at`.
    """
    if severity == "critical" or not method.quiet_hours:
        return None
    # 1. Take all entries that hold `end` (first `at` itself).
    # 2. Move `end` to where the last of them lets go.
    # 3. Again, until no entry holds it.
    limit = at + MOST_QUIET
    end = at
    while end < limit and (holding := _entries_at(method.quiet_hours, end)):
        end = max(_end_of(entry, end, limit) for entry in holding)
    return None if end == at else min(end, limit)


def _entries_at(entries: Sequence[Mapping[str, Any]], at: datetime) -> list[Mapping[str, Any]]:
    holding = []
    for entry in entries:
        try:
            if within_hours(entry, at):
                holding.append(entry)
        except Exception:
            # A time zone that is gone: better to be told at night than not at all.
            log.exception("quiet hours cannot be read and hold nothing back")
    return holding


def _end_of(entry: Mapping[str, Any], start: datetime, limit: datetime) -> datetime:
    """Return the first instant after `start` that the entry does not hold, at most `limit`."""
    at = start
    while at < limit:
        at = _next_turn(entry, at)
        if not within_hours(entry, at):
            return at
    return limit


def _next_turn(entry: Mapping[str, Any], at: datetime) -> datetime:
    """Return the next instant after `at` at which the entry may begin or cease to hold.

    Those are its own two times and midnight, by the wall clock, and every change of the offset.
    """
    zone = ZoneInfo(entry.get("timezone") or "UTC")
    following = min(turn for turn in _turns(entry, at, zone) if turn > at)
    return _first_change(zone, at, following) or following


def _turns(entry: Mapping[str, Any], at: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    clocks = {time(0)}
    for name in ("from", "to"):
        text = entry.get(name) or "00:00"
        clocks.add(time(0) if text == "24:00" else time.fromisoformat(text))
    today = at.astimezone(zone).date()
    for days in (-1, 0, 1, 2):
        for clock in clocks:
            for fold in (0, 1):
                local = datetime.combine(today + timedelta(days=days), clock, zone)
                yield local.replace(fold=fold).astimezone(UTC)


def _first_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """Return the instant in (start, end] from which another offset holds, None without one."""

    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(zone).utcoffset()

    before = offset(start)
    if offset(end) == before:
        return None
    low, high = int(start.timestamp()), int(end.timestamp()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if offset(datetime.fromtimestamp(middle, UTC)) == before:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
