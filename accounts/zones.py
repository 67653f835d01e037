"""The time zones that people may name, and the one in which a page is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

# Asked only where a page says a time: most requests never need to know who looks.
_reader: ContextVar[Callable[[], str] | None] = ContextVar("reader_zone", default=None)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the accepted zones; ``localtime`` would mean another one on every machine.

    A name is looked for here before a ``ZoneInfo`` is made of it, which opens a file of that name.
    """
    return frozenset(available_timezones() - {"localtime", "Factory"})


def find_zone(name: str) -> tzinfo:
    """Return the zone of a name; UTC for one that this machine does not know (any more)."""
    return ZoneInfo(name) if name != "UTC" and name in zone_names() else UTC


@contextmanager
def read_in(zone_name: Callable[[], str]) -> Iterator[None]:
    """Let what is said inside be read in a zone; `zone_name` is called when it is first needed.

    Django's own current time zone stays as it is: what forms read, what queries cut into days and
    what mails say does not depend on who happens to look.
    """
    token = _reader.set(zone_name)
    try:
        yield
    finally:
        _reader.reset(token)


def reader_zone() -> tzinfo:
    """Return the zone of whoever reads the page that is being made: UTC outside the console."""
    zone_name = _reader.get()
    return find_zone(zone_name()) if zone_name else UTC
