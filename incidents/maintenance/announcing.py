"""Where windows are announced: status pages, which a room above this one keeps.

That room registers how they are looked up. Until it does, no team has any page.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Pages(Protocol):
    """What windows ask of status pages. What is written on them, their own room sees to."""

    def list_pages(self) -> list[tuple[UUID, str]]:
        """Return id and name of the pages of the scope's team, by name."""

    def find_page(self, page_id: UUID) -> str | None:
        """Return the name of a page of the scope's team; None if there is no such page."""

    def hold_page(self, team_id: UUID, page_id: UUID) -> bool:
        """Keep a page of the team from being deleted in this transaction; False without it."""


_registered: list[Pages] = []


def register(pages: Pages) -> None:
    """Let windows be announced on these pages, and no others."""
    _registered[:] = [pages]


def list_pages() -> list[tuple[UUID, str]]:
    """Return id and name of the pages that the scope's team may choose, by name."""
    return [row for pages in _registered for row in pages.list_pages()]


def find_page(page_id: UUID) -> str | None:
    """Return the name of a page of the scope's team; None if there is no such page."""
    return next((pages.find_page(page_id) for pages in _registered), None)


def hold_page(team_id: UUID, page_id: UUID) -> bool:
    """Keep a page of the team from being deleted in this transaction; False without it."""
    return any(pages.hold_page(team_id, page_id) for pages in _registered)
