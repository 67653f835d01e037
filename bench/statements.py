"""The recorder's statement alone: rows per second by the size of a batch."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from bench.installation import Bed
from bench.population import Population, settle
from monitors.ingest import statement
from monitors.ingest.push import Push

SIZES = (1, 16, 32, 64, 128)
PIECE_SECONDS = 0.25  # what is compared takes turns this long

# name: written
# How much was written to the log so far, in bytes.
WRITTEN = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8"

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Batch:
    """The statement with so many pushes in each batch, each committed synchronously."""

    size: int
    rows_per_second: float
    milliseconds: float


@dataclass
class Turns:
    """A statement that takes turns with others, and what its turns came to."""

    sql: str
    batches: Sequence[str]
    size: int
    count: int = 0
    seconds: float = 0.0
    written: float = 0.0

    @property
    def rows_per_second(self) -> float:
        """Return the pushes stored per second of its own turns."""
        return self.count * self.size / self.seconds

    def take(self, connection: Connection, *, seconds: float) -> None:
        """Run batches for so long."""
        before = read_number(connection, WRITTEN)
        until = (started := time.monotonic()) + seconds
        while time.monotonic() < until and self.run(connection):
            self.count += 1
        self.seconds += time.monotonic() - started
        self.written += read_number(connection, WRITTEN) - before

    def run(self, connection: Connection) -> bool:
        """Run the next batch, and return whether there was one."""
        batch = {"batch": self.batches[self.count % len(self.batches)]}
        connection.execute(self.sql, batch, prepare=True).fetchall()
        return True


def measure_batches(bed: Bed, population: Population, *, seconds: float) -> list[Batch]:
    """Return rows per second of one session, by the size of a batch; `seconds` for each size."""
    settle(bed, window=90)
    slugs = population.slugs(population.monitors)
    random.Random(1).shuffle(slugs)
    sizes = [
        Turns(statement.RECORD, encode_batches(slugs, size, count=200), size) for size in SIZES
    ]
    with bed.connect() as connection:
        connection.execute(statement.SESSION)
        take_turns(connection, sizes, seconds)
    return [
        Batch(turns.size, turns.rows_per_second, turns.seconds / turns.count * 1000)
        for turns in sizes
    ]


def take_turns(connection: Connection, all_turns: Sequence[Turns], seconds: float) -> None:
    """Let each run for `seconds` in all, after one piece that does not count."""
    for turns in all_turns:
        turns.take(connection, seconds=PIECE_SECONDS)
        turns.count, turns.seconds, turns.written = 0, 0.0, 0.0
    while all_turns[-1].seconds < seconds:
        for turns in all_turns:
            turns.take(connection, seconds=PIECE_SECONDS)


def read_number(connection: Connection, sql: str) -> float:
    row: Any = connection.execute(sql).fetchone()
    return float(row[0])


def encode_batches(slugs: Sequence[str], size: int, *, count: int) -> list[str]:
    """Return batches of pushes, no monitor twice in one. Ids come again with their batch."""
    numbers = random.Random(3)
    return [
        msgspec.json.encode(
            [
                Push(
                    fail=False,
                    id=UUID(int=numbers.getrandbits(128)),
                    n=n,
                    slug=slugs[(start * size + n) % len(slugs)],
                    latency_ms=12.5,
                    message="ok from worker 17",
                    labels={"region": "eu-west-1", "az": "b"},
                )
                for n in range(size)
            ]
        ).decode()
        for start in range(count)
    ]
