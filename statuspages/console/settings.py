"""A page's settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.zones import zone_names
from statuspages.console.colours import DARK_NAMES, LIGHT_NAMES
from statuspages.console.frame import find_page, render_tab
from statuspages.console.readiness import list_gaps
from statuspages.console.settings_form import SettingsForm
from statuspages.models import Asset, StatusPage
from statuspages.models.pages import AssetKind
from statuspages.services.errors import BadField
from statuspages.services.pages import DuplicateSlug, domain_record, update_page
from statuspages.serving.domains import RECORD_NAME

TAB = "settings"
SLUG_TAKEN = "Another status page has this address. Choose another one."
_PICTURES = {
    AssetKind.LOGO: ("Logo", "In place of the name at the top. A wide picture, 80 pixels high."),
    AssetKind.DARK_LOGO: ("Logo for dark screens", "Where the logo cannot be seen on black."),
    AssetKind.FAVICON: ("Small icon", "In the tab of the browser. Square, 32 to 256 pixels."),
}


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Change how the page looks, who may look, and what it does by itself."""
    page = find_page(pk)
    if request.method != "POST":
        return render_settings(request, access, page)
    form = SettingsForm(request.POST, page=page)
    if form.is_valid() and _save(request, form, page):
        messages.success(request, "The settings are saved.")
        return redirect("console:status_page_settings", team=access.team.slug, pk=pk)
    return render_settings(request, access, page, form=form)


@require_POST
@team_page(Scope.WRITE)
def publish(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Publish a page, or take it off."""
    page = find_page(pk)
    published = request.POST.get("published") == "1"
    try:
        update_page(page=page, published=published)
    except StatusPage.DoesNotExist:
        messages.error(request, "This page was deleted in the meantime.")
        return redirect("console:status_pages", team=access.team.slug)
    messages.success(
        request, "The page is published." if published else "The page is not published any more."
    )
    return redirect("console:status_page", team=access.team.slug, pk=pk)


def _save(request: HttpRequest, form: SettingsForm, page: StatusPage) -> bool:
    """Return whether it was stored; if not, the reason is in the form."""
    try:
        update_page(page=page, **form.values())
    except DuplicateSlug:
        form.add_error("slug", SLUG_TAKEN)
    except BadField as error:
        form.refuse(error)
    except StatusPage.DoesNotExist:
        form.add_error(None, "This page was deleted in the meantime.")
    else:
        return True
    return False


def render_settings(
    request: HttpRequest,
    access: Access,
    page: StatusPage,
    *,
    form: SettingsForm | None = None,
    domain: str | None = None,
    domain_error: str = "",
    picture_errors: dict[str, str] | None = None,
) -> HttpResponse:
    """Render all settings, with what was refused of one of their forms."""
    form = form or SettingsForm(None, page=page)
    assets = {row.kind: row.sha256[:12] for row in Asset.objects.filter(page=page).defer("content")}
    context: dict[str, Any] = {
        "form": form,
        "light": form.colour_rows(LIGHT_NAMES),
        "dark": form.colour_rows(DARK_NAMES),
        "zones": sorted(zone_names()),
        "gaps": list_gaps(page),
        "pictures": [
            {
                "kind": kind.value,
                "label": label,
                "help": words,
                "version": assets.get(kind.value, ""),
                "error": (picture_errors or {}).get(kind.value, ""),
            }
            for kind, (label, words) in _PICTURES.items()
        ],
        "domain": page.domain or "" if domain is None else domain,
        "domain_error": domain_error,
        "record_name": f"{RECORD_NAME}.{page.domain}",
        "record_text": domain_record(page),
        "host": urlsplit(settings.BASE_URL).hostname or "",
    }
    template = "statuspages/console/settings.html"
    return render_tab(request, access, template, page=page, tab=TAB, context=context)
