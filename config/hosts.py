"""Which Host a request names: our own, or another that may be a status page's domain.

Only the Host header counts. X-Forwarded-Host is what anybody may send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HOST = re.compile(
    r"((?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]{2,45}\])\.?(?::\d{1,5})?"
)
_MOST_LENGTH = 260


def host_name(value: bytes) -> str:
    """Return the name in a Host header in lower case, without port and last dot; "" for none."""
    if len(value) > _MOST_LENGTH:
        return ""
    match = _HOST.fullmatch(value.decode("latin1").lower())
    return match[1] if match else ""


class Hosts:
    """The names that console, API and pages below /status/ answer on."""

    def __init__(self, base_url: str, *, embedded: bool) -> None:
        name = host_name(urlsplit(base_url).netloc.encode())
        self.own = frozenset({name} | (LOOPBACK if embedded or name in LOOPBACK else set()))
        self._known: dict[bytes, str] = {}

    def foreign(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the name of a host that is not ours; None for ours, "" for no name at all."""
        values = [value for name, value in headers if name == b"host"]
        if len(values) != 1:
            return ""
        found = self._known.get(values[0])
        if found is None:
            found = host_name(values[0])
            if found in self.own and len(self._known) < 64:  # few ways to write our own name
                self._known[values[0]] = found
        return None if found in self.own else found
