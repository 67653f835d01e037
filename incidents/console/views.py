"""The list of incidents, the page of one, and what a person does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope
from incidents.console.forms import NoteForm
from incidents.console.incident_forms import AssignForm, SnoozeForm
from incidents.lifecycle.actions import (
    AlreadyResolved,
    acknowledge_incident,
    add_note,
    assign_incident,
    resolve_incident,
    snooze_incident,
)
from incidents.models import Delivery, Escalation, Incident, IncidentState, TimelineEvent
from monitors.models import Monitor
from monitors.queries import database_now

PAGE_ROWS = 50
MOST_EVENTS = 500
MOST_DELIVERIES = 100


@team_page()
def list_incidents(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's incidents, open ones first."""
    state = request.GET.get("state", "")
    state = state if state in IncidentState.values else ""
    search = request.GET.get("search", "").strip().replace("\0", "")[:200]
    found = Incident.objects.all()
    counts = dict(found.order_by().values_list("state").annotate(Count("id")))
    if state:
        found = found.filter(state=state)
    if search:
        found = found.filter(Q(monitor_name__icontains=search) | Q(summary__icontains=search))
    # What is over comes last; before it what is open, then what is acknowledged; newest first.
    found = found.annotate(is_over=Q(state=IncidentState.RESOLVED)).order_by(
        "is_over", "-state", "-id"
    )
    page = Paginator(found, PAGE_ROWS).get_page(request.GET.get("page"))
    template = "incidents/_list.html" if is_htmx(request) else "incidents/list.html"
    return render_page(
        request,
        access,
        template,
        {
            "page": page,
            "state": state,
            "search": search,
            "counts": {name: counts.get(name, 0) for name in IncidentState.values},
            "total": sum(counts.values()),
            "now": database_now(),
            "section": "incidents",
        },
    )


@team_page()
def show_incident(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show an incident. Looking at it changes nothing: acknowledging is a button."""
    return _render_incident(request, access, pk, NoteForm())


def _render_incident(
    request: HttpRequest, access: Access, pk: UUID, form: NoteForm
) -> HttpResponse:
    incident = get_object(Incident.objects.select_related("previous"), pk)
    events = TimelineEvent.objects.filter(incident=incident).order_by("-at", "-id")
    deliveries = Delivery.objects.filter(incident=incident).select_related(
        "channel", "contact_method__membership__user"
    )
    context: dict[str, Any] = {
        "incident": incident,
        "is_over": incident.state == IncidentState.RESOLVED,
        "events": events[:MOST_EVENTS],
        "deliveries": deliveries.order_by("-id")[:MOST_DELIVERIES],
        "monitor": Monitor.objects.filter(pk=incident.monitor_id).first(),
        "ladders": Escalation.objects.filter(incident=incident).order_by("id"),
        "form": form,
        "snooze_form": SnoozeForm(),
        "assign_form": AssignForm(),
        "now": database_now(),
        "section": "incidents",
    }
    template = "incidents/_incident.html" if is_htmx(request) else "incidents/incident.html"
    return render_page(request, access, template, context)


def _act(
    request: HttpRequest,
    access: Access,
    pk: UUID,
    action: Callable[..., Any],
    done: str,
    **fields: Any,
) -> HttpResponse:
    incident = get_object(Incident.objects.all(), pk)
    try:
        action(incident=incident, actor=access.actor, **fields)
    except AlreadyResolved:
        messages.info(request, "This incident was resolved in the meantime.")
    else:
        messages.success(request, done)
    return redirect("console:incident", team=access.team.slug, pk=pk)


@require_POST
@team_page(Scope.WRITE)
def acknowledge(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Take an incident on: nobody else is paged."""
    done = "You have acknowledged it: nobody else is paged."
    return _act(request, access, pk, acknowledge_incident, done)


@require_POST
@team_page(Scope.WRITE)
def snooze(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Take an incident on for a time."""
    get_object(Incident.objects.all(), pk)
    form = SnoozeForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose for how long to snooze it.")
        return redirect("console:incident", team=access.team.slug, pk=pk)
    done = "Snoozed: if it is still down then, paging starts anew."
    return _act(request, access, pk, snooze_incident, done, seconds=form.cleaned_data["seconds"])


@require_POST
@team_page(Scope.WRITE)
def assign(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Hand an incident to somebody else, who is paged now."""
    get_object(Incident.objects.all(), pk)
    form = AssignForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose whom to hand it to.")
        return redirect("console:incident", team=access.team.slug, pk=pk)
    return _act(
        request, access, pk, assign_incident, "Assigned, and paged now.", **form.cleaned_data["to"]
    )


@require_POST
@team_page(Scope.WRITE)
def resolve(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """End an incident by hand."""
    return _act(request, access, pk, resolve_incident, "Resolved. Those who were paged are told.")


@require_POST
@team_page(Scope.WRITE)
def write_note(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Add a note to an incident's timeline."""
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _render_incident(request, access, pk, form)
    incident = get_object(Incident.objects.all(), pk)
    add_note(incident=incident, actor=access.actor, text=form.cleaned_data["text"])
    return redirect("console:incident", team=access.team.slug, pk=pk)
