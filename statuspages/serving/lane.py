"""The lane of status pages: what is public and rendered is answered from memory, past Django.

An answer is kept in the process for a second at most: after half of it one visitor's request makes
the lane look again while the others are served, after a whole one they wait for the look. If the
database gives no answer, what is kept is served on for a day. The lane decides only what it is sure
of; gates, forms, pictures and representations that nobody has asked for yet are Django's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from accounts.models import SLUG_PATTERN
from statuspages.rendering.representations import is_path, normalize
from statuspages.serving.answers import (
    Answers,
    Headers,
    not_found,
    preflight_headers,
    wants_html,
)
from statuspages.serving.source import Found, Source, Unavailable, Wanted

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PREFIX = "/status/"
FRESH_SECONDS = 0.5
MOST_AGE_SECONDS = 1.0
STALE_SECONDS = 86_400.0
PATIENCE_SECONDS = 0.5  # so long a visitor waits for news where there is something old to show
PAUSE_SECONDS = 1.0  # so long after the database gave no answer it is not asked again
MOST_KEPT_BYTES = 64 << 20
MOST_ABSENT = 8_192
_MOST_PATH = 200
_SLUG = re.compile(SLUG_PATTERN)
_BUSY = b"This cannot be looked up now. Try again in a moment.\n"


class Standing(Enum):
    """What is to be done with a request."""

    SERVED = 1  # from `answers`
    DJANGO = 2  # the page is there; the rest is for Django to say
    ABSENT = 3  # no such page, or not published


@dataclass(slots=True)
class Entry:
    """What is known of one representation, and since when."""

    wanted: Wanted
    at: float
    standing: Standing
    slug: str = ""
    etag: str = ""
    answers: Answers | None = None
    look: asyncio.Task[Entry] | None = None


class PageLane:
    """Serves one process."""

    def __init__(self, source: Source, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._kept: OrderedDict[Wanted, Entry] = OrderedDict()
        self._kept_bytes = 0
        self._absent: OrderedDict[Wanted, Entry] = OrderedDict()
        self._first_looks: dict[Wanted, asyncio.Task[Entry]] = {}
        self._paused_until = 0.0

    async def stop(self) -> None:
        """Give the connection up."""
        await self._source.stop()

    async def serve_slug(self, scope: Scope, send: Send) -> bool:
        """Answer a request below /status/ on our own host; False if Django has to."""
        slug, slash, path = scope["path"][len(PREFIX) :].partition("/")
        if not _SLUG.fullmatch(slug):
            await _send_absent(scope, path, send)
            return True
        if not slash:
            if scope["method"] not in ("GET", "HEAD"):
                return False
            query = scope["query_string"]
            place = f"{PREFIX}{slug}/".encode() + (b"?" + query if query else b"")
            await _send(send, 308, [(b"location", place), (b"content-length", b"0")], b"")
            return True
        return await self._serve(scope, slug, None, path, send) is None

    async def serve_domain(self, scope: Scope, domain: str, send: Send) -> str | None:
        """Answer a request on another host than ours; the page's slug if Django has to.

        A name that is no page's domain is answered 404, and 503 where that cannot be known.
        """
        path = scope["path"].removeprefix("/")
        if not domain:
            await _send_absent(scope, path, send)
            return None
        return await self._serve(scope, None, domain, path, send)

    async def _serve(
        self, scope: Scope, slug: str | None, domain: str | None, path: str, send: Send
    ) -> str | None:
        """Answer, and return None; or return the slug (if it is known) of what is Django's."""
        query: bytes = scope["query_string"]
        known = _normal(path, query) if path or query else ""
        if known is None:
            # No representation: a link out of a mail perhaps, which outlives a page's publication.
            # On our own host Django finds the page; here only the domain's owner is looked for.
            if slug is not None:
                return slug
            known = "?"
        entry = await self._look_up(Wanted(slug, domain, known))
        if entry is None:  # Django would ask the same database, and wait for longer
            await _send_busy(send)
            return None
        if entry.standing is Standing.ABSENT and not (known == "?" and entry.slug):
            await _send_absent(scope, path, send)
            return None
        if entry.answers is not None and await _answer(scope, entry.answers, path, send):
            return None
        return entry.slug

    async def _look_up(self, wanted: Wanted) -> Entry | None:
        """Return an entry that is fresh enough; None if nothing is known and the database mute."""
        entry = self._kept.get(wanted) or self._absent.get(wanted)
        now = self._clock()
        if entry is None:
            return await self._look_first(wanted)
        age = now - entry.at
        if age <= FRESH_SECONDS:
            return entry
        if entry.look is None and now >= self._paused_until:
            entry.look = asyncio.create_task(self._look(wanted, entry))
            entry.look.add_done_callback(_heed)
        look = entry.look
        if age > MOST_AGE_SECONDS and look is not None:
            await asyncio.wait({look}, timeout=PATIENCE_SECONDS)
            if look.done() and not look.cancelled() and look.exception() is None:
                return look.result()
        return entry if age <= STALE_SECONDS else None

    async def _look_first(self, wanted: Wanted) -> Entry | None:
        if self._clock() < self._paused_until:
            return None
        look = self._first_looks.get(wanted)
        if look is None:
            look = asyncio.create_task(self._look(wanted, None))
            look.add_done_callback(_heed)
            self._first_looks[wanted] = look
        try:
            return await asyncio.shield(look)
        except Unavailable:
            return None

    async def _look(self, wanted: Wanted, before: Entry | None) -> Entry:
        at = self._clock()  # what is found is as old as the question
        try:
            found = await self._source.find(wanted, before.etag if before else "")
        except Unavailable:
            self._paused_until = self._clock() + PAUSE_SECONDS
            raise
        finally:
            self._first_looks.pop(wanted, None)
            if before is not None:
                before.look = None
        return self._keep(wanted, at, found, before)

    def _keep(self, wanted: Wanted, at: float, found: Found | None, before: Entry | None) -> Entry:
        entry = Entry(wanted, at, Standing.ABSENT)
        if found is not None:
            entry.slug = found.slug
        if found is not None and found.published:
            entry.standing = Standing.DJANGO
            if found.visibility == "public" and found.etag and found.content_type:
                entry.standing, entry.etag = Standing.SERVED, found.etag
                if found.body is not None and found.gzipped is not None:
                    entry.answers = Answers(
                        content_type=found.content_type,
                        etag=found.etag,
                        body=found.body,
                        gzipped=found.gzipped,
                    )
                elif before is not None:
                    entry.answers = before.answers
        if old := self._kept.pop(wanted, None):
            self._kept_bytes -= old.answers.size if old.answers else 0
        self._absent.pop(wanted, None)
        if entry.answers is None:
            self._absent[wanted] = entry
            if len(self._absent) > MOST_ABSENT:
                self._absent.popitem(last=False)
            return entry
        self._kept[wanted] = entry
        self._kept_bytes += entry.answers.size
        while self._kept_bytes > MOST_KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.answers.size if oldest.answers else 0
        return entry


