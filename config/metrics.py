"""`/metrics`: what an operator watches, as Prometheus reads it.

Two kinds of figures. What processes count (pushes, requests, rounds, attempts) is the sum over the
processes of this machine or container, so Prometheus adds up the instances. What the database
knows (ages, outbox, incidents) is the same whoever is asked: take the maximum.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.http import HttpRequest, HttpResponse
from django_scopes import scopes_disabled

from accounts import measures
from accounts.api.problems import problem_response
from accounts.database.standing import as_owner
from accounts.internal import INTERNAL_TEAM
from config import health
from config.metricfiles import MetricFiles, merge
from config.telemetry import metric_files

QUEUES = ("engine", "deliver")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# What `health.read_engine` returns, and what it means; a key of its that is missing here is
# rendered all the same.
READINGS = {
    "listening_seconds": "Seconds since this installation last proved that it can store a push.",
    "outbox_seconds": "How long the oldest message that may be sent has been overdue.",
    "transition_seconds": "How long the oldest change of state has waited for its incident.",
    "sweep_lag_seconds": "How far the look for silences is behind.",
    "engine_seconds": "Seconds since a round of the engine was completed.",
    "deliver_seconds": "Seconds since a round of deliveries was completed.",
    "canary_seconds": "Seconds since a push of our own, by the public path, went well.",
    "watchdog_seconds": "Seconds since a silence of our own was noticed, told and over again.",
    "partition_days": "For how many days ahead there are partitions for results.",
}

WAITS = frozenset({"outbox_seconds", "transition_seconds", "sweep_lag_seconds"})

# name: counts
# What there is, by kind. Of deliveries those that were made in the last hour: ids begin with the
# time they were made at, and the whole table is a matter of years.
COUNTS = """
SELECT 'tocsin_monitors', state, '', count(*) FROM monitors_heartbeat
  WHERE team_id <> %(internal)s GROUP BY state
UNION ALL
SELECT 'tocsin_due_monitors', '', '', count(*) FROM monitors_heartbeat
  WHERE check_at <= clock_timestamp()
UNION ALL
SELECT 'tocsin_incidents_unresolved', state, '', count(*) FROM incidents_incident
  WHERE state <> 'resolved' AND team_id <> %(internal)s GROUP BY state
UNION ALL
SELECT 'tocsin_incidents_recent', '', '', count(*) FROM incidents_incident
  WHERE id >= %(hour)s AND team_id <> %(internal)s
UNION ALL
SELECT 'tocsin_outbox_deliveries', state, '', count(*) FROM incidents_delivery
  WHERE state IN ('pending', 'sending') GROUP BY state
UNION ALL
SELECT 'tocsin_deliveries_recent', kind, state, count(*) FROM incidents_delivery
  WHERE id >= %(hour)s GROUP BY kind, state
UNION ALL
SELECT 'tocsin_transitions_waiting', '', '', count(*) FROM monitors_transition
  WHERE handled_at IS NULL
UNION ALL
SELECT 'tocsin_listening_gaps_recent', '', '', count(*) FROM monitors_listeninggap
  WHERE ended_at > now() - interval '30 days'
UNION ALL
SELECT 'tocsin_listening_gap_seconds', '', '',
  coalesce(extract(epoch FROM sum(ended_at - started_at)), 0) FROM monitors_listeninggap
  WHERE ended_at > now() - interval '30 days'
UNION ALL
SELECT 'tocsin_listening_gap_end_timestamp_seconds', '', '',
  coalesce(extract(epoch FROM max(ended_at)), 0) FROM monitors_listeninggap
"""

# name: connections
# How many connections there are and may be; sessions of others show only to the owner.
CONNECTIONS = """
SELECT 'tocsin_database_connections', '', '', count(*) FROM pg_stat_activity
  WHERE backend_type = 'client backend'
