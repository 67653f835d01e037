"""Pushes per second over HTTP: the lane, the DRF way, a form, and the empty answer beside them."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.installation import Bed, serving
from bench.load import press
from bench.population import Population, settle

SLUGS = 2000
APPLICATION = "config.asgi:application"
EMPTY = "bench.empty:application"

# name: hot
# How many heartbeats were updated, and how many of those within their page and without an index.
HOT = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'monitors_heartbeat'
"""


@dataclass(frozen=True)
class Way:
    """One way of answering pushes."""

    name: str
    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    stored: int | None  # rows that the answers left behind; None where nothing is stored
    hot: float | None  # the share of heartbeat updates that were HOT


@dataclass(frozen=True)
class Plan:
    """What to serve, and how to push to it."""

    name: str
    application: str = APPLICATION
    form: bool = False
    processes: int = 1
    lane: str = "on"
    options: tuple[str, ...] = ()


PLANS = (
    Plan("lane"),
    Plan("lane, two processes on one port", processes=2),
    Plan("form, by DRF", form=True),
    Plan("JSON, by DRF (PUSH_LANE=off)", lane="off"),
    Plan("empty answer, the same server", application=EMPTY),
    Plan("empty answer, gunicorn's ASGI worker", application=EMPTY, options=("-k", "asgi")),
)


def measure_pushes(
    bed: Bed, population: Population, *, seconds: float, rounds: int, say: Callable[[str], None]
) -> list[Way]:
    """Measure each way in turns, each `rounds` times for `seconds`, and return the medians.

    All servers are up all the time and one is pushed to: what else the machine does in a moment
    falls on all ways alike, so that their ratios hold where their figures do not.
    """
    settle(bed, window=90)
    slugs = population.slugs(SLUGS)
    runs: dict[str, list[Way]] = {plan.name: [] for plan in PLANS}
    with contextlib.ExitStack() as servers:
        urls = {}
        for plan in PLANS:
            urls[plan.name] = servers.enter_context(
                serving(
                    plan.application,
                    bed,
                    options=plan.options,
                    processes=plan.processes,
                    PUSH_LANE=plan.lane,
                )
            )
            press(urls[plan.name], slugs, seconds=2, form=plan.form)  # first pushes, warm caches
        for _ in range(rounds):
            for plan in PLANS:
                runs[plan.name].append(_measure(bed, plan, urls[plan.name], slugs, seconds))
    ways = [_median(runs[plan.name]) for plan in PLANS]
    for way in ways:
        say(f"{way.name}: {way.per_second:,.0f}/s, p99 {way.p99_ms:.1f} ms")
    return ways


def _measure(bed: Bed, plan: Plan, url: str, slugs: list[str], seconds: float) -> Way:
    stores = plan.application == APPLICATION
    before = _read(bed) if stores else (0, 0, 0)
    load = press(url, slugs, seconds=seconds, form=plan.form)
    after = _read(bed) if stores else (0, 0, 0)
    rows, updates, hot = (late - early for late, early in zip(after, before, strict=True))
    if stores and rows < load.answers:
        raise AssertionError(f"{plan.name}: {load.answers} answered, {rows} stored")
    return Way(
        name=plan.name,
        per_second=load.per_second,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        answers=load.answers,
        stored=rows if stores else None,
        hot=hot / updates if updates else None,
    )


def _median(runs: list[Way]) -> Way:
    """Return medians of speed and latencies, sums of answers and rows, the least share of HOT."""
    stored = [run.stored for run in runs if run.stored is not None]
    return Way(
        name=runs[0].name,
        per_second=statistics.median(run.per_second for run in runs),
        p50_ms=statistics.median(run.p50_ms for run in runs),
        p99_ms=statistics.median(run.p99_ms for run in runs),
        answers=sum(run.answers for run in runs),
        stored=sum(stored) if stored else None,
        hot=min((run.hot for run in runs if run.hot is not None), default=None),
    )


def _read(bed: Bed) -> tuple[int, int, int]:
    """Return rows stored, heartbeat updates, and HOT ones among them, so far."""
    time.sleep(1.5)  # sessions report their counts about once a second
    with bed.connect() as connection:
        rows: Any = connection.execute("SELECT count(*) FROM monitors_pushresult").fetchone()
        hot: Any = connection.execute(HOT).fetchone()
    return rows[0], hot[0], hot[1]
