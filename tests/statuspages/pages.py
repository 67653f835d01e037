"""What tests of the pages' engine make and ask."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Monitor
from statuspages.models import Component, ComponentMonitor, ComponentSpan, StatusPage


def make_page(team: Team, slug: str = "acme", **fields: Any) -> StatusPage:
    """Return a published page."""
    fields = {"name": slug.title(), "published": True, **fields}
    with scopes_disabled():
        return StatusPage.objects.create(team=team, slug=slug, **fields)


def make_component(
    page: StatusPage, *monitors: Monitor, name: str = "API", **fields: Any
) -> Component:
    """Return a component that stands for the monitors."""
    with scopes_disabled():
        component = Component.objects.create(team=page.team, page=page, name=name, **fields)
        ComponentMonitor.objects.bulk_create(
            ComponentMonitor(team=page.team, component=component, monitor=m) for m in monitors
        )
    return component


def add_span(
    component: Component, kind: str, start: datetime, end: datetime | None, **fields: Any
) -> None:
    """Store a span of a component's history."""
    with scopes_disabled():
        ComponentSpan.objects.create(
            team_id=component.team_id,
            component=component,
            kind=kind,
            started_at=start,
            ended_at=end,
            **fields,
        )


def spans_of(component: Component) -> list[tuple[str, datetime, datetime | None]]:
    """Return the spans of a component in order."""
    with scopes_disabled():
        rows = ComponentSpan.objects.filter(component=component).order_by("started_at", "id")
        return [(row.kind, row.started_at, row.ended_at) for row in rows]


def shown(component: Component) -> str:
    """Return the status that is stored for a component."""
    with scopes_disabled():
        return Component.objects.get(pk=component.pk).status
