"""The engine's rounds: what beat asks for every second, and what the standby does without it.

Every part is idempotent, batched and safe to run twice at once, so nobody has to know who else is
running it. Each completed round stamps a row under its runner's name.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django_scopes import scopes_disabled

from accounts.audit_log import drop_old_events
from accounts.models import KeptAnswer
from accounts.plans import kept_days
from accounts.sessions import drop_expired_sessions
from incidents.delivery.aftermath import rescue_unreached
from incidents.delivery.pool import SenderPool
from incidents.lifecycle.advance import BATCH_ROWS, advance
from incidents.lifecycle.escalating import fire_steps
from incidents.lifecycle.timers import open_released, settle_flapping, wake_incidents
from incidents.maintenance.maintenances import refresh_spans
from incidents.measures import measured_round
from incidents.models import ContactPace
from incidents.notifications.contacting import forget_codes
from incidents.notifications.handoffs import announce_handoffs, look_for_leavers
from monitors.models import ListeningGap, PushKey, PushReceipt
from monitors.partitions import drop_old_partitions, ensure_partitions
from monitors.queries import database_now
from monitors.sweep import sweep
from monitors.undo import purge_steps
from monitors.usage import count_teams

log = logging.getLogger(__name__)

MOST_ROUNDS = 50
# A lap is over within about a second, so that whatever falls due meanwhile is seen soon. First come
# the incidents: while many wait, only so many steps are fired in each lap, in turns over the teams.
SWEPT_A_LAP = 5
BATCHES_A_LAP = 3
FIRED_A_LAP, FIRED_IN_A_FLOOD = 2000, 500
RECEIPT_HOURS = 24
HISTORY_DAYS = 400
CLEAN_ROWS = 5000

# name: stamp
# Say that a part of the engine has completed a round.
STAMP = """
INSERT INTO monitors_enginestamp (name, at) VALUES (%s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""

# name: drop_transitions
# Of the oldest rows, in order of their key, drop those that are old enough.
DROP_TRANSITIONS = """
DELETE FROM monitors_transition WHERE id IN (
  SELECT id FROM (SELECT id, handled_at FROM monitors_transition ORDER BY id LIMIT %s) oldest
  WHERE handled_at < %s)
"""

# name: ages
# For each part of the engine, how many seconds ago it completed a round.
AGES = "SELECT name, extract(epoch FROM clock_timestamp() - at) FROM monitors_enginestamp"


def stamp(name: str) -> None:
    """Note that the part `name` has completed a round."""
    with connection.cursor() as cursor:
        cursor.execute(STAMP, [name])


def stamp_ages() -> dict[str, float]:
    """Return for each part how many seconds ago it completed a round."""
    with connection.cursor() as cursor:
        cursor.execute(AGES)
        return {name: float(age) for name, age in cursor.fetchall()}


@measured_round("engine")
def run_round(*, runner: str = "engine") -> int:
    """Sweep, turn transitions into incidents, fire the steps that are due, while there is work.

    A part that fails is logged and leaves the others to their work. Returns how many messages were
    queued.
    """
    queued = 0
    with scopes_disabled():
        for _ in range(MOST_ROUNDS):
            with _without_collections():
                found, messages = _run_lap()
            queued += messages
            stamp(runner)  # after each lap: half a minute of a mass outage is no standstill
            if not found:
                break
    return queued


def _run_lap() -> tuple[int, int]:
    """Do a bounded piece of everything; return how much there was, and how many messages."""
    silent = sweep(most_batches=SWEPT_A_LAP)
    handled, messages = advance(most_batches=BATCHES_A_LAP)
    flood = handled > BATCHES_A_LAP * BATCH_ROWS
    for part in (open_released, settle_flapping, wake_incidents, rescue_unreached):
        handled += _guarded(part)
    fired, paged = fire_steps(limit=FIRED_IN_A_FLOOD if flood else FIRED_A_LAP)
    return silent + handled + fired, messages + paged + _guarded(announce_handoffs)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Let Python not look for cycles: in thousands of new rows it finds none, for a quarter more.

    What is no part of a cycle is freed as ever.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _guarded(part: Callable[[], int]) -> int:
    """Run one part of a lap; what it raises is logged, and it is tried again in the next one."""
    try:
        return part()
    except Exception:
        log.exception("%s failed", getattr(part, "__name__", part))
        return 0


@measured_round("deliver")
def deliver_round(pool: SenderPool, *, runner: str = "deliver") -> int:
    """Send what is due; return how many messages were handed to the senders."""
    with scopes_disabled():
        handed = pool.deliver_due()
        stamp(runner)
    return handed


def drop_old_transitions(*, before: datetime) -> int:
    """Drop handled transitions that are older, the oldest first and a bounded number at a time."""
    dropped = 0
    with connection.cursor() as cursor:
        for _ in range(MOST_ROUNDS):
            cursor.execute(DROP_TRANSITIONS, [CLEAN_ROWS, before])
            dropped += cursor.rowcount
            if cursor.rowcount < CLEAN_ROWS:
                break
    return dropped


def _drop_old_events(at: datetime) -> None:
    if settings.AUDIT_DAYS > 0:
        drop_old_events(before=at - timedelta(days=settings.AUDIT_DAYS))


def tidy() -> None:
    """Once a minute: forget codes and ways back that are over, and see to who left a rotation."""
    with scopes_disabled():
        forget_codes()
        purge_steps(now=database_now())
        look_for_leavers()


def maintain(*, runner: str = "maintain") -> None:
    """Make partitions ahead, drop old ones and what nobody needs any more.

    Age is measured by the database's clock: a host whose clock is wrong must not drop today's
    results. A step that fails is logged and leaves the others, and who called, to their work.
    """
    at = database_now()
    old = at - timedelta(days=HISTORY_DAYS)
    receipts = at - timedelta(hours=RECEIPT_HOURS)
    steps: list[Callable[[], object]] = [
        lambda: ensure_partitions(now=at),
        lambda: drop_old_partitions(now=at, keep_days=kept_days()),
        count_teams,
        lambda: PushReceipt.objects.filter(created_at__lt=receipts).delete(),
        lambda: KeptAnswer.objects.filter(created_at__lt=receipts).delete(),
        lambda: drop_old_transitions(before=old),
        lambda: _drop_old_events(at),
        lambda: refresh_spans(now=at, limit=CLEAN_ROWS),
        lambda: PushKey.objects.filter(expires_at__lt=at).delete(),
        lambda: drop_expired_sessions(now=at),
        lambda: ListeningGap.objects.filter(ended_at__lt=old).delete(),
        lambda: ContactPace.objects.filter(last_at__lt=receipts).delete(),
    ]
    with scopes_disabled():
        for step in steps:
            try:
                step()
            except DatabaseError:
                log.exception("a step of the maintenance failed")
        stamp(runner)
