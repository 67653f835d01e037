"""A person's sessions: when each began and was last used, from where, and how it is ended.

The session itself remembers when somebody logged in with it, so that asking costs no query.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import (
    did_recently_reauthenticate,
    get_reauthentication_flows,
)
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.timezone import now as clock

from accounts.devices import say_device
from accounts.models import User

SIGNED_IN_AT = "signed_in_at"  # session key: Unix seconds
NOTE_EVERY = 60  # seconds
_JUST_BEGUN = timedelta(hours=1)  # noted, and its session is not committed yet
_PROVED_AT = "_tocsin_proved_at"


@dataclass(frozen=True)
class Place:
    """One session of a person's: where it is used, and whether it is the one that asks."""

    pk: int
    device: str
    address: str
    began_at: datetime
    seen_at: datetime
    current: bool


def stamp_session(sender: object, request: HttpRequest, **rest: Any) -> None:
    """Remember in the session when somebody logged in with it."""
    proved_at: float | None = getattr(request, _PROVED_AT, None)
    request.session[SIGNED_IN_AT] = time.time() if proved_at is None else proved_at


def note_new_factor(
    sender: object,
    request: HttpRequest | None,
    user: User,
    authenticator: Authenticator,
    **rest: Any,
) -> None:
    """Count an app or passkey that was just set up as shown: it was, to set it up."""
    if request is not None and authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(request, user, "mfa", type=authenticator.type, id=authenticator.pk)


def set_proved_at(request: HttpRequest, at: float) -> None:
    """Have a log-in of this request count from `at` (Unix seconds), not from now."""
    setattr(request, _PROVED_AT, at)


def signed_in_recently(request: HttpRequest) -> bool:
    """Return whether the person proved who they are within the time that is remembered.

    Logging in counts as much as confirming it later.
    """
    began = request.session.get(SIGNED_IN_AT)
    lasting = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    if isinstance(began, int | float) and 0 <= time.time() - began < lasting:
        return True
    # Where nothing can be asked allauth says yes; such a person logs in anew instead.
    return bool(get_reauthentication_flows(request.user)) and did_recently_reauthenticate(request)


class NoteSession:
    """Note, at most once a minute in a process, that a session is in use and from where.

    Only where the page asked who is there already: nothing is looked up on its account.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, and note its session."""
        response = self.get_response(request)
        user = getattr(request, "_cached_user", None)
        if isinstance(user, User) and request.session.session_key:
            began = request.session.get(SIGNED_IN_AT) or 0
            key = f"session-noted:{request.session.session_key}"
            if time.time() - began >= NOTE_EVERY and cache.add(key, 1, NOTE_EVERY):
                note_session(request, user)
        return response


def note_session(request: HttpRequest, user: User) -> None:
    """Write down that the session is in use; nothing if its address cannot be told."""
    try:
        address = get_adapter().get_client_ip(request)
    except PermissionDenied:
        return
    longest = UserSession._meta.get_field("user_agent").max_length
    agent = request.META.get("HTTP_USER_AGENT", "").replace("\0", "")[:longest]
    UserSession.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={"user": user, "ip": address, "user_agent": agent, "last_seen_at": clock()},
    )


def list_places(request: HttpRequest, user: User) -> list[Place]:
    """Return the person's live sessions, the present one first; the number of queries is fixed."""
    note_session(request, user)
    rows = list(UserSession.objects.filter(user=user).order_by("-last_seen_at"))
    live = _live_keys(rows, user)
    UserSession.objects.filter(pk__in=[r.pk for r in rows if r.session_key not in live]).delete()
    present = request.session.session_key
    places = [
        Place(
            pk=row.pk,
            device=say_device(row.user_agent),
            address=row.ip,
            began_at=row.created_at,
            seen_at=row.last_seen_at,
            current=row.session_key == present,
        )
        for row in rows
        if row.session_key in live
    ]
    return sorted(places, key=lambda place: not place.current)


def end_sessions(user: User, *, keep: str | None = None, pk: int | None = None) -> int:
    """End sessions of a person's, or the one of that `pk`, but never `keep`; return how many."""
    rows = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    if pk is not None:
        rows = rows.filter(pk=pk)
    keys = list(rows.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def end_others_if_asked(
    sender: object, request: HttpRequest | None, user: User, **rest: Any
) -> None:
    """End the person's other sessions where the form of a change to their log-in says so."""
    if request is not None and request.POST.get("end_others"):
        end_sessions(user, keep=request.session.session_key)


def _live_keys(rows: Iterable[UserSession], user: User) -> set[str]:
    """Return the keys of sessions that still open the account: a new password ends the others."""
    stored = Session.objects.filter(
        session_key__in=[row.session_key for row in rows], expire_date__gt=clock()
    )
    hashes = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    live = set()
    for session in stored:
        found = session.get_decoded().get(HASH_SESSION_KEY, "")
        if any(constant_time_compare(found, known) for known in hashes):
            live.add(session.session_key)
    return live


def drop_expired_sessions(*, now: datetime) -> None:
    """Delete sessions that ended by themselves before `now`, and what was noted of them."""
    with transaction.atomic():
        Session.objects.filter(expire_date__lt=now).delete()
        living = Session.objects.filter(session_key=OuterRef("session_key"))
        UserSession.objects.filter(~Exists(living), created_at__lt=now - _JUST_BEGUN).delete()
