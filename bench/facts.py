"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.installation import Bed
from bench.load import generator
from config.installation import PROJECT

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


def read_facts(bed: Bed) -> dict[str, str]:
    """Return the machine, the software and the settings, each as a short text."""
    load = os.getloadavg()[0]
    with bed.connect() as connection:
        row: Any = connection.execute(
            "SELECT " + ", ".join(f"current_setting('{name}')" for name in SETTINGS)
        ).fetchone()
    database = dict(zip(SETTINGS, row, strict=True))
    return {
        "commit": read_commit(),
        "processor": read_processor(),
        "memory": f"{_memory_gigabytes():.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(bed.data),
        "durable write of 8 kB": f"{_sync_ms(bed.data):.2f} ms",
        "Python": platform.python_version(),
        "PostgreSQL": ", ".join(
            [database.pop("server_version"), *(f"{k} {v}" for k, v in database.items())]
        ),
        "load generator": generator(),
        "load before": f"{load:.2f}" + (" (something else was running)" if load > 0.7 else ""),
    }


def read_commit() -> str:
    """Return the commit that is checked out, and whether files were changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    try:
        changed = " with changes" if git("status", "--porcelain", "-uno") else ""
        return (git("rev-parse", "--short", "HEAD") or "unknown") + changed
    except OSError:
        return "unknown"


def read_processor() -> str:
    """Return how many cores there are for us, and of what kind."""
    return f"{len(os.sched_getaffinity(0))} cores, {_processor()}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def _memory_gigabytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _file_system(place: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    above = [mount for mount in mounts if place.is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[1]))[2] if above else "unknown"


def _sync_ms(place: Path) -> float:
    """Return the median time of a write of a page that is then on the disk."""
    times = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(100):
            started = time.perf_counter()
            file.write(b"x" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
