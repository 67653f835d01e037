"""What the operator is told of this installation, and the mails that tell it.

A notice is stored once (its key says what it is about) and shown on `/staff/health`; then it is
mailed, to `OPERATOR_EMAIL` or, where that is not set, to the staff. Not through the outbox: its
standing still is one of the things that are told. Of each kind at most one mail goes out in
`QUIET_SECONDS`; what is noticed meanwhile goes into the next.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import NamedTuple

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Count, Max
from django_scopes import scopes_disabled

from accounts.durations import say_duration
from accounts.internal import INTERNAL_TEAM
from accounts.models import User
from incidents.models import NoticeKind, OperatorNotice, WatchRound
from incidents.watching.watchdog import FAILED, first_look
from monitors.canary import FAILURES
from monitors.models import (
    Canary,
    EngineStamp,
    GapCause,
    Heartbeat,
    ListeningGap,
    ListeningStamp,
    MassGuard,
)
from monitors.queries import database_now

QUIET_SECONDS = 900
RETRY_SECONDS = 60
MOST_ADDRESSES = 20
MOST_TOLD = 20
# The canary may take so long to get through for the first time after a start.
PROOF_SECONDS = 120
# The standby stands in at once; that it still has to after this time is worth a mail.
STANDING_IN_SECONDS = 60
STANDBY_FRESH_SECONDS = 10
# While the last word of listening is older, a gap of ours may not be stored yet.
LISTENING_FRESH_SECONDS = 5
LOOK_BACK = timedelta(days=1)

log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """What is worth a notice; `key` says what it is about."""

    kind: NoticeKind
    key: str
    text: str


Found = Iterator[Finding]


def look_around() -> int:
    """Store a notice of everything that is worth one and was not told yet; return how many."""
    now = database_now()
    found = [*_gaps(now), *_canary(now), *_guard(now), *_engine(now), *_watchdog(now)]
    known = set(
        OperatorNotice.objects.filter(key__in=[key for _, key, _ in found]).values_list(
            "key", flat=True
        )
    )
    fresh = [
        OperatorNotice(kind=kind, key=key, at=now, text=text, try_at=now)
        for kind, key, text in found
        if key not in known
    ]
    OperatorNotice.objects.bulk_create(fresh, ignore_conflicts=True)
    if fresh and not operator_addresses():
        log.error("nobody to mail: set OPERATOR_EMAIL. %s", fresh[-1].text)
    return len(fresh)


def _gaps(now: datetime) -> Found:
    gaps = ListeningGap.objects.filter(ended_at__gt=now - LOOK_BACK)
    least = timedelta(seconds=settings.OPERATOR_GAP_SECONDS)
    for gap in gaps.order_by("id"):
        if gap.ended_at - gap.started_at < least:
            continue
        key = f"gap:{gap.pk}"
        if OperatorNotice.objects.filter(key=key).exists():
            continue
        lasted = say_duration((gap.ended_at - gap.started_at).total_seconds())
        who = " Our own pushes did not get through." if gap.cause == GapCause.CANARY else ""
        moved = _count_moved(gap)
        extended = (
            f" The deadlines of {_say_count(moved)} not pushed since were extended."
            if moved
            else ""
        )
        yield Finding(
            NoticeKind.GAP,
            key,
            f"We were not listening from {_at(gap.started_at)} to {_at(gap.ended_at)}, for "
            f"{lasted}.{who}{extended} Nobody was paged for that time.",
        )


def _say_count(monitors: int) -> str:
    return "1 monitor that has" if monitors == 1 else f"{monitors} monitors that have"


def _count_moved(gap: ListeningGap) -> int:
    with scopes_disabled():
        armed = Heartbeat.objects.filter(check_at__isnull=False, clock_from__lt=gap.ended_at)
        return armed.exclude(team=INTERNAL_TEAM).aggregate(n=Count("pk"))["n"] or 0


def _canary(now: datetime) -> Found:
    canary = Canary.objects.filter(pk=1).first()
    if canary is None or canary.failed_from is None or canary.failures < FAILURES:
        return
    began = canary.failed_from
    said = f"{canary.url} ({canary.error})"
    if canary.deaf_from is not None and canary.held_until is not None:
        yield Finding(
            NoticeKind.CANARY,
            f"deaf:{began.isoformat()}",
            f"Our own pushes have not got through to {said} since {_at(canary.deaf_from)}, while "
            "the processes say that they listen. Silence after that is not judged, until "
            f"{_at(canary.held_until)} at the latest. Look at the proxy, its certificate and the "
            "name.",
        )
    elif now - began > timedelta(seconds=PROOF_SECONDS):
        yield Finding(
            NoticeKind.CANARY,
            f"unheard:{began.isoformat()}",
            f"Our own pushes have not got through to {said} since {_at(began)}. This holds no page "
            "back: real monitors are judged by their silence. If customers' pushes arrive, then "
            "CANARY_URL or BASE_URL is wrong or cannot be reached from here.",
        )


def _guard(now: datetime) -> Found:
    held = MassGuard.objects.defer("recent", "armed")  # which may be long
    guard = held.filter(held_from__gt=now - LOOK_BACK).first()
    if guard is not None and guard.held_from is not None and guard.held_until is not None:
        yield Finding(
            NoticeKind.GUARD,
            f"guard:{guard.held_from.isoformat()}",
            f"{guard.monitors} monitors of {guard.teams} teams fell silent together. Nobody is "
            f"paged for them before {_at(guard.held_until)}; those that are still silent then are, "
            "in digests. If it is us, say so on your status page; if the database or the path of "
            "the pushes is ill, that is where to look.",
        )


def _engine(now: datetime) -> Found:
    began = _listening_since(now)
    if began is None:
        return
    at = dict(EngineStamp.objects.values_list("name", "at"))
    for part in ("engine", "deliver"):
        own, standby = at.get(part), at.get(f"{part}:standby")
        if standby is None or now - standby > timedelta(seconds=STANDBY_FRESH_SECONDS):
            continue
        # After a start, the first one or that after an outage, it has as long as ever.
        if now - max(own or began, began) < timedelta(seconds=STANDING_IN_SECONDS):
            continue
        since = f"since {_at(own)}" if own else "yet"
        yield Finding(
            NoticeKind.ENGINE,
            f"{part}:{own.isoformat() if own else 'never'}",
            f"worker-{part} has completed no round {since}; the standby does its work. Nothing is "
            "lost, but nobody stands by any more: look at beat, the broker and the worker.",
        )


def _listening_since(now: datetime) -> datetime | None:
    """Return since when this installation runs without a gap of its own; None if it does not."""
    fresh = now - timedelta(seconds=LISTENING_FRESH_SECONDS)
    if not ListeningStamp.objects.filter(at__gt=fresh).exists():
        return None
    first = first_look(now)
    ours = ListeningGap.objects.filter(cause=GapCause.STAMP)
    back: datetime | None = ours.aggregate(at=Max("ended_at"))["at"]
    return max(first, back or first)


def _watchdog(now: datetime) -> Found:
    for failed in WatchRound.objects.filter(result=FAILED, ended_at__gt=now - LOOK_BACK):
        yield Finding(
            NoticeKind.WATCHDOG,
            f"watchdog:{failed.pk}",
            f"The watchdog's round of {_at(failed.started_at)} did not complete: it waited for "
            f"{failed.stuck}. Real outages may fare the same.",
        )


def mail_notices() -> int:
    """Mail what is not mailed yet, a kind in one mail; return how many mails went out.

    One that the mail server does not take is tried again a minute later, and so is one for which
    there is nobody to mail; after a day it is left to `/staff/health`.
    """
    sent = 0
    for kind in NoticeKind:
        notices = _take(kind)
        if not notices:
            continue
        addresses = operator_addresses()
        if not addresses:
            continue
        try:
            _write(kind, notices, addresses).send()
        except (OSError, SMTPException) as error:
            log.warning("the operator could not be mailed: %s", type(error).__name__)
            continue
        _mark(notices)
        sent += 1
    return sent


def operator_addresses() -> list[str]:
    """Return who is mailed: `OPERATOR_EMAIL`, else the staff's own addresses."""
    if settings.OPERATOR_EMAIL:
        return list(settings.OPERATOR_EMAIL)
    staff = User.objects.filter(is_staff=True, is_active=True).exclude(email="")
    return list(staff.order_by("date_joined").values_list("email", flat=True)[:MOST_ADDRESSES])


