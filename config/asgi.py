"""The ASGI entry: lanes of pushes and status pages in front, Django behind, a recorder beside."""

from __future__ import annotations

import asyncio
import json
import os
from http import HTTPStatus
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.conf import settings

from accounts.api.problems import CONTENT_TYPE, problem
from accounts.observing import start_observing
from config import csp
from config.django_handler import ThreadedHandler
from config.hosts import Hosts
from config.requests import BUSY as BUSY_ANSWERS
from monitors import ingest
from monitors.ingest.body import BodyOutcome, read_body, replay
from monitors.ingest.lane import Event, LaneRefused, Receive, Scope, Send, fast_slug, try_lane
from monitors.ingest.limits import PushLimits, Refusal, push_limits
from monitors.ingest.measures import count_refusal
from monitors.ingest.recorder import Recorder
from statuspages.serving.lane import PREFIX as PAGES
from statuspages.serving.lane import PageLane
from statuspages.serving.source import Source

# Paths that answer on any Host, as pushes do: machines reach us by names of their own.
ANY_HOST = frozenset({"/readyz", "/readyz/", "/metrics", "/metrics/", "/internal/tls-ask"})
WATCHDOG = "/watchdog"  # our own receiver: reached by whatever name CANARY_URL gives
BODY_LIMITED = ("/api/push/", "/api/ping/")
MOST_QUEUED = 128
QUEUE_SECONDS = 5.0
MOST_BODY = 4 * 1024 * 1024
BODY_SECONDS = 20.0
# What Django's middleware would say of an answer that is no page.
INERT = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", csp.NOTHING.encode()),
)
BUSY = "Too many requests are waiting. Try again in a second."


class Application:
    """Serves one process: see the module's first line for the order of the doors."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self._slots = asyncio.Semaphore(settings.DJANGO_SLOTS)
        self._queued = 0
        self._lane_is_on: bool = settings.PUSH_LANE
        self._limits = push_limits()
        self._host = settings.BASE_HOST.encode()
        self._hosts = Hosts(settings.BASE_URL, embedded=settings.EMBEDDED)
        self._pages = PageLane(Source(ingest.connection_parameters))
        self._django = ThreadedHandler(threads=settings.DJANGO_SLOTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                # A web process gets no pushes where they are routed apart: it must not say that
                # the installation listens.
                listens = settings.TOCSIN_ROLE != "web"
                self.recorder = Recorder(ingest.connection_parameters, listens=listens)
                ingest.use_recorder(self.recorder)
                start_observing()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                ingest.use_recorder(None)
                await self._pages.stop()
                if self.recorder is not None:
                    await self.recorder.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(BODY_LIMITED):
            await self._serve_push(scope, receive, send)
        elif path == "/healthz":
            await _plain(send, 200, b"ok\n")
        elif path in ANY_HOST:
            self._set_host(scope)
            await self._serve_django(scope, receive, send)
        elif path == WATCHDOG:
            self._set_host(scope)
            await self._serve_page(scope, receive, send)
        elif settings.TOCSIN_ROLE == "ingest":
            await _problem(send, 404, "Not found.")
        else:
            await self._serve_by_host(scope, receive, send)

    async def _serve_by_host(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve everything on our own host, one status page on its domain, nothing elsewhere."""
        domain = self._hosts.foreign(scope["headers"])
        if domain is not None:
            slug = await self._pages.serve_domain(scope, domain, send)
            if slug is None:
                return
            scope["tocsin.domain"] = domain
            scope["path"] = f"{PAGES}{slug}{scope['path']}"
            scope["raw_path"] = f"{PAGES}{slug}".encode() + scope.get("raw_path", b"/")
            self._set_host(scope)
        elif scope["path"].startswith(PAGES) and await self._pages.serve_slug(scope, send):
            return
        await self._serve_page(scope, receive, send)

    async def _serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body before a slot is taken: who sends slowly must not hold one."""
        outcome, body = await read_body(
            receive, most_bytes=MOST_BODY, most_drained=4 * MOST_BODY, seconds=BODY_SECONDS
        )
        if outcome is BodyOutcome.TOO_LARGE:
            await _problem(send, 413, f"The body is larger than {MOST_BODY} bytes.")
        elif outcome is BodyOutcome.TOO_SLOW:
            await _problem(send, 408, f"The body did not arrive within {BODY_SECONDS:.0f} seconds.")
        elif outcome is BodyOutcome.COMPLETE:
            await self._serve_django(scope, replay(scope, body, receive), send)

    async def _serve_push(self, scope: Scope, receive: Receive, send: Send) -> None:
        slug = fast_slug(scope) if self._lane_is_on else None
        outcome, body = await read_body(receive)
        if outcome is BodyOutcome.GONE:
            return
        if self._limits is not None:
            slug, refusal = _count_push(self._limits, scope, slug)
            if refusal is not None:
                count_refusal(429)
                await _problem(send, 429, refusal.text, wait=refusal.wait)
                return
        if slug is not None and self.recorder is not None and outcome is BodyOutcome.COMPLETE:
            try:
                if await try_lane(self.recorder, slug, body, send, scope.get("tocsin.request_id")):
                    return
            except LaneRefused as refused:
                scope["tocsin.refused"] = refused.cause
        self._set_host(scope)
        scope["tocsin.body"] = outcome
        await self._serve_django(scope, replay(scope, body, receive), send)

    def _set_host(self, scope: Scope) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", self._host), *headers]

    async def _serve_django(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Four busy views in a process take nine tenths of the lane's speed, and every view takes
        # a connection: a bounded number runs, a bounded number waits, the rest comes again.
        if self._queued >= MOST_QUEUED:
            await _busy(scope, send)
            return
        self._queued += 1
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            await _busy(scope, send)
            return
        finally:
            self._queued -= 1
        try:
            answer = await self._django.respond(scope, receive)
        finally:
            self._slots.release()
        if answer is not None:  # sent without a slot: who reads slowly must not hold one either
            await self._django.send_answer(answer, send)


def _count_push(
    limits: PushLimits, scope: Scope, slug: str | None
) -> tuple[str | None, Refusal | None]:
    """Return the slug if the lane may take the push, and why it is refused, if it is.

    What is counted here is not counted again by the views. A slug that is not known yet is left to
    them: they look it up anyway.
    """
    address, _ = scope.get("client") or ("", 0)
    refusal = limits.check_address(address)
    scope["tocsin.counted"] = {"address"}
    if refusal is not None or slug is None or not limits.needs_monitor:
        return slug, refusal
    known = limits.whose(slug)
    if known is None:
        return None, None
    scope["tocsin.counted"].add("monitor")
    return slug, limits.check_monitor(*known)


async def _busy(scope: Scope, send: Send) -> None:
    BUSY_ANSWERS.inc()
    if scope["path"].startswith(BODY_LIMITED):
        count_refusal(503)
    await _problem(send, 503, BUSY)


async def _plain(
    send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    content_type = (b"content-type", b"text/plain; charset=utf-8")
    start: Event = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            *(headers or (content_type,)),
            (b"content-length", b"%d" % len(body)),
            *INERT,
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def _problem(send: Send, status: int, detail: str, *, wait: int = 0) -> None:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait = 1
    retry = ((b"retry-after", b"%d" % wait),) if wait else ()
    body = json.dumps(problem(status, detail)).encode()
    content_type = (b"content-type", CONTENT_TYPE.encode())
    await _plain(send, status, body, (content_type, *retry))


application: Any = Application()
