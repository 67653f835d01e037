"""Advancing everything that waits: batch by batch, and in a flood in lanes.

Half of the work is Python's and half the database's. So while more is waiting than one batch, as
many threads as there are lanes take turns at both. Each works on one lane, a share of the monitors,
at a time; which one is all the same, as long as nobody else is at work on it (docs/adr/0007).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from django.db import connection
from django_scopes import scopes_disabled

from incidents.lifecycle.advance import BATCH_ROWS, LANE, advance_batch
from incidents.lifecycle.work import LANES

log = logging.getLogger(__name__)
T = TypeVar("T")

IDLE_SECONDS = 0.02  # of a thread that has handled all that was found so far

# name: waiting_monitors
# The monitors (of one lane) that have unhandled transitions, the longest waiting first.
WAITING = f"""
SELECT w.monitor_id FROM monitors_transition w
WHERE w.handled_at IS NULL AND (%(lane)s::int IS NULL OR {LANE} = %(lane)s)
  AND w.monitor_id <> ALL(%(left)s::uuid[])
GROUP BY w.monitor_id ORDER BY min(w.id) LIMIT %(limit)s
"""


class _Ends:
    """When the threads beside the first one are to end."""

    def __init__(self) -> None:
        self.found = threading.Event()  # nothing more will be found: end when nothing is left
        self.over = threading.Event()  # end after the present batch


class Tally:
    """How many transitions were handled and how many messages queued, by several threads."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, int]] = []

    def add(self, handled: int, queued: int) -> None:
        """Count a batch."""
        self._parts.append((handled, queued))

    def total(self) -> tuple[int, int]:
        """Return both sums."""
        return sum(rows for rows, _ in self._parts), sum(messages for _, messages in self._parts)


def advance(*, most_batches: int = 200) -> tuple[int, int]:
    """Handle all unhandled transitions; return how many, and how many messages were queued.

    A transition that cannot be handled fails alone: where a batch fails, its monitors are taken one
    by one, and the one that fails again waits, logged, until the next call. After a full batch the
    lanes go on, with up to `most_batches` each.
    """
    tally = Tally()
    failed: list[UUID] = []
    for taken in range(1, most_batches + 1):
        rows, messages = _advance_once(None, failed)
        tally.add(rows, messages)
        if rows >= BATCH_ROWS:
            left = most_batches - taken
            with _lanes_beside(tally, failed, most_batches=left):
                _work(tally, failed, first=0, most_batches=left)
            break
        if not rows:
            break
    return tally.total()


def advance_beside(find: Callable[[], T], *, most_batches: int = 200) -> tuple[T, tuple[int, int]]:
    """Handle transitions in lanes while `find` finds more; return what it returned, and as above.

    For a flood that is known to go on: nobody works on all monitors. When `find` is done, this
    thread handles up to `most_batches`, and the others as many as they can meanwhile; has it found
    nothing that they leave to it, as many more as that.
    """
    tally = Tally()
    failed: list[UUID] = []
    ends = _Ends()
    with _lanes_beside(tally, failed, most_batches=most_batches, ends=ends):
        try:
            found = find()
            ends.found.set()
            is_dry = _work(tally, failed, first=0, most_batches=most_batches)
            if not is_dry:
                ends.over.set()
        except BaseException:
            ends.over.set()
            raise
    return found, tally.total()


@contextmanager
def _lanes_beside(
    tally: Tally,
    failed: list[UUID],
    *,
    most_batches: int,
    ends: _Ends | None = None,
) -> Iterator[None]:
    """Work on lanes in further threads while the block goes on, and wait for them."""

    def run(first: int) -> None:
        try:
            with scopes_disabled():  # no scope follows into a thread
                _work(tally, failed, first=first, most_batches=most_batches, ends=ends)
        except Exception:
            log.exception("a lane failed; its transitions wait for the next round")
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(first,), name=f"advance-{first}", daemon=True)
        for first in range(1, LANES)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def _work(
    tally: Tally,
    failed: list[UUID],
    *,
    first: int,
    most_batches: int,
    ends: _Ends | None = None,
) -> bool:
    """Handle batches, each of another lane if it can be had; return whether nothing was left.

    At most so many; with `ends` so many after all is found.
    """
    lane, batches, misses = first, 0, 0
    while batches < most_batches and not (ends and ends.over.is_set()):
        finding = ends is not None and not ends.found.is_set()
        rows, messages = _advance_once(lane, failed)
        lane = (lane + 1) % LANES
        if rows:
            tally.add(rows, messages)
            batches, misses = batches + (not finding), 0
            continue
        misses += 1
        if misses < LANES:
            continue
        if not finding:
            return True
        time.sleep(IDLE_SECONDS)
        misses = 0
    return False


def _advance_once(lane: int | None, failed: list[UUID]) -> tuple[int, int]:
    """Handle a batch, without the monitors that have `failed`; those that fail now join them."""
    try:
        return advance_batch(limit=BATCH_ROWS, lane=lane, left=failed)
    except Exception:
        log.exception("a batch of transitions failed; taking its monitors one by one")
        return _advance_singly(lane, failed)


def _advance_singly(lane: int | None, failed: list[UUID]) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"limit": BATCH_ROWS, "lane": lane, "left": list(failed)})
        monitors = [row[0] for row in cursor.fetchall()]
    handled = queued = 0
    for monitor in monitors:
        if monitor in failed:  # in another thread, meanwhile
            continue
        try:
            rows, messages = advance_batch(monitor=monitor, lane=lane)
        except Exception:
            log.exception("the transitions of monitor %s could not be handled", monitor)
            failed.append(monitor)
            continue
        handled += rows
        queued += messages
    return handled, queued
