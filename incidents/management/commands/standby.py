"""The standby: runs the engine itself whenever nobody else has for five seconds."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection
from django.utils.module_loading import import_string

from accounts.observing import start_observing
from incidents import engine
from incidents.delivery.pool import SenderPool
from monitors.partitions import ensure_partitions
from monitors.queries import database_now

LOOK_SECONDS = 1.0
STALE_SECONDS = 5.0
PART_STALE_SECONDS = 15.0
MAINTAIN_SECONDS = 3600.0
PARTITIONS_SECONDS = 10.0
# After a signal it ends in this time, whatever it waits for: a lock, a provider, another part's
# thread. What is under way is guarded in the database and goes on elsewhere, as after a kill.
LEAVE_SECONDS = 1.5

log = logging.getLogger("tocsin.standby")
_NONE: Mapping[str, Callable[..., Any]] = MappingProxyType({})


class Command(BaseCommand):
    help = "Keep incidents opening and pages going out while Redis, beat or the workers are away."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = stop_on_signal()
        start_observing("standby")
        standby = Standby(SenderPool(), other_parts())
        while not stopping.wait(LOOK_SECONDS):
            standby.look(time.monotonic())
        standby.pool.close()


def stop_on_signal() -> threading.Event:
    """Return what is set when the process is to end; it ends soon after, ready or not.

    A thread waits for the signals, which all others have blocked. A handler would run in the middle
    of whatever the main thread does: one that sets an event may wait for the lock that the event's
    own `wait` holds, for ever.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    stopping = threading.Event()

    def leave() -> None:
        signal.sigwait(signals)
        stopping.set()
        time.sleep(LEAVE_SECONDS)
        logging.shutdown()
        os._exit(0)

    threading.Thread(target=leave, name="standby-leave", daemon=True).start()
    return stopping


def other_parts() -> dict[str, Callable[..., Any]]:
    """Return what rooms above this one name as `standby_parts`, and what the settings name."""
    named = [getattr(room, "standby_parts", ()) for room in apps.get_app_configs()]
    named.append(settings.STANDBY_PARTS)
    return {part: import_string(path) for parts in named for part, path in parts}


class Standby:
    """Looks at the stamps of the engine's parts and stands in for those that are stale.

    `parts` are other rooms' parts by stamp: each function begins a round and does not wait for it.
    """

    def __init__(self, pool: SenderPool, parts: Mapping[str, Callable[..., Any]] = _NONE) -> None:
        self.pool = pool
        self.parts = parts
        self._standing_in: set[str] = set()
        self._maintain_at = 0.0
        self._partitions_at = 0.0

    def look(self, now: float) -> None:
        """Do what is overdue; `now` is a monotonic time in seconds. Never raises."""
        try:
            ages = engine.stamp_ages()
            if self._is_stale("engine", ages):
                engine.run_round(runner="engine:standby")
            if self._is_stale("deliver", ages):
                engine.deliver_round(self.pool, runner="deliver:standby")
            if now >= self._maintain_at:
                self._maintain_at = now + MAINTAIN_SECONDS
                engine.maintain(runner="maintain:standby")
            elif now >= self._partitions_at:
                # Without today's no push can be stored: that cannot wait for an hour.
                self._partitions_at = now + PARTITIONS_SECONDS
                ensure_partitions(now=database_now())
            for part, begin in self.parts.items():
                if self._is_stale(part, ages, PART_STALE_SECONDS):
                    begin(runner=f"{part}:standby")
        except (DatabaseError, InterfaceError) as error:
            log.warning("no database: %s", type(error).__name__)
            connection.close()
        except Exception:
            # It is the last one standing: whatever went wrong, it looks again in a second.
            log.exception("standby round failed")
            connection.close()

    def _is_stale(self, part: str, ages: dict[str, float], limit: float = STALE_SECONDS) -> bool:
        stale = ages.get(part, limit + 1) > limit
        if stale != (part in self._standing_in):
            log.warning("%s for %s", "standing in" if stale else "standing back", part)
            (self._standing_in.add if stale else self._standing_in.discard)(part)
        return stale
