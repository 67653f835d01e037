"""Sustained pushes: as fast as they are answered, for minutes, beside an empty answer."""

from __future__ import annotations

import os
import statistics

from bench.installation import serving
from bench.load import CONNECTIONS, Load, press
from bench.plot import draw_lines
from bench.population import Population
from bench.strain.ground import Say, Scale, beside, count, fill
from bench.strain.verdict import Found
from bench.whole import Installation

EMPTY = "bench.empty:application"
SLUGS, MONITORS, WINDOW = 2_000, 20_000, 3600
P99_MS = 20.0
KEPT_SHARE = 0.8  # of the first slices' rate, in the last ones

WORDS = f"""{CONNECTIONS} connections push to {SLUGS:,} of {MONITORS:,} monitors of an installation
by `make up` (two server processes, every commit on disk) as fast as they are answered, in slices of
{{slice}} s one after the other. Before and after, the same connections get an empty answer of the
same server, also from two processes. Every answer is looked for in the database afterwards."""

STORED = "SELECT count(*) FROM monitors_pushresult"


def run(installation: Installation, scale: Scale, say: Say) -> Found:
    """Push for so long; return rates, latencies and what was refused or lost."""
    found = Found("sustained", "Sustained pushes", WORDS.format(slice=scale.sustained_slice))
    fill(installation, monitors=MONITORS, window=WINDOW)
    slugs = Population(MONITORS).slugs(SLUGS)
    url = f"http://127.0.0.1:{installation.port}"
    empty = [_press_empty(installation, slugs, scale.empty)]
    press(url, slugs, seconds=1 if scale.is_short else 5, may_refuse=True)  # warm caches
    before = count(installation, STORED)
    slices: list[Load] = []
    for _ in range(scale.sustained_slices):
        slices.append(press(url, slugs, seconds=scale.sustained_slice, may_refuse=True))
        say(f"{slices[-1].per_second:,.0f} pushes/s, p99 {slices[-1].p99_ms:.1f} ms")
    stored = count(installation, STORED) - before
    empty.append(_press_empty(installation, slugs, scale.empty))
    _judge(found, slices, empty, stored, scale)
    return found


def _press_empty(installation: Installation, slugs: list[str], seconds: int) -> Load:
    with serving(EMPTY, beside(installation), processes=2) as url:
        press(url, slugs, seconds=1)
        return press(url, slugs, seconds=seconds)


def _judge(found: Found, slices: list[Load], empty: list[Load], stored: int, scale: Scale) -> None:
    rates = [load.per_second for load in slices]
    rate, nothing = statistics.median(rates), statistics.mean(one.per_second for one in empty)
    refused = sum(load.refused for load in slices)
    answered = sum(load.answers for load in slices) - refused
    third = max(1, len(slices) // 3)
    kept = statistics.mean(rates[-third:]) / statistics.mean(rates[:third])
    seconds = scale.sustained_slice * scale.sustained_slices
    found.must("answered pushes that are not in the database", max(0, answered - stored))
    found.owe("refused", refused, "==", 0, "{:,.0f}")
    broken = sum(load.broken for load in slices)
    found.owe("connections broken", broken, "==", 0, "{:,.0f}")
    found.owe("p99", statistics.median(load.p99_ms for load in slices), "<", P99_MS, "{:.1f} ms")
    found.owe("rate at the end, of that at the beginning", kept, ">=", KEPT_SHARE, "{:.2f} x")
    found.tell("of an empty answer", f"{rate / nothing:.2f} x of {nothing:,.0f}/s")
    found.tell("pushes per second", f"{rate:,.0f}/s over {seconds} s")
    found.tell("p50", f"{statistics.median(load.p50_ms for load in slices):.1f} ms")
    found.tell("answered, stored", f"{answered:,}, {stored:,}")
    found.figures = {
        "slices": [load.__dict__ for load in slices],
        "empty": [load.__dict__ for load in empty],
        "stored": stored,
        "load": os.getloadavg()[0],
    }
    at = [(n + 1) * scale.sustained_slice for n in range(len(slices))]
    found.plots["sustained"] = (
        "Pushes answered per second over time, as a share of the empty answer's rate",
        draw_lines(
            "Sustained pushes, of the rate of an empty answer",
            {
                "answered": [(x, r / nothing) for x, r in zip(at, rates, strict=True)],
            },
            x="seconds",
            y="of the empty answer's rate",
        ),
    )
