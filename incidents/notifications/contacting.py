"""Messages that prove or try a person's contact method."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.contact_methods import CODE_DIGITS, CODE_EVENT, CODE_VALID, hash_code, void_codes
from incidents.contacts import contact_key
from incidents.models import ContactMethod, Delivery
from monitors.queries import database_now

BETWEEN_CODES = timedelta(minutes=1)
MOST_CODES_A_DAY = 10
_DAY = timedelta(days=1)

# name: forget_codes
# A code that has done its duty, or can no longer do it, is nobody's to read.
FORGET = """
UPDATE incidents_delivery SET payload = payload - 'code',
  state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END,
  finished_at = coalesce(finished_at, CASE WHEN state = 'pending' THEN now() END)
WHERE id IN (
  SELECT id FROM incidents_delivery
  WHERE contact_method_id IN (
      SELECT id FROM incidents_contactmethod WHERE code_sent_at > now() - interval '1 day')
    AND event = 'contact.code' AND payload ? 'code'
    AND (state NOT IN ('pending', 'sending')
      OR created_at < now() - make_interval(secs => %(valid)s))
  FOR UPDATE SKIP LOCKED)
"""


class AlreadyVerified(Exception):  # noqa: N818 - it names what happened
    """The method is proved; no code is needed."""


class NotUsable(Exception):  # noqa: N818
    """The method is not verified yet, or disabled."""


class TooSoon(Exception):  # noqa: N818
    """A code was sent there moments ago, or many within a day; wait `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


def send_code(*, method: ContactMethod, actor: str) -> Delivery:
    """Queue a new code to a method and return its delivery; an earlier code is worthless then.

    Raises AlreadyVerified, and TooSoon within a minute of the last one or after ten in a day,
    counted by address, so that making the method anew gives no new allowance.
    """
    with transaction.atomic(), scopes_disabled():
        Membership.objects.select_for_update(no_key=True).get(pk=method.membership_id)
        method = ContactMethod.objects.get(pk=method.pk)
        if method.verified_at is not None:
            raise AlreadyVerified
        at = database_now()
        _check_pace(method, at)
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        void_codes(method)
        method.code_hash, method.code_sent_at = hash_code(method.pk, code), at
        method.save(update_fields=["code_hash", "code_sent_at", "code_tries"])
        reason = f"{actor} asked for a code that proves this contact method."
        return _queue(method, CODE_EVENT, {"code": code, "reason": reason}, at)


def test_method(*, method: ContactMethod, actor: str) -> Delivery:
    """Queue a test message to a method and return its delivery. Raises NotUsable."""
    with transaction.atomic(), scopes_disabled():
        method = ContactMethod.objects.get(pk=method.pk)
        if method.verified_at is None or method.disabled_at is not None:
            raise NotUsable
        reason = f"{actor} asked for a test of this contact method."
        payload = {"contact_method": {"id": str(method.pk), "name": method.name}, "reason": reason}
        return _queue(method, "contact.test", payload, database_now())


test_method.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it


def forget_codes() -> int:
    """Take codes out of messages that are finished or older than a code is valid; return how many.

    What still waits with such a code is cancelled. For the engine, now and then.
    """
    with connection.cursor() as cursor:
        cursor.execute(FORGET, {"valid": CODE_VALID.total_seconds()})
        forgotten: int = cursor.rowcount
    return forgotten


def _check_pace(method: ContactMethod, at: datetime) -> None:
    if method.code_sent_at is not None and at - method.code_sent_at < BETWEEN_CODES:
        raise TooSoon(_seconds(method.code_sent_at + BETWEEN_CODES - at))
    key = contact_key(method.kind, method.config, method.pk)
    same = Q(contact_method=method) | Q(contact=key)
    codes = Delivery.objects.filter(same, event=CODE_EVENT, created_at__gt=at - _DAY)
    # The ids are in order of time, by the application's clock: the index on them finds the day's.
    codes = codes.filter(team=method.team_id, id__gte=_first_id(at - 2 * _DAY))
    last = codes.filter(contact=key).aggregate(last=Max("created_at"))["last"]
    if last is not None and at - last < BETWEEN_CODES:
        raise TooSoon(_seconds(last + BETWEEN_CODES - at))
    times = list(codes.order_by("-created_at").values_list("created_at", flat=True))
    if len(times) >= MOST_CODES_A_DAY:
        raise TooSoon(_seconds(times[MOST_CODES_A_DAY - 1] + _DAY - at))


def _first_id(at: datetime) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _seconds(wait: timedelta) -> int:
    return max(1, round(wait.total_seconds()))


def _queue(method: ContactMethod, event: str, payload: dict[str, Any], at: datetime) -> Delivery:
    team = Team.objects.get(pk=method.team_id)
    return Delivery.objects.create(
        team_id=method.team_id,
        contact_method=method,
        contact=contact_key(method.kind, method.config, method.pk),
        kind=method.kind,
        event=event,
        payload={
            "team": {"slug": team.slug, "name": team.name},
            "url": f"{settings.BASE_URL}/t/{team.slug}/on-call/contacts/",
            **payload,
        },
        next_attempt_at=at,
        created_at=at,
    )
