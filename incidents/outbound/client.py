"""One request to a URL that a tenant chose: address pinned, bounded in time and size.

Built on http.client and ssl. requests-hardened was read first and does not fit: it judges and
uses only the first resolved address, knows no exceptions but loopback, and, like requests and
urllib3 themselves, has a time limit per socket operation only, so that a peer which drips one
byte a second holds a sender for hours. What is wanted here is one function without sessions,
redirects, proxies, cookies, retries or decoding, which the standard library already is once the
socket is ours. So:

1. the URL is read once (incidents.outbound.urls) and its name resolved once;
2. every resolved address is judged, those not allowed are never connected to, and the connection
   goes to the address that was judged, not to the name: a second answer of the name server
   changes nothing;
3. TLS verifies the certificate against the name, also sent as SNI;
4. every wait (resolving, connecting, handshake, each send and receive) is limited by what is left
   of one deadline;
5. at most 64 KB of the answer is read, undecoded; a 3xx is an answer like any other.
"""

from __future__ import annotations

import functools
import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incidents.outbound.addresses import Address, Network, is_allowed, is_listed, unwrap_address
from incidents.outbound.urls import Target, UnsafeUrl, read_url

MAX_BODY_BYTES = 64 * 1024
# Status line, headers and chunk framing included; http.client alone would take 6 MB of headers.
_MAX_WIRE_BYTES = 512 * 1024
_MAX_ADDRESSES = 4

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
Resolve = Callable[..., Sequence[AddressInfo]]


class OutboundError(Exception):
    """No answer was had; the text is for the channel's owner and holds no secret."""


class Refused(OutboundError):  # noqa: N818
    """The URL or every address behind it is not allowed: nothing was connected."""


class Unreachable(OutboundError):  # noqa: N818
    """No connection, a broken one, or something that is not an HTTP answer."""


class TimedOut(OutboundError):  # noqa: N818
    """The answer was not complete in time."""


@dataclass(frozen=True)
class Reply:
    """An answer: its status, headers (lower-case names), and at most 64 KB of body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    allow: Sequence[Network],
    timeout_seconds: float = 10,
    deadline_seconds: float = 15,
    resolve: Resolve = socket.getaddrinfo,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Send `body` and return the complete answer, whatever its status.

    `timeout_seconds` limits one connect, send or receive, `deadline_seconds` all of it together.
    An answer that breaks off counts as none. Raises Refused, Unreachable or TimedOut.
    """
    return _ask(
        "POST",
        url,
        body,
        headers,
        allow,
        timeout_seconds,
        deadline_seconds,
        resolve=resolve,
        tls=tls,
    )


def get(
    url: str,
    *,
    headers: Mapping[str, str],
    allow: Sequence[Network],
    timeout_seconds: float = 10,
    deadline_seconds: float = 15,
) -> Reply:
    """Ask for `url` and return the complete answer; limits and errors are those of `post`."""
    return _ask("GET", url, b"", headers, allow, timeout_seconds, deadline_seconds)


