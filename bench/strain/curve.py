"""The cost of a round against how much there is, and against how much is due."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

from bench.installation import Bed
from bench.plot import draw_lines
from bench.population import clear_history, grow, populate
from bench.strain.ground import Say, Scale
from bench.strain.verdict import Found
from bench.sweeps import SILENCE_SOME

# The cost at the largest size, of that at the smallest; in pages it is the same on every machine.
FLAT_TIMES, FLAT_PAGES = 2.0, 2.0
# So much dearer may one due monitor be at the end of the curve than at its beginning.
EACH_TIMES = 2.0
MOST_ROUNDS = 50

# name: rest_all
# Everything is up, and no alarm rings for a day.
REST_ALL = """
UPDATE monitors_heartbeat SET state = 'up', cause = NULL, open_causes = 0, down_since = NULL,
  last_push_at = now(), clock_from = now(), check_at = now() + interval '1 day'
"""

WORDS = """The engine's own round (`incidents.engine.run_round`: sweep, incidents with their
messages, steps, timers) in one process, {rounds} times at each point, the median shown. Once with
{due:,} due among ever more monitors, once with ever more due among {size:,}. Pages are the blocks
of the database that the round's session touched, which no other work on the machine changes.
A cost that depends on what is due alone is a flat first line and a straight second one."""

# name: touched
# Blocks that this session asked for so far, found in memory or not.
TOUCHED = """
SELECT sum(coalesce(hits, 0) + coalesce(reads, 0))::bigint
FROM pg_stat_get_backend_io(pg_backend_pid()) WHERE object = 'relation'
"""


@dataclass(frozen=True)
class Point:
    """One point of the curve: medians of its rounds. Idle rounds are those with nothing due."""

    monitors: int
    due: int
    seconds: float
    pages: float
    idle_seconds: float
    idle_pages: float


def run(bed: Bed, scale: Scale, say: Say) -> Found:
    """Measure both curves. The environment must lead Django to this bed."""
    from django_scopes import scopes_disabled

    with scopes_disabled():
        return _run(bed, scale, say)


def _run(bed: Bed, scale: Scale, say: Say) -> Found:
    largest = scale.curve_sizes[-1]
    words = WORDS.format(rounds=scale.curve_rounds, due=scale.curve_due, size=largest)
    found = Found("curve", "What a round costs, against size", words)
    population = populate(bed, monitors=scale.curve_sizes[0])
    by_size, by_due = [], []
    for size in scale.curve_sizes:
        if population.monitors != size:
            population = grow(bed, population, monitors=size)
        by_size.append(_measure(bed, size, scale.curve_due, scale.curve_rounds))
        say(_told(by_size[-1]))
    for due in scale.curve_growing:
        by_due.append(_measure(bed, largest, due, scale.curve_rounds))
        say(_told(by_due[-1]))
    _judge(found, by_size, by_due)
    return found


def _told(point: Point) -> str:
    return (
        f"{point.monitors:,} monitors, {point.due:,} due: {point.seconds:.2f} s, "
        f"{point.pages:,.0f} pages; idle {point.idle_seconds * 1000:.1f} ms"
    )


def _measure(bed: Bed, monitors: int, due: int, rounds: int) -> Point:
    """Let that many fall due, again and again, and run the engine's round each time."""
    from monitors.ingest.listening import STAMP

    taken, idle = [], []
    for number in range(rounds):
        with bed.connect() as connection:
            _rest(connection, everything=number == 0)
            silenced = connection.execute(SILENCE_SOME, {"every": monitors // due}).rowcount
            for table in ("monitors_heartbeat", "incidents_incident", "monitors_transition"):
                connection.execute(f"VACUUM (ANALYZE) {table}")
            connection.execute("CHECKPOINT")
            connection.execute(STAMP)
            connection.execute("TRUNCATE monitors_listeninggap")
        taken.append(_round(silenced))
        with bed.connect() as connection:
            connection.execute(STAMP)
        idle.append(_round(0))
    return Point(
        monitors,
        due,
        *(statistics.median(values) for values in zip(*taken, strict=True)),
        *(statistics.median(values) for values in zip(*idle, strict=True)),
    )


def _rest(connection: Any, *, everything: bool) -> None:
    """Let nothing be due: at first all rows are written, later those that the last round moved."""
    clear_history(connection)
    connection.execute(REST_ALL if everything else f"{REST_ALL} WHERE state <> 'up'")
    connection.execute("VACUUM monitors_heartbeat")


def _round(due: int) -> tuple[float, float]:
    """Run one round; return its seconds and the pages that it touched."""
    from incidents.engine import run_round

    took, pages = 0.0, 0.0
    for _ in range(MOST_ROUNDS):  # a round ends by itself while much is left
        before = _touched()
        started = time.monotonic()
        run_round()
        took += time.monotonic() - started
        pages += _touched() - before
        if not due or (opened := _count_open()) >= due:
            break
    if due and opened != due:
        raise AssertionError(f"{due} due, {opened} incidents")
    return took, pages


def _count_open() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM incidents_incident WHERE resolved_at IS NULL")
        return int(cursor.fetchone()[0])


def _touched() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(TOUCHED)
        return int(cursor.fetchone()[0])


def _judge(found: Found, by_size: list[Point], by_due: list[Point]) -> None:
    first, last = by_size[0], by_size[-1]
    growth = last.monitors / first.monitors
    found.must_hold(
        f"pages of a round at {growth:.0f} x the monitors, the same due",
        last.pages / first.pages <= FLAT_PAGES,
        f"{last.pages / first.pages:.2f} x",
        f"<= {FLAT_PAGES:g} x",
    )
    found.owe(
        f"time of a round at {growth:.0f} x the monitors, the same due",
        last.seconds / first.seconds,
        "<=",
        FLAT_TIMES,
        "{:.2f} x",
    )
    found.owe(
        f"pages of a round with nothing due, at {growth:.0f} x the monitors",
        last.idle_pages / max(1, first.idle_pages),
        "<=",
        FLAT_PAGES,
        "{:.2f} x",
    )
    few, many = by_due[0], by_due[-1]
    more = many.due / few.due
    found.owe(
        f"time for each due one, at {more:.0f} x as many due",
        many.seconds / few.seconds / more,
        "<=",
        EACH_TIMES,
        "{:.2f} x",
    )
    found.tell(
        "time of a round with nothing due, smallest and largest",
        f"{first.idle_seconds * 1000:.1f} ms, {last.idle_seconds * 1000:.1f} ms",
    )
    head = ("monitors", "due", "time", "of the first", "pages", "of the first", "nothing due")
    for points in (by_size, by_due):
        base = points[0]
        # Pages are those of this session: where threads have others, they are not all of them.
        counted = points is by_size
        rows = [
            (
                f"{point.monitors:,}",
                f"{point.due:,}",
                f"{point.seconds:.2f} s",
                f"{point.seconds / base.seconds:.2f} x",
                f"{point.pages:,.0f}" if counted else "",
                f"{point.pages / base.pages:.2f} x" if counted else "",
                f"{point.idle_seconds * 1000:.1f} ms, {point.idle_pages:,.0f} pages",
            )
            for point in points
        ]
        found.tables.append((head, rows))
    for name, points, key, what in (
        ("curve-size", by_size, "monitors", f"monitors, {by_size[0].due:,} of them due"),
        ("curve-due", by_due, "due", f"due among {by_due[0].monitors:,} monitors"),
    ):
        base = points[0]
        start = getattr(base, key)
        lines = {
            "time": [(getattr(p, key), p.seconds / base.seconds) for p in points],
            "pages": [(getattr(p, key), p.pages / base.pages) for p in points],
            "proportional": [(getattr(p, key), getattr(p, key) / start) for p in points],
        }
        if points is by_due:
            del lines["pages"]
        told = "what there is" if key == "monitors" else "what is due"
        found.plots[name] = (
            f"The cost of a round against {told}, as a multiple of the first point",
            draw_lines(f"A round against {told}", lines, x=what, y="of the first", log=True),
        )
    found.figures = {
        "by_size": [point.__dict__ for point in by_size],
        "by_due": [point.__dict__ for point in by_due],
        "load": os.getloadavg()[0],
    }
