"""A process that pushes for a whole population at its cadence, and stamps the listening ledger.

It stands where web processes would: the same statement in batches, paced so that every monitor
pushes once per cadence. Where the machine cannot take that many whole pushes beside the sweep it
can `touch` instead: only the heartbeat moves, in place, as a push would move it.

Run by bench.sweeps as `python -m bench.pusher DSN WAY SECONDS`; prints one JSON object at the end.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from monitors.ingest import listening, statement
from monitors.ingest.push import Push

CADENCE_SECONDS = 60.0
MOST_IN_BATCH = 256
STEP_SECONDS = 0.01

# name: healthy
# The monitors that go on pushing (bench.population gives the others another count), in the order in
# which they push next.
HEALTHY = """
SELECT monitor_id FROM monitors_heartbeat WHERE consecutive_passes = 60 ORDER BY last_push_at
"""

# name: touch
# Move heartbeats as steady pushes do.
TOUCH = """
WITH due AS MATERIALIZED (
  SELECT monitor_id FROM monitors_heartbeat WHERE monitor_id = ANY(%s::uuid[])
  ORDER BY monitor_id FOR UPDATE)
UPDATE monitors_heartbeat h SET last_push_at = clock_timestamp(), clock_from = clock_timestamp(),
  consecutive_passes = least(consecutive_passes + 1, 1000000)
FROM due WHERE h.monitor_id = due.monitor_id
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def push(connection: Connection, ids: list[UUID]) -> None:
    """Store one whole push for each of these monitors."""
    pushes = [
        Push(
            fail=False,
            n=n,
            monitor=monitor,
            latency_ms=12.5,
            message="ok from worker 17",
            labels={"region": "eu-west-1", "az": "b"},
        )
        for n, monitor in enumerate(ids)
    ]
    batch = {"batch": msgspec.json.encode(pushes).decode()}
    connection.execute(statement.RECORD, batch, prepare=True)


def touch(connection: Connection, ids: list[UUID]) -> None:
    """Move the heartbeats of these monitors alone."""
    connection.execute(TOUCH, [ids], prepare=True)


def run(dsn: str, way: str, seconds: float) -> dict[str, float]:
    """Push for all healthy monitors for so long; return how many pushes, and how late."""
    connection = psycopg.connect(dsn, autocommit=True)
    healthy = [row[0] for row in connection.execute(HEALTHY).fetchall()]
    connection.execute(statement.SESSION)
    store = push if way == "push" else touch
    print("ready", flush=True)
    started = time.monotonic()
    done, worst, next_stamp = 0, 0.0, 0.0
    while (elapsed := time.monotonic() - started) < seconds:
        if elapsed >= next_stamp:
            next_stamp = elapsed + listening.STAMP_SECONDS
            connection.execute(listening.STAMP, prepare=True)
        wanted = int(elapsed / CADENCE_SECONDS * len(healthy))
        worst = max(worst, (wanted - done) / max(1, len(healthy)) * CADENCE_SECONDS)
        if wanted == done:
            time.sleep(STEP_SECONDS)
            continue
        last = min(wanted, done + MOST_IN_BATCH)
        store(connection, [healthy[i % len(healthy)] for i in range(done, last)])
        done = last
    connection.close()
    return {"pushes": done, "per_second": done / seconds, "worst_backlog_seconds": worst}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
