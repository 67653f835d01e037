"""Endpoints on loopback that harm who calls them: one drips its answer, one is broken."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator

DRIP = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
DRIP_SECONDS = 1.0  # from each byte to the next


class BadEndpoints:
    """A server: /drip answers a byte a second, everything else is a 500. It counts the calls."""

    def __init__(self) -> None:
        self.calls = {"drip": 0, "broken": 0}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                kind = "drip" if self.path == "/drip" else "broken"
                owner.calls[kind] += 1
                if kind == "broken":
                    self.send_error(500)
                    return
                with contextlib.suppress(OSError):
                    for byte in DRIP:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(DRIP_SECONDS)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """Take a caller's hanging up in its stride."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[BadEndpoints]:
        """Serve for the length of the block."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
