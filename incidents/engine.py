"""The engine's rounds: what beat asks for every second, and what the standby does without it.

Every part is idempotent, batched and safe to run twice at once, so nobody has to know who else is
running it. Each completed round stamps a row under its runner's name.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.db import connection
from django_scopes import scopes_disabled

from accounts.audit_log import drop_old_events
from accounts.models import KeptAnswer
from accounts.plans import kept_days
from accounts.sessions import drop_expired_sessions
from incidents.delivery.aftermath import rescue_unreached
from incidents.delivery.pool import SenderPool
from incidents.lifecycle.advance import BATCH_ROWS
from incidents.lifecycle.escalating import fire_steps
from incidents.lifecycle.lanes import advance, advance_beside
from incidents.lifecycle.timers import open_released, settle_flapping, wake_incidents
from incidents.maintenance.maintenances import refresh_spans
from incidents.measures import measured_round
from incidents.models import ContactPace
from incidents.notifications.contacting import forget_codes
from incidents.notifications.handoffs import announce_handoffs, look_for_leavers
from monitors.models import ListeningGap, PushKey, PushReceipt
from monitors.partitions import drop_old_partitions, ensure_partitions
from monitors.queries import database_now
from monitors.sweep import FULL_ROWS, sweep_some
from monitors.undo import purge_steps
from monitors.usage import count_teams

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_ROUNDS = 50
# A lap is over within about a second, in a flood two, so that whatever falls due meanwhile is seen
# soon. First come the incidents: while many wait, only so many steps are fired in each lap, in
# turns over the teams.
SWEPT_A_LAP = 5
BATCHES_A_LAP = 3
# In a flood more is found than the lanes can do in a lap, so that none of them waits for the sweep.
FLOOD_SWEPT_A_LAP = 9
FLOOD_BATCHES_A_LAP = 3  # of each thread, after the sweep
RESCUED_A_LAP = 2
FIRED_A_LAP, FIRED_IN_A_FLOOD = 2000, 500
RECEIPT_HOURS = 24
HISTORY_DAYS = 400
CLEAN_ROWS = 5000
_maintaining = threading.Lock()

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

# name: drop_answers
# Drop the oldest of the answers that were kept for a day. What is locked waits for the next hour.
DROP_ANSWERS = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM {table} WHERE created_at < %s
  ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED))
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
def run_round(*, runner: str = "engine", most_laps: int = MOST_ROUNDS) -> int:
    """Sweep, turn transitions into incidents, fire the steps that are due, while there is work.

    A part that fails is logged and leaves the others to their work. Where it is one of those three
    the round ends without a stamp: whoever watches the stamps sees that something is not done.
    Returns how many messages were queued. Raises OperationalError if the database went away.
    """
    queued = 0
    in_flood = False
    with scopes_disabled():
        for _ in range(most_laps):
            with _without_collections():
                lap = _run_lap(in_flood=in_flood)
            queued += lap.queued
            if not lap.is_well:
                break
            stamp(runner)  # after each lap: half a minute of a mass outage is no standstill
            if not lap.found:
                break
            in_flood = lap.is_flood
    return queued


class _Lap(NamedTuple):
    """How much a lap found to do, how many messages it queued, and how it went."""

    found: int
    queued: int
    is_well: bool  # what matters most did not fail
    is_flood: bool  # there was more than one batch of silences or of changes


def _run_lap(*, in_flood: bool) -> _Lap:
    """Do a bounded piece of everything; in a flood open incidents while finding silences."""
    failed: list[str] = []

    def find(most_batches: int) -> tuple[int, int]:
        return _guarded(partial(sweep_some, most_batches=most_batches), (0, 0), failed)

    judged = silent = 0
    if not in_flood:
        judged, silent = find(SWEPT_A_LAP)
        in_flood = silent > BATCHES_A_LAP * BATCH_ROWS
    if in_flood:
        both = partial(
            advance_beside, partial(find, FLOOD_SWEPT_A_LAP), most_batches=FLOOD_BATCHES_A_LAP
        )
        more, (handled, messages) = _guarded(both, ((0, 0), (0, 0)), failed)
        judged, silent = judged + more[0], silent + more[1]
    else:
        handled, messages = _guarded(partial(advance, most_batches=BATCHES_A_LAP), (0, 0), failed)
    limit = FIRED_IN_A_FLOOD if handled > BATCHES_A_LAP * BATCH_ROWS else FIRED_A_LAP
    rescue = partial(rescue_unreached, most_batches=RESCUED_A_LAP)
    for part in (open_released, settle_flapping, wake_incidents, rescue):
        handled += _guarded(part, 0)
    fired, paged = _guarded(partial(fire_steps, limit=limit), (0, 0), failed)
    queued = messages + paged + _guarded(announce_handoffs, 0)
    is_flood = max(silent, handled) > BATCH_ROWS
    is_swept = judged < SWEPT_A_LAP * FULL_ROWS  # else there may be more whose alarm rang
    found = (0 if is_swept else judged) + silent + handled + fired
    return _Lap(found, queued, not failed, is_flood)


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


def _guarded(part: Callable[[], T], nothing: T, failed: list[str] | None = None) -> T:
    """Run one part of a lap; what it raises is logged, and it is tried again in the next one.

    Its name joins those that `failed`, and `nothing` is returned for it.
    """
    try:
        return part()
    except Exception:
        function: Any = part.func if isinstance(part, partial) else part
        log.exception("%s failed", function.__name__)
        if failed is not None:
            failed.append(function.__name__)
        # The next part gets a connection that works. If there is none, nothing is left to be done.
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        return nothing


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


def drop_old_answers(model: type[PushReceipt | KeptAnswer], *, before: datetime) -> int:
    """Drop kept answers that are older, a bounded number in each transaction; return how many."""
    statement = DROP_ANSWERS.format(table=connection.ops.quote_name(model._meta.db_table))
    dropped, piece = 0, CLEAN_ROWS
    with connection.cursor() as cursor:
        while piece == CLEAN_ROWS:
            cursor.execute(statement, [before, CLEAN_ROWS])
            piece = cursor.rowcount
            dropped += piece
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


def start_maintaining(*, runner: str = "maintain") -> bool:
    """Begin to maintain in a thread of its own; False if that still goes on in this process.

    It may take minutes, and whoever calls this pages people.
    """
    if not _maintaining.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=_maintain, args=[runner], name="maintain", daemon=True).start()
    except RuntimeError:
        _maintaining.release()
        raise
    return True


def _maintain(runner: str) -> None:
    try:
        with scopes_disabled():  # no scope follows into a thread
            maintain(runner=runner)
    except Exception:
        log.exception("the maintenance failed")
    finally:
        connection.close()
        _maintaining.release()


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
        lambda: drop_old_answers(PushReceipt, before=receipts),
        lambda: drop_old_answers(KeptAnswer, before=receipts),
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
            except Exception:
                log.exception("a step of the maintenance failed")
                connection.close_if_unusable_or_obsolete()
        stamp(runner)
