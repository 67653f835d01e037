"""Pushes at a steady rate, by a process of its own over connections that stay open.

The tests use `Pressed`, which runs this module (`python -m`) until it closes that process's input.
Every push of the schedule is sent once: what is refused, cut off or not answered in time is counted
and not sent again, as a careless client would have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from config.installation import PROJECT
from tests.system.whole import Whole

CONNECTIONS = 32
ANSWER_SECONDS = 15.0
LATE_SECONDS = 1.0  # who is later than that, say after an outage, starts a new schedule
PAUSE_SECONDS = 0.1
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BODY = b'{"status":"pass","latency_ms":12.5,"message":"ok"}'


class Pressed:
    """Pushes to these monitors in turns, `rate` a second in all, for the length of the block.

    Afterwards `answered` has the monitor and result of every push that was answered 201, and the
    other attributes say what else came back. Latencies count from when a push was due.
    """

    def __init__(
        self,
        whole: Whole,
        monitors: Sequence[dict[str, Any]],
        *,
        rate: float,
        port: int | None = None,
    ) -> None:
        self.answered: set[tuple[str, str]] = set()
        self.statuses: dict[str, int] = {}
        self.unanswered = 0
        self.seconds = self.p99_ms = 0.0
        self._address = f"127.0.0.1:{port or whole.port}"
        self._monitors, self._rate = monitors, rate
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Pressed:
        monitors, self._answers = (Path(self._folder.name, name) for name in ("of", "answers"))
        monitors.write_text("".join(f"{m['slug']} {m['id']}\n" for m in self._monitors))
        command = [sys.executable, "-m", "tests.faults.pressing", self._address]
        self._process = subprocess.Popen(
            [*command, str(monitors), str(self._answers), str(self._rate)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def count(self) -> int:
        """Return how many pushes have been answered 201 so far."""
        return self._answers.read_bytes().count(b"\n")

    def __exit__(self, *_: object) -> None:
        said, _none = self._process.communicate(timeout=ANSWER_SECONDS + 30)
        for name, value in json.loads(said).items():
            setattr(self, name, value)
        lines = self._answers.read_text().splitlines()
        self.answered = {(line[:36], line[37:]) for line in lines}
        self._folder.cleanup()

    @property
    def per_second(self) -> float:
        """How many pushes a second were answered 201."""
        return len(self.answered) / self.seconds

    def assert_honest(self) -> None:
        """Say so if any answer was neither 201 nor 503 with Retry-After."""
        assert self.answered
        assert set(self.statuses) <= {"201", "503"}, self.statuses


class Presser:
    """One run of the schedule."""

    def __init__(self, address: str, monitors: list[list[str]], answers: Any, rate: float) -> None:
        self._host, self._port = address.split(":")
        self._turns: Iterator[tuple[bytes, str]] = itertools.cycle(
            [(_request(address, slug), monitor) for slug, monitor in monitors]
        )
        self._answers = answers
        self._rate = rate
        self._stopping = asyncio.Event()
        self._statuses: Counter[str] = Counter()
        self._unanswered = 0
        self._latencies: list[float] = []

    async def run(self) -> dict[str, Any]:
        """Push until the input is closed; return the figures."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        workers = [asyncio.create_task(self._work(n)) for n in range(CONNECTIONS)]
        await loop.run_in_executor(None, sys.stdin.read)
        self._stopping.set()
        await asyncio.gather(*workers)
        self._latencies.sort()
        last = self._latencies[int(len(self._latencies) * 0.99)] if self._latencies else 0.0
        return {
            "statuses": dict(self._statuses),
            "unanswered": self._unanswered,
            "seconds": loop.time() - started,
            "p99_ms": last * 1000,
        }

    async def _work(self, n: int) -> None:
        """Push whenever one is due, over one connection as long as it lasts."""
        loop = asyncio.get_running_loop()
        period = CONNECTIONS / self._rate
        due = loop.time() + period * n / CONNECTIONS
        streams: Streams | None = None
        while not await self._is_over(due - loop.time()):
            request, monitor = next(self._turns)
            earliest = 0.0
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if streams is None:
                        streams = await asyncio.open_connection(self._host, int(self._port))
                    status, head, body = await _ask(*streams, request)
                is_kept = b"\r\nconnection: close" not in head
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self._unanswered += 1
                is_kept, status = False, ""
            else:
                self._note(status, head, body, monitor, loop.time() - due)
            if streams is not None and not is_kept:
                streams[1].close()
                streams = None
            if status != "201":
                earliest = loop.time() + PAUSE_SECONDS
            due = max(due + period, loop.time() - LATE_SECONDS, earliest)
        if streams is not None:
            streams[1].close()

    def _note(self, status: str, head: bytes, body: bytes, monitor: str, took: float) -> None:
        if status == "201":
            self._latencies.append(took)
            self._answers.write(f"{monitor} {json.loads(body)['id']}\n")
        elif status == "503" and b"\r\nretry-after: " not in head:
            status = "503 without Retry-After"
        self._statuses[status] += 1

    async def _is_over(self, delay: float) -> bool:
        """Wait for the next push; return at once, and true, when it is all over."""
        if delay > 0 and not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
        return self._stopping.is_set()


def _request(address: str, slug: str) -> bytes:
    head = f"POST /api/push/{slug}/results HTTP/1.1\r\nHost: {address}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[str, bytes, bytes]:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    start = head.find(b"content-length: ") + 16
    body = await reader.readexactly(int(head[start : head.index(b"\r", start)]))
    return head[9:12].decode(), head, body


def main() -> None:
    address, monitors, answers, rate = sys.argv[1:]
    listed = [line.split() for line in Path(monitors).read_text().splitlines()]

    async def press(file: Any) -> dict[str, Any]:
        presser = Presser(address, listed, file, float(rate))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        return await presser.run()

    # Line by line, so that the tests can count meanwhile.
    with Path(answers).open("w", buffering=1) as file:
        sys.stdout.write(json.dumps(uvloop.run(press(file))))


if __name__ == "__main__":
    main()