def _ask(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    allow: Sequence[Network],
    timeout_seconds: float,
    deadline_seconds: float,
    *,
    resolve: Resolve = socket.getaddrinfo,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    deadline = _Deadline(timeout_seconds, deadline_seconds)
    try:
        target = read_url(url)
        addresses = _judge(target, _look_up(target, resolve, deadline), allow)
        with _connect(target, addresses, deadline, tls) as sock:
            return _exchange(_Wire(sock, deadline), target, method, body, headers)
    except UnsafeUrl as error:
        raise Refused(f"refused: {error}") from None
    except TimeoutError:
        raise TimedOut(f"no complete answer within {deadline.describe()}") from None
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(f"its certificate is not accepted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise Unreachable(f"TLS failed: {error.reason or 'connection broken'}") from None
    except ConnectionRefusedError:
        raise Unreachable("connection refused") from None
    except (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead):
        raise Unreachable("the connection broke off before the answer was complete") from None
    except OSError as error:
        raise Unreachable(f"no connection: {error.strerror or 'network error'}") from None
    except (http.client.HTTPException, ValueError):
        raise Unreachable("what came back is not an HTTP answer") from None


class _Deadline:
    """The time left: per operation and for everything."""

    def __init__(self, timeout_seconds: float, deadline_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.deadline_seconds = deadline_seconds
        self._end = time.monotonic() + deadline_seconds

    def next_wait(self, shares: int = 1) -> float:
        """Return the seconds that the next operation may take; raises TimeoutError at the end."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(self.timeout_seconds, left / shares)

    def describe(self) -> str:
        """Return the limits in words."""
        return f"{self.timeout_seconds:g} s per step and {self.deadline_seconds:g} s in all"


def _look_up(target: Target, resolve: Resolve, deadline: _Deadline) -> list[Address]:
    if target.address is not None:
        return [target.address]
    # getaddrinfo cannot be interrupted: it is left behind in its thread when it takes too long.
    answers: queue.SimpleQueue[Sequence[AddressInfo] | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(resolve(target.host, target.port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=work, name="outbound-resolve", daemon=True).start()
    try:
        found = answers.get(timeout=deadline.next_wait())
    except queue.Empty:
        raise TimedOut("the host name was not resolved in time") from None
    if isinstance(found, Exception):
        raise Unreachable("the host name does not resolve") from None
    return [ipaddress.ip_address(info[4][0]) for info in found]


def _judge(target: Target, found: Sequence[Address], allow: Sequence[Network]) -> list[Address]:
    judge = is_listed if target.scheme == "http" else is_allowed
    good = [unwrap_address(address) for address in found if judge(address, allow)]
    if good:
        return list(dict.fromkeys(good))[:_MAX_ADDRESSES]
    if target.scheme == "http" and any(is_allowed(address, allow) for address in found):
        raise Refused("refused: plain http is not allowed to this address, use https")
    raise Refused("refused: address not allowed")


@functools.cache
def _default_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _connect(
    target: Target, addresses: Sequence[Address], deadline: _Deadline, tls: ssl.SSLContext | None
) -> socket.socket:
    for index, address in enumerate(addresses):
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # A silent first address leaves time for the next one.
            sock.settimeout(deadline.next_wait(shares=len(addresses) - index))
            sock.connect((str(address), target.port))
            if target.scheme == "http":
                return sock
            sock.settimeout(deadline.next_wait())
            return (tls or _default_tls()).wrap_socket(sock, server_hostname=target.host)
        except OSError as error:
            sock.close()
            # A certificate is as wrong on the next address; anything else may be better there.
            if isinstance(error, ssl.SSLError) or index == len(addresses) - 1:
                raise
        except BaseException:
            sock.close()
            raise
    raise AssertionError("there is always an address")


def _exchange(
    wire: _Wire, target: Target, method: str, body: bytes, headers: Mapping[str, str]
) -> Reply:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.auto_open = 0
    connection.sock = wire
    connection.putrequest(method, target.path, skip_host=True, skip_accept_encoding=True)
    fixed = {
        "Host": target.host_header,
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if method == "POST":
        fixed["Content-Length"] = str(len(body))
    for name, value in ({"User-Agent": "Tocsin"} | dict(headers) | fixed).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    with connection.getresponse() as response:
        content = response.read(MAX_BODY_BYTES)
        # Unlike read(), read(n) does not complain about a body that ends too early.
        if len(content) < MAX_BODY_BYTES and response.length:
            raise http.client.IncompleteRead(content, response.length)
        pairs = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, pairs, content)


class _Wire:
    """The part of a socket that http.client uses, each wait within the deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._received_bytes = 0

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.next_wait())
            view = view[self._sock.send(view) :]

    def receive_into(self, buffer: memoryview) -> int:
        if self._received_bytes > _MAX_WIRE_BYTES:
            raise http.client.HTTPException("too much framing")
        self._sock.settimeout(self._deadline.next_wait())
        count = self._sock.recv_into(buffer)
        self._received_bytes += count
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Do nothing: http.client lets go before the body is read; the socket's owner closes."""


class _Reader(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(memoryview(buffer))
