"""A post about an incident of monitors: what its form begins with, and what it is tied to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from incidents.models import Incident, IncidentState
from statuspages.console.post_words import show_wall, zone_of
from statuspages.engine.automation import IMPACT_OF_SEVERITY
from statuspages.models import Component, Post, StatusPage
from statuspages.models.components import ComponentStatus
from statuspages.models.posts import Impact, PostStatus
from statuspages.services.words import Words, names_of, title_of, words_of


def find_incident(request: HttpRequest) -> Incident | None:
    """Return the incident that the address or the form names; None for one of another team."""
    given = request.POST.get("incident") or request.GET.get("incident", "")
    try:
        return Incident.objects.filter(pk=UUID(given)).first()
    except ValueError:
        return None


def post_about(page: StatusPage, incident: Incident) -> Post | None:
    """Return the page's post about an incident; there is one at most."""
    return Post.objects.filter(page=page, incident_id=incident.pk).first()


def begin_with(incident: Incident, page: StatusPage) -> dict[str, Any]:
    """Return what the form begins with: components that show the monitor, impact, and words."""
    rows = list(
        Component.objects.filter(page=page, monitor_links__monitor_id=incident.monitor_id).order_by(
            "position", "name"
        )
    )
    words = words_of(page.locale)
    is_over = incident.state == IncidentState.RESOLVED
    found: dict[str, Any] = {
        "status": PostStatus.RESOLVED if is_over else PostStatus.INVESTIGATING,
        "impact": IMPACT_OF_SEVERITY.get(incident.severity, Impact.MINOR),
        "started_at": show_wall(incident.down_since, zone_of(page)),
    }
    found |= {f"component-{component.pk}": "affected" for component in rows}
    if names := [component.name for component in rows]:
        partly = all(component.status == ComponentStatus.PARTIAL for component in rows)
        found["title"] = title_of(names, words, partly=partly)
        found["body"] = _say(incident, words, names)
    return found


def _say(incident: Incident, words: Words, names: list[str]) -> str:
    named = names_of(names, words)
    if incident.state == IncidentState.RESOLVED:
        return words.resolved.format(names=named)
    noticed = words.noticed.format(names=named)
    if incident.state == IncidentState.ACKNOWLEDGED:
        return f"{noticed} {words.acknowledged}"
    return noticed
