"""Making and checking credentials. Only hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.ids import random_base62
from accounts.models import ApiKey, Membership, Scope, Team

PREFIX_LENGTH = 8
SECRET_LENGTH = 40
_LAST_USED_EVERY = timedelta(minutes=1)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a credential. They are random, so no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def token_matches(token: str, token_hash: bytes | memoryview | None) -> bool:
    """Return whether `token` is the one that was hashed, in constant time."""
    return token_hash is not None and hmac.compare_digest(hash_token(token), bytes(token_hash))


class KeyNameTaken(Exception):  # noqa: N818 - it names what happened
    """Another live key of the team has the name: neither revoked nor expired."""


def create_api_key(
    *,
    team: Team,
    name: str,
    scope: Scope,
    created_by: Membership | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its text, which is shown this once. Raises KeyNameTaken."""
    prefix, secret = random_base62(PREFIX_LENGTH), random_base62(SECRET_LENGTH)
    text = f"tk_{prefix}_{secret}"
    with transaction.atomic(), scopes_disabled():
        _require_free_name(team.pk, name)
        key = ApiKey.objects.create(
            team=team,
            name=name,
            scope=scope,
            prefix=prefix,
            key_hash=hash_token(text),
            created_by=created_by,
            expires_at=expires_at,
        )
    return key, text


def rename_api_key(*, key: ApiKey, name: str) -> None:
    """Give a key another name. Raises KeyNameTaken."""
    with transaction.atomic(), scopes_disabled():
        _require_free_name(key.team_id, name, but=key)
        key.name = name
        key.save(update_fields=["name"])


def _require_free_name(team_id: UUID, name: str, but: ApiKey | None = None) -> None:
    """Hold the team's lock, under which names are given, and see that nobody has this one."""
    Team.objects.select_for_update(no_key=True).get(pk=team_id)
    live = ApiKey.objects.filter(team=team_id, name=name, revoked_at=None)
    live = live.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
    if (live.exclude(pk=but.pk) if but else live).exists():
        raise KeyNameTaken(name)


def revoke_api_key(*, key: ApiKey, now: datetime) -> None:
    """Make a key useless from now on. Revoking twice is revoking once."""
    with scopes_disabled():
        ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)


def find_api_key(text: str, *, now: datetime) -> ApiKey | None:
    """Return the valid key of that text, and note its use (at most once a minute)."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != "tk" or not (parts[1].isascii() and parts[1].isalnum()):
        return None
    with scopes_disabled():
        live = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
        keys = ApiKey.objects.select_related("team__plan").exclude(team__delete_at__lte=Now())
        key = keys.filter(live, prefix=parts[1]).first()
        if key is None or not token_matches(text, key.key_hash):
            return None
        if key.last_used_at is None or now - key.last_used_at >= _LAST_USED_EVERY:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key
