"""The page behind a message's link: a look at the incident, and a button. No log-in is needed."""

from __future__ import annotations

import contextlib

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django_scopes import scopes_disabled

from accounts.audit import acting
from incidents.lifecycle.actions import AlreadyResolved, acknowledge_incident
from incidents.models import Incident
from incidents.notifications.links import BadLink, ExpiredLink, read_link, still_holds
from monitors.queries import database_now


# The link is the credential: no cookie takes part, so a forged form could use nothing.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show the incident with a button; only a POST acknowledges, so mail scanners may follow."""
    try:
        link = read_link(token, now=database_now())
    except ExpiredLink:
        return _show(request, None, status=410)
    except BadLink as error:
        raise Http404 from error
    with scopes_disabled():
        incident = Incident.objects.select_related("team").filter(pk=link.incident_id).first()
        if incident is None or not still_holds(link, team=incident.team):
            raise Http404
        if request.method != "POST":
            return _show(request, incident, actor=link.actor)
        actor = f"{link.actor} (by link)"[:254]
        address = request.META.get("REMOTE_ADDR") or ""
        # A resolved one is not acknowledged: the page says so.
        with contextlib.suppress(AlreadyResolved), acting(actor, address=address):
            acknowledge_incident(incident=incident, actor=actor)
        return redirect(request.path)


def _show(
    request: HttpRequest, incident: Incident | None, *, actor: str = "", status: int = 200
) -> HttpResponse:
    context = {"incident": incident, "actor": actor, "now": database_now()}
    response = render(request, "incidents/acknowledge.html", context, status=status)
    # The address is a credential: it must not travel on to the pages that are linked here.
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
