"""Limits as an operator writes them: `600/min`, `10/s`, `100000/day`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(
    r"\s*([0-9]{1,9})\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Limit:
    """At most `count` in `seconds`."""

    count: int
    seconds: int


def parse_limit(text: str) -> Limit | None:
    """Return the limit, None for an empty text. Raises ValueError for what is none."""
    if not text.strip():
        return None
    match = _FORM.fullmatch(text)
    if match is None or int(match[1]) < 1:
        raise ValueError(f"“{text}” is no limit; write one such as 600/min.")
    return Limit(int(match[1]), _SECONDS[match[2][0].lower()])
