"""Reading a push's body in front of Django, with a limit on its size and on its patience."""

from __future__ import annotations

import asyncio
import enum

from monitors.ingest.lane import Event, Receive, Scope

MOST_BYTES = 65_536
MOST_DRAINED_BYTES = 4 * 1024 * 1024
BODY_SECONDS = 10.0


class BodyOutcome(enum.Enum):
    """How reading the body ended."""

    COMPLETE = "complete"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    GONE = "gone"


async def read_body(
    receive: Receive,
    *,
    most_bytes: int = MOST_BYTES,
    most_drained: int = MOST_DRAINED_BYTES,
    seconds: float = BODY_SECONDS,
) -> tuple[BodyOutcome, bytes]:
    """Return how the reading ended, and the body if it is complete.

    A body beyond `most_bytes` is read on and thrown away (up to `most_drained`), so that a client
    that sends everything before it reads is told 413 and not cut off.
    """
    chunks: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(seconds):
            while more and size <= most_drained:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return BodyOutcome.GONE, b""
                chunk: bytes = message.get("body", b"")
                more = bool(message.get("more_body"))
                size += len(chunk)
                if size <= most_bytes:
                    chunks.append(chunk)
                else:
                    chunks.clear()
    except TimeoutError:
        return BodyOutcome.TOO_SLOW, b""
    if size > most_bytes:
        return BodyOutcome.TOO_LARGE, b""
    return BodyOutcome.COMPLETE, b"".join(chunks)


def replay(scope: Scope, body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then the connection's real events.

    The scope's headers are set right for a body that is whole: a chunked one would be read as
    empty without its length.
    """
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"transfer-encoding")
    ]
    scope["headers"] = [*headers, (b"content-length", b"%d" % len(body))]
    replayed = False

    async def receive_again() -> Event:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