UNION ALL
SELECT 'tocsin_database_connections_limit', '', '', current_setting('max_connections')::int
"""
_UNRESOLVED = ("open", "acknowledged")
_STATES = ("pending", "up", "down", "paused")
_WAITING = ("pending", "sending")


@dataclass
class Family:
    """One metric: its type, its line of HELP, and its samples by label values."""

    kind: str
    text: str
    labels: tuple[str, ...] = ()
    at_zero: tuple[str, ...] = ()  # values of its label that are there although nothing counts
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)


def _counted() -> dict[str, Family]:
    """Return the families of COUNTS, empty."""
    return {
        "tocsin_monitors": Family("gauge", "Monitors by state.", ("state",), _STATES),
        "tocsin_due_monitors": Family("gauge", "Monitors that the sweep should look at by now."),
        "tocsin_incidents_unresolved": Family(
            "gauge", "Incidents that go on, by state.", ("state",), _UNRESOLVED
        ),
        "tocsin_incidents_recent": Family("gauge", "Incidents opened within the last hour."),
        "tocsin_outbox_deliveries": Family(
            "gauge", "Messages that wait or are being sent.", ("state",), _WAITING
        ),
        "tocsin_deliveries_recent": Family(
            "gauge",
            "Messages made within the last hour, by kind of channel and state.",
            ("kind", "state"),
        ),
        "tocsin_transitions_waiting": Family(
            "gauge", "Changes of state that wait for their incident."
        ),
        "tocsin_listening_gaps_recent": Family(
            "gauge", "Times within 30 days in which no push could be stored."
        ),
        "tocsin_listening_gap_seconds": Family(
            "gauge", "Their length within 30 days, all together."
        ),
        "tocsin_listening_gap_end_timestamp_seconds": Family(
            "gauge", "When the latest of them ended, in Unix time; 0 if there was none."
        ),
        "tocsin_database_connections": Family("gauge", "Connections to the database server."),
        "tocsin_database_connections_limit": Family(
            "gauge", "How many connections the database server allows."
        ),
    }


def read_counts() -> dict[str, Family]:
    """Return what the database counts. Raises DatabaseError, InterfaceError."""
    families = _counted()
    for family in families.values():
        family.samples.update({(value,): 0.0 for value in family.at_zero})
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() - interval '1 hour'")
        hour = _first_id(cursor.fetchone()[0])
        cursor.execute(COUNTS, {"hour": hour, "internal": INTERNAL_TEAM})
        rows = cursor.fetchall()
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(CONNECTIONS)
        rows += cursor.fetchall()
    for name, first, second, value in rows:
        family = families[name]
        family.samples[(first, second)[: len(family.labels)]] = float(value)
    return families


def _first_id(at: datetime) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80)


def read_database() -> dict[str, Family]:
    """Return what the database knows; where it does not answer, that alone."""
    families: dict[str, Family] = {}
    up = 1.0
    try:
        for name, age in health.read_engine().items():
            # Where nothing waits, the wait is 0; what never happened has no age.
            value = max(0.0, age or 0.0) if name in WAITS else age
            if value is not None:
                text = READINGS.get(name, "See the operators' health page.")
                families[f"tocsin_{name}"] = Family("gauge", text, samples={(): value})
        families |= read_counts()
    except (DatabaseError, InterfaceError):
        up = 0.0
    text = "Whether the database answered to this look."
    return families | {"tocsin_database_up": Family("gauge", text, samples={(): up})}


def read_broker() -> dict[str, Family]:
    """Return whether the broker answers, and how many wake-ups wait in it."""
    waiting: dict[tuple[str, ...], float] = {}
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        for queue in QUEUES:
            waiting[(queue,)] = float(client.llen(queue))
        up = 1.0
    except (redis.RedisError, OSError):
        up = 0.0
    finally:
        client.close()
    return {
        "tocsin_broker_up": Family(
            "gauge", "Whether the broker answered to this look.", samples={(): up}
        ),
        "tocsin_broker_messages": Family(
            "gauge", "Wake-ups that wait in the broker, by queue.", ("queue",), samples=waiting
        ),
    }


def read_processes(files: MetricFiles | None) -> dict[str, Any]:
    """Return the sums of what the processes here have counted."""
    if files is None:
        return measures.snapshot()
    try:
        files.publish()  # so that no other process's next answer goes back behind this one
        return merge(files.read())
    except OSError:
        return measures.snapshot()


def _pool() -> Mapping[tuple[str, ...], float]:
    pool = getattr(connections["default"], "_connection_pools", {}).get("default")
    if pool is None:
        return {("used",): 0.0, ("idle",): 0.0}
    stats = pool.get_stats()
    idle = stats.get("pool_available", 0)
    return {("used",): stats.get("pool_size", 0) - idle, ("idle",): idle}


POOL = measures.Gauge(
    "tocsin_database_pool_connections",
    "Connections in the pools of the processes, by state. The recorders' own are not among them.",
    _pool,
    state=("used", "idle"),
)


def observe_process_itself(name: str) -> None:
    """Report that this process lives, and how much memory it holds."""

    def memory() -> Mapping[tuple[str, ...], float]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {(name,): float(pages * 4096)}

    measures.Gauge(
        "tocsin_processes", "Processes that live, by kind.", lambda: {(name,): 1.0}, process=(name,)
    )
    measures.Gauge(
        "tocsin_process_memory_bytes",
        "Resident memory, by kind of process.",
        memory,
        process=(name,),
    )


def render(families: Mapping[str, Family], processes: Mapping[str, Any]) -> str:
    """Return everything in Prometheus's text format."""
    lines: list[str] = []
    for name, family in families.items():
        lines += [f"# HELP {name} {family.text}", f"# TYPE {name} {family.kind}"]
        for values, value in sorted(family.samples.items()):
            lines.append(
                f"{name}{_braces(zip(family.labels, values, strict=True))} {_number(value)}"
            )
    for name, snapshot in processes.items():
        known = measures.instruments.get(name)
        if known is None:
            continue  # of another version
        lines += [f"# HELP {name} {known.text}", f"# TYPE {name} {snapshot['kind']}"]
        for values, cell in sorted(snapshot["cells"]):
            labels = list(zip(snapshot["labels"], values, strict=True))
            lines += _cell_lines(name, labels, cell, snapshot.get("bounds"))
    return "\n".join(lines) + "\n"


def _cell_lines(
    name: str, labels: list[tuple[str, str]], cell: list[float], bounds: list[float] | None
) -> Iterator[str]:
    if bounds is None:
        yield f"{name}{_braces(labels)} {_number(cell[0])}"
        return
    count = 0.0
    for bound, more in zip([*map(_number, bounds), "+Inf"], cell[:-1], strict=True):
        count += more
        yield f"{name}_bucket{_braces([*labels, ('le', bound)])} {_number(count)}"
    yield f"{name}_sum{_braces(labels)} {_number(cell[-1])}"
    yield f"{name}_count{_braces(labels)} {_number(count)}"


def _braces(labels: Iterable[tuple[str, str]]) -> str:
    said = ",".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{said}}}" if said else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0").rstrip(".")


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus text to loopback, or to who knows METRICS_TOKEN."""
    if not _may_read(request):
        return problem_response(404, "Not found.")
    families = {**read_database(), **read_broker()}
    text = render(families, read_processes(metric_files()))
    return HttpResponse(text, content_type=CONTENT_TYPE)


def _may_read(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    given = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    if token:
        return hmac.compare_digest(given.encode(), token.encode())
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    # A proxy on this machine would make everybody look like loopback: it says whom it speaks for.
    return address.is_loopback and "HTTP_X_FORWARDED_FOR" not in request.META
