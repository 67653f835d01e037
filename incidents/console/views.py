"""The page of an incident, and what a person does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from incidents.console.forms import NoteForm
from incidents.console.incident_forms import SNOOZES, AssignForm, SnoozeForm
from incidents.console.ladders import read_ladders
from incidents.console.listing import to_list
from incidents.console.panels import panels_of_incident
from incidents.console.timeline import SHOWS, read_story
from incidents.lifecycle.actions import (
    AlreadyResolved,
    acknowledge_incident,
    add_note,
    assign_incident,
    resolve_incident,
    snooze_incident,
)
from incidents.models import Incident, IncidentState
from monitors.models import Monitor
from monitors.queries import database_now

PAGE_ENTRIES = 100


@team_page()
def show_incident(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show an incident. Looking at it changes nothing: acknowledging is a button."""
    return _render_incident(request, access, pk, NoteForm())


def _render_incident(
    request: HttpRequest, access: Access, pk: UUID, form: NoteForm
) -> HttpResponse:
    """Render the page, or of its two live parts the one that is asked for."""
    incident = get_object(Incident.objects.select_related("previous"), pk)
    context: dict[str, Any] = {
        "incident": incident,
        "is_over": incident.state == IncidentState.RESOLVED,
        "monitor": Monitor.objects.filter(pk=incident.monitor_id).first(),
        "now": database_now(),
        "ladders": read_ladders(incident),
        "section": "incidents",
    }
    if is_htmx(request) and request.GET.get("part") != "story":
        return render_page(request, access, "incidents/_banner.html", context)
    story = read_story(incident)
    show = request.GET.get("show", "")
    show = show if show in SHOWS else ""
    context |= {
        "story": story,
        "show": show,
        "page": Paginator(story.show(show), PAGE_ENTRIES).get_page(request.GET.get("page")),
        "panels": panels_of_incident(access, incident),
    }
    if is_htmx(request):
        return render_page(request, access, "incidents/_incident.html", context)
    same = Incident.objects.filter(monitor_id=incident.monitor_id).order_by("-id")
    context |= {
        "earlier": same.filter(pk__lt=incident.pk).first(),
        "later": same.filter(pk__gt=incident.pk).last(),
        "form": form,
        "snoozes": SNOOZES,
        "assign_form": AssignForm(),
    }
    return render_page(request, access, "incidents/incident.html", context)


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
        messages.info(request, _("This incident was resolved in the meantime."))
    else:
        messages.success(request, done)
    return _go_back(request, access, pk)


def _go_back(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Lead to where the button was: the team's home, the list, else the incident's page."""
    place = request.POST.get("to", "")
    if place == "home":
        return redirect("console:home", team=access.team.slug)
    if place == "list":
        return redirect(to_list(access, request.POST.get("back", "")))
    return redirect("console:incident", team=access.team.slug, pk=pk)


@require_POST
@team_page(Scope.WRITE)
def acknowledge(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Take an incident on: nobody else is paged."""
    if request.POST.get("to"):
        name = get_object(Incident.objects.all(), pk).monitor_name
        text = _("You have acknowledged %(name)s: nobody else is paged.")
        return _act(request, access, pk, acknowledge_incident, text % {"name": straight(name)})
    done = _("You have acknowledged it: nobody else is paged.")
    return _act(request, access, pk, acknowledge_incident, done)


@require_POST
@team_page(Scope.WRITE)
def snooze(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Take an incident on for a time."""
    get_object(Incident.objects.all(), pk)
    form = SnoozeForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose for how long to snooze it."))
        return redirect("console:incident", team=access.team.slug, pk=pk)
    done = _("Snoozed: if it is still down then, paging starts anew.")
    return _act(request, access, pk, snooze_incident, done, seconds=form.cleaned_data["seconds"])


@require_POST
@team_page(Scope.WRITE)
def assign(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Hand an incident to somebody else, who is paged now."""
    get_object(Incident.objects.all(), pk)
    form = AssignForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose whom to hand it to."))
        return redirect("console:incident", team=access.team.slug, pk=pk)
    return _act(
        request,
        access,
        pk,
        assign_incident,
        _("Assigned, and paged now."),
        **form.cleaned_data["to"],
    )


@require_POST
@team_page(Scope.WRITE)
def resolve(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """End an incident by hand."""
    return _act(
        request, access, pk, resolve_incident, _("Resolved. Those who were paged are told.")
    )


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
