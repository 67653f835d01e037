"""Where the lane gets snapshots from: one connection, one statement for all that is wanted now.

What visitors ask for while a statement runs goes into the next one together. So neither many
visitors nor somebody who makes up names costs more than one connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg

from accounts.database.standing import engine_sql

CONNECT_SECONDS = 2
ANSWER_SECONDS = 3.0
MOST_AT_ONCE = 64
SESSION = "SET statement_timeout = '2s'"

# name: snapshots
# For each slug or verified domain with a path: the page, and its bytes if they are not the known
# ones. Nothing of a page that is not open to everybody leaves the database by this.
SNAPSHOTS = """
SELECT wanted.n, p.slug, p.published, p.visibility, s.etag, s.content_type,
  CASE WHEN s.etag IS DISTINCT FROM wanted.etag THEN s.body END,
  CASE WHEN s.etag IS DISTINCT FROM wanted.etag THEN s.gzipped END
FROM unnest(%(slugs)s::text[], %(domains)s::text[], %(paths)s::text[], %(etags)s::text[])
  WITH ORDINALITY AS wanted (slug, domain, path, etag, n)
CROSS JOIN LATERAL (
  SELECT id, slug, published, visibility FROM statuspages_statuspage
  WHERE slug = wanted.slug
  UNION ALL
  SELECT id, slug, published, visibility FROM statuspages_statuspage
  WHERE domain = wanted.domain AND domain_verified_at IS NOT NULL
) AS p
LEFT JOIN statuspages_pagesnapshot s
  ON s.page_id = p.id AND s.path = wanted.path AND p.published AND p.visibility = 'public'
"""


class Wanted(NamedTuple):
    """One representation: of the page with this slug, or on this domain."""

    slug: str | None
    domain: str | None
    path: str


class Found(NamedTuple):
    """How a page and one of its snapshots are. `body` is None if the tag was known already."""

    slug: str
    published: bool
    visibility: str
    etag: str | None
    content_type: str | None
    body: bytes | None
    gzipped: bytes | None


class Unavailable(Exception):  # noqa: N818 - it names what is
    """The database gave no answer."""


class Source:
    """Reads snapshots on a connection of its own, opened when needed, given up when in doubt."""

    def __init__(self, conninfo: Callable[[], dict[str, Any]]) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._waiting: list[tuple[Wanted, str, asyncio.Future[Found | None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def find(self, wanted: Wanted, etag: str = "") -> Found | None:
        """Return what there is now, None for no such page. Raises Unavailable."""
        future: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, etag, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def stop(self) -> None:
        """Close the connection."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        await self._close()

    async def _work(self) -> None:
        batch: list[tuple[Wanted, str, asyncio.Future[Found | None]]] = []
        try:
            while self._waiting:
                batch, self._waiting = (
                    self._waiting[:MOST_AT_ONCE],
                    self._waiting[MOST_AT_ONCE:],
                )
                try:
                    found = await self._ask(batch)
                except (psycopg.Error, OSError, TimeoutError):
                    await self._close()
                    batch += self._waiting  # none of them would fare better
                    self._waiting = []
                    for _, _, future in batch:
                        if not future.done():
                            future.set_exception(Unavailable())
                else:
                    for n, (_, _, future) in enumerate(batch):
                        if not future.done():
                            future.set_result(found.get(n))
        finally:
            for _, _, future in (*batch, *self._waiting):
                if not future.done():
                    future.cancel()

    async def _ask(
        self, batch: list[tuple[Wanted, str, asyncio.Future[Found | None]]]
    ) -> dict[int, Found]:
        parameters = {
            "slugs": [wanted.slug for wanted, _, _ in batch],
            "domains": [wanted.domain for wanted, _, _ in batch],
            "paths": [wanted.path for wanted, _, _ in batch],
            "etags": [etag for _, etag, _ in batch],
        }
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await self._connect()
            async with connection.cursor(binary=True) as cursor:
                await cursor.execute(SNAPSHOTS, parameters, prepare=True)
                rows = await cursor.fetchall()
        return {row[0] - 1: Found(*row[1:]) for row in rows}

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = None
            connection = await psycopg.AsyncConnection.connect(
                **{**self._conninfo(), "connect_timeout": CONNECT_SECONDS}, autocommit=True
            )
            self._connection = connection
            await connection.execute(SESSION)
            await connection.execute(engine_sql())
        return self._connection

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()
