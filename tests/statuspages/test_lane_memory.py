"""What the lane keeps in memory, with a clock and a database of our own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from statuspages.serving.lane import (
    FRESH_SECONDS,
    MOST_AGE_SECONDS,
    PAUSE_SECONDS,
    STALE_SECONDS,
    PageLane,
    Standing,
)
from statuspages.serving.source import Found, Source, Unavailable, Wanted

pytestmark = pytest.mark.django_db(transaction=True)


class Database(Source):
    """Answers when it is told to, and counts."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.asked: list[tuple[Wanted, str]] = []
        self.body = b"one"
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, wanted: Wanted, etag: str = "") -> Found | None:
        self.asked.append((wanted, etag))
        await self.gate.wait()
        if self.broken:
            raise Unavailable
        if wanted.slug == "nobody":
            return None
        body = None if etag == f'"{self.body.decode()}"' else self.body
        tag = f'"{self.body.decode()}"'
        return Found("acme", True, "public", tag, "application/json", body, body)


class Bench:
    """A lane whose time is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.database = Database()
        self.lane = PageLane(self.database, clock=lambda: self.now)

    async def read(self, slug: str = "acme", path: str = "api/v2/summary.json") -> Any:
        entry = await self.lane._look_up(Wanted(slug, None, path))
        if entry is None or entry.standing is not Standing.SERVED:
            return entry and entry.standing
        assert entry.answers is not None
        return entry.answers.body


def run(script: Any) -> None:
    asyncio.run(script(Bench()))


def test_many_visitors_cost_one_look():
    async def script(bench: Bench) -> None:
        bench.database.gate.clear()
        reads = [asyncio.create_task(bench.read()) for _ in range(100)]
        await asyncio.sleep(0)
        bench.database.gate.set()
        assert set(await asyncio.gather(*reads)) == {b"one"}
        assert len(bench.database.asked) == 1

    run(script)


def test_half_a_second_is_fresh_and_a_second_is_the_most():
    async def script(bench: Bench) -> None:
        await bench.read()
        bench.database.body = b"two"
        bench.now += FRESH_SECONDS
        assert await bench.read() == b"one"
        assert len(bench.database.asked) == 1
        bench.now += 0.1
        assert await bench.read() == b"one"  # one looks, and nobody waits
        await asyncio.sleep(0.01)
        assert await bench.read() == b"two"
        assert bench.database.asked[1][1] == '"one"'  # what is known is not sent again
        bench.database.body = b"three"
        bench.now += MOST_AGE_SECONDS + 0.1
        assert await bench.read() == b"three"  # nobody has come for long: who comes now waits
        bench.now += MOST_AGE_SECONDS + 0.1
        assert await bench.read() == b"three"
        assert len(bench.database.asked) == 4

    run(script)


def test_without_a_database_what_is_kept_is_served_for_a_day():
    async def script(bench: Bench) -> None:
        await bench.read()
        bench.database.broken = True
        for _ in range(20):
            bench.now += MOST_AGE_SECONDS + PAUSE_SECONDS
            assert await bench.read() == b"one"
        asked = len(bench.database.asked)
        assert [await bench.read() for _ in range(50)] == [b"one"] * 50
        assert len(bench.database.asked) == asked  # a mute database is left in peace for a second
        assert await bench.read(path="api/v2/status.json") is None
        bench.now += STALE_SECONDS
        assert await bench.read() is None
        bench.database.broken = False
        bench.now += PAUSE_SECONDS
        assert await bench.read() == b"one"

    run(script)


def test_what_is_not_kept_is_busy_without_a_database_on_either_host():
    async def script(bench: Bench) -> None:
        bench.database.broken = True
        sent: list[Any] = []

        async def send(event: Any) -> None:
            sent.append(event.get("status"))

        scope = {"path": "/status/other/", "query_string": b"", "method": "GET", "headers": []}
        assert await bench.lane.serve_slug(scope, send)  # Django would hang on the same database
        assert (
            await bench.lane.serve_domain({**scope, "path": "/"}, "status.acme.dev", send) is None
        )
        assert sent[::2] == [503, 503]

    run(script)


def test_a_database_that_hangs_holds_nobody_up_for_long():
    async def script(bench: Bench) -> None:
        await bench.read()
        bench.database.gate.clear()
        bench.now += 60
        started = asyncio.get_running_loop().time()
        assert await bench.read() == b"one"
        assert asyncio.get_running_loop().time() - started < 1

    run(script)


def test_made_up_names_do_not_push_out_what_is_served(monkeypatch):
    monkeypatch.setattr("statuspages.serving.lane.MOST_ABSENT", 10)

    async def script(bench: Bench) -> None:
        await bench.read()
        for n in range(50):
            assert await bench.read("nobody", str(n)) is Standing.ABSENT
        assert await bench.read() == b"one"
        assert len(bench.database.asked) == 51
        assert len(bench.lane._absent) == 10

    run(script)


def test_memory_is_bounded_and_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr("statuspages.serving.lane.MOST_KEPT_BYTES", 60)

    async def script(bench: Bench) -> None:
        for n in range(30):
            await bench.read(path=str(n))
        assert bench.lane._kept_bytes <= 60
        assert bench.lane._kept_bytes == sum(
            entry.answers.size for entry in bench.lane._kept.values() if entry.answers
        )
        asked = len(bench.database.asked)
        await bench.read(path="29")
        assert len(bench.database.asked) == asked
        await bench.read(path="0")
        assert len(bench.database.asked) == asked + 1

    run(script)
