"""The lazy alarm beside a deadline that every push moves: what each costs, all in all.

Three copies of the heartbeats take turns: pushes with the lazy alarm, pushes with the indexed
deadline, and the re-arms that only the lazy one needs. Each is vacuumed at the end, since what a
push saves by not staying within its page has to be cleared up later.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.installation import Bed
from bench.population import Population, settle
from bench.statements import Connection, Turns, encode_batches, take_turns
from monitors.ingest import statement

PUSH_BATCH, SWEEP_BATCH = 64, 2000
LAZY, EAGER, SWEPT = "bench_lazy", "bench_eager", "bench_swept"

# What the statement sets in the lazy design, and would set in the eager one.
LAZY_CLAUSE = "check_at = coalesce(d.check_at, d.at)"
EAGER_CLAUSE = "check_at = d.at + make_interval(secs => d.silent_after + d.grace)"

# name: copy_heartbeats
# A copy of the heartbeats with the same indexes and the same room on each page.
MAKE_COPY = """
DROP TABLE IF EXISTS {copy};
CREATE TABLE {copy} (LIKE monitors_heartbeat INCLUDING ALL)
  WITH (fillfactor = 50, autovacuum_enabled = off);
INSERT INTO {copy} SELECT * FROM monitors_heartbeat ORDER BY monitor_id
"""

# name: copy_state
# The size of a copy's indexes, its updates, and the HOT ones among them.
COPY_STATE = """
SELECT pg_indexes_size('{copy}'), n_tup_upd, n_tup_hot_upd
FROM pg_stat_user_tables WHERE relname = '{copy}'
"""


@dataclass(frozen=True)
class Cost:
    """What one push, or one re-arm, costs in one design."""

    name: str
    microseconds: float
    vacuum_microseconds: float
    wal_bytes: float
    hot: float
    index_growth: float  # the size after, as a multiple of the size before


@dataclass
class Rearms(Turns):
    """The sweep's statements on a copy, as monitors.sweep runs them."""

    claim: str = field(default="")

    def run(self, connection: Connection) -> bool:
        """Re-arm the next batch, and return whether there was a whole one."""
        values = {"limit": self.size, "until": datetime.now(UTC)}
        with connection.transaction():
            row: Any = connection.execute(self.claim, values).fetchone()
            if row is not None and len(row[0]) == self.size:
                connection.execute(self.sql, {**values, "ids": row[0]}).fetchall()
                return True
        return False


def measure_alarms(bed: Bed, population: Population, *, seconds: float) -> list[Cost]:
    """Return the costs of a push with a lazy alarm, of one with a deadline, and of a re-arm."""
    settle(bed, window=300)
    turns = _make_turns(population)
    with bed.connect() as connection:
        connection.execute("TRUNCATE monitors_listeninggap")
        for copy in turns:
            connection.execute(MAKE_COPY.format(copy=copy))
        # Each of these rings once: the sweep ends when all of them are set anew.
        connection.execute(f"UPDATE {SWEPT} SET check_at = now() - interval '1 hour'")
        for copy in turns:
            connection.execute(f"VACUUM (FULL, ANALYZE) {copy}")
            connection.execute(f"VACUUM (ANALYZE) {copy}")
        connection.execute("CHECKPOINT")
        before = {copy: _state(connection, copy) for copy in turns}
        with bed.connect() as recording:
            recording.execute(statement.SESSION)
            take_turns(recording, [turns[LAZY], turns[EAGER]], seconds)
        turns[SWEPT].take(connection, seconds=seconds)
        costs = [_cost(connection, copy, turns[copy], before[copy]) for copy in turns]
        for copy in turns:
            connection.execute(f"DROP TABLE {copy}")
    return costs


def _make_turns(population: Population) -> dict[str, Turns]:
    from monitors import sweep

    slugs = population.slugs(population.monitors)
    random.Random(2).shuffle(slugs)
    batches = encode_batches(slugs, PUSH_BATCH, count=len(slugs) // PUSH_BATCH)
    eager = statement.RECORD.replace(LAZY_CLAUSE, EAGER_CLAUSE)
    if eager == statement.RECORD:
        raise AssertionError("the statement has changed: bench/alarms.py cannot vary it")

    def on(copy: str, sql: str) -> str:
        return sql.replace("monitors_heartbeat", copy)

    return {
        LAZY: Turns(on(LAZY, statement.RECORD), batches, PUSH_BATCH),
        EAGER: Turns(on(EAGER, eager), batches, PUSH_BATCH),
        SWEPT: Rearms(on(SWEPT, sweep.APPLY_FIXED), (), SWEEP_BATCH, claim=on(SWEPT, sweep.CLAIM)),
    }


def _cost(connection: Connection, copy: str, turns: Turns, before: Any) -> Cost:
    after = _state(connection, copy)
    started = time.monotonic()
    connection.execute(f"VACUUM {copy}")
    vacuum = time.monotonic() - started
    names = {LAZY: "push, lazy alarm", EAGER: "push, indexed deadline", SWEPT: "re-arm"}
    updates = after[1] - before[1]
    return Cost(
        name=names[copy],
        microseconds=1e6 / turns.rows_per_second,
        vacuum_microseconds=vacuum * 1e6 / updates,
        wal_bytes=turns.written / (turns.count * turns.size),
        hot=(after[2] - before[2]) / updates,
        index_growth=after[0] / before[0],
    )


def _state(connection: Connection, copy: str) -> Any:
    connection.execute("SELECT pg_stat_force_next_flush()")
    time.sleep(1.2)  # sessions report their counts about once a second
    return connection.execute(COPY_STATE.format(copy=copy)).fetchone()


def total_cost(costs: list[Cost], *, rearms_per_push: float) -> dict[str, dict[str, float]]:
    """Return what a push costs in both designs, re-arms and clearing up included."""
    lazy, eager, rearm = costs
    return {
        "lazy": {
            "microseconds": lazy.microseconds
            + lazy.vacuum_microseconds
            + rearms_per_push * (rearm.microseconds + rearm.vacuum_microseconds),
            "wal_bytes": lazy.wal_bytes + rearms_per_push * rearm.wal_bytes,
        },
        "eager": {
            "microseconds": eager.microseconds + eager.vacuum_microseconds,
            "wal_bytes": eager.wal_bytes,
        },
    }
