"""What goes on in an ordinary hour: pushes, outages that end, people who look."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from bench.whole import Installation

FAILED_SECONDS = 15.0  # from a failure to its recovery
PAGES = ("", "monitors/", "monitors/?state=down", "incidents/", "monitors/?search=worker-1")
CALLS = ("monitors?page_size=50", "incidents?state=open")


@dataclass
class Life:
    """What came of it so far."""

    pushed: int = 0
    push_refused: int = 0
    failures: int = 0
    failed: set[str] = field(default_factory=set)  # the monitors that did, at least once
    looked: int = 0
    look_refused: dict[str, int] = field(default_factory=dict)
    look_ms: list[float] = field(default_factory=list)


class Steady:
    """Pushes of many monitors in turns, so many a second, on one connection."""

    def __init__(
        self, installation: Installation, life: Life, slugs: list[str], *, rate: float
    ) -> None:
        self._life, self._slugs, self._rate = life, slugs, rate
        self._port = installation.port

    def __call__(self, stopping: threading.Event) -> None:
        """Push until the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        body = b'{"status":"pass","latency_ms":12.5,"message":"ok"}'
        headers = {"Content-Type": "application/json"}
        started, sent = time.monotonic(), 0
        while not stopping.is_set():
            path = f"/api/push/{self._slugs[sent % len(self._slugs)]}/results"
            try:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                is_stored = answer.status == 201
            except (OSError, http.client.HTTPException):
                connection.close()
                is_stored = False
            self._life.pushed += is_stored
            self._life.push_refused += not is_stored
            sent += 1
            stopping.wait(max(0.0, started + sent / self._rate - time.monotonic()))


class Outages:
    """Monitors that fail one after the other and recover a little later."""

    def __init__(
        self,
        installation: Installation,
        life: Life,
        monitors: list[dict[str, Any]],
        *,
        apart: float,
    ) -> None:
        self._installation, self._life = installation, life
        self._monitors, self._apart = monitors, apart

    def __call__(self, stopping: threading.Event) -> None:
        """Let monitors fail until the end, then let the last ones recover."""
        failed: list[tuple[float, dict[str, Any]]] = []
        number = 0
        while not stopping.is_set():
            monitor = self._monitors[number % len(self._monitors)]
            if all(monitor is not down for _, down in failed):
                self._installation.push(monitor, "fail")
                self._life.failures += 1
                self._life.failed.add(monitor["name"])
                failed.append((time.monotonic(), monitor))
                number += 1
            self._recover(failed, before=time.monotonic() - FAILED_SECONDS)
            stopping.wait(self._apart)
        time.sleep(2)
        self._recover(failed, before=float("inf"))

    def _recover(self, failed: list[tuple[float, dict[str, Any]]], *, before: float) -> None:
        while failed and failed[0][0] <= before:
            self._installation.push(failed.pop(0)[1], "pass")


class People:
    """Somebody who looks at pages of the console, and a program that reads the API."""

    def __init__(
        self, installation: Installation, life: Life, *, team: str, cookie: str, key: str
    ) -> None:
        self._life, self._port = life, installation.port
        session = {"Cookie": cookie}
        bearer = {"Authorization": f"Bearer {key}"}
        self._wanted = [(f"/t/{team}/{page}", session) for page in PAGES]
        self._wanted += [(f"/api/v1/{call}", bearer) for call in CALLS]

    def __call__(self, stopping: threading.Event) -> None:
        """Look at something twice a second until the end."""
        number = 0
        while not stopping.is_set():
            path, headers = self._wanted[number % len(self._wanted)]
            number += 1
            started = time.perf_counter()
            status = self._get(path, headers)
            self._life.look_ms.append((time.perf_counter() - started) * 1000)
            self._life.looked += 1
            if status != "200":
                said = f"{status} {path.partition('?')[0]}"
                self._life.look_refused[said] = self._life.look_refused.get(said, 0) + 1
            stopping.wait(0.5)

    def _get(self, path: str, headers: dict[str, str]) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        else:
            return str(answer.status)
        finally:
            connection.close()


def say_all(kinds: dict[str, int]) -> str:
    """Return counts by kind as one text."""
    return json.dumps(kinds) if kinds else "0"
