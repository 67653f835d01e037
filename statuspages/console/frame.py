"""What the pages about one status page share: the page they are about, and their frame."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.access import Access, get_object
from accounts.console.pages import render_page
from statuspages.models import StatusPage
from statuspages.services.pages import page_url

SECTION = "status-pages"


def find_page(pk: UUID, rows: QuerySet[StatusPage] | None = None) -> StatusPage:
    """Return the team's status page of that id; Http404 for a missing or foreign one."""
    return get_object(StatusPage.objects.all() if rows is None else rows, pk)


def render_tab(
    request: HttpRequest,
    access: Access,
    template: str,
    *,
    page: StatusPage,
    tab: str,
    context: dict[str, Any],
) -> HttpResponse:
    """Render one of the tabs of a status page.

    `tab` is components, posts, maintenance, templates, subscribers or settings. The template gets
    `page`, `page_address` (the public address) and what `render_page` gives.
    """
    shared = {"page": page, "page_address": page_url(page), "tab": tab, "section": SECTION}
    return render_page(request, access, template, shared | context)
