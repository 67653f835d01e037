"""What an installation holds while it runs: memory, connections, broker keys, dead tuples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from bench.whole import Installation
from config.installation import Layout
from config.processes import read_pid_file

MB = 1_000_000
HOT_TABLES = (
    "monitors_heartbeat",
    "monitors_listeningstamp",
    "monitors_enginestamp",
    "incidents_incident",
    "incidents_delivery",
)

# name: connections
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
# name: tables
# Dead rows, and the size with indexes in bytes, of tables that are written all the time.
TABLES = """
SELECT relname, n_dead_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables
WHERE relname = ANY(%s)
"""


@dataclass
class Sample:
    """One look. Memory in bytes by process, the children of each included."""

    at: float  # seconds since the first one
    resident: dict[str, int] = field(default_factory=dict)
    proportional: dict[str, int] = field(default_factory=dict)  # what is shared, in parts
    private: dict[str, int] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    broker_keys: int = 0
    broker_bytes: int = 0
    dead: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Trend:
    """A straight line through samples, of which the first quarter is left out."""

    mean: float
    per_hour: float

    @property
    def share_per_hour(self) -> float:
        """Return the growth in an hour as a share of the mean."""
        return self.per_hour / self.mean if self.mean else 0.0


def fit(times: Sequence[float], values: Sequence[float]) -> Trend:
    """Return the least-squares line through values at times in seconds, after the warm-up."""
    skip = len(times) // 4
    times, values = times[skip:], values[skip:]
    if len(times) < 2:
        return Trend(values[0] if values else 0.0, 0.0)
    mean_time, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - mean_time) ** 2 for at in times)
    both = sum((at - mean_time) * (v - mean) for at, v in zip(times, values, strict=True))
    return Trend(mean, 3600 * both / spread if spread else 0.0)


class Sampler:
    """Looks at an installation from outside: /proc, PostgreSQL's views, the broker's INFO."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._broker = redis.Redis.from_url(Layout(installation.data).redis_url)
        self._started = time.monotonic()
        self.samples: list[Sample] = []

    def look(self) -> Sample:
        """Take one sample and keep it."""
        sample = Sample(time.monotonic() - self._started)
        children = _children()
        for file in sorted((self._installation.data / "run").glob("*.pid")):
            name, pid = file.stem, read_pid_file(file)
            if pid is None:
                continue
            sample.pids[name] = pid
            memory = [_memory(one) for one in _tree(pid, children)]
            sample.resident[name] = sum(one.get("Rss", 0) for one in memory)
            sample.proportional[name] = sum(one.get("Pss", 0) for one in memory)
            sample.private[name] = sum(
                one.get("Private_Clean", 0) + one.get("Private_Dirty", 0) for one in memory
            )
        with self._installation.connect() as connection:
            row: Any = connection.execute(CONNECTIONS).fetchone()
            sample.connections = row[0] - 1  # without this one
            for table, dead, size in connection.execute(TABLES, [list(HOT_TABLES)]).fetchall():
                sample.dead[table], sample.sizes[table] = dead, size
        sample.broker_keys = int(self._broker.dbsize())
        info: Any = self._broker.info("memory")
        sample.broker_bytes = int(info["used_memory"])
        self.samples.append(sample)
        return sample

    def restarted(self) -> list[str]:
        """Return the processes that were not the same all the time."""
        names = {name for sample in self.samples for name in sample.pids}
        return sorted(
            name for name in names if len({sample.pids.get(name) for sample in self.samples}) > 1
        )

    def times(self) -> list[float]:
        """Return when the samples were taken."""
        return [sample.at for sample in self.samples]

    def memory(self) -> dict[str, list[float]]:
        """Return the memory of each process in MB over time.

        The share of PostgreSQL's buffers that was ever touched grows to the whole of them, so of
        it only what is private counts; of the others their part of what is shared, too.
        """
        names = self.samples[0].pids if self.samples else {}
        return {
            name: [
                (sample.private if name == "postgres" else sample.proportional).get(name, 0) / MB
                for sample in self.samples
            ]
            for name in names
        }


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                stat = (place / "stat").read_text()
            except OSError:
                continue
            parent = int(stat[stat.rindex(")") + 2 :].split()[1])
            found.setdefault(parent, []).append(int(place.name))
    return found


def _tree(pid: int, children: dict[int, list[int]]) -> list[int]:
    return [pid] + [one for child in children.get(pid, ()) for one in _tree(child, children)]


def _memory(pid: int) -> dict[str, int]:
    """Return what the kernel says of a process's memory, in bytes; nothing if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if "kB" in line}
