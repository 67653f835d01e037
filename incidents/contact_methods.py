"""Changing how a member can be reached: methods in one row, 0, 1, 2 … without a hole, each proved.

A position given is an insertion index, as with alert rules. Whoever changes a member's row of
methods holds the membership's lock, so two changes at once cannot leave a hole or a double.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.channels.base import InvalidConfig
from incidents.channels.registry import kind as find_kind
from incidents.contacts import ensure_account_methods
from incidents.models import (
    ContactMethod,
    Delivery,
    DeliveryState,
    EscalationTarget,
    RotationMember,
    RotationOverride,
)
from monitors.queries import database_now

CODE_EVENT = "contact.code"
CODE_DIGITS = 6
CODE_VALID = timedelta(minutes=15)
MOST_TRIES = 5
MOST_METHODS = 20


class TooManyMethods(Exception):  # noqa: N818 - it names what happened
    """The member has as many methods as one may have."""


class LastUsable(Exception):  # noqa: N818
    """The member is on call and could be reached in no other way."""


class WrongCode(Exception):  # noqa: N818
    """The code is not the one that was sent; `tries_left` more may be tried."""

    def __init__(self, tries_left: int) -> None:
        super().__init__(f"{tries_left} tries left")
        self.tries_left = tries_left


class TooManyTries(Exception):  # noqa: N818
    """The code was guessed at too often; only a new one helps."""


class CodeExpired(Exception):  # noqa: N818
    """No code was sent, or the last one is too old."""


def create_method(
    *,
    membership: Membership,
    kind: str,
    config: Mapping[str, Any],
    name: str = "",
    delay: int = 0,
    position: int | None = None,
    quiet_hours: Sequence[Mapping[str, Any]] = (),
) -> ContactMethod:
    """Insert a method at `position`, or at the end; `delay` is in seconds.

    It is not used before it is verified; an address that the member's account has proved is at
    once. A member's first own method does not replace the account's address: that is made a method
    before it. Raises KeyError for an unknown kind, InvalidConfig, TooManyMethods.
    """
    cleaned = _clean(kind, config)
    with _changing(membership.pk):
        ensure_account_methods([membership.pk])
        row = _row(membership.pk)
        end = row.count()
        if end >= MOST_METHODS:
            raise TooManyMethods
        index = end if position is None else min(position, end)
        row.filter(position__gte=index).update(position=F("position") + 1)
        return ContactMethod.objects.create(
            team_id=membership.team_id,
            membership=membership,
            name=name,
            kind=kind,
            config=cleaned,
            delay=delay,
            position=index,
            quiet_hours=list(quiet_hours),
            verified_at=database_now() if _is_account_address(membership, kind, cleaned) else None,
        )


def update_method(
    *,
    method: ContactMethod,
    config: Mapping[str, Any] | None = None,
    position: int | None = None,
    enable: bool = False,
    **fields: Any,
) -> ContactMethod:
    """Change `name`, `delay` (seconds), `quiet_hours`, the configuration and the place in the row.

    Secrets that `config` does not mention are kept. Where a changed one leads has to be proved
    anew, which also makes a disabled method work again, as `enable` does. Raises InvalidConfig,
    LastUsable, and ContactMethod.DoesNotExist if it has just been deleted.
    """
    unknown = set(fields) - {"name", "delay", "quiet_hours"}
    if unknown:
        raise TypeError(f"not fields of a method: {', '.join(sorted(unknown))}")
    with _changing(method.membership_id):
        method = ContactMethod.objects.select_related("membership").get(pk=method.pk)
        for name, value in fields.items():
            setattr(method, name, value)
        if enable:
            method.disabled_at, method.disabled_reason = None, ""
        if config is not None:
            _set_config(method, config)
        if position is not None:
            _move(method, position)
        method.save()
    return method


def delete_method(*, method: ContactMethod) -> None:
    """Take a method out; later ones move up.

    Once a member has none, the account's address becomes one when it is next needed. Raises
    LastUsable, ContactMethod.DoesNotExist.
    """
    with _changing(method.membership_id):
        method = ContactMethod.objects.get(pk=method.pk)
        _keep_reachable(method)
        void_codes(method)
        place = method.position
        method.delete()
        _row(method.membership_id).filter(position__gt=place).update(position=F("position") - 1)


def check_code(*, method: ContactMethod, code: str) -> ContactMethod:
    """Verify a method if `code` is the one that was sent there, and return it.

    A verified one is returned as it is. Raises WrongCode, TooManyTries, CodeExpired.
    """
    refusal: Exception | None = None
    with _changing(method.membership_id):
        method = ContactMethod.objects.get(pk=method.pk)
        if method.verified_at is None:
            # Raised only after the commit: a try that is rolled back would cost nothing.
            refusal = _judge_code(method, code)
    if refusal is not None:
        raise refusal
    return method


def hash_code(method_id: UUID, code: str) -> bytes:
    """Return what is stored of a code: its SHA-256, mixed with the method's id."""
    return hashlib.sha256(f"{method_id}:{code}".encode("utf-8", "replace")).digest()


