"""The parts of `make bench` that are worth a test without measuring anything."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from bench import load, on_call, requests
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


def on_call_figures(**changed: Any) -> dict[str, Any]:
    turn = {
        "first_seconds": 1.5,
        "all_seconds": 62.0,
        "per_minute": [1, 1, 0],
        "least_apart_seconds": 60.2,
        "told": 10_000,
        "delivered": 10_000,
        "subjects_right": True,
    }
    return {
        "monitors": 10_000,
        "load_before": 0.5,
        "first_open_seconds": 1.0,
        "half_open_seconds": 3.0,
        "all_open_seconds": 6.0,
        "all_resolved_seconds": 5.0,
        "most_in_a_minute": 1,
        "opened": turn,
        "resolved": turn,
        "others": [{"after_seconds": 1.0, "webhook_seconds": 5.0, "mail_seconds": 6.0}],
        "listening_gaps": 0,
        **changed,
    }


def test_an_outage_with_one_person_on_call_is_held_against_what_is_owed() -> None:
    def met(**changed: Any) -> list[str]:
        return [row[3] for row in owed_rows({"on_call": on_call_figures(**changed)})]

    late = [{"after_seconds": 1.0, "webhook_seconds": 5.0, "mail_seconds": float("inf")}]
    untold = on_call_figures()["resolved"] | {"told": 9_999}
    assert met() == ["met"] * 4
    assert met(all_open_seconds=10.5) == ["NOT MET", "met", "met", "met"]
    assert met(most_in_a_minute=2) == ["met", "NOT MET", "met", "met"]
    assert met(others=late) == met(others=[]) == ["met", "met", "NOT MET", "met"]
    assert met(resolved=untold) == ["met", "met", "met", "NOT MET"]
    page = write_page(
        {
            "on_call": on_call_figures(),
            "facts": {},
            "command": "python -m bench --only on-call",
            "taken_at": "now",
        }
    )
    assert "| opened | 1.5 s | 1, 1, 0 | 60.2 s | 10,000 | 62.0 s |" in page


def test_messages_are_counted_by_minute() -> None:
    assert on_call.per_minute([1.2, 61.3, 121.4], 180) == [1, 1, 1]
    assert on_call.most_in_a_minute([1.2, 61.1, 121.4]) == 1
    assert on_call.most_in_a_minute([1.2, 2.0, 61.1, 119.9]) == 2
    assert on_call.most_in_a_minute([]) == 0
