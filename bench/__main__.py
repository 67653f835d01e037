"""`make bench`, or `python -m bench`: everything in one run, on servers of its own.

--quick measures less of everything, in two minutes. --large adds a million monitors, some fifteen
minutes more. --only names parts. A whole run that is not quick writes docs/performance.md; every
run leaves its figures as JSON in var/bench/.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.installation import Bed, made_bed
from bench.population import Population, grow, populate
from config.installation import PROJECT

PARTS = ("pushes", "statement", "alarms", "sweep", "outages", "on-call", "pages", "console")
MANY_MONITORS = 1_000_000
PROBES, OUTAGE, LARGE_OUTAGE = 200, 10_000, 100_000
RESULTS = PROJECT / "var" / "bench"
PAGE = PROJECT / "docs" / "performance.md"


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long each part takes its measurements, in seconds, and of how much."""

    monitors: int
    silent: int
    pushes: float
    rounds: int
    statement: float
    alarms: float
    steady: float
    windows: tuple[int, ...]
    outages: tuple[int, ...]
    on_call_minutes: float
    looks: int


FULL = Effort(
    monitors=100_000,
    silent=10_000,
    pushes=5,
    rounds=3,
    statement=3,
    alarms=10,
    steady=30,
    windows=(90, 300),
    outages=(OUTAGE, LARGE_OUTAGE),
    on_call_minutes=3.2,
    looks=30,
)
QUICK = Effort(
    monitors=20_000,
    silent=1_000,
    pushes=2,
    rounds=1,
    statement=0.5,
    alarms=2,
    steady=6,
    windows=(90,),
    outages=(OUTAGE,),
    on_call_minutes=1.4,
    looks=10,
)


def measure(
    bed: Bed, effort: Effort, parts: list[str], *, large: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return all figures, by part."""
    from bench.facts import read_facts

    figures: dict[str, Any] = {"facts": read_facts(bed)}
    for name, value in figures["facts"].items():
        say(f"  {name}: {value}")
    figures["engine"] = []
    if "pages" in parts:
        from bench.pages import measure_pages

        readings = measure_pages(bed, seconds=effort.pushes, rounds=effort.rounds, say=say)
        figures["pages"] = [dataclasses.asdict(reading) for reading in readings]
    if "console" in parts:
        from bench.console import measure_console
        from bench.population import clear_console

        figures["console"] = measure_console(bed, rounds=effort.looks, say=say)
        clear_console(bed)
    if not set(parts) - {"on-call", "pages", "console"}:
        return figures
    population = populate(bed, monitors=effort.monitors)
    say(f"{effort.monitors:,} monitors")
    _measure_pushing(bed, population, effort, parts, figures, say)
    figures["engine"] = [
        _measure_engine(bed, population, effort, parts, "push", effort.outages, say)
    ]
    if large:
        population = grow(bed, population, monitors=MANY_MONITORS)
        say(f"{MANY_MONITORS:,} monitors")
        figures["engine"].append(
            _measure_engine(bed, population, effort, parts, "touch", (LARGE_OUTAGE,), say)
        )
    return figures


def _measure_pushing(
    bed: Bed,
    population: Population,
    effort: Effort,
    parts: list[str],
    figures: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    from bench import alarms, pushes, statements

    if "pushes" in parts:
        ways = pushes.measure_pushes(
            bed, population, seconds=effort.pushes, rounds=effort.rounds, say=say
        )
        figures["pushes"] = [dataclasses.asdict(way) for way in ways]
    if "statement" in parts:
        batches = statements.measure_batches(bed, population, seconds=effort.statement)
        figures["statement"] = [dataclasses.asdict(batch) for batch in batches]
        for batch in batches:
            say(f"statement, {batch.size} in a batch: {batch.rows_per_second:,.0f} rows/s")
    if "alarms" in parts:
        costs = alarms.measure_alarms(bed, population, seconds=effort.alarms)
        figures["alarms"] = [dataclasses.asdict(cost) for cost in costs]
        for cost in costs:
            say(f"{cost.name}: {cost.microseconds:.1f} µs, {cost.wal_bytes:.0f} bytes of log")


def _measure_engine(
    bed: Bed,
    population: Population,
    effort: Effort,
    parts: list[str],
    way: str,
    outages: tuple[int, ...],
    say: Callable[[str], None],
) -> dict[str, Any]:
    from bench import sweeps

    found: dict[str, Any] = {"monitors": population.monitors, "steady": [], "outages": []}
    if "sweep" in parts:
        most = max(20.0, effort.steady)
        found["rearms"] = sweeps.measure_rearms(bed, population, most_seconds=most)
        found["rearms_after_gap"] = sweeps.measure_rearms(
            bed, population, most_seconds=most, gap=True
        )
        say(
            f"sweep: {found['rearms']:,.0f} re-arms/s, "
            f"{found['rearms_after_gap']:,.0f}/s after a restart"
        )
        for window in effort.windows:
            for silent in (PROBES, effort.silent):
                steady = sweeps.measure_steady(
                    bed, population, window=window, silent=silent, seconds=effort.steady, way=way
                )
                needed = sweeps.rearms_needed(population.monitors, window)
                found["steady"].append({**dataclasses.asdict(steady), "rearms_needed": needed})
                say(
                    f"60/{window}, {silent:,} silent: due to incident p50 "
                    f"{steady.lag_p50_seconds:.2f} s, p99 {steady.lag_p99_seconds:.2f} s"
                )
    if "outages" in parts:
        for due in outages:
            outage = sweeps.measure_outage(bed, population, due=due)
            found["outages"].append(dataclasses.asdict(outage))
            say(
                f"{due:,} due at once: swept in {outage.sweep_seconds:.2f} s, incidents and "
                f"messages in {outage.advance_seconds:.2f} s more"
            )
    return found


def main() -> int:
    """Measure what the command line asks for, and write the figures down."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, two minutes")
    parser.add_argument("--large", action="store_true", help="a million monitors too")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--on", type=Path, metavar="DIR", help="where the database is to lie")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md anyway")
    options = parser.parse_args()
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {line}", flush=True)

    with made_bed(options.on) as bed:
        # All monitors of all teams silent at once are a wave, which the mass guard would hold back:
        # it is the engine that is measured.
        os.environ.update(bed.environment, MASS_GUARD_SECONDS="0")
        import django

        django.setup()
        effort = QUICK if options.quick else FULL
        figures = measure(bed, effort, list(options.only), large=options.large, say=say)
    if "on-call" in options.only:
        # After the bed's servers have gone: this part runs a whole installation of its own.
        from bench.on_call import measure_on_call

        figures["on_call"] = dataclasses.asdict(
            measure_on_call(
                monitors=OUTAGE, minutes=effort.on_call_minutes, parent=options.on, say=say
            )
        )
    from bench.report import write_page, write_table

    figures["command"] = " ".join(["python -m bench", *sys.argv[1:]])
    figures["taken_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    figures["took_seconds"] = round(time.monotonic() - started)
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    kept.write_text(json.dumps(figures, indent=2))
    print("\n" + write_table(figures))
    print(f"Figures: {kept.relative_to(PROJECT)}")
    whole = set(options.only) == set(PARTS) and not options.quick
    if whole or options.page:
        from bench.strain.page import join_page, kept_sections

        kept_load = kept_sections(PAGE.read_text()) if PAGE.exists() else {}
        PAGE.write_text(join_page(write_page(figures), kept_load))
        print(f"Page: {PAGE.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