def void_codes(method: ContactMethod) -> None:
    """Make a code that was sent worthless: stop it on its way, take it out of what has gone.

    The caller holds the membership's lock and saves the method.
    """
    method.code_hash, method.code_tries = None, 0
    codes = Delivery.objects.filter(contact_method=method, event=CODE_EVENT)
    codes.filter(state=DeliveryState.PENDING).update(
        state=DeliveryState.CANCELLED, finished_at=database_now()
    )
    for delivery in codes.exclude(state=DeliveryState.SENDING).filter(payload__has_key="code"):
        del delivery.payload["code"]
        delivery.save(update_fields=["payload"])


def is_on_call_duty(membership_id: UUID) -> bool:
    """Return whether a rotation, a coming override or an escalation policy names the member."""
    with scopes_disabled():
        return (
            RotationMember.objects.filter(membership=membership_id).exists()
            or EscalationTarget.objects.filter(membership=membership_id).exists()
            or RotationOverride.objects.filter(
                membership=membership_id, end__gt=database_now()
            ).exists()
        )


def _judge_code(method: ContactMethod, code: str) -> Exception | None:
    at = database_now()
    sent_at, wanted = method.code_sent_at, method.code_hash
    if sent_at is None or wanted is None or at - sent_at > CODE_VALID:
        return CodeExpired()
    if method.code_tries >= MOST_TRIES:
        return TooManyTries()
    if not hmac.compare_digest(bytes(wanted), hash_code(method.pk, code)):
        method.code_tries += 1
        method.save(update_fields=["code_tries"])
        left = MOST_TRIES - method.code_tries
        return WrongCode(left) if left else TooManyTries()
    method.verified_at = at
    method.disabled_at, method.disabled_reason = None, ""
    void_codes(method)
    method.save()
    return None


def _set_config(method: ContactMethod, config: Mapping[str, Any]) -> None:
    kind = find_kind(method.kind)
    if config and set(config) <= kind.secret_fields:
        merged = {**method.config, **config}
    else:
        merged = kind.keep_secrets(config, stored=method.config)
    cleaned = _clean(method.kind, merged)
    if cleaned == method.config:
        return
    proved = _is_account_address(method.membership, method.kind, cleaned)
    if not proved:
        _keep_reachable(method)
    void_codes(method)
    method.code_sent_at = None
    method.config = cleaned
    method.verified_at = database_now() if proved else None
    method.disabled_at, method.disabled_reason = None, ""


def _clean(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = find_kind(kind).clean(config, allow=settings.OUTBOUND_ALLOW)
    if kind == "email" and len(cleaned["to"]) != 1:
        raise InvalidConfig({"to": "Give one mail address; for another one add another method."})
    return cleaned


def _is_account_address(membership: Membership, kind: str, config: Mapping[str, Any]) -> bool:
    """Return whether it is an address that the member's account has proved already."""
    if kind != "email" or membership.accepted_at is None:
        return False
    own = EmailAddress.objects.filter(user=membership.user_id, verified=True)
    proved: bool = own.filter(email__iexact=config["to"][0]).exists()
    return proved


def _keep_reachable(method: ContactMethod) -> None:
    """Raise LastUsable if without this method nobody could reach a member who is on call."""
    if method.verified_at is None or method.disabled_at is not None:
        return
    others = _row(method.membership_id).exclude(pk=method.pk)
    if others.filter(Q(verified_at__isnull=False), disabled_at=None).exists():
        return
    if is_on_call_duty(method.membership_id):
        raise LastUsable


def _move(method: ContactMethod, position: int) -> None:
    others = _row(method.membership_id).exclude(pk=method.pk)
    old, new = method.position, min(position, others.count())
    if new < old:
        others.filter(position__gte=new, position__lt=old).update(position=F("position") + 1)
    elif new > old:
        others.filter(position__gt=old, position__lte=new).update(position=F("position") - 1)
    method.position = new


def _row(membership_id: UUID) -> QuerySet[ContactMethod]:
    return ContactMethod.objects.filter(membership=membership_id)


@contextmanager
def _changing(membership_id: UUID) -> Iterator[None]:
    with transaction.atomic(), scopes_disabled():
        Membership.objects.select_for_update(no_key=True).get(pk=membership_id)
        yield
