"""The canary's ledger: whether our own pushes, made over the public path, get through.

The listening stamp says that a process of ours can commit a push. It knows nothing of what stands
in front of it: a proxy that died, a certificate that ran out, a name that leads elsewhere. So a
push of our own goes the customers' way every few seconds, and this is what is made of it.

**Deaf.** Two failures in a row, and two canary intervals since the last that got through, while the
stamp says that we listen: from then on silence after the last good canary is not judged, as it is
not judged without a stamp (`judged_until`). When a canary gets through, the whole time becomes a
`ListeningGap`, and every deadline is extended by it.

**False gaps.** A canary that fails for reasons of its own (a wrong address, a network that cannot
reach its own public side) must not keep real pages back. So:

* It has a say only after it got through, to this address, since the last time that we really did
  not listen: an installation that boots with a wrong BASE_URL never holds anything back.
* It holds silence back for at most `CANARY_GAP_SECONDS` (300) of any hour. Five minutes cover a
  proxy's restart, a renewed certificate, a change of DNS; they are also the longest by which a real
  page comes late through the canary's fault, and short beside the time a person needs to come to a
  desk. Flapping between good and bad spends the same allowance.
* When the allowance is spent the time held back becomes a gap, all else is judged again, and the
  canary has no further say until it has got through once more. The operator is told at each of
  these points (incidents.watching.notices), and the health page shows it throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from monitors.ingest.listening import GAP_SECONDS
from monitors.models import Canary, GapCause, ListeningGap

FAILURES = 2
HOUR = timedelta(hours=1)

# name: claim
# Take the next canary, if it is time: one process at a time, whoever asks.
CLAIM = """
INSERT INTO monitors_canary AS c (id, url, next_at, failures, error)
VALUES (1, '', clock_timestamp() + make_interval(secs => %(every)s), 0, '')
ON CONFLICT (id) DO UPDATE SET next_at = clock_timestamp() + make_interval(secs => %(every)s)
WHERE c.next_at <= clock_timestamp()
"""

# name: read
# The canary's row under its lock, what time it is, until when we are known to have listened, since
# when without a break, and how much of the last hour was held back already.
READ = """
SELECT clock_timestamp(),
  (SELECT at FROM monitors_listeningstamp WHERE id = 1),
  (SELECT max(ended_at) FROM monitors_listeninggap WHERE cause = 'stamp'),
  (SELECT coalesce(sum(ended_at - greatest(started_at, clock_timestamp() - interval '1 hour')),
      interval '0') FROM monitors_listeninggap
    WHERE cause = 'canary' AND ended_at > clock_timestamp() - interval '1 hour')
FROM (SELECT FROM monitors_canary WHERE id = 1 FOR UPDATE) held
"""

# name: listened
# Until when we are known to have listened, whether the canary says otherwise and still may, and
# whether its time is over.
LISTENED = """
SELECT s.at, c.deaf_from, c.held_until <= clock_timestamp()
FROM monitors_listeningstamp s LEFT JOIN monitors_canary c ON c.deaf_from IS NOT NULL
WHERE s.id = 1
"""


@dataclass(frozen=True, slots=True)
class _Facts:
    now: datetime
    stamp: datetime | None
    back_at: datetime | None
    held: timedelta


def claim_canary() -> bool:
    """Return whether the caller is to send a canary now; at most one is sent in an interval."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"every": settings.CANARY_SECONDS})
        return bool(cursor.rowcount)


def note_success(url: str) -> None:
    """Note that a canary got through; a time in which none did becomes a gap."""
    with transaction.atomic():
        facts, canary = _read()
        if canary.deaf_from is not None:
            assert canary.held_until is not None
            _leave_gap(canary.deaf_from, min(facts.now, canary.held_until))
        canary.url, canary.good_at = url[:300], facts.now
        canary.failed_from = canary.deaf_from = canary.held_until = None
        canary.failures, canary.error = 0, ""
        canary.save()


def note_failure(url: str, error: str, *, seconds: float = 0) -> None:
    """Note that a canary, begun so many seconds ago, did not get through; see the module."""
    every = timedelta(seconds=settings.CANARY_SECONDS)
    with transaction.atomic():
        facts, canary = _read()
        if canary.url != url[:300]:
            canary.url, canary.good_at = url[:300], None
        canary.failures += 1
        canary.error = error[:300]
        if canary.failed_from is None:
            canary.failed_from = facts.now - timedelta(seconds=seconds)
        if canary.deaf_from is None and _may_speak(canary, facts):
            assert canary.good_at is not None
            # Whoever sends canaries may itself have been away: its absence is nobody's deafness.
            start = max(canary.good_at, canary.failed_from - 2 * every)
            until = start + timedelta(seconds=settings.CANARY_GAP_SECONDS) - facts.held
            if facts.now - start >= 2 * every and until > facts.now:
                canary.deaf_from, canary.held_until = start, until
        canary.save()


def _may_speak(canary: Canary, facts: _Facts) -> bool:
    """Return whether failing canaries say anything: they worked, and the stamp says we listen."""
    if canary.good_at is None or facts.stamp is None or canary.failures < FAILURES:
        return False
    listens = facts.now - facts.stamp < timedelta(seconds=GAP_SECONDS)
    return listens and (facts.back_at is None or canary.good_at > facts.back_at)


def judged_until(cursor: Any) -> datetime | None:
    """Return up to when silence may be judged; None if we never listened. For the sweep.

    A canary whose allowance is spent loses its say here, so that its end needs nobody alive but
    the sweep itself.
    """
    cursor.execute(LISTENED)
    row = cursor.fetchone()
    if row is None:
        return None
    at: datetime = row[0]
    deaf_from: datetime | None = row[1]
    if deaf_from is None:
        return at
    if row[2]:
        end_say()
        return at
    return min(at, deaf_from)


def end_say() -> None:
    """Let what was held back become a gap, and the canary wait until it gets through again."""
    with transaction.atomic():
        facts, canary = _read()
        if canary.deaf_from is None or canary.held_until is None:
            return
        if canary.held_until <= facts.now:
            _leave_gap(canary.deaf_from, canary.held_until)
            canary.deaf_from = canary.held_until = canary.good_at = None
            canary.save()


def _read() -> tuple[_Facts, Canary]:
    with connection.cursor() as cursor:
        cursor.execute(READ)
        row = cursor.fetchone()
    if row is None:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"every": settings.CANARY_SECONDS})
            cursor.execute(READ)
            row = cursor.fetchone()
    return _Facts(*row), Canary.objects.get(pk=1)


def _leave_gap(start: datetime, end: datetime) -> None:
    if end > start:
        ListeningGap.objects.create(started_at=start, ended_at=end, cause=GapCause.CANARY)
