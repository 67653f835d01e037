"""Making texts fit a provider's limits, as the provider counts: characters, UTF-16 units or bytes.

A text comes in pieces, each of which is kept or left out whole: a character, an escape with what
it escapes, a marked-up word. So no cut leaves half of a character, an entity or a tag.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

Size = Callable[[str], int]
_ELLIPSIS = "…"
_MORE = "… and more, behind the link."


def count_utf16(text: str) -> int:
    """Return the length of `text` in UTF-16 code units, as JavaScript and Java count."""
    return len(text.encode("utf-16-le", "replace")) // 2


def count_bytes(text: str) -> int:
    """Return the length of `text` in UTF-8 bytes."""
    return len(text.encode("utf-8", "replace"))


def count_json_bytes(text: str) -> int:
    """Return the bytes that `text` takes inside a JSON document, its escapes included."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def fit(pieces: Iterable[str], limit: int, *, size: Size = len) -> str:
    """Return the pieces joined, cut with an ellipsis where they are larger than `limit`."""
    room, used = limit - size(_ELLIPSIS), 0
    kept: list[str] = []
    spare: list[str] = []
    for piece in pieces:
        used += size(piece)
        if used > limit:
            return "".join(kept) + _ELLIPSIS if room >= 0 else ""
        # What lies within the ellipsis' room stays only if nothing more follows.
        (spare if used > room or spare else kept).append(piece)
    return "".join(kept + spare)


def fit_lines(lines: Sequence[str], limit: int, *, size: Size = len) -> str:
    """Return as many whole lines as fit, and a last one that says so if some do not."""
    whole = "\n".join(lines)
    if size(whole) <= limit:
        return whole
    room = limit - size("\n" + _MORE)
    kept: list[str] = []
    for line in lines:
        room -= size(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, _MORE]) if limit >= size(_MORE) else ""
