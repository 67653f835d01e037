"""A slow tenant: one team's endpoints drip and break under thousands of messages."""

from __future__ import annotations

import time
from typing import Any

from bench.plot import draw_lines
from bench.strain.endpoints import BadEndpoints
from bench.strain.ground import Say, Scale, clear, count, fill, route_to, until
from bench.strain.verdict import Found, percentile
from bench.whole import Installation, Receiver

SLOW, OTHER = "ana@slow.example", "ben@quick.example"
WINDOW = 86_400
PAGE_SECONDS = 10.0
MOST_SECONDS = 90.0  # after which a page counts as lost

WORDS = """{failing:,} monitors of one team fall silent in one moment. Each incident goes to two
webhooks of that team: one drips a byte a second, the other answers 500. Another team's monitors
fail by pushes, one every {apart:g} s, first without the slow team and then beside it; a page's
latency runs from the push until its webhook was called."""

# name: adopt
# Give monitors and what belongs to them to one team.
ADOPT = """
UPDATE {table} SET team_id = n.team_id{more} FROM accounts_namespace n
WHERE n.name = 'slow'
"""
SILENCE = """
UPDATE monitors_heartbeat h SET check_at = now(), last_push_at = clock_from,
  clock_from = now() - make_interval(secs => m.silent_after)
FROM monitors_monitor m WHERE m.id = h.monitor_id AND m.name LIKE 'worker-%'
"""
INCIDENTS = "SELECT count(*) FROM incidents_incident WHERE monitor_name LIKE 'worker-%'"
TRIED = """
SELECT count(*) FROM incidents_delivery d JOIN incidents_incident i ON i.id = d.incident_id
WHERE i.monitor_name LIKE 'worker-%' AND jsonb_array_length(d.attempts) > 0
"""
WAITING = """
SELECT count(*) FROM incidents_delivery d JOIN incidents_incident i ON i.id = d.incident_id
WHERE i.monitor_name LIKE 'worker-%' AND d.state IN ('pending', 'sending')
"""


def run(installation: Installation, scale: Scale, say: Say) -> Found:
    """Measure the other team's pages alone, then beside the slow team."""
    words = WORDS.format(failing=scale.tenant_failing, apart=scale.tenant_apart)
    found = Found("tenant", "A slow tenant", words)
    clear(installation)
    slow, other = (installation.bootstrap(*team) for team in ((SLOW, "slow"), (OTHER, "quick")))
    fill(installation, monitors=scale.tenant_failing, window=WINDOW)
    _adopt(installation)
    bad, alone_count = BadEndpoints(), max(2, scale.tenant_probes // 3)
    with Receiver() as receiver, bad.serving():
        route_to(installation, slow, f"{bad.url}/drip", f"{bad.url}/broken")
        route_to(installation, other, receiver.url)
        alone = _probe(installation, receiver, other, "alone", alone_count, scale.tenant_apart)
        say(f"alone: page p50 {percentile(alone, 0.5):.2f} s, most {max(alone):.2f} s")
        with installation.connect() as connection:
            connection.execute(SILENCE)
        until(lambda: sum(bad.calls.values()) > 0, seconds=MOST_SECONDS)
        beside = _probe(
            installation, receiver, other, "beside", scale.tenant_probes, scale.tenant_apart
        )
        say(f"beside: page p50 {percentile(beside, 0.5):.2f} s, most {max(beside):.2f} s")
        until(lambda: count(installation, INCIDENTS) >= scale.tenant_failing, seconds=MOST_SECONDS)
    _judge(found, installation, scale, alone, beside)
    found.tell(
        "calls that dripped, calls that failed", f"{bad.calls['drip']:,}, {bad.calls['broken']:,}"
    )
    found.figures |= {"alone": alone, "beside": beside, "calls": bad.calls}
    return found


def _adopt(installation: Installation) -> None:
    with installation.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        for table in ("monitors_heartbeat", "monitors_pushkey"):
            connection.execute(ADOPT.format(table=table, more=""))
        more = ", namespace_id = n.id"
        connection.execute(ADOPT.format(table="monitors_monitor", more=more))
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")


def _probe(
    installation: Installation, receiver: Receiver, key: str, name: str, probes: int, apart: float
) -> list[float]:
    """Let monitors of the other team fail in turn; return the latency of each page in seconds."""
    monitors: list[dict[str, Any]] = [
        installation.create(key, "monitors", name=f"{name}-{n}-end", silent_after=3600)
        for n in range(probes)
    ]
    pushed: dict[str, float] = {}
    for monitor in monitors:
        installation.push(monitor, "pass")
    for monitor in monitors:
        pushed[monitor["name"]] = time.time()
        installation.push(monitor, "fail")
        time.sleep(apart)
    until(lambda: pushed.keys() <= receiver.arrived.keys(), seconds=MOST_SECONDS)
    return [receiver.arrived.get(probe, float("inf")) - at for probe, at in pushed.items()]


def _judge(
    found: Found,
    installation: Installation,
    scale: Scale,
    alone: list[float],
    beside: list[float],
) -> None:
    lost = sum(1 for latency in alone + beside if latency == float("inf"))
    found.must("pages of the other team that never came", lost)
    found.must(
        "incidents of the slow team open", count(installation, INCIDENTS), scale.tenant_failing
    )
    found.owe("page of the other team beside it, most", max(beside), "<=", PAGE_SECONDS, "{:.1f} s")
    found.tell(
        "the same, p50 and p99",
        f"{percentile(beside, 0.5):.2f} s, {percentile(beside, 0.99):.2f} s",
    )
    found.tell("page alone, p50 and most", f"{percentile(alone, 0.5):.2f} s, {max(alone):.2f} s")
    ratio = percentile(beside, 0.5) / percentile(alone, 0.5)
    found.tell("p50 beside, of that alone", f"{ratio:.1f} x")
    tried, waiting = count(installation, TRIED), count(installation, WAITING)
    found.tell("the slow team's messages tried, still to be sent", f"{tried:,}, {waiting:,}")
    apart = scale.tenant_apart
    found.plots["tenant"] = (
        "Latency of the other team's pages, alone and beside the slow team",
        draw_lines(
            "Another team's pages",
            {
                name: [(n * apart, latency) for n, latency in enumerate(latencies)]
                for name, latencies in (("alone", alone), ("beside the slow team", beside))
            },
            x="seconds since the first page",
            y="seconds from push to page",
            limit=("owed", PAGE_SECONDS),
        ),
    )
