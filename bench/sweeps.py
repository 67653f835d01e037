"""The engine over a large population: re-arms, the lag of an incident, and mass outages.

The real `engine.run_round` runs once a second in this process, as beat asks for it; another
process pushes for the whole population and stamps the listening ledger.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from bench.installation import Bed
from bench.population import CADENCE_SECONDS, Population, clear_history, settle
from config.installation import PROJECT

CALM_SECONDS = 4.0  # the first rounds, before anything falls due
TAIL_SECONDS = 4.0  # after the last monitor fell due

# name: lags
# Seconds from due until the incident, its timeline and its messages were committed.
LAGS = """
SELECT count(*), percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (
  ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - down_since))
FROM incidents_incident
"""

# name: updates
# How many times heartbeats were updated.
UPDATES = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'monitors_heartbeat'"

# name: ring_all
# Ring the alarm of every monitor whose window is far from over.
RING = "UPDATE monitors_heartbeat SET check_at = now() - interval '1 second'"

# name: make_gap
# A restart of four seconds, a moment ago.
MAKE_GAP = """
INSERT INTO monitors_listeninggap (started_at, ended_at)
VALUES (now() - interval '5 seconds', now() - interval '1 second')
"""

# name: silence_some
# Let some monitors fall due now, all at once; nobody else's alarm rings for an hour.
SILENCE_SOME = """
UPDATE monitors_heartbeat h SET
  clock_from = now() - make_interval(secs => m.silent_after + 1), last_push_at = now()
    - make_interval(secs => m.silent_after + 1), check_at = now() - interval '1 second'
FROM monitors_monitor m WHERE m.id = h.monitor_id AND m.id IN (
  SELECT monitor_id FROM (
    SELECT monitor_id, row_number() OVER (ORDER BY monitor_id) AS i FROM monitors_heartbeat) n
  WHERE i %% %(every)s = 0)
"""
REST = "UPDATE monitors_heartbeat SET check_at = now() + interval '1 hour', clock_from = now()"

# name: recover_all
# Let everything that is down pass again, as the recorder would write it.
RECOVER = """
WITH moved AS (
  UPDATE monitors_heartbeat SET state = 'up', cause = NULL, open_causes = 0, down_since = NULL,
    last_push_at = now(), clock_from = now(), check_at = now() + interval '1 hour'
  WHERE state = 'down' RETURNING team_id, monitor_id)
INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, detail)
SELECT team_id, monitor_id, clock_timestamp(), 'down', 'up', '' FROM moved
"""


@dataclass(frozen=True)
class Steady:
    """How the engine kept up with a population that pushes."""

    monitors: int
    window_seconds: int
    silent: int
    way: str  # push: whole pushes; touch: heartbeats alone
    pushes_per_second: float
    worst_push_backlog_seconds: float
    rearms_per_second: float
    incidents: int
    lag_p50_seconds: float
    lag_p99_seconds: float
    lag_most_seconds: float
    longest_round_seconds: float
    listening_gaps: int


@dataclass(frozen=True)
class Outage:
    """How long the engine takes for many monitors at once."""

    monitors: int
    due: int
    sweep_seconds: float
    advance_seconds: float
    recovery_seconds: float


def measure_rearms(
    bed: Bed, population: Population, *, most_seconds: float, gap: bool = False
) -> float:
    """Return how many alarms per second the sweep sets anew when it does nothing else.

    With `gap`, as after a restart of the installation: every window overlaps a listening gap, and
    is worked out in Python.
    """
    from monitors.ingest.listening import STAMP
    from monitors.sweep import BATCH_ROWS, sweep_batch

    settle(bed, window=300)
    with bed.connect() as connection:
        connection.execute(RING)
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        connection.execute(STAMP)
        connection.execute("TRUNCATE monitors_listeninggap")
        if gap:
            connection.execute(MAKE_GAP)
    started, judged = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < most_seconds:
        count, _ = sweep_batch()
        judged += count
        if count < BATCH_ROWS:
            elapsed = time.monotonic() - started
            break
    if judged > population.monitors:
        raise AssertionError("the sweep came back to what it had re-armed")
    return judged / elapsed


def measure_steady(
    bed: Bed, population: Population, *, window: int, silent: int, seconds: float, way: str
) -> Steady:
    """Let all monitors push at their cadence but some that stop, and measure what happens."""
    from incidents.engine import run_round

    every = population.monitors // silent
    # The pusher reads its list first, and a population takes its time to settle.
    lead = CALM_SECONDS + population.monitors / 20_000
    settle(bed, window=window, every=every, calm=lead, spread=seconds)
    total = lead + seconds + TAIL_SECONDS
    before = _updates(bed)
    command = [sys.executable, "-m", "bench.pusher", bed.dsn, way, str(total)]
    pusher = subprocess.Popen(
        command, cwd=PROJECT, env=bed.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert pusher.stdout is not None
        pusher.stdout.readline()
        with bed.connect() as connection:
            # Only now does somebody listen again: nothing was lost before.
            time.sleep(1)
            connection.execute("TRUNCATE monitors_listeninggap")
        started = time.monotonic()
        longest, tick = 0.0, started
        while time.monotonic() - started < total:
            round_started = time.monotonic()
            run_round()
            longest = max(longest, time.monotonic() - round_started)
            tick = max(tick + 1, time.monotonic())
            time.sleep(max(0.0, tick - time.monotonic()))
        said = json.loads(pusher.communicate(timeout=60)[0])
    finally:
        if pusher.poll() is None:
            pusher.kill()
            pusher.wait()
    moved = _updates(bed) - before
    with bed.connect() as connection:
        row: Any = connection.execute(LAGS).fetchone()
        gap: Any = connection.execute("SELECT count(*) FROM monitors_listeninggap").fetchone()
    half, most, worst = row[1] or (float("nan"),) * 3
    return Steady(
        monitors=population.monitors,
        window_seconds=window,
        silent=silent,
        way=way,
        pushes_per_second=said["per_second"],
        worst_push_backlog_seconds=said["worst_backlog_seconds"],
        rearms_per_second=(moved - said["pushes"] - row[0]) / total,
        incidents=row[0],
        lag_p50_seconds=float(half),
        lag_p99_seconds=float(most),
        lag_most_seconds=float(worst),
        longest_round_seconds=longest,
        listening_gaps=gap[0],
    )


def _updates(bed: Bed) -> int:
    """Return how many updates of heartbeats there were: pushes, re-arms and silences."""
    with bed.connect() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(1.2)  # other sessions report their counts about once a second
        row: Any = connection.execute(UPDATES).fetchone()
    return int(row[0])


def measure_outage(bed: Bed, population: Population, *, due: int) -> Outage:
    """Let many monitors fall due in one moment, then let all of them pass again."""
    from django_scopes import scopes_disabled

    from incidents.lifecycle.lanes import advance
    from monitors.ingest.listening import STAMP
    from monitors.sweep import sweep

    with bed.connect() as connection:
        clear_history(connection)
        connection.execute(
            "UPDATE monitors_heartbeat SET state = 'up', cause = NULL, open_causes = 0"
        )
        connection.execute(REST)
        connection.execute(SILENCE_SOME, {"every": population.monitors // due})
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        connection.execute("CHECKPOINT")
        connection.execute(STAMP)
        connection.execute("TRUNCATE monitors_listeninggap")
        with scopes_disabled():
            started = time.monotonic()
            silent = sweep(most_batches=1000)
            swept = time.monotonic()
            opened, queued = advance(most_batches=1000)
            advanced = time.monotonic()
            if not silent == opened == queued == due:
                raise AssertionError(f"{due} due: {silent} silent, {opened} opened, {queued} told")
            connection.execute(RECOVER)
            recovering = time.monotonic()
            ended, _ = advance(most_batches=1000)
            if ended != due:
                raise AssertionError(f"{due} down, {ended} recovered")
            recovered = time.monotonic()
    return Outage(
        monitors=population.monitors,
        due=due,
        sweep_seconds=swept - started,
        advance_seconds=advanced - swept,
        recovery_seconds=recovered - recovering,
    )


def rearms_needed(monitors: int, window: int) -> float:
    """Return how many re-arms per second steady pushing asks for: one per push within a window.

    An alarm moves to the last push's deadline, so it rings again after the window less the time
    since that push: every 60 s at 60/90, every 240 to 300 s at 60/300.
    """
    pushes = max(1, window // CADENCE_SECONDS)
    return monitors / (pushes * CADENCE_SECONDS)
