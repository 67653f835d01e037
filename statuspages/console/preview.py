"""How a page would look: drawn by its own renderer, for members, in a frame of the editor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access import Access
from accounts.console.pages import team_page
from monitors.queries import database_now
from statuspages.console.colours import force_theme
from statuspages.console.frame import find_page
from statuspages.console.settings_form import SettingsForm
from statuspages.engine.loading import load_page
from statuspages.models import Asset, StatusPage
from statuspages.rendering.html import content_policy, write_page
from statuspages.rendering.text import clean_view
from statuspages.view import PageView

_SHOWN = ("name", "description", "support_url", "locale", "timezone", "colours")
_NOWHERE = "#"  # as the page's root: its links lead nowhere


@require_http_methods(["GET", "HEAD", "POST"])
@team_page()
def show_preview(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Draw the page as it is, or with the settings that are posted and not stored.

    `theme` light or dark is drawn whatever the browser prefers. What is posted and cannot be taken
    is left as it is.
    """
    page = find_page(pk)
    values: dict[str, Any] = {}
    if request.method == "POST":
        form = SettingsForm(request.POST, page=page)
        form.is_valid()
        taken = form.cleaned_data
        values = {name: taken[name] for name in _SHOWN if name in taken}
        values["weights"] = _weights(page, taken)
    asked = request.POST if request.method == "POST" else request.GET
    view = _view(page, access, values, asked.get("theme", ""))
    response = HttpResponse(write_page(view, view.locale, _NOWHERE))
    policy = content_policy(view).replace("form-action 'self'", "form-action 'none'")
    response["Content-Security-Policy"] = f"{policy}; frame-ancestors 'self'"
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Cache-Control"] = "no-store"
    return response


def _view(page: StatusPage, access: Access, values: dict[str, Any], theme: str) -> PageView:
    # Days are cut, and uptime is weighed, while the page is loaded.
    for name in ("timezone", "weights"):
        setattr(page, name, values.pop(name, getattr(page, name)))
    stored = load_page(page, now=database_now())
    view = clean_view(replace(stored, assets=_assets(page, access), **values))
    if theme not in ("light", "dark"):
        return view
    assets = dict(view.assets)
    dark = assets.pop("dark_logo", "")
    if theme == "dark" and dark:
        assets["logo"] = dark
    return replace(view, colours=force_theme(view.colours, theme), assets=assets)


def _assets(page: StatusPage, access: Access) -> dict[str, str]:
    """Return the addresses of the pictures here: the public ones may need a gate or a proof."""
    found = {}
    for kind, sha256 in Asset.objects.filter(page=page).values_list("kind", "sha256"):
        ids = {"team": access.team.slug, "pk": page.pk, "kind": kind}
        address = reverse("console:status_page_picture", kwargs=ids)
        found[kind] = f"{address}?v={sha256[:12]}"
    return found


def _weights(page: StatusPage, taken: dict[str, Any]) -> dict[str, float]:
    given = {kind: taken.get(f"weight_{kind}") for kind in page.weights}
    return {kind: page.weights[kind] if value is None else value for kind, value in given.items()}
