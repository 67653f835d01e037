"""The empty answer: an application that reads the body and stores nothing.

What it answers per second is what the HTTP server costs by itself.
"""

from __future__ import annotations

from typing import Any

_START = {
    "type": "http.response.start",
    "status": 201,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"11")],
}
_BODY = {"type": "http.response.body", "body": b'{"ok":true}'}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve one ASGI scope."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send(_START)
    await send(_BODY)
