"""A herd: everything pushes at second :00, each over a connection of its own."""

from __future__ import annotations

import json
import random
import tempfile
import time
from datetime import UTC, datetime

from bench.plot import draw_lines
from bench.population import Population
from bench.strain.ground import Say, Scale, clear, count, fill, run_module, until
from bench.strain.verdict import Found, percentile
from bench.whole import Installation

CADENCE, WINDOW = 60, 75  # seconds; so the herd's pushes have 15 s to be stored
LEAD_SECONDS = 5.0  # from the last preparation to the moment
DEAD = 10  # monitors of the herd that really have ended
SETTLE_SECONDS = 10.0  # after the windows are over

WORDS = f"""{{herd:,}} monitors push at second :00, each over a new connection and within 0.2 s, as
cron jobs of many machines do; what is refused asks again after the Retry-After. Each window ends
{WINDOW - CADENCE} s after the moment. {DEAD} of the monitors have really ended: they must be found
and nobody else. The clients share the machine's cores."""

# name: align
# Let all have pushed at the full minute before.
ALIGN = """
UPDATE monitors_heartbeat SET last_push_at = %(before)s, clock_from = %(before)s,
  check_at = %(due)s
"""
STORED = "SELECT count(*) FROM monitors_pushresult WHERE id = ANY(%s::uuid[])"
DOWN = "SELECT count(*) FROM monitors_transition WHERE to_state = 'down'"
INCIDENTS = "SELECT count(*) FROM incidents_incident"
GAPS = "SELECT count(*) FROM monitors_listeninggap"


def run(installation: Installation, scale: Scale, say: Say) -> Found:
    """Let the herd push in its moment and watch who is thought silent afterwards."""
    found = Found("herd", "A herd at second :00", WORDS.format(herd=scale.herd))
    clear(installation)
    fill(installation, monitors=scale.herd + DEAD, window=WINDOW)
    slugs = Population(scale.herd + DEAD).slugs(scale.herd + DEAD)
    random.Random(4).shuffle(slugs)
    at = next_boundary(time.time() + LEAD_SECONDS, every=scale.herd_boundary)
    with installation.connect() as connection:
        times = {"before": at - CADENCE, "due": at - CADENCE + WINDOW}
        connection.execute(
            ALIGN, {name: datetime.fromtimestamp(when, UTC) for name, when in times.items()}
        )
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        connection.execute("TRUNCATE monitors_listeninggap")
    say(f"{scale.herd:,} push in {at - time.time():.1f} s")
    with tempfile.NamedTemporaryFile("w", suffix=".slugs") as chosen:
        chosen.write("\n".join(slugs[DEAD:]))
        chosen.flush()
        printed = run_module(
            "bench.strain.herd_client", str(installation.port), chosen.name, str(at)
        )
    said = json.loads(printed)
    answered: list[float] = said["answered"]
    late = time.time() - at
    refused = sum(said["refused"].values())
    say(f"all answered after {answered[-1] if answered else late:.1f} s, {refused} refused")
    until(
        lambda: (
            time.time() > at + WINDOW - CADENCE + SETTLE_SECONDS
            and count(installation, INCIDENTS) >= DEAD
        ),
        seconds=WINDOW - CADENCE + SETTLE_SECONDS * 3,
        every=0.5,
    )
    down = count(installation, DOWN)
    stored = count(installation, STORED, [said["ids"]])
    found.must("pushes without an answer", scale.herd - len(answered))
    found.must("answered pushes that are not in the database", len(said["ids"]) - stored)
    found.must("monitors found silent (those that had ended)", down, DEAD)
    found.must("incidents open", count(installation, INCIDENTS), DEAD)
    found.tell("until all were answered", f"{answered[-1] if answered else late:.2f} s")
    found.tell("until half were answered", f"{percentile(answered, 0.5):.2f} s")
    found.tell("refused at first, and answered later", _say_refused(said["refused"], refused))
    found.tell("listening gaps", str(count(installation, GAPS)))
    found.figures = {
        "herd": scale.herd,
        "answered_seconds": answered[:: max(1, len(answered) // 200)],
        "all_answered_seconds": answered[-1] if answered else None,
        "refused": said["refused"],
        "down": down,
    }
    found.plots["herd"] = (
        "Share of the herd that was answered, over time",
        draw_lines(
            f"{scale.herd:,} pushes at second :00",
            {
                "answered": [(0.0, 0.0)]
                + [(at, (n + 1) / scale.herd) for n, at in enumerate(answered)]
            },
            x="seconds after the moment",
            y="share of the herd",
        ),
    )
    return found


def next_boundary(at: float, *, every: int) -> float:
    """Return the next full minute, or other multiple of seconds, in Unix seconds."""
    return float(-(-at // every) * every)


def _say_refused(kinds: dict[str, int], refused: int) -> str:
    if not refused:
        return "0"
    return f"{refused:,} (" + ", ".join(f"{kind}: {n:,}" for kind, n in kinds.items()) + ")"
