"""Pushing in tests: an ASGI client for the real application, many monitors, clocks set back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django_scopes import scopes_disabled

from accounts.models import Namespace, Team
from config.asgi import Application
from monitors import ingest
from monitors.ingest import record_push
from monitors.ingest.push import Answer, Push
from monitors.ingest.recorder import Recorder
from monitors.models import Heartbeat, Monitor, PushKey, PushResult, Transition

JSON = ((b"content-type", b"application/json"),)


@dataclass(frozen=True)
class Reply:
    """What the application answered; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def by_lane(self) -> bool:
        """Whether the lane answered: Django would have added its security headers."""
        return "x-frame-options" not in self.headers


async def ask(
    app: Any,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    headers: tuple[tuple[bytes, bytes], ...] = JSON,
    query: bytes = b"",
    chunks: int = 0,
    host: bytes = b"anything",
) -> Reply:
    """Send one HTTP request to an ASGI application, in `chunks` without a length if given."""
    length = () if chunks else ((b"content-length", b"%d" % len(body)),)
    coding = ((b"transfer-encoding", b"chunked"),) if chunks else ()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", host), *headers, *length, *coding],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8000),
    }
    size = max(1, -(-len(body) // chunks)) if chunks else len(body)
    parts = [body[start : start + size] for start in range(0, len(body), size or 1)] or [b""]
    sent: list[Any] = []

    async def receive() -> Any:
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}
        return await asyncio.get_running_loop().create_future()  # the client stays

    async def send(event: Any) -> None:
        sent.append(event)

    await app(scope, receive, send)
    start = sent[0]
    return Reply(
        status=start["status"],
        headers={name.decode().lower(): value.decode() for name, value in start["headers"]},
        body=b"".join(event.get("body", b"") for event in sent[1:]),
    )


@contextlib.asynccontextmanager
async def running_application() -> AsyncIterator[Application]:
    """Give the ASGI application, started by its lifespan as a server would."""
    app = Application()
    events: asyncio.Queue[Any] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, events.get, said.put))
    await events.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    try:
        yield app
    finally:
        await events.put({"type": "lifespan.shutdown"})
        assert (await said.get())["type"] == "lifespan.shutdown.complete"
        await life


@contextlib.asynccontextmanager
async def recorders(count: int, **options: Any) -> AsyncIterator[list[Recorder]]:
    """Give recorders on the running loop, each with sessions of its own."""
    running = [Recorder(ingest.connection_parameters, **options) for _ in range(count)]
    try:
        yield running
    finally:
        for recorder in running:
            await recorder.stop()


def make_monitors(team: Team, count: int, prefix: str = "m", **fields: Any) -> list[Monitor]:
    """Create many monitors by three statements."""
    with scopes_disabled():
        namespace = Namespace.objects.get(team=team, name=team.slug)
        monitors = [
            Monitor(team=team, namespace=namespace, name=f"{prefix}-{n}", **fields)
            for n in range(count)
        ]
        Monitor.objects.bulk_create(monitors)
        Heartbeat.objects.bulk_create(Heartbeat(team=team, monitor=m) for m in monitors)
        PushKey.objects.bulk_create(PushKey(team=team, monitor=m) for m in monitors)
    return monitors


def slug_of(monitor: Monitor) -> str:
    """Return the monitor's present slug."""
    with scopes_disabled():
        return PushKey.objects.get(monitor=monitor, is_current=True).value


def push(monitor: Monitor, status: str = "pass", **fields: Any) -> Answer:
    """Store one push as a view does where no recorder runs."""
    answer = record_push(Push(fail=status == "fail", monitor=monitor.pk, **fields))
    assert answer is not None
    return answer


def listen(*, seconds_ago: float = 0) -> datetime:
    """Set the listening stamp, as a recorder that could commit then; return it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_listeningstamp (id, at) "
            "VALUES (1, clock_timestamp() - make_interval(secs => %s)) "
            "ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING at",
            [seconds_ago],
        )
        at: datetime = cursor.fetchone()[0]
    return at


def set_clock(monitor: Monitor, at: datetime) -> None:
    """Let the monitor's last push (or arming) have been at `at`, with the alarm of that time.

    What is unarmed stays unarmed, and an alarm that is off stays off.
    """
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE monitors_heartbeat SET check_at = CASE WHEN check_at IS NOT NULL THEN %s END, "
            "clock_from = CASE WHEN clock_from IS NOT NULL THEN %s::timestamptz END, "
            "last_push_at = CASE WHEN last_push_at IS NOT NULL THEN %s::timestamptz END "
            "WHERE monitor_id = %s",
            [at, at, at, monitor.pk],
        )


def age(monitor: Monitor, seconds: float) -> None:
    """Let the monitor's last push have been so many seconds ago."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    set_clock(monitor, now - timedelta(seconds=seconds))


def heartbeat(monitor: Monitor) -> Heartbeat:
    """Return how the monitor stands now."""
    with scopes_disabled():
        return Heartbeat.objects.get(monitor=monitor)


def transitions(monitor: Monitor) -> list[tuple[str, str, str | None]]:
    """Return the monitor's changes in order, as (from, to, cause)."""
    with scopes_disabled():
        rows = Transition.objects.filter(monitor=monitor).order_by("id")
        return [(row.from_state, row.to_state, row.cause) for row in rows]


def results(monitor: Monitor) -> list[PushResult]:
    """Return what was stored of the monitor, in order."""
    with scopes_disabled():
        return list(PushResult.objects.filter(monitor=monitor).order_by("received_at", "id"))


def assert_chained(monitor: Monitor) -> None:
    """Check that each change starts from where the last one ended, and the state is the last's."""
    state = "pending"
    for from_state, to_state, cause in transitions(monitor):
        assert from_state == state
        assert from_state != to_state or cause
        state = to_state
    assert heartbeat(monitor).state == state
