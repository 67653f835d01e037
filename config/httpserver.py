"""The HTTP server inside each gunicorn worker: uvicorn, with uvloop and httptools."""

from __future__ import annotations

import os
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

HEAD_BYTES = 32_768
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHead(HttpToolsProtocol):
    """Refuses a request line and headers without end, which httptools alone would collect."""

    _reading_head = True
    _head_bytes = 0

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
        "http": BoundedHead,
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        "server_header": False,
        "proxy_headers": bool(os.environ.get("FORWARDED_ALLOW_IPS")),
        "access_log": False,
        "timeout_graceful_shutdown": 4,
    }
