"""The senders: threads that wait for providers, fed from the outbox.

Celery's limits do not reach into threads, so deadlines are the senders' own (15 s at most for one
message), and a slow provider costs one thread, of which a team may hold a quarter.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.conf import settings
from django.db import connection

from accounts.database.standing import unscoped
from accounts.observing import about
from incidents.delivery.aftermath import rescue_unreached
from incidents.delivery.outbox import Leased, claim
from incidents.delivery.sender import send_leased

log = logging.getLogger(__name__)

SENDERS: int = settings.SENDERS
ROUND_SECONDS = 5.0


class SenderPool:
    """A bounded number of senders; one pool per process."""

    def __init__(self, senders: int = SENDERS) -> None:
        self._senders = senders
        self._executor = ThreadPoolExecutor(senders, thread_name_prefix="sender")
        self._running: set[Future[str]] = set()
        self._lock = threading.Lock()

    def deliver_due(self, *, round_seconds: float = ROUND_SECONDS) -> int:
        """Hand due messages to the senders until none is left or the round is over.

        Returns how many were handed over. Those still being sent go on after the return.
        """
        handed = 0
        deadline = time.monotonic() + round_seconds
        with self._lock:
            while True:
                self._running = {future for future in self._running if not future.done()}
                free = self._senders - len(self._running)
                claimed = claim(limit=free) if free else []
                for leased in claimed:
                    self._running.add(self._executor.submit(_send, leased))
                handed += len(claimed)
                rescued = rescue_unreached()
                left = deadline - time.monotonic()
                if left <= 0 or not (claimed or rescued or not free):
                    return handed
                # A full pool waits for a place; else what was just sent may free its successor.
                wait(self._running, timeout=min(left, 0.5), return_when=FIRST_COMPLETED)

    def close(self) -> None:
        """Wait for what is being sent."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _send(leased: Leased) -> str:
    with about(**leased.about()):
        try:
            return send_leased(leased)
        except Exception:
            # What cannot be recorded is sent again with the same key when its lease runs out.
            log.exception("delivery %s was not recorded", leased.id)
            return "lost"
        finally:
            # Back to the connection pool: a thread between messages holds none.
            connection.close()


@unscoped
def deliver_here() -> int:
    """Send what is due in this thread, one after the other; return how many. For commands."""
    sent = 0
    while (claimed := claim(limit=1)) or rescue_unreached():
        for leased in claimed:
            send_leased(leased)
            sent += 1
    return sent
