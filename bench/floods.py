"""Very many monitors silent at once, and another team's silences meanwhile.

`python -m bench.floods 1000000 100000` lets so many of so many monitors fall due in one moment, and
one of another team every half second from then on. The real `engine.run_round` runs in this process
once a second, as beat asks for it; what is told are the times of commits.
"""

from __future__ import annotations

import argparse
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.installation import Bed, made_bed
from bench.population import Population, clear_history, populate

LEAD_SECONDS = 3.0
MOST_SECONDS = 300.0
PROBES, APART_SECONDS = 40, 0.5

# name: rest
# Nobody else falls due for an hour.
REST = """
UPDATE monitors_heartbeat SET state = 'up', cause = NULL, open_causes = 0, down_since = NULL,
  clock_from = now(), last_push_at = now(), check_at = now() + interval '1 hour'
"""

# name: silence
# Let monitors fall due: the probes of one team, one after the other, and many of the other teams.
SILENCE = """
UPDATE monitors_heartbeat h SET check_at = f.due_at,
  clock_from = f.due_at - make_interval(secs => m.silent_after),
  last_push_at = f.due_at - make_interval(secs => m.silent_after)
FROM monitors_monitor m, (
  SELECT monitor_id, %(at)s + make_interval(secs => CASE WHEN probe THEN %(apart)s * i ELSE 0 END)
    AS due_at
  FROM (
    SELECT monitor_id, team_id = (SELECT min(team_id::text)::uuid FROM monitors_heartbeat) AS probe,
      row_number() OVER (
        PARTITION BY team_id = (SELECT min(team_id::text)::uuid FROM monitors_heartbeat)
        ORDER BY hashtext(monitor_id::text)) AS i
    FROM monitors_heartbeat) n
  WHERE i <= CASE WHEN probe THEN %(probes)s ELSE %(due)s END) f
WHERE m.id = h.monitor_id AND f.monitor_id = h.monitor_id
"""

# name: lags
# Seconds from the flood's moment until its first, half and last incident were committed, how many;
# and of the probes from when each fell due.
LAGS = """
SELECT percentile_disc(ARRAY[0, 0.5, 1.0]) WITHIN GROUP (ORDER BY lag) FILTER (WHERE NOT probe),
  count(*) FILTER (WHERE NOT probe),
  percentile_disc(ARRAY[0.5, 1.0]) WITHIN GROUP (ORDER BY lag) FILTER (WHERE probe),
  count(*) FILTER (WHERE probe)
FROM (
  SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - down_since)::float AS lag,
    down_since > %(at)s + interval '0.1 s' AS probe
  FROM incidents_incident) seen
"""


@dataclass(frozen=True)
class Flood:
    """How the engine went through it; seconds."""

    monitors: int
    due: int
    load_before: float
    first_open: float
    half_open: float
    all_open: float
    probes: int
    probe_median: float
    probe_most: float
    engine_cpu: float


def measure_flood(bed: Bed, population: Population, *, due: int) -> Flood:
    """Let so many monitors fall due at once and return when their incidents were there."""
    from incidents.engine import run_round
    from monitors.ingest.listening import STAMP

    with bed.connect() as connection:
        clear_history(connection)
        connection.execute(REST)
        row: Any = connection.execute(
            "SELECT now() + make_interval(secs => %s)", [LEAD_SECONDS + population.monitors / 5e4]
        ).fetchone()
        at = row[0]
        values = {"at": at, "apart": APART_SECONDS, "probes": PROBES, "due": due}
        # A page's first change after a checkpoint is logged as a whole page. Where a million push
        # every minute those are long written, so they are not put down to the engine.
        connection.execute("CHECKPOINT")
        connection.execute(SILENCE, values)
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        load = os.getloadavg()[0]
        with _listening(bed, STAMP):
            connection.execute("TRUNCATE monitors_listeninggap")
            _wait(connection, at)
            used, started = _cpu(), time.monotonic()
            while _count(connection) < due + PROBES and time.monotonic() < started + MOST_SECONDS:
                tick = time.monotonic()
                run_round()
                time.sleep(max(0.0, 1 - (time.monotonic() - tick)))
        found: Any = connection.execute(LAGS, {"at": at}).fetchone()
    first, half, last = found[0]
    if found[1] != due:
        raise AssertionError(f"{due} due, {found[1]} opened")
    return Flood(
        monitors=population.monitors,
        due=due,
        load_before=load,
        first_open=first,
        half_open=half,
        all_open=last,
        probes=found[3],
        probe_median=found[2][0],
        probe_most=found[2][1],
        engine_cpu=_cpu() - used,
    )


class _listening:  # noqa: N801 - a context
    """Stamps the ledger once a second, as ingest does."""

    def __init__(self, bed: Bed, statement: str) -> None:
        self._over = threading.Event()
        self._connection = bed.connect()
        self._statement = statement
        self._thread = threading.Thread(target=self._stamp, daemon=True)

    def _stamp(self) -> None:
        while not self._over.is_set():
            self._connection.execute(self._statement)
            self._over.wait(1)

    def __enter__(self) -> None:
        self._connection.execute(self._statement)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._connection.close()


def _wait(connection: psycopg.Connection[tuple[object, ...]], at: Any) -> None:
    connection.execute(
        "SELECT pg_sleep(greatest(0, extract(epoch FROM %s - clock_timestamp())::float))", [at]
    )


def _count(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row: Any = connection.execute("SELECT count(*) FROM incidents_incident").fetchone()
    return int(row[0])


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(say: Callable[[str], None] = print) -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.floods", description=__doc__)
    parser.add_argument("monitors", type=int)
    parser.add_argument("due", type=int)
    parser.add_argument("--on", type=Path, metavar="DIR", help="where the database is to lie")
    options = parser.parse_args()
    with made_bed(options.on) as bed:
        # To the mass guard a flood may be a wave, which it would hold back: the engine is measured.
        os.environ.update(bed.environment, MASS_GUARD_SECONDS="0")
        import django

        django.setup()
        population = populate(bed, monitors=options.monitors)
        say(str(asdict(measure_flood(bed, population, due=options.due))))


if __name__ == "__main__":
    main()
