"""Status pages in every state, served on a real port, and what a reader of each must find.

The states come about as they do in life: by components set by hand, posts and planned maintenance.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import uvicorn
from django_scopes import scopes_disabled

from accounts.models import Team
from config.asgi import Application
from config.httpserver import Protocol
from monitors.queries import database_now
from statuspages.engine import states
from statuspages.engine.rounds import run_steps
from statuspages.models import Component, StatusPage
from statuspages.services.components import create_component, update_component
from statuspages.services.pages import create_page, page_url
from statuspages.services.posts import create_maintenance_post, create_post
from statuspages.services.telling import add_update
from statuspages.services.words import words_of
from statuspages.serving.snapshots import render_page

Parts = dict[str, Component]
Rows = list[dict[str, Any]]


@dataclass
class Expected:
    """What was set: the lists hold rows as `read_posts` makes them."""

    indicator: str
    description: str
    statuses: dict[str, str]
    incidents: Rows = field(default_factory=list)
    maintenances: Rows = field(default_factory=list)

    @property
    def answers(self) -> dict[str, Any]:
        """What each of the eight endpoints tells."""
        status = {"indicator": self.indicator, "description": self.description}
        unresolved = [row for row in self.incidents if row["status"] != "resolved"]
        upcoming = [row for row in self.maintenances if row["status"] == "scheduled"]
        active = [row for row in self.maintenances if row["status"] == "in_progress"]
        return {
            "summary": (status, self.statuses, unresolved, active + upcoming),
            "status": status,
            "components": self.statuses,
            "incidents": self.incidents,
            "incidents/unresolved": unresolved,
            "scheduled-maintenances": self.maintenances,
            "scheduled-maintenances/upcoming": upcoming,
            "scheduled-maintenances/active": active,
        }


@dataclass(frozen=True)
class Scene:
    """One page, at `url` with a slash at its end, and what it must tell."""

    page: StatusPage
    url: str
    expected: Expected


def read_answers(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client gave, in the form of `Expected.answers`."""
    return {name: _READERS[name](answer) for name, answer in answers.items()}


def read_posts(rows: Rows) -> Rows:
    """Return what there is to know of incidents or maintenances."""
    found = []
    for row in rows:
        read = {name: row[name] for name in ("name", "status", "impact")}
        read["components"] = [component["name"] for component in row["components"]]
        read["updates"] = [(update["status"], update["body"]) for update in row["incident_updates"]]
        for name in ("scheduled_for", "scheduled_until"):
            if name in row:
                read[name] = datetime.fromisoformat(row[name])
        found.append(read)
    return found


def _read_statuses(answer: Any) -> dict[str, str]:
    return {row["name"]: row["status"] for row in answer["components"]}


def _incidents(answer: Any) -> Rows:
    return read_posts(answer["incidents"])


def _maintenances(answer: Any) -> Rows:
    return read_posts(answer["scheduled_maintenances"])


_READERS: dict[str, Callable[[Any], Any]] = {
    "summary": lambda answer: (
        answer["status"],
        _read_statuses(answer),
        _incidents(answer),
        _maintenances(answer),
    ),
    "status": lambda answer: answer["status"],
    "components": _read_statuses,
    "incidents": _incidents,
    "incidents/unresolved": _incidents,
    "scheduled-maintenances": _maintenances,
    "scheduled-maintenances/upcoming": _maintenances,
    "scheduled-maintenances/active": _maintenances,
}


def make_scenes(team: Team) -> dict[str, Scene]:
    """Return a page for each state, as the engine and the renderer made it."""
    states._seen.clear()  # another test's changes had the same numbers
    made = {name: _make(team, name, tell) for name, tell in STORIES.items()}
    run_steps()  # what is planned for now begins
    run_steps()  # and is shown
    for page, _ in made.values():
        render_page(page.pk)
    return {name: Scene(page, page_url(page), expected) for name, (page, expected) in made.items()}


def _make(
    team: Team, name: str, tell: Callable[[StatusPage, Parts], Expected]
) -> tuple[StatusPage, Expected]:
    slug = name.replace("_", "-")
    page = create_page(team=team, name=name, slug=slug, published=True, timezone="Europe/Berlin")
    with scopes_disabled():
        parts = {
            "API": create_component(page=page, name="API", group="Core"),
            "Uploads": create_component(page=page, name="Uploads", group="Core"),
            "Web": create_component(page=page, name="Web", description="What people see."),
        }
        return page, tell(page, parts)


