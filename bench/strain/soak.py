"""An hour's soak: does anything grow that should not?"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from bench.plot import draw_lines
from bench.population import Population
from bench.strain.ground import (
    Say,
    Scale,
    aside,
    beside,
    clear,
    count,
    fill,
    route_to,
    run_module,
    until,
)
from bench.strain.living import Life, Outages, People, Steady, say_all
from bench.strain.sampling import MB, Sampler, Trend, fit
from bench.strain.verdict import Found, percentile
from bench.whole import Installation, Receiver

OWNER, TEAM = "ana@soak.example", "soak"
WINDOW = 900
APART_SECONDS, SHORT_APART_SECONDS = 12.0, 3.0  # from one failure to the next
AGAIN_SECONDS = 1200  # until a monitor fails again; sooner, it would be flapping
# What counts as flat: less than either of these, by a straight line after the warm-up.
FLAT_SHARE = 0.05  # of the mean, in an hour
FLAT_MB = 4.0  # in an hour
MOST_CONNECTIONS, MOST_KEYS = 120, 100
FLAT_CONNECTIONS, FLAT_KEYS = 3.0, 3.0  # in an hour
LEAST_SAMPLES = 8
SETTLE_SECONDS = 60.0  # at most, until the last recovery is handled and told

WORDS = f"""{{monitors:,}} monitors push {{rate:g}} times a second in all, {{failing}} others fail
and recover in turns and page a webhook, and twice a second somebody opens a page of the console or
reads the API, for {{minutes:g}} minutes. Every {{every:g}} s each process is looked at from
outside: its memory with that of its children (the kernel's proportional share; of PostgreSQL what
is private, since its shared buffers fill once), connections, broker keys, dead rows. The first
quarter is warm-up; through the rest goes a straight line. Flat is a growth of less than
{FLAT_SHARE:.0%} of the mean or {FLAT_MB:g} MB in an hour."""

INCIDENTS = "SELECT count(*) FROM incidents_incident WHERE monitor_name LIKE 'failing-%'"
DELIVERED = """
SELECT count(*) FROM incidents_delivery d JOIN incidents_incident i ON i.id = d.incident_id
WHERE i.monitor_name LIKE 'failing-%' AND d.event = 'incident.opened' AND d.state = 'delivered'
"""
FALSE = "SELECT count(*) FROM incidents_incident WHERE monitor_name LIKE 'worker-%'"
STORED = "SELECT count(*) FROM monitors_pushresult r WHERE received_at >= %s"
STILL_OPEN = "SELECT count(*) FROM incidents_incident WHERE state <> 'resolved'"
UNHANDLED = "SELECT count(*) FROM monitors_transition WHERE handled_at IS NULL"


def run(installation: Installation, scale: Scale, say: Say) -> Found:
    """Let life go on for so long and sample; judge what grew."""
    apart = SHORT_APART_SECONDS if scale.is_short else APART_SECONDS
    failing_count = int(min(scale.soak, AGAIN_SECONDS) / apart) + 1
    words = WORDS.format(
        monitors=scale.soak_monitors,
        rate=scale.soak_pushes,
        minutes=round(scale.soak / 60, 1),
        every=scale.soak_every,
        failing=failing_count,
    )
    found = Found("soak", "Soak", words)
    clear(installation)
    fill(installation, monitors=scale.soak_monitors, window=WINDOW)
    slugs = Population(scale.soak_monitors).slugs(scale.soak_monitors)
    random.Random(5).shuffle(slugs)
    key = installation.bootstrap(OWNER, TEAM)
    environment = beside(installation).environment
    cookie = run_module("bench.strain.session", OWNER, environment=environment).strip()
    life, sampler = Life(), Sampler(installation)
    with Receiver() as receiver:
        route_to(installation, key, receiver.url)
        failing = [
            installation.create(key, "monitors", name=f"failing-{n}-end", silent_after=86_400)
            for n in range(failing_count)
        ]
        for monitor in failing:
            installation.push(monitor, "pass")
        began = datetime.now(UTC)
        with aside(
            Steady(installation, life, slugs, rate=scale.soak_pushes),
            Outages(installation, life, failing, apart=apart),
            People(installation, life, team=TEAM, cookie=cookie, key=key),
        ):
            _sample(sampler, scale, say)
        until(lambda: _is_quiet(installation, life), seconds=SETTLE_SECONDS, every=0.5)
        paged = len(receiver.arrived.keys() & life.failed)
    stored = count(installation, STORED, [began])
    found.must("answered pushes that are not in the database", max(0, life.pushed - stored))
    found.must("incidents of monitors that went on pushing", count(installation, FALSE))
    outages = count(installation, INCIDENTS)
    found.must("failures that opened no incident", life.failures - outages)
    found.must("incidents whose page was not delivered", outages - count(installation, DELIVERED))
    found.must("failed monitors that the receiver never heard of", len(life.failed) - paged)
    found.must("incidents open after all had recovered", count(installation, STILL_OPEN))
    found.must("changes of state that nobody handled", count(installation, UNHANDLED))
    _judge(found, sampler, scale)
    found.owe("pushes refused", life.push_refused, "==", 0, "{:,.0f}")
    found.owe("pages refused", sum(life.look_refused.values()), "==", 0, "{:,.0f}")
    found.tell("refusals by kind", say_all(life.look_refused))
    found.tell(
        "page p50, p99",
        f"{percentile(life.look_ms, 0.5):.0f} ms, {percentile(life.look_ms, 0.99):.0f} ms",
    )
    found.tell("pushes, outages, pages", f"{life.pushed:,}, {outages:,}, {life.looked:,}")
    found.figures["life"] = {"pushed": life.pushed, "outages": outages, "looked": life.looked}
    return found


def _is_quiet(installation: Installation, life: Life) -> bool:
    """Return whether every outage is over and was told."""
    return (
        count(installation, STILL_OPEN) == 0
        and count(installation, UNHANDLED) == 0
        and count(installation, DELIVERED) >= life.failures
    )


def _sample(sampler: Sampler, scale: Scale, say: Say) -> None:
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < scale.soak:
        sample = sampler.look()
        if len(sampler.samples) % 30 == 1:
            memory = sum(sample.proportional.values()) / MB
            say(
                f"{elapsed:5.0f} s: {memory:.0f} MB, {sample.connections} connections, "
                f"{sample.broker_keys} broker keys"
            )
        time.sleep(max(0.0, scale.soak_every * len(sampler.samples) - elapsed))


def is_flat(trend: Trend) -> bool:
    """Return whether memory in MB that goes like this counts as flat."""
    return trend.per_hour < max(FLAT_MB, FLAT_SHARE * trend.mean)


def _judge(found: Found, sampler: Sampler, scale: Scale) -> None:
    times, samples = sampler.times(), sampler.samples
    connections = [float(sample.connections) for sample in samples]
    keys = [float(sample.broker_keys) for sample in samples]
    restarted = sampler.restarted()
    found.must_hold(
        "samples", len(samples) >= LEAST_SAMPLES, str(len(samples)), f">= {LEAST_SAMPLES}"
    )
    found.must_hold(
        "connections to the database, most",
        max(connections) <= MOST_CONNECTIONS,
        f"{max(connections):.0f}",
        f"<= {MOST_CONNECTIONS}",
    )
    found.must_hold(
        "broker keys, most", max(keys) <= MOST_KEYS, f"{max(keys):.0f}", f"<= {MOST_KEYS}"
    )
    found.must_hold(
        "processes that were restarted", not restarted, ", ".join(restarted) or "0", "0"
    )
    memory = {name: values for name, values in sampler.memory().items() if max(values) > 0}
    found.must_hold("processes sampled", len(memory) >= 8, str(len(memory)), ">= 8")
    trends = {name: fit(times, values) for name, values in memory.items()}
    if not scale.is_short:  # a line through a minute says nothing about an hour
        for name, trend in trends.items():
            limit = max(FLAT_MB, FLAT_SHARE * trend.mean)
            found.owe(f"growth of {name} in an hour", trend.per_hour, "<", limit, "{:+.1f} MB")
        for name, values, limit in (
            ("connections", connections, FLAT_CONNECTIONS),
            ("broker keys", keys, FLAT_KEYS),
        ):
            per_hour = fit(times, values).per_hour
            found.owe(f"growth of {name} in an hour", per_hour, "<", limit, "{:+.1f}")
        sizes = [sample.sizes["monitors_heartbeat"] / MB for sample in samples]
        trend = fit(times, sizes)
        limit = max(FLAT_MB, FLAT_SHARE * trend.mean)
        found.owe(
            "growth of the heartbeats' table in an hour", trend.per_hour, "<", limit, "{:+.1f} MB"
        )
    rows = [
        (
            name,
            f"{memory[name][0]:.1f} MB",
            f"{trend.mean:.1f} MB",
            f"{max(memory[name]):.1f} MB",
            "" if scale.is_short else f"{trend.per_hour:+.2f} MB, {trend.share_per_hour:+.1%}",
        )
        for name, trend in trends.items()
    ]
    found.tables.append((("process", "at first", "mean", "most", "growth in an hour"), rows))
    dead = [
        (table, f"{max(s.dead.get(table, 0) for s in samples):,}", f"{samples[-1].dead[table]:,}")
        for table in samples[-1].dead
    ]
    found.tables.append((("table", "dead rows, most", "at the end"), dead))
    found.tell("broker memory, most", f"{max(s.broker_bytes for s in samples) / MB:.1f} MB")
    _plot(found, times, memory, connections, keys)
    found.figures |= {
        "seconds": times,
        "memory_mb": memory,
        "resident_bytes": [sample.resident for sample in samples],
        "connections": connections,
        "broker_keys": keys,
        "broker_bytes": [sample.broker_bytes for sample in samples],
        "dead": [sample.dead for sample in samples],
        "sizes": [sample.sizes for sample in samples],
    }


def _plot(
    found: Found,
    times: list[float],
    memory: dict[str, list[float]],
    connections: list[float],
    keys: list[float],
) -> None:
    minutes = [at / 60 for at in times]

    def lines(series: dict[str, list[float]]) -> dict[str, list[tuple[float, float]]]:
        return {n: list(zip(minutes, values, strict=True)) for n, values in series.items()}

    found.plots["soak-memory"] = (
        "Memory of each process over the soak",
        draw_lines("Memory of each process", lines(memory), x="minutes", y="MB"),
    )
    both = {"connections to the database": connections, "broker keys": keys}
    found.plots["soak-held"] = (
        "Connections and broker keys over the soak",
        draw_lines("Connections and broker keys", lines(both), x="minutes", y="held"),
    )