@lru_cache(maxsize=4096)
def _normal(path: str, query: bytes) -> str | None:
    """Return the snapshot's path for a request; None where no snapshot can be."""
    try:
        found = normalize(path, query.decode())
    except UnicodeDecodeError:
        return None
    return found if len(found) <= _MOST_PATH and is_path(found) else None


def _heed(task: asyncio.Task[Entry]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waits for it is told; if nobody does, nobody needs to know


async def _answer(scope: Scope, answers: Answers, path: str, send: Send) -> bool:
    """Answer what asks for the bytes, or whether it may; False for every other method."""
    method: str = scope["method"]
    if method not in ("GET", "HEAD"):
        if method != "OPTIONS" or wants_html(path):
            return False
        await _send(send, 204, preflight_headers(), b"")
        return True
    accepted = if_none_match = b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted = accepted + b"," + value if accepted else value
        elif name == b"if-none-match":
            if_none_match = if_none_match + b"," + value if if_none_match else value
    status, headers, body = answers.answer(accepted, if_none_match)
    await _send(send, status, headers, b"" if method == "HEAD" else body)
    return True


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_absent(scope: Scope, path: str, send: Send) -> None:
    headers, body = not_found(path)
    await _send(send, 404, headers, b"" if scope["method"] == "HEAD" else body)


async def _send_busy(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(_BUSY)),
        (b"retry-after", b"1"),
        (b"cache-control", b"no-store"),
    ]
    await _send(send, 503, headers, _BUSY)
