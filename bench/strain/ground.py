"""An installation under load: its population, and a place beside it for an empty answer."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.installation import Bed
from bench.population import MAKE_KEYS, MAKE_MONITORS, MAKE_TEAMS, TEAMS, clear_history
from bench.whole import Installation, made_up
from config.installation import PROJECT, connection_env

T = TypeVar("T")
Say = Callable[[str], None]
BUILT = ("monitors_monitor", "monitors_heartbeat", "monitors_pushkey")

# name: make_up
# Heartbeats of monitors that have pushed for an hour. Their alarms are spread over a window.
MAKE_UP = """
INSERT INTO monitors_heartbeat (team_id, monitor_id, state, open_causes, consecutive_fails,
  consecutive_slow, consecutive_passes, last_status, last_push_at, clock_from, check_at)
SELECT team_id, id, 'up', 0, 0, 0, 60, 'pass', now(), now(),
  now() + make_interval(secs => silent_after) FROM monitors_monitor m
WHERE name LIKE 'worker-%' ORDER BY id
"""

# name: lags
# Of incidents that opened: how many, and seconds from due to the commit of their timelines' first
# lines, which nobody writes again. Needs track_commit_timestamp.
LAGS = """
SELECT count(*), percentile_cont(%(shares)s::float[]) WITHIN GROUP (
  ORDER BY extract(epoch FROM pg_xact_commit_timestamp(t.xmin) - i.down_since))
FROM incidents_timelineevent t JOIN incidents_incident i ON i.id = t.incident_id
WHERE t.kind = 'opened' AND i.monitor_name LIKE %(names)s
"""


@dataclass(frozen=True)
class Scale:
    """How much of everything, and for how long. Seconds, unless a name says otherwise."""

    is_short: bool
    sustained_slices: int
    sustained_slice: int
    empty: int
    herd: int
    herd_boundary: int
    monitors: int
    silent: int
    silent_limit: float
    tenant_failing: int
    tenant_probes: int
    tenant_apart: float
    soak: float
    soak_every: float
    soak_monitors: int
    soak_pushes: float  # a second
    curve_sizes: tuple[int, ...]
    curve_due: int
    curve_growing: tuple[int, ...]
    curve_rounds: int


FULL = Scale(
    is_short=False,
    sustained_slices=10,
    sustained_slice=30,
    empty=10,
    herd=10_000,
    herd_boundary=60,
    monitors=1_000_000,
    silent=100_000,
    silent_limit=600,
    tenant_failing=5_000,
    tenant_probes=40,
    tenant_apart=3,
    soak=3600,
    soak_every=10,
    soak_monitors=3_000,
    soak_pushes=100,
    curve_sizes=(10_000, 30_000, 100_000, 300_000, 1_000_000),
    curve_due=1_000,
    curve_growing=(1_000, 10_000, 100_000),
    curve_rounds=3,
)
SHORT = Scale(
    is_short=True,
    sustained_slices=5,
    sustained_slice=1,
    empty=1,
    herd=500,
    herd_boundary=5,
    monitors=20_000,
    silent=2_000,
    silent_limit=60,
    tenant_failing=200,
    tenant_probes=4,
    tenant_apart=2,
    soak=45,
    soak_every=2,
    soak_monitors=300,
    soak_pushes=20,
    curve_sizes=(2_000, 20_000),
    curve_due=200,
    curve_growing=(200, 2_000),
    curve_rounds=3,
)


@contextlib.contextmanager
def made_ground(parent: Path | None) -> Iterator[Installation]:
    """Run `make up` on a new directory, durable, with commit times; clear up at the end."""
    with made_up(parent, track_commits=True) as installation:
        yield installation


def beside(installation: Installation) -> Bed:
    """Return what bench.installation.serving needs to run another server beside this one."""
    return Bed(
        installation.data,
        {
            **installation.environment,
            **connection_env(installation.data),
            "TOCSIN_EMBEDDED": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
    )


def clear(installation: Installation) -> None:
    """Forget every monitor, incident and message: each scenario starts alike.

    The engine runs meanwhile, so this may have to wait for it, or be tried again.
    """
    from psycopg import errors

    for attempt in range(10):
        with installation.connect() as connection:
            connection.execute("SET lock_timeout = '3s'")
            try:
                clear_history(connection)
                connection.execute("TRUNCATE monitors_monitor CASCADE")
            except (errors.LockNotAvailable, errors.DeadlockDetected):
                if attempt == 9:
                    raise
            else:
                return


def fill(
    installation: Installation, *, monitors: int, window: int, heartbeats: str = MAKE_UP
) -> float:
    """Make monitors of a hundred teams, all up, and return how many seconds that took.

    They are named worker-1 and so on; their slugs are those of bench.population.
    """
    started = time.monotonic()
    with installation.connect() as connection:
        # Foreign keys are right by construction; checking a million of them row by row is slow.
        connection.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'")
        row: Any = connection.execute(
            "SELECT count(*) FROM accounts_team WHERE slug LIKE 'bench-%'"
        ).fetchone()
        if not row[0]:
            connection.execute(MAKE_TEAMS, {"teams": TEAMS})
        with connection.transaction():
            connection.execute(
                MAKE_MONITORS, {"teams": TEAMS, "monitors": monitors, "window": window}
            )
            connection.execute(heartbeats)
            connection.execute(MAKE_KEYS)
        for table in BUILT:
            connection.execute(f"VACUUM (ANALYZE) {table}")
        connection.execute("CHECKPOINT")
    return time.monotonic() - started


def count(installation: Installation, sql: str, values: Any = None) -> int:
    """Return the one number that a statement gives."""
    with installation.connect() as connection:
        row: Any = connection.execute(sql, values).fetchone()
    return int(row[0] or 0)


def read_lags(
    installation: Installation, names: str, shares: list[float]
) -> tuple[int, list[float]]:
    """Return how many incidents of such names opened, and their lags in seconds by share."""
    with installation.connect() as connection:
        row: Any = connection.execute(LAGS, {"names": names, "shares": shares}).fetchone()
    return row[0], [float(lag) for lag in row[1] or [float("nan")] * len(shares)]


def route_to(installation: Installation, key: str, *urls: str) -> None:
    """Send all incidents of the key's team to webhooks, at once."""
    channels = [
        installation.create(key, "channels", name=f"hook-{n}", kind="webhook", config={"url": url})
        for n, url in enumerate(urls)
    ]
    targets = [{"channel": channel["id"]} for channel in channels]
    steps = [{"delay": 0, "targets": targets}]
    policy = installation.create(key, "escalation-policies", name="all", steps=steps)
    installation.create(key, "alert-rules", name="all", position=0, match={}, policy=policy["id"])


def until(probe: Callable[[], T], *, seconds: float, every: float = 0.1) -> T:
    """Return the first truthy answer of `probe`, or its last one when `seconds` are over."""
    deadline = time.monotonic() + seconds
    while not (found := probe()) and time.monotonic() < deadline:
        time.sleep(every)
    return found


@contextlib.contextmanager
def aside(*work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do work in threads of its own until the block ends; what one raises, the block raises."""
    stopping, raised = threading.Event(), []

    def run(what: Callable[[threading.Event], None]) -> None:
        try:
            what(stopping)
        except BaseException as error:  # noqa: BLE001 (raised below, in the thread that asked)
            raised.append(error)

    threads = [threading.Thread(target=run, args=(what,), daemon=True) for what in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(60)
    if raised:
        raise raised[0]


def run_module(name: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run a module of the bench in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
