"""Ending the time in which an old push URL or token still works: asked once more, by name."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from monitors.console.views import read_monitor
from monitors.overlaps import end_old_slugs, end_old_token, read_overlap
from monitors.queries import database_now


@team_page(Scope.WRITE)
def end_slug(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask, and let the old push URLs of a monitor stop working."""
    return _end(request, access, pk, what="slug")


@team_page(Scope.WRITE)
def end_token(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask, and let the old token of a monitor stop working."""
    return _end(request, access, pk, what="token")


def _end(request: HttpRequest, access: Access, pk: UUID, *, what: str) -> HttpResponse:
    monitor = read_monitor(pk)
    if request.method == "POST":
        if what == "slug":
            end_old_slugs(monitor=monitor)
            done = _("The old push URL of “%(name)s” no longer works.")
        else:
            end_old_token(monitor=monitor)
            done = _("The old token of “%(name)s” no longer works.")
        messages.success(request, done % {"name": monitor.name})
        return redirect("console:monitor", team=access.team.slug, pk=pk)
    now = database_now()
    overlap = read_overlap(monitor, now=now)
    until = overlap.slug_until if what == "slug" else overlap.token_until
    context = {"monitor": monitor, "what": what, "until": until, "now": now, "section": "monitors"}
    return render_page(request, access, "monitors/page/end_overlap.html", context)
