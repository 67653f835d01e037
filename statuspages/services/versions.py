"""The number that grows whenever what a page shows changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.timezone import now
from django_scopes import scopes_disabled

from statuspages.models import StatusPage


def touch_page(page_id: UUID) -> None:
    """Say that a page must be rendered anew, in the caller's transaction."""
    with scopes_disabled():
        StatusPage.objects.filter(pk=page_id).update(version=F("version") + 1, updated_at=now())


@contextmanager
def changing_page(page_id: UUID) -> Iterator[StatusPage]:
    """Hold a page's lock for one transaction, and say at its end that the page changed.

    Two changes of one page come one after the other, so that places in a list leave no hole and a
    post's state follows from its updates. Raises StatusPage.DoesNotExist if it has been deleted.
    """
    with transaction.atomic(), scopes_disabled():
        page = StatusPage.objects.select_for_update(no_key=True).get(pk=page_id)
        yield page
        touch_page(page_id)
