"""Planned maintenance on a page, through the REST API."""

from __future__ import annotations

from typing import Any

from django_scopes import scopes_disabled

from incidents.models import Maintenance, MaintenanceSpan
from statuspages.models import Post
from tests.api.status_pages import component, instant, page, path, plan, refused
from tests.conftest import Api

__all__ = ["page", "path"]  # the fixtures


def test_planned_maintenance_is_announced_and_goes_on_by_itself(
    api: Api, page: Any, path: str
) -> None:
    part = component(api, page)
    post = plan(api, path, body="We upgrade.", components=[part])
    assert (post["status"], post["impact"], post["automatic"]) == ("scheduled", "maintenance", True)
    assert post["started_at"] == post["scheduled_for"]
    one = f"{path}/{post['id']}"
    later = {"scheduled_for": instant(hours=-3), "scheduled_until": instant(hours=-4)}
    moved = api("PATCH", one, later, expect=200).json()
    assert moved["started_at"] == moved["scheduled_for"] == later["scheduled_for"]
    assert moved["automatic"] is True
    assert refused(api, "PATCH", one, {"automatic": False}) == ("automatic", "invalid")
    api.make(f"{one}/updates", status="in_progress")
    assert api.get(one)["automatic"] is True
    api.make(f"{one}/updates", status="verifying")
    assert api.get(one)["automatic"] is False
    api.make(f"{one}/updates", status="completed")
    assert api.get(one)["resolved_at"]
    assert refused(api, "POST", f"{one}/updates", {"status": "resolved"}) == ("status", "invalid")
    with scopes_disabled():
        assert not Maintenance.objects.exists()


def test_bad_schedules_are_refused(api: Api, page: Any, path: str) -> None:
    part = component(api, page)
    soon, later = instant(hours=-1), instant(hours=-2)
    for body, field in (
        ({"scheduled_for": later, "scheduled_until": soon}, "scheduled_until"),
        ({"scheduled_for": soon, "scheduled_until": soon}, "scheduled_until"),
        ({"scheduled_for": soon, "scheduled_until": instant(days=-500)}, "scheduled_until"),
        (
            {"scheduled_for": instant(hours=2), "scheduled_until": instant(hours=1)},
            "scheduled_until",
        ),
        ({"scheduled_for": soon, "scheduled_until": later, "status": "in_progress"}, "status"),
        ({"scheduled_for": soon, "scheduled_until": later, "silence": True}, "silence"),
        (
            {
                "scheduled_for": soon,
                "scheduled_until": later,
                "component_statuses": {part: "major_outage"},
            },
            "component_statuses",
        ),
    ):
        assert refused(api, "POST", path, {"title": "x", **body})[0] == field
    assert api.get(path)["results"] == []
    post = plan(api, path)
    assert refused(api, "PATCH", f"{path}/{post['id']}", {"scheduled_until": None})[0] == (
        "scheduled_until"
    )


def test_silent_maintenance_makes_a_window_that_follows_it(api: Api, page: Any, path: str) -> None:
    monitor, other = (api.make("monitors", name=name)["id"] for name in "mn")
    part = component(api, page, "a", monitors=[monitor])
    more = component(api, page, "b", monitors=[other])
    post = plan(api, path, components=[part], silence=True)
    [window] = api.get("maintenances")["results"]
    assert window["monitors"] == [monitor]
    assert (window["starts_at"], window["ends_at"]) == (
        post["scheduled_for"],
        post["scheduled_until"],
    )
    later = {"scheduled_for": instant(hours=-3), "scheduled_until": instant(hours=-4)}
    api("PATCH", f"{path}/{post['id']}", {**later, "components": [part, more]}, expect=200)
    [window] = api.get("maintenances")["results"]
    assert set(window["monitors"]) == {monitor, other}
    assert window["starts_at"] == later["scheduled_for"]
    with scopes_disabled():
        row = Post.objects.get()
        assert row.span_start == MaintenanceSpan.objects.get().starts_at
    # Two of one title make two windows.
    second = plan(api, path, components=[part], silence=True)
    assert len(api.get("maintenances")["results"]) == 2
    api("DELETE", f"{path}/{second['id']}", expect=204)
    assert [row["id"] for row in api.get("maintenances")["results"]] == [window["id"]]


def test_cancelling_completes_it_at_once_and_ends_its_window(
    api: Api, page: Any, path: str
) -> None:
    monitor = api.make("monitors", name="m")["id"]
    part = component(api, page, monitors=[monitor])
    future = plan(api, path, components=[part], silence=True)
    running = plan(api, path, components=[part], silence=True, scheduled_for=instant(minutes=5))
    assert len(api.get("maintenances?active=true")["results"]) == 1
    for post in (future, running):
        done = api.post(f"{path}/{post['id']}/cancel", body="Not needed.")
        assert (done["status"], done["automatic"]) == ("completed", False)
        assert done["resolved_at"]
        assert done["updates"][0]["body"] == "Not needed."
        api("POST", f"{path}/{post['id']}/cancel", {}, expect=409)
    assert api.get("maintenances?active=true")["results"] == []
    incident = api.make(path, title="Slow")
    api("POST", f"{path}/{incident['id']}/cancel", {}, expect=409)


def test_a_completed_maintenance_ends_its_window_too(api: Api, page: Any, path: str) -> None:
    monitor = api.make("monitors", name="m")["id"]
    part = component(api, page, monitors=[monitor])
    post = plan(api, path, components=[part], silence=True, scheduled_for=instant(minutes=5))
    api.make(f"{path}/{post['id']}/updates", status="completed", body="Done early.")
    assert api.get("maintenances?active=true")["results"] == []


def test_a_deleted_page_leaves_no_silent_window(api: Api, page: Any, path: str) -> None:
    monitor = api.make("monitors", name="m")["id"]
    part = component(api, page, monitors=[monitor])
    plan(api, path, components=[part], silence=True)
    api("DELETE", f"status-pages/{page['id']}", expect=204)
    assert api.get("maintenances")["results"] == []
    with scopes_disabled():
        assert not Post.objects.exists()


def test_a_post_of_a_window_that_announces_itself_is_not_deleted_but_cancelled(
    api: Api, page: Any, path: str
) -> None:
    monitor = api.make("monitors", name="m")["id"]
    part = component(api, page, monitors=[monitor])
    post = plan(api, path, components=[part], silence=True)
    with scopes_disabled():
        Maintenance.objects.update(status_page_id=page["id"])
    api("DELETE", f"{path}/{post['id']}", expect=409)
    api.post(f"{path}/{post['id']}/cancel")
    assert len(api.get("maintenances")["results"]) == 1
    api("DELETE", f"{path}/{post['id']}", expect=204)
