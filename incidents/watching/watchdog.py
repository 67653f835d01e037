"""The watchdog: every 10 minutes a monitor of our own falls silent, and everything has to follow.

A round goes the whole way that a customer's outage goes: silence is found by the sweep, an incident
opens, the outbox tells a receiver over HTTP, a push over the public path ends it, the receiver is
told of that too. It is stepped along once a second by whoever calls, from its row alone, so it
survives any process.

The monitor is paused between rounds. Its handled changes of earlier rounds are forgotten before
each: a monitor that fell so often would count as flapping, and its incident would stay open.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.internal import INTERNAL_TEAM
from incidents.models import Delivery, Incident, IncidentState, OperatorNotice, WatchRound
from incidents.outbound.client import OutboundError
from incidents.watching.places import WATCHDOG, ensure_receiver, find_monitor, push_publicly
from monitors.models import Canary, Heartbeat, ListeningGap, Monitor, Transition
from monitors.queries import database_now
from monitors.services import pause_monitor, resume_monitor
from monitors.state import State

# 5 s of silence, a sweep, a message, a push, a message: 10 s where all is well. A mass guard may
# hold silence back for a minute beside.
ROUND_SECONDS = 90
# One that could not be judged is soon made up for: until then nobody knows.
AGAIN_SECONDS = 90
KEPT = timedelta(days=1)
NOTICES_KEPT = timedelta(days=90)
WELL, FAILED, VOID = "well", "failed", "void"
FIRST_LOOK = "first look"


def step_watchdog() -> WatchRound | None:
    """Take the round that runs one step further, or begin one that is due; return it."""
    if settings.WATCHDOG_SECONDS <= 0:
        return None
    now = database_now()
    current = WatchRound.objects.filter(ended_at=None).first()
    if current is None:
        return _begin(now) if _is_due(now) else None
    if _was_disturbed(current, now):
        _end(current, VOID)
    elif current.told_at is not None and current.over_at is not None:
        _end(current, WELL)
    elif now - current.started_at > timedelta(seconds=ROUND_SECONDS):
        _end(current, FAILED, stuck=_say_stuck(current))
    elif current.told_at is not None:
        _recover(current)
    return current


def is_well() -> bool:
    """Return whether the last round that was judged went well, not too long ago, or none was."""
    judged = WatchRound.objects.filter(result__in=(WELL, FAILED)).order_by("-id").first()
    if judged is None or judged.ended_at is None:
        return True
    age = (database_now() - judged.ended_at).total_seconds()
    return judged.result == WELL and age <= 2 * settings.WATCHDOG_SECONDS + ROUND_SECONDS


def first_look(now: datetime) -> datetime:
    """Return when we first looked after ourselves, within the last day; that is now if never."""
    first = WatchRound.objects.order_by("id").first()
    if first is None:
        first = WatchRound.objects.create(
            started_at=now, ended_at=now, result=VOID, stuck=FIRST_LOOK
        )
    return first.started_at


def _is_due(now: datetime) -> bool:
    """Return whether a round is due; the first one a whole interval after we first looked."""
    last = WatchRound.objects.order_by("-id").first()
    if last is None:
        first_look(now)
        return False
    every = settings.WATCHDOG_SECONDS
    if last.result == VOID and last.stuck != FIRST_LOOK:
        every = min(every, AGAIN_SECONDS)
    if now - last.started_at < timedelta(seconds=every):
        return False
    # While silence is not judged a round would say nothing.
    return not Canary.objects.filter(held_until__gt=now).exists()


def _begin(now: datetime) -> WatchRound | None:
    monitor, _ = find_monitor(WATCHDOG)
    ensure_receiver()
    _tidy(monitor, now)
    try:
        with transaction.atomic(), scopes_disabled():
            started = WatchRound.objects.create(started_at=now)
            pause_monitor(monitor=monitor)
            resume_monitor(monitor=monitor)
            Heartbeat.objects.filter(monitor=monitor, state=State.PENDING.value).update(
                clock_from=Now(), check_at=Now()
            )
    except IntegrityError:
        return None  # somebody else has just begun it
    return started


def _recover(current: WatchRound) -> None:
    """Push until one got through and the change to up is seen."""
    monitor, slug = find_monitor(WATCHDOG)
    with scopes_disabled():
        state = Heartbeat.objects.values_list("state", flat=True).get(monitor=monitor)
    if state == State.DOWN:
        try:
            push_publicly(slug)
        except OutboundError:
            return


def _end(current: WatchRound, result: str, *, stuck: str = "") -> None:
    ended = WatchRound.objects.filter(pk=current.pk, ended_at=None).update(
        ended_at=Now(), result=result, stuck=stuck
    )
    if ended:
        pause_monitor(monitor=find_monitor(WATCHDOG)[0])
        current.refresh_from_db()


def _was_disturbed(current: WatchRound, now: datetime) -> bool:
    """Return whether we did not listen meanwhile: then silence was rightly not found in time."""
    if ListeningGap.objects.filter(ended_at__gt=current.started_at).exists():
        return True
    return Canary.objects.filter(held_until__gt=now).exists()


def _say_stuck(current: WatchRound) -> str:
    """Return what the round waited for, from what is stored of it."""
    if current.told_at is not None:
        with scopes_disabled():
            over = Incident.objects.filter(
                state=IncidentState.RESOLVED, pk__in=[current.incident_id]
            ).exists()
        return "the message of its end" if over else "the end of its incident"
    monitor, _ = find_monitor(WATCHDOG)
    with scopes_disabled():
        if Heartbeat.objects.get(monitor=monitor).state != State.DOWN:
            return "its silence to be found"
        opened = Incident.objects.filter(
            monitor_id=monitor.pk, opened_at__gte=current.started_at
        ).exists()
    return "the message of its incident" if opened else "its incident to open"


def _tidy(monitor: Monitor, now: datetime) -> None:
    """Forget what earlier rounds left."""
    with scopes_disabled():
        Transition.objects.filter(monitor=monitor, handled_at__isnull=False).delete()
        old = Incident.objects.filter(
            team=INTERNAL_TEAM, state=IncidentState.RESOLVED, opened_at__lt=now - KEPT
        )
        ids = list(old.values_list("pk", flat=True)[:500])
        Delivery.objects.filter(team=INTERNAL_TEAM, incident__in=ids).delete()
        Incident.objects.filter(pk__in=ids).delete()
    # What the last judgement was counts, however long ago that is.
    judged = WatchRound.objects.filter(result__in=(WELL, FAILED)).order_by("-id")
    kept = [
        pk
        for result in (WELL, FAILED)
        for pk in judged.filter(result=result).values_list("pk", flat=True)[:1]
    ]
    WatchRound.objects.filter(ended_at__lt=now - KEPT).exclude(pk__in=kept).delete()
    OperatorNotice.objects.filter(at__lt=now - NOTICES_KEPT).delete()