def latest_notices(*, most: int = MOST_TOLD) -> list[OperatorNotice]:
    """Return what the operator was told of late, the newest first."""
    return list(OperatorNotice.objects.order_by("-id")[:most])


def _take(kind: NoticeKind) -> list[OperatorNotice]:
    """Return what is to be mailed now; nobody else tries it for a minute."""
    now = database_now()
    with transaction.atomic():
        waiting = OperatorNotice.objects.filter(kind=kind, mailed_at=None, at__gt=now - LOOK_BACK)
        taken = list(waiting.select_for_update(skip_locked=True).order_by("id"))
        if not taken or any(notice.try_at > now for notice in taken):
            return []
        since = now - timedelta(seconds=QUIET_SECONDS)
        if OperatorNotice.objects.filter(kind=kind, mailed_at__gt=since).exists():
            return []
        OperatorNotice.objects.filter(pk__in=[notice.pk for notice in taken]).update(
            try_at=now + timedelta(seconds=RETRY_SECONDS)
        )
    return taken


def _mark(notices: list[OperatorNotice]) -> None:
    OperatorNotice.objects.filter(pk__in=[notice.pk for notice in notices]).update(
        mailed_at=database_now()
    )


def _write(kind: NoticeKind, notices: list[OperatorNotice], to: list[str]) -> EmailMessage:
    shown = notices[-MOST_TOLD:]
    left = len(notices) - len(shown)
    lines = [f"{_at(notice.at)}\n{notice.text}\n" for notice in reversed(shown)]
    if left:
        lines.append(f"And {left} earlier ones of the kind.\n")
    lines.append(f"How this installation is: {settings.BASE_URL}/staff/health")
    return EmailMessage(
        subject=f"[Tocsin operator] {kind.label}",
        body="\n".join(lines) + "\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=to,
        headers={"Auto-Submitted": "auto-generated"},
    )


def _at(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
