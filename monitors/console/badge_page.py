"""The badge of a monitor: what to embed, and turning it on, off, or to a new address."""

from __future__ import annotations

from html import escape
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from monitors.badge_pictures import STYLES
from monitors.badges import badge_url, rotate_badge, turn_badge_off, turn_badge_on
from monitors.console.views import read_monitor
from monitors.models import Badge, Monitor


def embeddings(monitor: Monitor, key: str) -> list[tuple[str, str, str]]:
    """Return what to paste into documents: an anchor, what it is for, and the text."""
    url, said = badge_url(key), _("State of %(name)s") % {"name": monitor.name}
    plain = "".join(c if c.isalnum() or c in " .-" else " " for c in said).strip()
    return [
        ("badge-markdown", "Markdown", f"![{plain}]({url})"),
        ("badge-html", "HTML", f'<img src="{escape(url)}" alt="{escape(said)}">'),
        ("badge-asciidoc", "AsciiDoc", f'image::{url}["{plain}"]'),
        ("badge-rst", "reStructuredText", f".. image:: {url}\n   :alt: {plain}"),
        ("badge-address", _("Address of the picture"), url),
        ("badge-json", _("For the endpoint badge of shields.io"), badge_url(key, "json")),
    ]


@team_page()
def show_badge_page(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show the badge with what embeds it."""
    monitor = read_monitor(pk)
    badge = Badge.objects.filter(monitor=monitor.pk).first()
    context = {
        "monitor": monitor,
        "badge": badge,
        "embeddings": embeddings(monitor, badge.key) if badge else [],
        "pictures": [(style, f"/badge/{badge.key}.svg?style={style}") for style in STYLES]
        if badge
        else [],
        "section": "monitors",
    }
    return render_page(request, access, "monitors/page/badge.html", context)


@require_POST
@team_page(Scope.WRITE)
def change_badge(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Turn the badge on or off, or give it a new address, as `do` says."""
    monitor, wanted = read_monitor(pk), request.POST.get("do", "")
    named = {"name": monitor.name}
    if wanted == "on":
        turn_badge_on(monitor=monitor)
        messages.success(request, _("“%(name)s” has a badge: copy a line below.") % named)
    elif wanted == "rotate":
        rotate_badge(monitor=monitor)
        text = _("The badge of “%(name)s” has a new address; the old one shows nothing.")
        messages.success(request, text % named)
    elif wanted == "off":
        turn_badge_off(monitor=monitor)
        messages.success(request, _("The badge of “%(name)s” is off.") % named)
    else:
        messages.error(request, _("Choose what to do with the badge."))
    return redirect("console:monitor-badge", team=access.team.slug, pk=pk)
