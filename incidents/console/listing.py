"""The list of incidents, and acknowledging several of them at once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope
from incidents.console.finding import (
    count_states,
    find_incidents,
    offer_choices,
    order_by_need,
    read_filters,
    read_id,
)
from incidents.lifecycle.actions import AlreadyResolved, acknowledge_incident
from incidents.models import Incident, IncidentState
from monitors.models import Monitor
from monitors.queries import database_now

PAGE_ROWS = 50
MOST_AT_ONCE = 100
MOST_QUERY = 4_000


@team_page()
def list_incidents(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's incidents, open ones first."""
    filters = read_filters(request.GET)
    found = find_incidents(filters, access=access)
    counts = count_states(found)
    matching = sum(counts.values())
    if filters.state:
        found = found.filter(state=filters.state)
    page = Paginator(order_by_need(found), PAGE_ROWS).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "filters": filters,
        "counts": counts,
        "matching": matching,
        "shown": counts[filters.state] if filters.state else matching,
        "back": request.GET.urlencode()[:MOST_QUERY],
        "now": database_now(),
        "section": "incidents",
    }
    if is_htmx(request):
        return render_page(request, access, "incidents/_list.html", context)
    context |= offer_choices()
    if filters.monitor and (wanted := read_id(filters.monitor)):
        context["monitor_name"] = _name_monitor(wanted)
    return render_page(request, access, "incidents/list.html", context)


def _name_monitor(pk: Any) -> str:
    """Return a monitor's name, also that of a deleted one; empty for one of another team."""
    name = Monitor.objects.filter(pk=pk).values_list("name", flat=True).first()
    past = Incident.objects.filter(monitor_id=pk).order_by("-id")
    return name or past.values_list("monitor_name", flat=True).first() or ""


@require_POST
@team_page(Scope.WRITE)
def acknowledge_many(request: HttpRequest, access: Access) -> HttpResponse:
    """Take on the incidents that were chosen, as far as they are open still."""
    ids = [pk for text in request.POST.getlist("incident") if (pk := read_id(text)) is not None]
    chosen = list(Incident.objects.filter(pk__in=ids[:MOST_AT_ONCE]).order_by("id"))
    done = 0
    for incident in chosen:
        if incident.state != IncidentState.OPEN:
            continue  # somebody else was faster
        try:
            acknowledge_incident(incident=incident, actor=access.actor)
        except AlreadyResolved:
            continue
        done += 1
    if not chosen:
        messages.error(request, _("Tick the open incidents that you take on."))
    elif done:
        text = ngettext(
            "You have acknowledged %(count)d incident: nobody else is paged.",
            "You have acknowledged %(count)d incidents: nobody else is paged.",
            done,
        )
        messages.success(request, text % {"count": done})
    else:
        messages.info(request, _("Somebody else was faster: none of these is open any more."))
    return redirect(to_list(access, request.POST.get("back", "")))


def to_list(access: Access, query: str) -> str:
    """Return the address of the list with a query string that came from outside."""
    address = reverse("console:incidents", args=[access.team.slug])
    known = QueryDict(query[:MOST_QUERY])
    return f"{address}?{urlencode(list(known.items()))}" if known else address
