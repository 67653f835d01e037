"""Reading a tenant's URL: one parse that saving and sending share.

What is judged here is what is connected to later: the host is brought into one spelling (IDNA,
lower case, literal addresses of every form that a C library reads turned into an address) and the
rest of the code sees only that.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from incidents.outbound.addresses import Address, Network, is_allowed, is_listed

MAX_URL_CHARACTERS = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_REFUSED = "This address is not allowed: it is private, reserved or not routable."
_NEEDS_TLS = "Use https: plain http is only possible to networks that the operator allows."


class UnsafeUrl(ValueError):  # noqa: N818
    """The URL is malformed or points where no request may go; the text is for its owner."""


@dataclass(frozen=True)
class Target:
    """A parsed URL: where to connect, and what to ask for."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def host_header(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, allow: Iterable[Network]) -> None:
    """Check a URL when it is saved, without resolving its name.

    Raises UnsafeUrl. A host name passes: it may point elsewhere by the time it is used, so it is
    judged when connecting.
    """
    target = read_url(url)
    networks = tuple(allow)
    if target.address is not None and not is_allowed(target.address, networks):
        raise UnsafeUrl(_REFUSED)
    if target.scheme == "http":
        possible = networks if target.address is None else is_listed(target.address, networks)
        if not possible:
            raise UnsafeUrl(_NEEDS_TLS)


def read_url(url: str) -> Target:
    """Return the target that `url` names. Raises UnsafeUrl if it is malformed."""
    if len(url) > MAX_URL_CHARACTERS:
        raise UnsafeUrl(f"The URL is longer than {MAX_URL_CHARACTERS} characters.")
    # urlsplit drops tabs and line ends silently, and parsers differ on backslashes.
    if not url.isprintable() or " " in url or "\\" in url:
        raise UnsafeUrl("The URL contains a space, a backslash or an invisible character.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UnsafeUrl("This is not a URL.") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise UnsafeUrl("The URL must begin with https://.")
    if "@" in parts.netloc:
        raise UnsafeUrl("The URL must not contain a user name or password.")
    match = _AUTHORITY.fullmatch(parts.netloc)
    if match is None:
        raise UnsafeUrl("The host or port of the URL is malformed.")
    port = int(match["port"] or _DEFAULT_PORTS[parts.scheme])
    if not 1 <= port <= 65535:
        raise UnsafeUrl("The port must be between 1 and 65535.")
    host, address = _read_six(match["six"]) if match["six"] is not None else _read_name(match[2])
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?") if parts.query else ""
    )
    return Target(parts.scheme, host, port, path, address)


def _read_six(text: str) -> tuple[str, Address]:
    if "%" in text:
        raise UnsafeUrl("An address with a zone is not allowed.")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise UnsafeUrl("The host is not an IPv6 address.") from None
    return str(address), address


def _read_name(text: str) -> tuple[str, Address | None]:
    # The same codec that the socket module applies to a name, so no digit or dot of another
    # script can turn into an address behind our back.
    try:
        host = text.encode("idna").decode("ascii").lower() if len(text) <= 255 else ""
    except UnicodeError:
        host = ""
    host = host.removesuffix(".")
    if not host:
        raise UnsafeUrl("The URL has no valid host name.")
    labels = host.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        # Octal, hexadecimal, a single number, fewer than four parts: all read by a C library.
        try:
            four = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            raise UnsafeUrl("The host is not an IPv4 address.") from None
        return str(four), four
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("The URL has no valid host name.")
    return host, None
