"""How people can be reached: the verified methods of members, in the order they want."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from incidents.models import ContactMethod

# name: ensure_account_methods
# Everybody who has accepted a place, proved an address and named no way to be reached is reached
# at that address.
ENSURE = """
INSERT INTO incidents_contactmethod (id, team_id, membership_id, name, kind, config, position,
  delay, quiet_hours, verified_at, code_tries, disabled_reason, created_at)
SELECT gen_random_uuid(), p.team_id, p.id, 'Account address', 'email',
  jsonb_build_object('to', jsonb_build_array(lower(u.email))), 0, 0, '[]', now(), 0, '', now()
FROM accounts_membership p JOIN accounts_user u ON u.id = p.user_id
WHERE p.id = ANY(%s) AND p.accepted_at IS NOT NULL AND u.is_active
  AND EXISTS (SELECT FROM account_emailaddress e
    WHERE e.user_id = u.id AND lower(e.email) = lower(u.email) AND e.verified)
  AND NOT EXISTS (SELECT FROM incidents_contactmethod c WHERE c.membership_id = p.id)
ON CONFLICT DO NOTHING
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


def ensure_account_methods(membership_ids: Iterable[UUID]) -> None:
    """Give members without any contact method their verified account address as one."""
    with connection.cursor() as cursor:
        cursor.execute(ENSURE, [list(membership_ids)])


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
        found[row.membership_id].append(
            Method(
                id=row.pk,
                membership_id=row.membership_id,
                kind=row.kind,
                key=contact_key(row.kind, row.config, row.pk),
                delay_seconds=waited[row.membership_id],
                quiet_hours=tuple(row.quiet_hours),
            )
        )
    return found


def quiet_until(method: Method, *, severity: str, at: datetime) -> datetime | None:
    """Return when the quiet hours that `at` lies in end; None if nothing is held back.

    What is critical is never held back.
    """
    raise NotImplementedError
