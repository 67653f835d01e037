"""The custom domain of a page: naming it, and looking for its proof."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import team_page
from accounts.models import Scope
from monitors.queries import database_now
from statuspages.console.frame import find_page
from statuspages.console.settings import render_settings
from statuspages.models import StatusPage
from statuspages.services.errors import BadField
from statuspages.services.pages import update_page
from statuspages.serving.domains import verify_domain


@require_POST
@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Name the domain (`do` save), take it away (remove), or look for its TXT record (check)."""
    page = find_page(pk)
    what = request.POST.get("do", "save")
    if what == "check":
        _check(request, page)
    else:
        name = "" if what == "remove" else request.POST.get("domain", "").strip()
        try:
            changed = update_page(page=page, domain=name)
        except BadField as error:
            return render_settings(
                request, access, page, domain=name[:300], domain_error=error.text
            )
        except StatusPage.DoesNotExist:
            messages.error(request, "This page was deleted in the meantime.")
        else:
            _say(request, page, changed)
    address = reverse("console:status_page_settings", kwargs={"team": access.team.slug, "pk": pk})
    return redirect(f"{address}#domain")


def _say(request: HttpRequest, page: StatusPage, changed: StatusPage) -> None:
    if not changed.domain:
        messages.success(request, "The page has no domain of its own now.")
    elif changed.domain != page.domain:
        messages.success(request, f"Now set the TXT record that proves {changed.domain}.")


def _check(request: HttpRequest, page: StatusPage) -> None:
    proof = verify_domain(page, now=database_now())
    if proof.proved:
        messages.success(request, f"{page.domain} is proved. The page is served there.")
    else:
        messages.error(request, proof.problem)
