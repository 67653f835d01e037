"""The load generator for machines without wrk: one process, keep-alive, one push at a time each.

Run by bench.load as `python -m bench.requests HOST:PORT SLUGS-FILE BODY TYPE SECONDS CONNECTIONS`;
prints requests per second, the 50th and 99th percentile in milliseconds, and the answers.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop


class Pusher(asyncio.Protocol):
    """One connection: sends the next push when the last one is answered."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float]) -> None:
        self._requests = requests
        self._latencies = latencies
        self._buffer = b""
        self._sent_at = 0.0
        self.failed = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        start = head.find(b"content-length: ")
        length = int(head[start + 16 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        if not head.startswith(b"http/1.1 201"):
            self.failed = head.decode(errors="replace")
            self._transport.close()
            return
        self._buffer = self._buffer[head_end + 4 + length :]
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed = self.failed or "the connection broke"

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))


async def press(
    address: str, slugs: list[str], body: str, kind: str, *, seconds: float, connections: int
) -> tuple[list[float], float]:
    """Return the latencies in seconds, and how long it took; SystemExit on a refused push."""
    host, port = address.split(":")
    head = f"Host: {address}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    requests = itertools.cycle(
        [f"POST /api/push/{slug}/results HTTP/1.1\r\n{head}".encode() for slug in slugs]
    )
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    pushers = []
    started = time.perf_counter()
    for _ in range(connections):
        _, pusher = await loop.create_connection(
            lambda: Pusher(requests, latencies), host, int(port)
        )
        pushers.append(pusher)
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    if broken := [pusher.failed for pusher in pushers if pusher.failed]:
        raise SystemExit(broken[0])
    return list(latencies), took


def main() -> None:
    address, slugs, body, kind, seconds, connections = sys.argv[1:]
    latencies, took = uvloop.run(
        press(
            address,
            Path(slugs).read_text().split(),
            body,
            kind,
            seconds=float(seconds),
            connections=int(connections),
        )
    )
    latencies.sort()
    half, most = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    print(len(latencies) / took, half * 1000, most * 1000, len(latencies))


if __name__ == "__main__":
    main()
