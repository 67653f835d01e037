"""A round of telling subscribers: what was posted is put in line, and the line is sent off.

It has few threads of its own. People on call are paged by others, who wait for none of this.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import connection
from django_scopes import scopes_disabled

from incidents.engine import stamp
from statuspages.subscribers.outbox import (
    SENDERS,
    Leased,
    claim,
    look_for_work,
    put_in_line,
)
from statuspages.subscribers.sender import send_leased

PART = "subscribers"
STAMP_SECONDS = 5.0
_LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


class Round:
    """Rounds of one process; it says that it lives every five seconds at most."""

    def __init__(self) -> None:
        self._stamped_at: float | None = None

    def run(self, *, runner: str = PART) -> int:
        """Tell subscribers until nothing is due; return how many messages were tried.

        Where there is nothing to do that is one cheap statement. Raises what the database raises.
        """
        with scopes_disabled():
            tried = self._work(runner) if any(look_for_work()) else 0
            self._stamp(runner)
        return tried

    def _work(self, runner: str) -> int:
        tried = 0
        running: set[Future[str]] = set()
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="subscriber") as senders:
            while True:
                new = _put_all_in_line()
                running = {future for future in running if not future.done()}
                free = SENDERS - len(running)
                claimed = claim(limit=free) if free else []
                running |= {senders.submit(_send, leased) for leased in claimed}
                tried += len(claimed)
                if not running and not new:
                    return tried
                self._stamp(runner)
                # Not held while others send: connections are few.
                connection.close()
                wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)

    def _stamp(self, runner: str) -> None:
        present = time.monotonic()
        if self._stamped_at is None or present - self._stamped_at >= STAMP_SECONDS:
            stamp(runner)
            self._stamped_at = present


def _put_all_in_line() -> int:
    """Put what was posted in line, and return how many messages that made."""
    made = 0
    while (count := put_in_line()) is not None:
        made += count
    return made


def _send(leased: Leased) -> str:
    try:
        return send_leased(leased)
    except Exception:
        # What cannot be recorded is sent again with the same key when its lease runs out.
        log.exception("message %s to a subscriber was not recorded", leased.id)
        return ""


ROUND = Round()
