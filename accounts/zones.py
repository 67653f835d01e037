"""The time zones that people may name."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import available_timezones


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the accepted zones; ``localtime`` would mean another one on every machine.

    A name is looked for here before a ``ZoneInfo`` is made of it, which opens a file of that name.
    """
    return frozenset(available_timezones() - {"localtime", "Factory"})
