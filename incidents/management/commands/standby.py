"""The standby: runs the engine itself whenever nobody else has for five seconds."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection
from django.utils.module_loading import import_string

from accounts.observing import start_observing
from incidents import engine
from incidents.delivery.pool import SenderPool
from monitors.partitions import ensure_partitions
from monitors.queries import database_now

LOOK_SECONDS = 1.0
STALE_SECONDS = 5.0
PART_STALE_SECONDS = 15.0
# Beat asks for it every hour. It is a matter of hours, so a standby that starts need not hurry.
MAINTAIN_STALE_SECONDS = 7200.0
MAINTAIN_AGAIN_SECONDS = 60.0
PARTITIONS_SECONDS = 10.0
# Then messages go out: in a mass outage the first ones must not wait for the last incident.
LAPS_A_LOOK = 2
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
        """Do what is overdue; `now` is a monotonic time in seconds. Never raises.

        Each part is tried, whatever became of those before it.
        """
        ages: dict[str, float] = {}
        if not self._try("stamps", lambda: ages.update(engine.stamp_ages())):
            return
        if self._is_stale("engine", ages):
            run = partial(engine.run_round, runner="engine:standby", most_laps=LAPS_A_LOOK)
            self._try("engine", run)
        if self._is_stale("deliver", ages):
            deliver = partial(engine.deliver_round, self.pool, runner="deliver:standby")
            self._try("deliver", deliver)
        if now >= self._partitions_at:
            # Without today's no push can be stored: that cannot wait for an hour.
            self._partitions_at = now + PARTITIONS_SECONDS
            self._try("partitions", lambda: ensure_partitions(now=database_now()))
        if now >= self._maintain_at and _is_maintenance_due(ages):
            self._maintain_at = now + MAINTAIN_AGAIN_SECONDS
            begin = partial(engine.start_maintaining, runner="maintain:standby")
            self._try("maintain", begin)
        for part, begin_part in self.parts.items():
            if self._is_stale(part, ages, PART_STALE_SECONDS):
                self._try(part, partial(begin_part, runner=f"{part}:standby"))

    def _try(self, part: str, work: Callable[[], object]) -> bool:
        """Do one part's work; return whether it raised nothing."""
        try:
            work()
        except (OperationalError, InterfaceError) as error:
            log.warning("no database for %s: %s", part, type(error).__name__)
        except Exception:
            # It is the last one standing: whatever went wrong, it goes on and looks again.
            log.exception("standby: %s failed", part)
        else:
            return True
        connection.close()
        return False

    def _is_stale(self, part: str, ages: dict[str, float], limit: float = STALE_SECONDS) -> bool:
        stale = ages.get(part, limit + 1) > limit
        if stale != (part in self._standing_in):
            log.warning("%s for %s", "standing in" if stale else "standing back", part)
            (self._standing_in.add if stale else self._standing_in.discard)(part)
        return stale


def _is_maintenance_due(ages: Mapping[str, float]) -> bool:
    """Return whether nobody, another standby included, has completed it within two hours."""
    done = [age for name, age in ages.items() if name.split(":")[0] == "maintain"]
    return min(done, default=MAINTAIN_STALE_SECONDS + 1) > MAINTAIN_STALE_SECONDS
