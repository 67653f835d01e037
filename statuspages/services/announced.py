"""The pages on which maintenance windows may be announced, as `incidents` looks them up."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from statuspages.models import StatusPage

# name: hold_page_for_window
# Deleting a page waits for this; its other changes do not.
_HOLD = "SELECT id FROM statuspages_statuspage WHERE id = %s AND team_id = %s FOR KEY SHARE"


def list_pages() -> list[tuple[UUID, str]]:
    """Return id and name of the pages of the scope's team, by name."""
    return list(StatusPage.objects.order_by("name", "id").values_list("id", "name"))


def find_page(page_id: UUID) -> str | None:
    """Return the name of a page of the scope's team; None if there is no such page."""
    return StatusPage.objects.filter(pk=page_id).values_list("name", flat=True).first()


def hold_page(team_id: UUID, page_id: UUID) -> bool:
    """Keep a page of the team from being deleted in this transaction; False without it."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [page_id, team_id])
        return cursor.fetchone() is not None
