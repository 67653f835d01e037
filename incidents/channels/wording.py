"""Small words that every message needs: safe lines of foreign text, times, links."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

# Joiners are invisible too, but Persian words and composed emoji fall apart without them.
_JOINERS = frozenset("\u200c\u200d")


def clean_line(value: Any, limit: int = 200) -> str:
    """Return foreign text as one line that reads as what it is.

    Line ends and control characters become spaces; characters that are invisible or turn the
    direction of writing (bidi marks and overrides, zero-width space, tags) are dropped, half
    surrogates replaced. Longer text ends in an ellipsis. None is the empty string.
    """
    # A hostile text is not worth more work than a multiple of what is kept.
    text = "" if value is None else str(value)[: limit * 8]
    if text.isascii() and text.isprintable():  # nearly all are
        return clip_text(" ".join(text.split()), limit)
    chars = []
    for char in text:
        category = unicodedata.category(char)
        if category in {"Cc", "Zl", "Zp"}:
            chars.append(" ")
        elif category == "Cs":
            chars.append("\ufffd")
        elif category != "Cf" or char in _JOINERS:
            chars.append(char)
    return clip_text(" ".join("".join(chars).split()), limit)


def clip_text(text: str, limit: int) -> str:
    """Return `text`, cut with an ellipsis where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def read_time(value: Any) -> datetime | None:
    """Return the instant in an ISO 8601 string of a payload, None if there is none."""
    if isinstance(value, datetime):
        return value
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def web_link(value: Any) -> str:
    """Return a link only if it is one: no script, and no space to smuggle words in."""
    text = clean_line(value, 2048)
    return text if text.startswith(("https://", "http://")) and " " not in text else ""
