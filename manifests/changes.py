"""What an apply did, or would do, to each thing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CREATED, UPDATED, UNCHANGED, DELETED = "created", "updated", "unchanged", "deleted"
MASK = "********"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that is different; values that are secret are masked."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one thing."""

    kind: str
    namespace: str | None
    name: str
    action: str
    changes: list[Change] = field(default_factory=list)


def compare(before: Any, after: Any, path: str) -> list[Change]:
    """Return what differs between two plain values; objects are gone into, lists are not."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = dict.fromkeys([*before, *after])
        return [
            change
            for name in names
            for change in compare(before.get(name), after.get(name), f"{path}.{name}")
        ]
    return [] if before == after else [Change(path, before, after)]


def masked(path: str, *, existed: bool) -> Change:
    """Return a change of a secret."""
    return Change(path, MASK if existed else None, MASK)