def _statuses(core: str = "operational", **others: str) -> dict[str, str]:
    alike = dict.fromkeys(("API", "Uploads", "Web"), "operational")
    return {"Core": core, **alike, **others}


def _by_hand(indicator: str, description: str, *names: str, status: str = "") -> Any:
    def tell(page: StatusPage, parts: Parts) -> Expected:
        for name in names:
            update_component(component=parts[name], status=status)
        core = status if names else "operational"
        return Expected(indicator, description, _statuses(core, **dict.fromkeys(names, status)))

    return tell


TITLE = "Uploads fail for some"
SAID = [("identified", "A **full disk**. We make room."), ("investigating", "We look into it.")]
DONE = ("resolved", "There is room again.")


def _incident(page: StatusPage, parts: Parts) -> tuple[Any, dict[str, Any]]:
    post = create_post(
        page=page,
        title=TITLE,
        body=SAID[1][1],
        components={parts["Uploads"]: "partial_outage"},
    )
    add_update(post=post, status="identified", body=SAID[0][1])
    row = {
        "name": TITLE,
        "status": "identified",
        "impact": "major",
        "components": ["Uploads"],
        "updates": list(SAID),
    }
    return post, row


def _open_incident(page: StatusPage, parts: Parts) -> Expected:
    _, row = _incident(page, parts)
    statuses = _statuses("partial_outage", Uploads="partial_outage")
    return Expected("major", "Partial System Outage", statuses, incidents=[row])


def _resolved_incident(page: StatusPage, parts: Parts) -> Expected:
    post, row = _incident(page, parts)
    add_update(post=post, status=DONE[0], body=DONE[1])
    row |= {"status": "resolved", "updates": [DONE, *SAID]}
    return Expected("none", "All Systems Operational", _statuses(), incidents=[row])


def _plan(page: StatusPage, parts: Parts, begins: timedelta) -> dict[str, Any]:
    now = database_now().replace(microsecond=0)
    row = {
        "name": "New disks",
        "status": "scheduled",
        "impact": "maintenance",
        "components": ["Web"],
        "updates": [("scheduled", "We put new disks in.")],
        "scheduled_for": now + begins,
        "scheduled_until": now + begins + timedelta(hours=3),
    }
    create_maintenance_post(
        page=page,
        title="New disks",
        body="We put new disks in.",
        scheduled_for=row["scheduled_for"],
        scheduled_until=row["scheduled_until"],
        components={parts["Web"]: ""},
    )
    return row


def _running_maintenance(page: StatusPage, parts: Parts) -> Expected:
    row = _plan(page, parts, timedelta(hours=-1))
    row["status"] = "in_progress"
    row["updates"].insert(0, ("in_progress", words_of("en").begun))
    statuses = _statuses(Web="under_maintenance")
    return Expected("maintenance", "Service Under Maintenance", statuses, maintenances=[row])


def _planned_maintenance(page: StatusPage, parts: Parts) -> Expected:
    row = _plan(page, parts, timedelta(days=2))
    return Expected("none", "All Systems Operational", _statuses(), maintenances=[row])


STORIES: dict[str, Callable[[StatusPage, Parts], Expected]] = {
    "all_up": _by_hand("none", "All Systems Operational"),
    "degraded": _by_hand(
        "minor", "Partially Degraded Service", "API", status="degraded_performance"
    ),
    "partial": _by_hand("minor", "Minor Service Outage", "API", status="partial_outage"),
    "major": _by_hand("major", "Partial System Outage", "API", status="major_outage"),
    "critical": _by_hand(
        "critical", "Major Service Outage", "API", "Uploads", status="major_outage"
    ),
    "maintenance": _running_maintenance,
    "planned": _planned_maintenance,
    "open_incident": _open_incident,
    "resolved_incident": _resolved_incident,
}


@contextmanager
def serve(settings: Any) -> Iterator[str]:
    """Run the application as its server does, on a free port; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.BASE_URL = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(Application(), http=Protocol, log_level="warning", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive(), "the server ended"
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.01)
            yield settings.BASE_URL
        finally:
            server.should_exit = True
            thread.join()
