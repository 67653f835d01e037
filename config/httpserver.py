"""The HTTP server inside each gunicorn worker: uvicorn, with uvloop and httptools."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

HEAD_BYTES = 32_768
_REQUEST_LINE = re.compile(rb"[A-Z]{3,7} /")
_UPGRADE = re.compile(rb"\nupgrade:", re.IGNORECASE)
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def without_upgrade(data: bytes) -> bytes:
    """Return a request whose wish to change the protocol (h2c, websocket) is not seen.

    A server may ignore it; the parser would stop before the body, and the push would be empty.
    """
    if not _REQUEST_LINE.match(data):
        return data
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\nx-asked:", head) + end + rest


class CorkedTransport:
    """A transport that writes what one turn of the loop gives it in one system call.

    uvicorn writes a response's head and its body apart: two system calls and two packets for an
    answer of 200 bytes, which were two thirds of the kernel's time on the push path.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep `data` until the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Write what is kept, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            if not self._transport.is_closing():
                self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """HTTP with corked writes, and a bound on a request's line and headers.

    httptools alone would collect a head without end.
    """

    _reading_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Cork the connection's writes."""
        super().connection_made(CorkedTransport(transport))  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._reading_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: from here on the application decides how much it reads."""
        self._reading_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and end the connection where a head grows too long."""
        if b"pgrade:" in data or b"PGRADE:" in data:
            data = without_upgrade(data)
        super().data_received(data)
        if self._reading_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.write(TOO_LARGE)
                self.transport.close()


class Worker(UvicornWorker):  # type: ignore[misc]
    """Gunicorn's worker; it says nothing of itself in headers, and logs no request."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        "server_header": False,
        "proxy_headers": bool(os.environ.get("FORWARDED_ALLOW_IPS")),
        "access_log": False,
        "timeout_graceful_shutdown": 4,
    }
