"""What processes count is summed, goes on after them, and never names a customer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from accounts import measures
from accounts.measures import Counter, Gauge, Histogram
from config.metricfiles import GONE, MetricFiles, merge


@pytest.fixture(autouse=True)
def _own_instruments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "instruments", {})


def cells(snapshots: list[dict[str, object]], name: str) -> dict[tuple[str, ...], list[float]]:
    return {tuple(values): cell for values, cell in merge(snapshots)[name]["cells"]}


def test_a_label_has_only_values_that_were_declared() -> None:
    counter = Counter("pushes_total", "Pushes.", outcome=("kept", "invalid"))
    for value in ("kept", "kept", "aB3dE5gH7jK9", "0190c9f2-dead", "acme"):
        counter.inc(value)
    assert cells([measures.snapshot()], "pushes_total") == {
        ("kept",): [2.0],
        ("invalid",): [0.0],
        ("other",): [3.0],
    }


def test_a_histogram_counts_into_the_bucket_whose_end_is_not_passed() -> None:
    histogram = Histogram("seconds", "Seconds.", bounds=(0.1, 1.0))
    for amount in (0.05, 0.1, 0.2, 1.0, 7.0):
        histogram.observe(amount)
    assert cells([measures.snapshot()], "seconds")[()] == [2.0, 2.0, 1.0, pytest.approx(8.35)]


def test_threads_lose_no_count() -> None:
    counter = Counter("work_total", "Work.")
    threads = [
        threading.Thread(target=lambda: [counter.inc() for _ in range(5000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cells([measures.snapshot()], "work_total")[()] == [20_000.0]


CHILD = """
import sys
from pathlib import Path
from accounts.measures import Counter, Gauge
from config.metricfiles import MetricFiles
Counter("work_total", "Work.").inc(by=float(sys.argv[2]))
Gauge("lives", "Lives.", lambda: {(): 1.0})
files = MetricFiles(Path(sys.argv[1]))
files.start()
files.publish()
print("published", flush=True)
sys.stdin.readline()
"""


def other_process(directory: Path, count: int) -> subprocess.Popen[str]:
    """Start a process that counts and publishes, and lives until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "published\n"
    return process


def test_processes_are_summed_and_the_counts_of_the_dead_stay(tmp_path: Path) -> None:
    Counter("work_total", "Work.").inc(by=3)
    Gauge("lives", "Lives.", lambda: {(): 1.0})
    files = MetricFiles(tmp_path)
    files.publish()
    children = [other_process(tmp_path, 10), other_process(tmp_path, 200)]
    try:
        found = files.read()
        assert cells(found, "work_total")[()] == [213.0]
        assert cells(found, "lives")[()] == [3.0]
    finally:
        for child in children:
            child.kill()
            child.wait()
    found = files.read()
    assert cells(found, "work_total")[()] == [213.0], "killed, and still counted"
    assert cells(found, "lives")[()] == [1.0], "but not among the living"
    # The next to start cleans up after them.
    child = other_process(tmp_path, 1000)
    try:
        assert cells(files.read(), "work_total")[()] == [1213.0]
        left = {path.name for path in tmp_path.glob("*.json")}
        assert GONE in left
        assert len(left) == 3
    finally:
        child.kill()
        child.wait()


def test_who_dies_in_the_middle_of_cleaning_up_counts_nobody_twice(tmp_path: Path) -> None:
    Counter("work_total", "Work.")
    files = MetricFiles(tmp_path)
    files.publish()
    child = other_process(tmp_path, 10)
    child.kill()
    child.wait()
    [left] = set(tmp_path.glob(f"{child.pid}-*.json"))
    kept = left.read_bytes()
    files.fold_dead()
    left.write_bytes(kept)  # as if it had died before the file was dropped
    assert cells(files.read(), "work_total")[()] == [10.0]
    files.fold_dead()
    assert not left.exists()
    assert cells(files.read(), "work_total")[()] == [10.0]


def test_a_broken_file_and_another_versions_shape_spoil_nothing(tmp_path: Path) -> None:
    Histogram("seconds", "Seconds.", bounds=(0.1, 1.0)).observe(0.5)
    files = MetricFiles(tmp_path)
    files.publish()
    (tmp_path / f"{os.getpid()}-1.json").write_text("{half")
    older = {
        "seconds": {"kind": "histogram", "labels": [], "bounds": [9], "cells": [[[], [4, 4, 4]]]}
    }
    (tmp_path / "77-1.json").write_text(json.dumps(older))
    assert cells(files.read(), "seconds")[()] == [0.0, 1.0, 0.0, 0.5]


def test_a_gauge_that_cannot_be_read_is_missing_and_no_more() -> None:
    def fail() -> dict[tuple[str, ...], float]:
        raise OSError

    Gauge("memory_bytes", "Memory.", fail)
    Counter("work_total", "Work.").inc()
    assert measures.snapshot()["memory_bytes"]["cells"] == []
    assert cells([measures.snapshot()], "work_total")[()] == [1.0]
