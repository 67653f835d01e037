"""A recorder's database session: one connection, opened when needed, given up when in doubt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg

from accounts.database.standing import engine_sql
from monitors.ingest import listening, statement
from monitors.ingest.measures import measured
from monitors.ingest.push import Push

CONNECT_SECONDS = 2

_encode = msgspec.json.Encoder().encode
Row = tuple[Any, ...]


class Session:
    """Runs the push path's statements on a connection of its own, in autocommit."""

    def __init__(self, conninfo: Callable[[], dict[str, Any]]) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.AsyncConnection[Row] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether there is no usable connection."""
        return self._connection is None or self._connection.closed

    async def close(self) -> None:
        """Give the connection up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()

    @measured
    async def record(self, pushes: list[Push]) -> list[Row]:
        """Commit a batch by one statement and return its rows. Raises psycopg.Error, OSError."""
        connection = await self._connect()
        once = False
        for n, push in enumerate(pushes):
            push.n = n
            once = once or push.receipt is not None
        parameters = {"batch": _encode(pushes).decode()}
        if not once:
            cursor = await connection.execute(statement.RECORD, parameters, prepare=True)
            return await cursor.fetchall()
        async with connection.transaction():
            await connection.execute(statement.LOCK, parameters, prepare=True)
            cursor = await connection.execute(statement.RECORD_ONCE, parameters, prepare=True)
            return await cursor.fetchall()

    async def unlocked(self, pushes: list[Push]) -> set[int]:
        """Return which of the pushes (by place) have a heartbeat that nobody holds now."""
        connection = await self._connect()
        for n, push in enumerate(pushes):
            push.n = n
        parameters = {"batch": _encode(pushes).decode()}
        cursor = await connection.execute(statement.UNLOCKED, parameters)
        return {row[0] for row in await cursor.fetchall()}

    async def stamp(self) -> None:
        """Stamp the listening ledger. Raises psycopg.Error, OSError."""
        connection = await self._connect()
        await connection.execute(listening.STAMP, prepare=True)

    async def _connect(self) -> psycopg.AsyncConnection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = None
            connection = await psycopg.AsyncConnection.connect(
                **{**self._conninfo(), "connect_timeout": CONNECT_SECONDS}, autocommit=True
            )
            await connection.execute(statement.SESSION)
            await connection.execute(engine_sql())
            self._connection = connection
        return self._connection
