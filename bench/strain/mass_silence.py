"""Many monitors silent at once among very many, while another team's monitors fall silent too."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Any

from bench.plot import draw_lines
from bench.strain.ground import (
    Say,
    Scale,
    aside,
    clear,
    count,
    fill,
    read_lags,
    route_to,
    until,
)
from bench.strain.verdict import Found
from bench.whole import Installation, Receiver

OTHER = "ben@silence.example"
WINDOW = 86_400  # of the many
OTHER_WINDOW = 10  # of the other team's monitors, in seconds
OTHERS_AFTER = (0.2, 1, 2, 4, 6, 8, 11, 14, 17, 20)  # seconds after the many
ALL_SECONDS, OTHER_SECONDS = 20.0, 5.0
SHARES = [n / 100 for n in range(101)]
LOOK_SECONDS = 1.0

WORDS = """{monitors:,} monitors of a hundred teams, made by generate_series; {silent:,} of them
fall due in one moment. The installation's own processes find them: worker-engine, beat, standby,
worker-deliver and two servers, by `make up`, with every commit on disk. Each incident is told to
its team's owner by mail, as where no rule says otherwise. Ten monitors of another team, which
pushed over HTTP and page a webhook, fall silent meanwhile. A lag runs from the due time to the
commit of the incident with its timeline, by the database's clock."""

# name: silence
# Let some monitors of every team fall due in one moment.
SILENCE = """
UPDATE monitors_heartbeat h SET check_at = %(due)s,
  clock_from = %(due)s - make_interval(secs => %(window)s),
  last_push_at = %(due)s - make_interval(secs => %(window)s)
FROM monitors_monitor m WHERE m.id = h.monitor_id AND m.name LIKE 'worker-%%'
  AND (substr(m.name, 8)::bigint / 100) %% %(every)s = 0
"""
SILENT = "SELECT count(*) FROM monitors_heartbeat WHERE check_at = %s"
# Whether any of the many still waits to be found or handled. Counting would cost what is measured.
WAITING = """
SELECT (EXISTS (SELECT FROM monitors_heartbeat WHERE check_at = %(due)s)
  OR EXISTS (SELECT FROM monitors_transition WHERE handled_at IS NULL AND since = %(due)s))::int
"""
INCIDENTS = "SELECT count(*) FROM incidents_incident WHERE monitor_name LIKE 'worker-%'"
OTHER_INCIDENTS = "SELECT count(*) FROM incidents_incident WHERE monitor_name LIKE 'other-%'"
WRONG = """
SELECT count(*) FROM incidents_incident WHERE monitor_name LIKE 'worker-%%'
  AND (substr(monitor_name, 8)::bigint / 100) %% %s <> 0
"""
TWICE = """
SELECT count(*) FROM (SELECT FROM incidents_incident WHERE state <> 'resolved'
  GROUP BY monitor_id HAVING count(*) > 1) twice
"""
UNTOLD = """
SELECT count(*) FROM incidents_incident i WHERE NOT EXISTS (
  SELECT FROM incidents_delivery d WHERE d.incident_id = i.id)
"""
GAPS = "SELECT count(*) FROM monitors_listeninggap"
SIZE = "SELECT (pg_database_size(current_database()) / 1000000)::int"


def run(installation: Installation, scale: Scale, say: Say) -> Found:
    """Make the many, let some of them and the other team's fall silent, and watch."""
    words = WORDS.format(monitors=scale.monitors, silent=scale.silent)
    found = Found("silence", "Many silent at once", words)
    clear(installation)
    built = fill(installation, monitors=scale.monitors, window=WINDOW)
    size = count(installation, SIZE)
    say(f"{scale.monitors:,} monitors made in {built:.1f} s, {size:,} MB")
    with Receiver() as receiver:
        key = installation.bootstrap(OTHER, "silence")
        route_to(installation, key, receiver.url)
        others = [
            installation.create(key, "monitors", name=f"other-{n}-end", silent_after=OTHER_WINDOW)
            for n in range(len(OTHERS_AFTER))
        ]
        every = max(1, scale.monitors // scale.silent)
        due = _silence(installation, scale, every)
        silent = count(installation, SILENT, [due])
        load_before = os.getloadavg()[0]
        say(f"{silent:,} fall due in {due.timestamp() - time.time():.1f} s")
        with aside(lambda _: _push_others(installation, others, due.timestamp())):
            _watch(installation, silent, due, scale.silent_limit, say)
        until(lambda: len(receiver.arrived) >= len(others), seconds=scale.silent_limit, every=0.5)
        arrived = dict(receiver.arrived)
    _judge(found, installation, silent, every, others, arrived)
    found.tell("the other team's webhook was called for", f"{len(arrived)} of {len(others)}")
    found.tell("listening gaps", str(count(installation, GAPS)))
    found.tell("load before", f"{load_before:.2f}")
    found.tell("making the monitors", f"{built:.0f} s, {size:,} MB in the database")
    found.figures |= {"built_seconds": built, "database_mb": size, "load": load_before}
    return found


def _silence(installation: Installation, scale: Scale, every: int) -> datetime:
    """Choose the moment, let the some fall due in it, and return it."""
    lead = OTHER_WINDOW + 4 + scale.silent / 2_500 + scale.monitors / 25_000
    due = datetime.fromtimestamp(round(time.time() + lead), UTC)
    with installation.connect() as connection:
        connection.execute(SILENCE, {"due": due, "window": WINDOW, "every": every})
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        connection.execute("CHECKPOINT")
        connection.execute("TRUNCATE monitors_listeninggap")
    if time.time() > due.timestamp() - OTHER_WINDOW:
        raise TimeoutError("the moment came before everything was ready")
    return due


def _push_others(installation: Installation, others: list[dict[str, Any]], due: float) -> None:
    """Push the last time for each of the other team's monitors, so that it falls due in turn."""
    for after, monitor in zip(OTHERS_AFTER, others, strict=True):
        time.sleep(max(0.0, due + after - OTHER_WINDOW - time.time()))
        installation.push(monitor, "pass")


def _watch(
    installation: Installation, silent: int, due: datetime, most_seconds: float, say: Say
) -> None:
    """Wait until all incidents are there."""
    moment = due.timestamp()
    time.sleep(max(0.0, moment - time.time()))
    told = threading.Event()

    def is_over() -> bool:
        if not told.is_set() and not count(installation, WAITING, {"due": due}):
            if count(installation, INCIDENTS) < silent:
                return False
            told.set()
            say(f"all seen open {time.time() - moment:.1f} s after the moment")
        return told.is_set() and count(installation, OTHER_INCIDENTS) >= len(OTHERS_AFTER)

    until(is_over, seconds=most_seconds, every=LOOK_SECONDS)


def _judge(
    found: Found,
    installation: Installation,
    silent: int,
    every: int,
    others: list[dict[str, Any]],
    arrived: dict[str, float],
) -> None:
    opened, lags = read_lags(installation, "worker-%", SHARES)
    other_opened, other_lags = read_lags(installation, "other-%", [0.5, 1.0])
    found.must("incidents open, of those that fell silent", opened, silent)
    found.must("incidents of monitors that were not silent", count(installation, WRONG, [every]))
    found.must("monitors with two open incidents", count(installation, TWICE))
    found.must("the other team's incidents", other_opened, len(others))
    found.owe("due to all incidents open", lags[-1], "<=", ALL_SECONDS, "{:.1f} s")
    found.owe(
        "due to incident of the other team meanwhile, most",
        other_lags[1],
        "<=",
        OTHER_SECONDS,
        "{:.2f} s",
    )
    found.tell("the same, p50", f"{other_lags[0]:.2f} s")
    found.tell("due to half of the incidents open", f"{lags[50]:.1f} s")
    found.must("incidents without a message to anybody", count(installation, UNTOLD))
    found.figures = {
        "silent": silent,
        "opened": opened,
        "lags_by_percent": lags,
        "other_p50_seconds": other_lags[0],
        "other_most_seconds": other_lags[1],
        "other_arrived": len(arrived),
    }
    found.plots["silence"] = (
        "Share of the incidents that are open, over time from the moment in which all fell due",
        draw_lines(
            f"{silent:,} silent at once",
            {"incidents open": [(0.0, 0.0), *zip(lags, SHARES, strict=True)]},
            x="seconds after the due time",
            y="share of the incidents",
        ),
    )
