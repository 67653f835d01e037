"""Providers on loopback: real servers that record what they get and answer what they are told."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One recorded request. Header names are in lower case, repeated ones joined with commas.

    `at` is Unix seconds.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What the provider does with a request.

    `delay_seconds` passes before the status line. `drip_seconds` is the pause after each byte of
    the whole answer. `reset` breaks the connection instead of answering. `raw` is sent as it is.
    `announce` is a Content-Length that need not be true.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0
    drip_seconds: float = 0
    reset: bool = False
    raw: bytes | None = None
    announce: int | None = None

    def encode(self) -> bytes:
        if self.raw is not None:
            return self.raw
        length = len(self.body) if self.announce is None else self.announce
        fields = {"Content-Length": str(length), "Connection": "close"} | self.headers
        lines = [f"HTTP/1.1 {self.status} Told"] + [f"{k}: {v}" for k, v in fields.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


class Provider:
    """An HTTP server on loopback; use it as a context manager.

    `answer` is called with the number of the request, from 1, and gives a status or an Answer. It
    may be replaced at any time. `connections` counts accepted connections, with or without a
    request.
    """

    def __init__(
        self,
        answer: Callable[[int], int | Answer] = lambda n: 200,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.got: list[Received] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._arrived = threading.Condition()
        self._server = _Server((host, port), self._handler(), tls)
        self._server.provider = self
        self.host, self.port = host, self._server.server_port
        self.scheme = "https" if tls else "http"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/hook"

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def wait(self, count: int, seconds: float = 5) -> list[Received]:
        """Return the requests once there are `count`. Raises AssertionError after `seconds`."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.got) >= count, seconds)
        assert enough, f"{len(self.got)} of {count} requests within {seconds} s"
        return self.got

    def _record(self, received: Received) -> int:
        with self._arrived:
            self.got.append(received)
            self._arrived.notify_all()
            return len(self.got)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {
                    name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers
                }
                number = provider._record(
                    Received(self.command, self.path, headers, body, time.time())
                )
                told = provider.answer(number)
                with contextlib.suppress(OSError):
                    self._give(told if isinstance(told, Answer) else Answer(told))
                self.close_connection = True

            do_GET = do_PUT = do_POST  # noqa: N815

            def _give(self, told: Answer) -> None:
                provider.stopping.wait(told.delay_seconds)
                if told.reset:
                    # Closing with a linger time of nought sends RST instead of FIN.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                for part in _parts(told):
                    self.wfile.write(part)
                    if provider.stopping.wait(told.drip_seconds):
                        return

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def _parts(told: Answer) -> Iterator[bytes]:
    content = told.encode()
    size = 1 if told.drip_seconds else max(1, len(content))
    for start in range(0, len(content), size):
        yield content[start : start + size]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    provider: Provider

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        tls: ssl.SSLContext | None,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._tls = tls
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # The standard class looks its own name up, which may take seconds without a name server.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "provider", self.server_address[1]

    def get_request(self) -> tuple[Any, Any]:
        request, peer = super().get_request()
        self.provider.connections += 1
        return request, peer

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls:
            request = self._tls.wrap_socket(request, server_side=True)
        with request:
            super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that break off are what the tests are about."""


class MailServer:
    """An SMTP server on loopback that answers `replies[verb]` where it is given, else yes.

    `delays` gives for a verb, or for "every" one, the seconds before its reply; `drip_seconds` is
    the pause after each byte of a reply. With `tls` all is encrypted, from the start or, with
    `starttls`, once the client asks for it.
    """

    def __init__(
        self,
        replies: dict[str, str] | None = None,
        *,
        delays: dict[str, float] | None = None,
        drip_seconds: float = 0,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        starttls: bool = False,
    ) -> None:
        self.replies = replies or {}
        self.mails: list[bytes] = []
        self.stopping = threading.Event()
        self.delays = delays or {}
        self.drip_seconds, self.tls, self.starttls = drip_seconds, tls, starttls
        self._server = _MailSockets((host, 0), _MailTalk)
        self._server.mailserver = self
        self.port = self._server.server_address[1]

    def __enter__(self) -> MailServer:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


class _MailSockets(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    mailserver: MailServer


class _MailTalk(socketserver.StreamRequestHandler):
    server: _MailSockets

    def handle(self) -> None:
        told = self.server.mailserver
        if told.tls and not told.starttls:
            self._encrypt(told.tls)
        self._say("connect", "220 ready")
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                verb = line.split(b":")[0].split()[0].decode().lower()
                if not self._answer(verb):
                    return

    def _answer(self, verb: str) -> bool:
        told = self.server.mailserver
        if verb == "data" and "data" not in told.replies:
            self._say("354", "354 go on")
            told.mails.append(self._read_mail())
        if verb == "ehlo" and told.starttls:
            self._say(verb, "250-here\r\n250 STARTTLS")
        else:
            self._say(verb, "220 go on" if verb == "starttls" else "250 ok")
        if verb == "starttls" and told.tls:
            self._encrypt(told.tls)
        return verb != "quit"

    def _encrypt(self, tls: ssl.SSLContext) -> None:
        self.request = self.connection = tls.wrap_socket(self.request, server_side=True)
        self.setup()

    def _read_mail(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, verb: str, usual: str) -> None:
        told = self.server.mailserver
        reply = told.replies.get(verb, usual).encode() + b"\r\n"
        told.stopping.wait(told.delays.get(verb, told.delays.get("every", 0)))
        size = 1 if told.drip_seconds else len(reply)
        with contextlib.suppress(OSError):
            for start in range(0, len(reply), size):
                self.wfile.write(reply[start : start + size])
                if told.stopping.wait(told.drip_seconds):
                    return
