"""The parts of `make bench` that are worth a test without measuring anything."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvloop

from bench import load, requests
from bench.alarms import Cost, total_cost
from bench.report import owed_rows, write_page


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every push with the server's status."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("content-length", "11")
        self.end_headers()
        self.wfile.write(b'{"ok":true}')

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """One that takes a client's hanging up in its stride."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[str]]]:
    server = Server(("127.0.0.1", 0), Answering)
    server.status, server.paths = status, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.paths  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def press(address: str) -> tuple[list[float], float]:
    return uvloop.run(
        requests.press(
            address, ["one", "two"], load.JSON_BODY, load.JSON_TYPE, seconds=0.3, connections=2
        )
    )


def test_our_own_load_counts_what_was_answered() -> None:
    with answering(201) as (address, paths):
        latencies, took = press(address)
    assert set(paths) == {"/api/push/one/results", "/api/push/two/results"}
    assert 2 < len(latencies) <= len(paths)
    assert len(paths) - len(latencies) <= 2  # what was on its way at the end
    assert took == pytest.approx(0.3, abs=0.2)


def test_our_own_load_does_not_count_refusals() -> None:
    with answering(503) as (address, _), pytest.raises(SystemExit, match="503"):
        press(address)


def test_a_push_costs_what_its_rearms_and_its_clearing_up_cost() -> None:
    costs = [
        Cost("push, lazy alarm", 60, 1, 500, 1.0, 1.0),
        Cost("push, indexed deadline", 70, 3, 700, 0.0, 1.3),
        Cost("re-arm", 20, 2, 300, 0.0, 1.5),
    ]
    assert total_cost(costs, rearms_per_push=0.5) == {
        "lazy": {"microseconds": 72, "wal_bytes": 650},
        "eager": {"microseconds": 73, "wal_bytes": 700},
    }


def test_a_promise_that_is_not_kept_is_said_so() -> None:
    outage = {
        "monitors": 100_000,
        "due": 10_000,
        "sweep_seconds": 1.0,
        "advance_seconds": 1.5,
        "recovery_seconds": 1.0,
    }
    slow = {**outage, "sweep_seconds": 2.0}
    engine = {"monitors": 100_000, "steady": [], "outages": [outage, slow]}
    kept, broken = owed_rows({"engine": [engine]})
    assert kept[1:] == ("2.50 s", "< 3 s", "met")
    assert broken[1:] == ("3.50 s", "< 3 s", "NOT MET")
    figures = {"engine": [engine], "facts": {}, "command": "python -m bench", "taken_at": "now"}
    assert "| 10,000 due at once, 100,000 monitors | 3.50 s | < 3 s | NOT MET |" in write_page(
        figures
    )
