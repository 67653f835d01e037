"""What fault tests do to an installation, and what they watch meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.providers import Provider
from tests.system.whole import Whole

LEASE_SECONDS = 30  # incidents.delivery.outbox: how long a dead sender holds a message
Monitor = dict[str, Any]


def route(whole: Whole, name: str, url: str, *, kind: str = "webhook") -> str:
    """Send the incidents of monitors whose names begin so to a receiver; return its channel."""
    body = {"name": name, "kind": kind, "config": {"url": url}}
    channel = str(whole.api("POST", "channels", body, expect=201)["id"])
    rule = {"name": name, "position": 0, "match": {"names": [f"{name}*"]}, "channels": [channel]}
    whole.api("POST", "alert-rules", rule, expect=201)
    return channel


def told(receiver: Provider, event: str = "incident.opened") -> list[str]:
    """Return the names of the monitors that the receiver was told of, once for each message."""
    bodies = [got.json for got in list(receiver.got)]
    return [body["data"]["monitor"]["name"] for body in bodies if body["type"] == event]


def keys(receiver: Provider) -> list[str]:
    """Return the idempotency key of each message that arrived."""
    return [got.headers["webhook-id"] for got in list(receiver.got)]


class Steady:
    """Pushes of each monitor on its cadence, as its service would send them."""

    def __init__(self, whole: Whole, monitors: Sequence[Monitor], *, every: float) -> None:
        self.answered: set[tuple[str, str]] = set()
        self.bad: list[int] = []
        self._whole, self._monitors, self._every = whole, monitors, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Steady:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            for monitor in self._monitors:
                self._push(monitor)
            self._stopping.wait(max(0.0, self._every - (time.monotonic() - began)))

    def _push(self, monitor: Monitor) -> None:
        # A client that gets no answer asks again, as `curl --retry` does; it gives up after a time.
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = self._whole.push(monitor)
            if answer.status == 201:
                self.answered.add((monitor["id"], answer.json["id"]))
            elif answer.status != 503:
                self.bad.append(answer.status)


@contextlib.contextmanager
def frozen(whole: Whole, *names: str) -> Iterator[None]:
    """Stop processes by SIGSTOP for the length of the block."""
    pids = {name: whole.pid(name) for name in names}
    for name in names:
        whole.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        for name, pid in pids.items():
            if whole.pid(name) == pid:
                whole.signal(name, signal.SIGCONT)
