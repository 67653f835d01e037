"""Status pages over HTTP: the lane's answers, and the empty answer of the same server beside them.

The page has 50 components with 90 days of history, and is read as browsers read it: gzipped, on 32
connections that ask again as soon as they are answered.

Without wrk it runs itself: python -m bench.pages HOST:PORT PATH HEADERS SECONDS CONNECTIONS.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import uvloop

from bench.installation import Bed, serving
from bench.load import CONNECTIONS, Load, LoadFailed, _find, _milliseconds
from config.installation import PROJECT

APPLICATION = "config.asgi:application"
EMPTY = "bench.empty:application"
COMPONENTS, DAYS, POSTS = 50, 90, 12
SLUG = "bench-page"
GZIP = "Accept-Encoding: gzip"


@dataclass(frozen=True)
class Reading:
    """One way of reading."""

    name: str
    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    body_bytes: int


@dataclass(frozen=True)
class Plan:
    """What to read, of whom."""

    name: str
    path: str = ""
    application: str = APPLICATION
    known: bool = False  # whether the reader has it already and asks if it is still the same


PLANS = (
    Plan("page"),
    Plan("page, 304", known=True),
    Plan("summary.json", "api/v2/summary.json"),
    Plan("summary.json, 304", "api/v2/summary.json", known=True),
    Plan("empty answer, the same server", application=EMPTY),
)


def make_page() -> int:
    """Store a page with its history, rendered; return the components."""
    from django.db import connection
    from django.utils.timezone import now
    from django_scopes import scopes_disabled

    from accounts.models import Team
    from statuspages.models import Component, ComponentGroup, ComponentSpan, StatusPage
    from statuspages.models.posts import Post, PostStatus, PostUpdate
    from statuspages.serving.snapshots import render_page

    at, dice = now(), random.Random(1)
    with scopes_disabled():
        team = Team.objects.create(slug="bench-pages", name="Bench")
        page = StatusPage.objects.create(team=team, name="Acme", slug=SLUG, published=True)
        ours = {"team": team, "page": page}
        groups = [ComponentGroup.objects.create(name=f"Region {n}", **ours) for n in range(5)]
        components = Component.objects.bulk_create(
            Component(
                name=f"Service {n}",
                group=groups[n % 5],
                position=n,
                created_at=at - timedelta(days=DAYS + 10),
                **ours,
            )
            for n in range(COMPONENTS)
        )
        spans = []
        for component in components:
            for day in dice.sample(range(1, DAYS), 6):
                start = at - timedelta(days=day, seconds=dice.randrange(3600))
                spans.append(
                    ComponentSpan(
                        team=team,
                        component=component,
                        kind=dice.choice(["major", "partial", "maintenance"]),
                        started_at=start,
                        ended_at=start + timedelta(seconds=dice.randrange(60, 7200)),
                    )
                )
        ComponentSpan.objects.bulk_create(spans)
        for n in range(POSTS):
            begun = at - timedelta(days=7 * n, hours=3)
            post = Post.objects.create(
                title=f"Delays in region {n % 5}",
                status=PostStatus.RESOLVED,
                started_at=begun,
                resolved_at=begun + timedelta(hours=2),
                published_at=begun,
                **ours,
            )
            for m, status in enumerate(("investigating", "identified", "resolved")):
                PostUpdate.objects.create(
                    team=team,
                    post=post,
                    status=status,
                    at=begun + timedelta(minutes=30 * m),
                    body="We are looking into **slow answers** of some services.",
                )
        render_page(page.pk)
    connection.close()
    return len(components)


def measure_pages(
    bed: Bed, *, seconds: float, rounds: int, say: Callable[[str], None]
) -> list[Reading]:
    """Measure each way in turns, each `rounds` times for `seconds`, and return the medians."""
    make_page()
    runs: dict[str, list[Reading]] = {plan.name: [] for plan in PLANS}
    with contextlib.ExitStack() as servers:
        urls = {
            application: servers.enter_context(serving(application, bed))
            for application in (APPLICATION, EMPTY)
        }
        for plan in PLANS:
            _measure(plan, urls[plan.application], 1)  # first answers, warm caches
        for _ in range(rounds):
            for plan in PLANS:
                runs[plan.name].append(_measure(plan, urls[plan.application], seconds))
    readings = [_median(found) for found in runs.values()]
    for reading in readings:
        say(
            f"{reading.name}: {reading.per_second:,.0f}/s, p99 {reading.p99_ms:.1f} ms, "
            f"{reading.body_bytes:,} bytes"
        )
    return readings


def _measure(plan: Plan, url: str, seconds: float) -> Reading:
    import requests

    path = f"/status/{SLUG}/{plan.path}"
    headers = [GZIP]
    # Not as requests would read it: the bytes on the wire count.
    first = requests.get(url + path, headers={"Accept-Encoding": "gzip"}, timeout=10, stream=True)
    size = len(first.raw.read())
    if plan.known:
        headers.append(f"If-None-Match: {first.headers['etag']}")
        again = requests.get(
            url + path, headers=dict(line.split(": ", 1) for line in headers), timeout=10
        )
        if again.status_code != 304:
            raise LoadFailed(f"{plan.name}: {again.status_code}")
        size = 0
    elif first.status_code >= 300:
        raise LoadFailed(f"{plan.name}: {first.status_code}")
    load = press(url, path, headers, seconds=seconds)
    return Reading(plan.name, load.per_second, load.p50_ms, load.p99_ms, load.answers, size)


def press(url: str, path: str, headers: list[str], *, seconds: float) -> Load:
    """Read a path for so long. Raises LoadFailed."""
    if shutil.which("wrk") is None:
        return _press_ourselves(url, path, headers, seconds)
    options = [part for line in headers for part in ("-H", line)]
    duration = f"-d{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", duration, "--latency", *options, url + path]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise LoadFailed(out)
    return Load(
        per_second=float(_find(r"Requests/sec:\s+([\d.]+)", out)[0]),
        p50_ms=_milliseconds(*_find(r"50%\s+([\d.]+)(us|ms|s)", out)),
        p99_ms=_milliseconds(*_find(r"99%\s+([\d.]+)(us|ms|s)", out)),
        answers=int(_find(r"(\d+) requests in", out)[0]),
    )


def _press_ourselves(url: str, path: str, headers: list[str], seconds: float) -> Load:
    host = url.removeprefix("http://")
    command = [sys.executable, "-m", "bench.pages", host, path, "\n".join(headers), str(seconds)]
    out = subprocess.run(
        [*command, str(CONNECTIONS)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if out.returncode:
        raise LoadFailed(out.stderr)
    rate, half, most, answers = out.stdout.split()
    return Load(float(rate), float(half), float(most), int(answers))


def _median(runs: list[Reading]) -> Reading:
    return Reading(
        name=runs[0].name,
        per_second=statistics.median(run.per_second for run in runs),
        p50_ms=statistics.median(run.p50_ms for run in runs),
        p99_ms=statistics.median(run.p99_ms for run in runs),
        answers=sum(run.answers for run in runs),
        body_bytes=runs[-1].body_bytes,
    )


class Reader(asyncio.Protocol):
    """One connection: asks again when it is answered."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._missing = 0
        self._head = b""
        self._sent_at = 0.0
        self.failed = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            head = head.lower()
            if not head.startswith((b"http/1.1 20", b"http/1.1 304")):
                self.failed = head.decode(errors="replace")
                self._transport.close()
                return
            start = head.find(b"content-length: ")
            length = int(head[start + 16 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            self._head, self._missing = b"", length - len(rest)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._latencies.append(time.perf_counter() - self._sent_at)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.failed = self.failed or "the connection broke"

    def _send(self) -> None:
        self._missing = 0
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)


async def read(
    address: str, path: str, headers: str, *, seconds: float, connections: int
) -> tuple[list[float], float]:
    """Return the latencies in seconds, and how long it took; SystemExit on a refusal."""
    host, port = address.split(":")
    lines = [f"GET {path} HTTP/1.1", f"Host: {address}", *headers.splitlines(), "", ""]
    request = "\r\n".join(lines).encode()
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    readers: list[Any] = []
    started = time.perf_counter()
    for _ in range(connections):
        _, reader = await loop.create_connection(
            lambda: Reader(request, latencies), host, int(port)
        )
        readers.append(reader)
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    if broken := [reader.failed for reader in readers if reader.failed]:
        raise SystemExit(broken[0])
    return list(latencies), took


def main() -> None:
    address, path, headers, seconds, connections = sys.argv[1:]
    latencies, took = uvloop.run(
        read(address, path, headers, seconds=float(seconds), connections=int(connections))
    )
    latencies.sort()
    half, most = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    print(len(latencies) / took, half * 1000, most * 1000, len(latencies))


if __name__ == "__main__":
    main()
