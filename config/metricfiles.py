"""Sharing what the processes of one machine count: a small file of each, renewed once a second.

Any web process answers `/metrics` with the sum. A counter must never go back, so what a process
has counted outlives it: the next one to start adds the files of the dead to `gone.json`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accounts import measures
from config.processes import started_ticks

PUBLISH_SECONDS = 1.0
GONE = "gone.json"

log = logging.getLogger(__name__)
Snapshot = dict[str, Any]


class MetricFiles:
    """The files of one installation on this machine, in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        pid = os.getpid()
        self._own = directory / f"{pid}-{started_ticks(pid) or 0}.json"
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Publish what this process counts from now on. Raises OSError where it cannot write."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.fold_dead()
        self.publish()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Publish for the last time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PUBLISH_SECONDS)
            with contextlib.suppress(OSError):
                self.publish()

    def publish(self) -> None:
        """Write what this process has counted, in one step for whoever reads it."""
        with self._writing:
            _write(self._own, measures.snapshot())

    def read(self) -> list[Snapshot]:
        """Return what every process has counted: this one, the others, and those that are gone."""
        found = [measures.snapshot()]
        with self._locked(fcntl.LOCK_SH):
            gone = _read(self.directory / GONE)
            found.append(gone.get("cells", {}))
            for path in self._others(gone):
                snapshot = _read(path)
                found.append(snapshot if _lives(path) else without_gauges(snapshot))
        return found

    def fold_dead(self) -> None:
        """Add the counts of processes that are gone to one file, and drop theirs."""
        with self._locked(fcntl.LOCK_EX):
            gone = _read(self.directory / GONE)
            dead = [path for path in self._others(gone) if not _lives(path)]
            if dead:
                kept = [gone.get("cells", {}), *(without_gauges(_read(path)) for path in dead)]
                # The names go with the sum: a death before the files are dropped counts none twice.
                names = sorted(path.name for path in dead)
                _write(self.directory / GONE, {"cells": merge(kept), "of": names})
            for name in {*gone.get("of", ()), *(path.name for path in dead)}:
                (self.directory / name).unlink(missing_ok=True)

    def _others(self, gone: Snapshot) -> list[Path]:
        counted = {GONE, self._own.name, *gone.get("of", ())}
        return [path for path in self.directory.glob("*.json") if path.name not in counted]

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with (self.directory / "lock").open("a") as lock:
            fcntl.flock(lock, how)
            yield

    def _run(self) -> None:
        failed = False
        while not self._stop.wait(PUBLISH_SECONDS):
            try:
                self.publish()
                failed = False
            except OSError as error:
                if not failed:
                    log.warning("metrics are not shared: %s", error)
                failed = True


def merge(snapshots: list[Snapshot]) -> Snapshot:
    """Return the sums, by name; where shapes differ (an older version's), the first one's count."""
    merged: Snapshot = {}
    for snapshot in snapshots:
        for name, family in snapshot.items():
            known = merged.setdefault(name, {**family, "cells": []})
            if any(known.get(key) != family.get(key) for key in ("kind", "labels", "bounds")):
                continue
            cells = {tuple(values): cell for values, cell in known["cells"]}
            for values, cell in family["cells"]:
                before = cells.get(tuple(values))
                cells[tuple(values)] = (
                    [a + b for a, b in zip(before, cell, strict=True)] if before else list(cell)
                )
            known["cells"] = [[list(values), cell] for values, cell in cells.items()]
    return merged


def without_gauges(snapshot: Snapshot) -> Snapshot:
    """Return what still holds of a process that has ended."""
    return {name: family for name, family in snapshot.items() if family["kind"] != "gauge"}


def _lives(path: Path) -> bool:
    pid, _, ticks = path.stem.partition("-")
    return pid.isdigit() and started_ticks(int(pid)) == ticks


def _read(path: Path) -> Snapshot:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _write(path: Path, snapshot: Snapshot) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(snapshot))
    fresh.replace(path)
