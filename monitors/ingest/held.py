"""Pushes whose monitor's row somebody else holds at this moment: an edit, a deletion, the sweep.

They wait aside for it, in order, while pushes of all other monitors are stored; whoever holds the
row for too long costs its own monitor's pushes a 503, and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from monitors.ingest.push import Answer, Push

HELD_SECONDS = 3.0
LOOK_SECONDS = 0.02
MANY = 64
MANY_LOOK_SECONDS = 0.1  # looking at many costs the time in which others are stored
MOST_HELD = 512  # what one change holds up must not take the places of everybody else

Waiting = tuple[Push, "asyncio.Future[Answer | None]"]


class Held:
    """The pushes that wait aside. `key` tells what pushes of one monitor have in common."""

    def __init__(self, key: Callable[[Push], Any]) -> None:
        self._key = key
        self._items: list[Waiting] = []
        self._keys: set[Any] = set()
        # Kept until a push is answered: one that is held again has waited before.
        self._until: dict[UUID, float] = {}
        self._next_look = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def holds(self, key: Any) -> bool:
        """Return whether a push of this key waits here: those after it must wait behind it."""
        return key in self._keys

    def add(self, items: Collection[Waiting], *, now: float) -> list[Waiting]:
        """Let pushes wait here, behind those that do; `now` in seconds of the loop's clock.

        Returns those that have waited long enough before, or for which there is no place.
        """
        expired: list[Waiting] = []
        for item in items:
            push = item[0]
            until = self._until.setdefault(push.id, now + HELD_SECONDS)
            if now >= until or len(self._items) >= MOST_HELD:
                expired.append(item)
            else:
                self._items.append(item)
                self._keys.add(self._key(push))
        return expired

    def forget(self, push: Push) -> None:
        """Forget how long a push has waited: it is answered."""
        self._until.pop(push.id, None)

    def look_in(self, *, now: float) -> float | None:
        """Return in how many seconds to look whose rows are free; None if nothing waits."""
        return max(0.0, self._next_look - now) if self._items else None

    def look(self, *, now: float) -> list[Push]:
        """Return the pushes that wait, whose rows the caller looks at now."""
        self._next_look = now + (LOOK_SECONDS if len(self._items) < MANY else MANY_LOOK_SECONDS)
        return [push for push, _ in self._items]

    def take(self, free: Collection[int], *, now: float) -> tuple[list[Waiting], list[Waiting]]:
        """Take out, of those looked at, what is free (by place), and what waits no longer."""
        freed: list[Waiting] = []
        expired: list[Waiting] = []
        kept: list[Waiting] = []
        for n, item in enumerate(self._items):
            if n in free:
                freed.append(item)
            elif now >= self._until[item[0].id] or item[1].done():
                expired.append(item)
            else:
                kept.append(item)
        self._items = kept
        self._keys = {self._key(push) for push, _ in kept}
        return freed, expired
