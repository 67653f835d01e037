"""The clients of a herd: each monitor's service connects, pushes and, refused, asks again.

Run by bench.strain.herd as `python -m bench.strain.herd_client PORT SLUGS-FILE UNIX-TIME`; prints
one JSON object: seconds from that time until each was answered, the ids, and what was refused.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

BODY = b'{"status":"pass","message":"done at the full minute"}'
MOST_SECONDS = 60.0  # after which a client gives up
MOST_WAIT = 2.0  # of a Retry-After
SPREAD = 0.2  # clocks of different machines differ: connections come within so many seconds


class Herd:
    """Everything that pushes in the same moment."""

    def __init__(self, port: int, at: float) -> None:
        self.port, self.at = port, at
        self.answered: list[float] = []
        self.ids: list[str] = []
        self.refused: dict[str, int] = {}
        self.given_up = 0

    async def push(self, slug: str, delay: float) -> None:
        """Push once, until it is answered."""
        request = (
            f"POST /api/push/{slug}/results HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
            "Connection: close\r\n\r\n"
        ).encode() + BODY
        await asyncio.sleep(self.at + delay - time.time())
        while time.time() < self.at + MOST_SECONDS:
            wait = 1.0
            try:
                status, answer, wait = await asyncio.wait_for(self._ask(request), 30)
            except (OSError, TimeoutError, ValueError, IndexError) as error:
                status, answer = type(error).__name__, {}
            if status == "201":
                self.answered.append(time.time() - self.at)
                self.ids.append(answer["id"])
                return
            self.refused[status] = self.refused.get(status, 0) + 1
            await asyncio.sleep(min(wait, MOST_WAIT))
        self.given_up += 1

    async def _ask(self, request: bytes) -> tuple[str, Any, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        status = first.split(" ")[1]
        answer = json.loads(body) if status == "201" else None
        return status, answer, float(headers.get("retry-after", 1))


async def stampede(port: int, slugs: list[str], at: float) -> dict[str, Any]:
    """Let all push at that time."""
    herd = Herd(port, at)
    step = SPREAD / len(slugs)
    await asyncio.gather(*(herd.push(slug, n * step) for n, slug in enumerate(slugs)))
    return {
        "answered": sorted(herd.answered),
        "ids": herd.ids,
        "refused": herd.refused,
        "given_up": herd.given_up,
    }


if __name__ == "__main__":
    port, slugs, at = sys.argv[1:]
    print(json.dumps(uvloop.run(stampede(int(port), Path(slugs).read_text().split(), float(at)))))
