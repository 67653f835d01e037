"""The page in the public JSON shape (v2) of Atlassian Statuspage, for clients that know it.

The fields are those that https://confluence.status.atlassian.com/api documents and that pages
such as githubstatus.com send.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from statuspages.rendering.order import (
    active_maintenances,
    ordered_parts,
    unresolved_posts,
    upcoming_maintenances,
)
from statuspages.rendering.times import iso_millis, zone_of
from statuspages.view import ComponentView, PageView, PostView, UpdateView, page_indicator

DESCRIPTIONS = {
    "none": "All Systems Operational",
    "minor": "Minor Service Outage",
    "degraded": "Partially Degraded Service",
    "major": "Partial System Outage",
    "critical": "Major Service Outage",
    "maintenance": "Service Under Maintenance",
}
# As many as such pages send.
LONGEST = 50


def state_of(view: PageView) -> str:
    """Return the page's indicator, or "degraded" for a minor one without any outage."""
    indicator = page_indicator(view)
    statuses = {component.status for component in view.components}
    slow = "degraded_performance" in statuses and "partial_outage" not in statuses
    return "degraded" if indicator == "minor" and slow else indicator


class _Shape:
    """Makes the parts of one page's answers."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.zone = zone_of(view.timezone)
        self.by_code = {row["id"]: row for row in self.components()}
        self.groups = {code: group.name for group in view.groups for code in group.component_codes}

    def time(self, at: datetime | None) -> str | None:
        return None if at is None else iso_millis(at, self.zone)

    def page(self) -> dict[str, Any]:
        view = self.view
        return {
            "id": view.code,
            "name": view.name,
            "url": view.url.rstrip("/"),
            "time_zone": "Etc/UTC" if view.timezone == "UTC" else view.timezone,
            "updated_at": self.time(view.updated_at),
        }

    def status(self) -> dict[str, str]:
        return {
            "indicator": page_indicator(self.view),
            "description": DESCRIPTIONS[state_of(self.view)],
        }

    def components(self) -> list[dict[str, Any]]:
        """Return groups and components in one flat list, each group before what is in it."""
        rows = []
        for place, (group, below) in enumerate(ordered_parts(self.view), 1):
            if group is not None:
                rows.append(
                    {
                        **self._line(group.code, group.name, group.status, place),
                        "created_at": self.time(group.created_at),
                        "updated_at": self.time(group.updated_at),
                        "group": True,
                        "components": [component.code for component in below],
                    }
                )
            for at, component in enumerate(below, 1):
                rows.append(
                    self._component(component, group.code, at)
                    if group is not None
                    else self._component(component, None, place)
                )
        return rows

    def _component(
        self, component: ComponentView, group_code: str | None, place: int
    ) -> dict[str, Any]:
        return {
            **self._line(component.code, component.name, component.status, place),
            "created_at": self.time(component.created_at),
            "updated_at": self.time(component.updated_at),
            "description": component.description or None,
            "showcase": component.show_uptime,
            "start_date": component.created_at.astimezone(self.zone).date().isoformat(),
            "group_id": group_code,
        }

    def _line(self, code: str, name: str, status: str, place: int) -> dict[str, Any]:
        return {
            "id": code,
            "name": name,
            "status": status,
            "created_at": None,
            "updated_at": None,
            "position": place,
            "description": None,
            "showcase": False,
            "start_date": None,
            "group_id": None,
            "page_id": self.view.code,
            "group": False,
            "only_show_if_degraded": False,
        }

    def post(self, post: PostView) -> dict[str, Any]:
        row = {
            "id": post.code,
            "name": post.title,
            "status": post.status,
            "created_at": self.time(post.created_at),
            "updated_at": self.time(post.updated_at),
            "monitoring_at": self.time(post.monitoring_at),
            "resolved_at": self.time(post.resolved_at),
            "impact": post.impact,
            "shortlink": f"{self.view.url}posts/{post.code}",
            # Of planned work that is when it was announced; it begins at `scheduled_for`.
            "started_at": self.time(post.created_at if post.is_maintenance else post.started_at),
            "page_id": self.view.code,
            "incident_updates": [self.update(post, update) for update in post.updates],
            "components": [
                self.by_code[code] for code in post.component_codes if code in self.by_code
            ],
        }
        if post.is_maintenance:
            row["scheduled_for"] = self.time(post.scheduled_for)
            row["scheduled_until"] = self.time(post.scheduled_until)
        else:
            row["reminder_intervals"] = None
        return row

    def update(self, post: PostView, update: UpdateView) -> dict[str, Any]:
        return {
            "id": update.code,
            "status": update.status,
            "body": update.body,
            "incident_id": post.code,
            "created_at": self.time(update.created_at),
            "updated_at": self.time(update.updated_at),
            "display_at": self.time(update.at),
            "affected_components": [self._affected(row) for row in update.affected],
            "deliver_notifications": True,
            "custom_tweet": None,
            "tweet_id": None,
        }

    def _affected(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a component as updates name it: after its group."""
        found = _affected(row)
        group = self.groups.get(str(found["code"]))
        return found if group is None else {**found, "name": f"{group} - {found['name']}"}

    def posts(self, posts: list[PostView]) -> list[dict[str, Any]]:
        return [self.post(post) for post in posts[:LONGEST]]


def _affected(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row.get(key) for key in ("code", "name", "old_status", "new_status")}


def _summary(shape: _Shape) -> dict[str, Any]:
    running = active_maintenances(shape.view) + upcoming_maintenances(shape.view)
    return {
        "components": shape.components(),
        "incidents": shape.posts(unresolved_posts(shape.view)),
        "scheduled_maintenances": shape.posts(running),
        "status": shape.status(),
    }


def _maintenances(choose: Callable[[PageView], list[PostView]]) -> Callable[[_Shape], Any]:
    return lambda shape: {"scheduled_maintenances": shape.posts(choose(shape.view))}


ANSWERS: Mapping[str, Callable[[_Shape], dict[str, Any]]] = {
    "summary": _summary,
    "status": lambda shape: {"status": shape.status()},
    "components": lambda shape: {"components": shape.components()},
    "incidents": lambda shape: {"incidents": shape.posts(list(shape.view.posts))},
    "incidents/unresolved": lambda shape: {"incidents": shape.posts(unresolved_posts(shape.view))},
    "scheduled-maintenances": _maintenances(lambda view: list(view.maintenances)),
    "scheduled-maintenances/upcoming": _maintenances(upcoming_maintenances),
    "scheduled-maintenances/active": _maintenances(active_maintenances),
}


def write_answer(view: PageView, name: str) -> bytes:
    """Return the answer of `api/v2/<name>.json`; raises KeyError for a name not in ANSWERS."""
    shape = _Shape(view)
    answer = {"page": shape.page(), **ANSWERS[name](shape)}
    return json.dumps(answer, separators=(",", ":")).encode()


def shape_told(view: PageView, post: PostView, update: UpdateView) -> dict[str, Any]:
    """Return what a webhook is told of an update: the page, the incident as above, the update."""
    shape = _Shape(view)
    page = shape.page()
    return {
        "page": {key: page[key] for key in ("id", "name", "url")},
        "incident": shape.post(post),
        "incident_update": shape.update(post, update),
        "component_updates": [_affected(row) for row in update.affected],
    }
