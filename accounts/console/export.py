"""Everything a team owns, as one ZIP."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.timezone import now as clock

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.console.reauth import require_recent_login
from accounts.exporting import stream_export
from accounts.models import Scope


@team_page(Scope.ADMIN)
@require_recent_login
def export(request: HttpRequest, access: Access) -> HttpResponse:
    """Say what an export holds; a POST sends it, made while it is sent."""
    if request.method != "POST":
        return render_page(request, access, "accounts/export.html", {"section": "settings"})
    at = clock()
    name = f"tocsin-{access.team.slug}-{at:%Y-%m-%d}.zip"
    return StreamingHttpResponse(  # type: ignore[return-value]  # as much an answer as any
        stream_export(access.team, now=at),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )
