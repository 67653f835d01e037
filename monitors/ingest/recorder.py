"""The recorder: pushes that wait are committed together, and each caller is answered after that.

One recorder lives in each process that serves pushes, on the event loop, with a database session of
its own. While one batch is on its way to the disk the next one gathers, so the busier the process
is, the more pushes share a commit (docs/adr/0003).

1. Take from the queue, in order of arrival, at most one push per key: order within a monitor is
   kept.
2. Commit them by one statement (monitors.ingest.statement).
3. Answer each caller; what the statement says must come again goes back to the head of the queue.
   Pushes whose monitor's row somebody holds wait aside for it (monitors.ingest.held).
4. If the statement failed, halve the batch until the poison is alone. If the connection was lost,
   nobody knows what was committed: every caller of the batch is told to come again.

Between batches it stamps the listening ledger: a recorder that is stuck is one that cannot listen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import psycopg

from monitors.ingest import listening
from monitors.ingest.held import Held, Waiting
from monitors.ingest.push import (
    Answer,
    NotStored,
    Push,
    TooManyWaiting,
    kept_answer,
    repeated_answer,
)
from monitors.ingest.session import Session

MOST_IN_BATCH = 256
MOST_WAITING = 4096
MOST_WAITING_PER_MONITOR = 32
MOST_PATIENT = 1024
PLACE_SECONDS = 1.0
PLACE_LOOK_SECONDS = 0.005
BATCH_SECONDS = 6.0  # the whole statement, the network included

# The database is slow: halving such a batch would only double the wait.
PATIENCE_ERRORS = (psycopg.errors.QueryCanceled,)

log = logging.getLogger(__name__)
Key = Any


def _key(push: Push) -> Key:
    return push.slug or push.monitor


def _may_wait(error: psycopg.Error) -> bool:
    """Return whether it was a heartbeat's row that was waited for in vain, or a whole table.

    Any other row (a receipt that is being deleted, a team that is being renamed) concerns one push
    of the batch, and no look at heartbeats tells which. PostgreSQL names the relation where it
    waits for a row, in whatever language.
    """
    where = error.diag.context or ""
    return not where or "monitors_heartbeat" in where


class Recorder:
    """Commits pushes in batches. Use on one event loop; `record_from_thread` from any thread."""

    def __init__(self, conninfo: Callable[[], dict[str, Any]], *, listens: bool = True) -> None:
        """`conninfo` returns the keyword arguments of `psycopg.connect`.

        `listens` false leaves the ledger alone: a process that no push is routed to cannot say
        that pushes can be stored.
        """
        self._stamps = listens
        self._queue: deque[Waiting] = deque()
        self._waiting_per_key: dict[Key, int] = {}
        self._held = Held(_key)
        self._patient = 0
        # No stamp before these: nothing could be stored, or nothing but what waits for locks came.
        self._failing_until = self._locked_until = 0.0
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._next_stamp = 0.0
        self._listens = True
        self._session = Session(conninfo)
        self._task = self._loop.create_task(self._run())

    # --- callers ----------------------------------------------------------------------------

    async def record(self, push: Push) -> Answer | None:
        """Store a push; None if no such monitor takes it. Raises TooManyWaiting or NotStored.

        Where too many pushes of the monitor wait it waits for a place, a second at most: a burst
        is served, a flood is told to slow down.
        """
        deadline = self._loop.time() + PLACE_SECONDS
        while self._loop.time() < deadline and self._patient < MOST_PATIENT:
            if self._waiting_per_key.get(_key(push), 0) < MOST_WAITING_PER_MONITOR:
                break
            self._patient += 1
            try:
                await asyncio.sleep(PLACE_LOOK_SECONDS)
            finally:
                self._patient -= 1
        return await self.submit(push)

    def submit(self, push: Push) -> asyncio.Future[Answer | None]:
        """Queue a push and return the future of its answer. Raises TooManyWaiting or NotStored."""
        if self._stopping or len(self._queue) + len(self._held) >= MOST_WAITING:
            raise NotStored
        key = _key(push)
        waiting = self._waiting_per_key.get(key, 0)
        if waiting >= MOST_WAITING_PER_MONITOR:
            raise TooManyWaiting
        self._waiting_per_key[key] = waiting + 1
        future: asyncio.Future[Answer | None] = self._loop.create_future()
        self._queue.append((push, future))
        self._wake.set()
        return future

    def record_from_thread(self, push: Push) -> Answer | None:
        """Store a push from another thread, as `record` does."""
        future = asyncio.run_coroutine_threadsafe(self.record(push), self._loop)
        try:
            return future.result(timeout=BATCH_SECONDS * 2)
        except (TimeoutError, asyncio.CancelledError) as error:
            future.cancel()
            raise NotStored from error

    async def stop(self) -> None:
        """Commit what waits, refuse what comes, and close the connection."""
        self._stopping = True
        self._wake.set()
        await self._task
        await self._session.close()

    # --- the loop ---------------------------------------------------------------------------

    async def _run(self) -> None:
        while not (self._stopping and not self._queue and not self._held):
            if not self._queue:
                await self._sleep()
            batch: list[Waiting] = []
            try:
                if self._held.look_in(now=self._loop.time()) == 0:
                    await self._look_at_held()
                batch = self._take()
                if batch:
                    await self._commit(batch)
                if self._loop.time() >= self._next_stamp and not self._stopping:
                    self._next_stamp = self._loop.time() + listening.STAMP_SECONDS
                    doubtful = max(self._failing_until, self._locked_until)
                    if self._stamps and self._loop.time() >= doubtful:
                        await self._stamp()
            except Exception:
                log.exception("recorder round failed")
                self._fail(batch)

    async def _sleep(self) -> None:
        """Wait for a push, or until the next stamp or look is due."""
        self._wake.clear()
        delay = self._next_stamp - self._loop.time()
        look = self._held.look_in(now=self._loop.time())
        if look is not None:
            # While it stops, nobody will stamp: only the held are waited for.
            delay = look if self._stopping else min(delay, look)
        if delay > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        keys: set[Key] = set()
        later: list[Waiting] = []
        behind: list[Waiting] = []
        queue = self._queue
        while queue and len(batch) < MOST_IN_BATCH:
            item = queue.popleft()
            key = _key(item[0])
            if self._held.holds(key):
                behind.append(item)
            elif key in keys:
                later.append(item)
            else:
                keys.add(key)
                batch.append(item)
        queue.extendleft(reversed(later))
        self._give_up(self._held.add(behind, now=self._loop.time()))
        return batch

    async def _commit(self, batch: list[Waiting]) -> None:
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                rows = await self._session.record([push for push, _ in batch])
        except (psycopg.Error, TimeoutError, OSError) as error:
            await self._fall_back(batch, error)
            return
        self._failing_until = self._locked_until = 0.0
        again: list[Waiting] = []
        seen = bytearray(len(batch))
        for row in rows:
            n = row[0]
            push, future = batch[n]
            seen[n] = 1
            if row[1] == "kept":
                self._answer(push, future, kept_answer(push, row))
            elif row[1] == "repeat":
                self._answer(push, future, repeated_answer(row[10]))
            else:
                again.append((push, future))
        for n, (push, future) in enumerate(batch):
            if not seen[n]:
                self._answer(push, future, None)
        self._queue.extendleft(reversed(again))

    async def _fall_back(self, batch: list[Waiting], error: Exception) -> None:
        """Do what is right with a batch whose statement failed: nothing of it is known stored."""
        if self._session.is_lost or isinstance(error, TimeoutError):
            # 4. Lost: whether it was committed is not known.
            log.warning("pushes not stored, connection lost: %s", type(error).__name__)
            await self._session.close()
            self._fail(batch)
        elif isinstance(error, psycopg.errors.LockNotAvailable) and _may_wait(error):
            # The next look, at once, shows whose rows are held; halving would pay the lock's
            # patience once for every half.
            self._locked_until = self._loop.time() + listening.GAP_SECONDS
            self._give_up(self._held.add(batch, now=self._loop.time()))
        elif len(batch) == 1 and isinstance(error, psycopg.errors.LockNotAvailable):
            self._give_up(batch)
        elif len(batch) == 1 or isinstance(error, PATIENCE_ERRORS):
            log.warning("push not stored: %s", type(error).__name__)
            self._fail(batch)
        else:
            half = len(batch) // 2
            await self._commit(batch[:half])
            await self._commit(batch[half:])

    async def _look_at_held(self) -> None:
        """Put back in front what waits aside and can be stored now; refuse what waited too long."""
        pushes = self._held.look(now=self._loop.time())
        free: set[int] = set()
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                free = await self._session.unlocked(pushes)
        except (psycopg.Error, TimeoutError, OSError):
            await self._session.close()  # they were not stored, and may wait for a new one
        else:
            if len(free) < len(pushes):
                self._locked_until = 0.0  # rows are held, not the tables
        freed, expired = self._held.take(free, now=self._loop.time())
        self._queue.extendleft(reversed(freed))
        self._give_up(expired)

    def _give_up(self, expired: list[Waiting]) -> None:
        """Refuse what waited too long for a row; that others can be stored is as true as before."""
        if expired:
            log.warning("pushes not stored, their rows are held: %d", len(expired))
            self._refuse(expired)

    def _answer(
        self, push: Push, future: asyncio.Future[Answer | None], answer: Answer | None
    ) -> None:
        self._release(push)
        if not future.done():
            future.set_result(answer)

    def _fail(self, batch: list[Waiting]) -> None:
        # Whoever cannot store a push must not say that pushes can be stored, until one was stored
        # again or none has come for a while.
        if batch:
            self._failing_until = self._loop.time() + listening.GAP_SECONDS
        self._refuse(batch)

    def _refuse(self, batch: list[Waiting]) -> None:
        for push, future in batch:
            if future.cancelled():
                self._release(push)
            elif not future.done():
                self._release(push)
                future.set_exception(NotStored())
                future.exception()  # retrieved here: a caller that hung up must not be logged

    def _release(self, push: Push) -> None:
        self._held.forget(push)
        key = _key(push)
        left = self._waiting_per_key.get(key, 1) - 1
        if left > 0:
            self._waiting_per_key[key] = left
        else:
            self._waiting_per_key.pop(key, None)

    async def _stamp(self) -> None:
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                await self._session.stamp()
        except (psycopg.Error, TimeoutError, OSError) as error:
            if self._listens:
                log.warning("cannot listen: %s", type(error).__name__)
            self._listens = False
            await self._session.close()
        else:
            if not self._listens:
                log.warning("listening again")
            self._listens = True
