"""A running server with one team that has one of everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from incidents.engine import run_round
from tests.conftest import Api
from tests.console.personas import listen_now
from tests.factories import TeamFactory, UserFactory, make_key

WEBHOOK = "https://hooks.example.com/tocsin"


@dataclass
class Served:
    """Where the server listens, who asks it, and the ids of what the team has."""

    url: str
    key: str
    slug: str = ""
    token: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        return Api(self.key)


@pytest.fixture
def served(transactional_db: None, live_server: Any, settings: Any) -> Served:
    settings.BASE_URL = live_server.url
    listen_now()
    team = TeamFactory(slug="acme", owner=UserFactory(email="ada@example.org"))
    found = Served(url=live_server.url, key=make_key(team))
    fill(found)
    return found


def fill(served: Served) -> None:
    """Make one of everything, so that an operation on one of them has something to work on."""
    api, ids = served.api, served.ids
    monitor = api.make("monitors", name="backup", labels={"host": "a"})
    served.slug, served.token = monitor["slug"], monitor["token"]
    ids["monitor"] = monitor["id"]
    for status in ("pass", "fail"):
        pushed = {"status": status, "latency_ms": 12.5, "message": "done", "labels": {"n": 1}}
        Api(None)("POST", f"/api/push/{served.slug}/results", pushed, expect=201)
    run_round()
    ids["incident"] = api.get("incidents")["results"][0]["id"]
    config = {"url": WEBHOOK}
    ids["channel"] = api.make("channels", name="hook", kind="webhook", config=config)["id"]
    ids["delivery"] = api("POST", f"channels/{ids['channel']}/test", expect=202).json()["id"]
    rotation = api.make(
        "rotations",
        name="primary",
        timezone="Europe/Berlin",
        unit="week",
        handoff="2027-03-01T09:00",
        members=["ada@example.org"],
    )
    ids["rotation"] = rotation["id"]
    ids["override"] = api.make(
        f"rotations/{rotation['id']}/overrides",
        start="2027-03-01T09:00:00Z",
        end="2027-03-02T09:00:00Z",
        member="ada@example.org",
    )["id"]
    steps = [{"delay": 0, "targets": [{"rotation": ids["rotation"]}]}]
    ids["policy"] = api.make("escalation-policies", name="usual", steps=steps)["id"]
    ids["rule"] = api.make("alert-rules", name="all", policy=ids["policy"])["id"]
    ids["maintenance"] = api.make(
        "maintenances",
        name="patches",
        monitors=[ids["monitor"]],
        starts_at="2027-03-01T09:00:00Z",
        ends_at="2027-03-01T10:00:00Z",
    )["id"]
    ids["contact"] = api.get("contact-methods")["results"][0]["id"]
    ids["invitation"] = api.make("invitations", email="grace@example.org")["id"]
    ids["member"] = api.make("members", email="edsger@example.org", name="Edsger")["id"]
    ids["page"] = api.make("status-pages", name="Acme", slug="acme", published=True)["id"]
    page = f"status-pages/{ids['page']}"
    ids["component"] = api.make(f"{page}/components", name="API", monitors=[ids["monitor"]])["id"]
    post = api.make(f"{page}/posts", title="Slow", body="We look.", components=[ids["component"]])
    ids["post"], ids["update"] = post["id"], post["updates"][0]["id"]
    ids["subscriber"] = api.make(f"{page}/subscribers", kind="webhook", address=WEBHOOK)["id"]
    ids["template"] = api.make(f"{page}/templates", name="Slow", title="Slow")["id"]
