"""Maintenance windows that announce themselves, from the REST API to what visitors read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.engine import run_round as run_incidents
from incidents.models import Incident, Maintenance
from monitors.models import Monitor
from statuspages.engine import states
from statuspages.engine.planned import run_plans
from statuspages.models import PostNotice
from statuspages.tasks import run_round
from tests.conftest import Api
from tests.incidents.telling import go
from tests.monitors.pushing import make_monitors, push

NOBODY = "01890000-0000-7000-8000-000000000000"
HOUR = timedelta(hours=1)
_SHIFTED = {
    "incidents_maintenance": ("starts_at", "ends_at", "spans_until"),
    "incidents_maintenancespan": ("starts_at", "ends_at"),
    "statuspages_post": ("scheduled_for", "scheduled_until", "started_at", "span_start"),
}


@pytest.fixture(autouse=True)
def _unscoped(db: None) -> Iterator[None]:
    states._seen.clear()  # another test's changes had the same numbers
    with scopes_disabled():
        yield


@pytest.fixture
def monitor(team: Team) -> Monitor:
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    run_incidents()
    return monitor


@pytest.fixture
def page(api: Api, monitor: Monitor) -> Any:
    page = api.make("status-pages", name="Acme", slug="acme", published=True)
    api.make(f"status-pages/{page['id']}/components", name="API", monitors=[str(monitor.pk)])
    api.make(f"status-pages/{page['id']}/components", name="Other")
    return page


def instant(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat().replace("+00:00", "Z")


def plan(api: Api, page: Any, monitor: Monitor, **fields: Any) -> Any:
    body = {
        "name": "Upgrade",
        "monitors": [str(monitor.pk)],
        "starts_at": instant(hours=1),
        "ends_at": instant(hours=2),
        "status_page": page["id"],
    }
    return api.make("maintenances", **body | fields)


def posts(api: Api, page: Any) -> list[Any]:
    found: list[Any] = api.get(f"status-pages/{page['id']}/posts")["results"]
    return sorted(found, key=lambda post: post["scheduled_for"])


def told(api: Api, page: Any) -> list[tuple[str, str, str]]:
    """Return status and times of all posts of the page."""
    names = ("status", "scheduled_for", "scheduled_until")
    return [tuple(post[name] for name in names) for post in posts(api, page)]  # type: ignore[misc]


def pass_by(time: timedelta) -> None:
    """Let all that is planned come that much nearer."""
    with connection.cursor() as cursor:
        for table, columns in _SHIFTED.items():
            moved = ", ".join(f"{name} = {name} - %(time)s" for name in columns)
            cursor.execute(f"UPDATE {table} SET {moved}", {"time": time})
    run_round()
    run_round()


def read() -> tuple[list[str], dict[str, str]]:
    """Return what visitors read: how planned work stands, and how each component does."""
    found = Client().get("/status/acme/api/v2/summary.json").json()
    works = [work["status"] for work in found["scheduled_maintenances"]]
    return works, {part["name"]: part["status"] for part in found["components"]}


def test_visitors_read_of_a_window_before_during_and_after(
    api: Api, page: Any, monitor: Monitor
) -> None:
    window = plan(api, page, monitor)
    assert window["status_page"] == page["id"]
    run_round()
    run_round()
    assert read() == (["scheduled"], {"API": "operational", "Other": "operational"})
    [post] = posts(api, page)
    assert (post["title"], post["scheduled_for"]) == ("Upgrade", window["starts_at"])
    pass_by(1.5 * HOUR)
    assert read() == (["in_progress"], {"API": "under_maintenance", "Other": "operational"})
    go(monitor, "fail")
    run_round()
    assert read()[1]["API"] == "under_maintenance"
    assert not Incident.objects.exists(), "nobody is paged meanwhile"
    go(monitor, "pass")
    pass_by(HOUR)
    assert read() == ([], {"API": "operational", "Other": "operational"})
    [post] = posts(api, page)
    assert [said["status"] for said in reversed(post["updates"])] == [
        "scheduled",
        "in_progress",
        "completed",
    ]
    assert PostNotice.objects.count() == 3
    assert run_plans() == 0


def test_its_post_moves_with_the_window_and_is_called_off_with_it(
    api: Api, page: Any, monitor: Monitor
) -> None:
    path = f"maintenances/{plan(api, page, monitor)['id']}"
    run_plans()
    [first] = posts(api, page)
    # Further away than windows are announced: what visitors were told of is moved all the same.
    for days in (1, 30, 2):
        times = {"starts_at": instant(days=days), "ends_at": instant(days=days, hours=1)}
        api("PATCH", path, times, expect=200)
        run_plans()
        assert run_plans() == 0
        assert told(api, page) == [("scheduled", times["starts_at"], times["ends_at"])]
        assert posts(api, page)[0]["id"] == first["id"]
    api("DELETE", path, expect=204)
    run_plans()
    assert [status for status, *_ in told(api, page)] == ["completed"]
    assert run_plans() == 0


def test_work_that_has_begun_is_finished_where_it_is_put_off(
    api: Api, page: Any, monitor: Monitor
) -> None:
    window = plan(api, page, monitor, starts_at=instant(hours=-1))
    run_round()
    assert told(api, page)[0][0] == "in_progress"
    # While it is on, its times may be corrected.
    earlier = instant(hours=-2)
    api("PATCH", f"maintenances/{window['id']}", {"starts_at": earlier}, expect=200)
    run_round()
    assert [status for status, *_ in told(api, page)] == ["in_progress"]
    later = {"starts_at": instant(hours=20), "ends_at": instant(hours=21)}
    api("PATCH", f"maintenances/{window['id']}", later, expect=200)
    run_round()
    assert [status for status, *_ in told(api, page)] == ["completed", "scheduled"]
    assert told(api, page)[1][1:] == (later["starts_at"], later["ends_at"])


def test_a_window_that_is_ended_early_completes_its_post(
    api: Api, page: Any, monitor: Monitor
) -> None:
    window = plan(api, page, monitor, starts_at=instant(hours=-1))
    run_round()
    api("PATCH", f"maintenances/{window['id']}", {"ends_at": instant()}, expect=200)
    run_round()
    run_round()
    assert [status for status, *_ in told(api, page)] == ["completed"]
    assert read()[1]["API"] == "operational"


def test_each_occurrence_of_the_next_two_weeks_is_announced_and_later_ones_in_time(
    api: Api, page: Any, monitor: Monitor
) -> None:
    plan(api, page, monitor, rrule="FREQ=WEEKLY")
    run_plans()
    first = [start for _, start, _ in told(api, page)]
    assert len(first) == 2
    assert PostNotice.objects.count() == 1, "subscribers are told of the next"
    pass_by(timedelta(days=7))
    assert [status for status, *_ in told(api, page)] == ["completed", "scheduled", "scheduled"]
    assert run_plans() == 0


def test_without_its_page_a_window_goes_on_and_its_post_is_called_off(
    api: Api, page: Any, monitor: Monitor
) -> None:
    window = plan(api, page, monitor)
    run_plans()
    path = f"maintenances/{window['id']}"
    assert api("PATCH", path, {"status_page": None}, expect=200).json()["status_page"] is None
    run_plans()
    assert [status for status, *_ in told(api, page)] == ["completed"]
    assert run_plans() == 0
    assert api.get(path)["starts_at"] == window["starts_at"]
    assert api.get(path)["next"] is not None
    # Announced once more, it is told anew.
    api("PATCH", path, {"status_page": page["id"]}, expect=200)
    run_plans()
    assert sorted(status for status, *_ in told(api, page)) == ["completed", "scheduled"]


def test_a_window_may_change_its_page(api: Api, page: Any, monitor: Monitor) -> None:
    other = api.make("status-pages", name="Second", slug="second", published=True)
    window = plan(api, page, monitor)
    run_plans()
    api("PATCH", f"maintenances/{window['id']}", {"status_page": other["id"]}, expect=200)
    run_plans()
    assert [status for status, *_ in told(api, page)] == ["completed"]
    assert [status for status, *_ in told(api, other)] == ["scheduled"]


def test_a_cancelled_announcement_is_not_repeated_and_leaves_the_window(
    api: Api, page: Any, monitor: Monitor
) -> None:
    window = plan(api, page, monitor)
    run_plans()
    [post] = posts(api, page)
    api.post(f"status-pages/{page['id']}/posts/{post['id']}/cancel")
    assert run_plans() == 0
    assert [status for status, *_ in told(api, page)] == ["completed"]
    assert api.get(f"maintenances/{window['id']}") == window


def test_a_deleted_page_leaves_its_windows_unannounced(
    api: Api, page: Any, monitor: Monitor
) -> None:
    window = plan(api, page, monitor)
    run_plans()
    api("DELETE", f"status-pages/{page['id']}", expect=204)
    assert api.get(f"maintenances/{window['id']}") == {**window, "status_page": None}
    assert run_plans() == 0


def test_a_post_that_made_its_window_stands_for_it(api: Api, page: Any, monitor: Monitor) -> None:
    path = f"status-pages/{page['id']}"
    part = next(row for row in api.get(f"{path}/components")["results"] if row["name"] == "API")
    post = api.make(
        f"{path}/posts",
        title="Disks",
        components=[part["id"]],
        scheduled_for=instant(days=20),
        scheduled_until=instant(days=20, hours=1),
        silence=True,
    )
    window = str(Maintenance.objects.get().pk)
    run_plans()
    assert [row["id"] for row in posts(api, page)] == [post["id"]]
    api("PATCH", f"maintenances/{window}", {"status_page": page["id"]}, expect=200)
    run_plans()
    assert run_plans() == 0
    assert [(row["id"], row["status"]) for row in posts(api, page)] == [(post["id"], "scheduled")]
    times = {"starts_at": instant(hours=3), "ends_at": instant(hours=4)}
    api("PATCH", f"maintenances/{window}", times, expect=200)
    run_plans()
    assert told(api, page) == [("scheduled", times["starts_at"], times["ends_at"])]
    api("PATCH", f"maintenances/{window}", {"status_page": None}, expect=200)
    run_plans()
    assert told(api, page) == [("scheduled", times["starts_at"], times["ends_at"])]
    api("DELETE", f"maintenances/{window}", expect=204)
    run_plans()
    assert told(api, page)[0][0] == "scheduled", "what a person wrote, a person calls off"


def test_work_that_was_over_before_it_was_looked_at_was_not_cancelled(
    api: Api, page: Any, monitor: Monitor
) -> None:
    plan(api, page, monitor)
    run_plans()
    pass_by(5 * HOUR)
    [post] = posts(api, page)
    assert [said["status"] for said in reversed(post["updates"])] == [
        "scheduled",
        "in_progress",
        "completed",
    ]


def test_another_teams_page_is_as_missing_as_any(
    api: Api, rival: Api, page: Any, monitor: Monitor
) -> None:
    theirs = rival.make("status-pages", name="Theirs", slug="theirs")
    window = plan(api, page, monitor)
    answers = set()
    for other in (theirs["id"], NOBODY, "nonsense", "0"):
        change = {"status_page": other}
        answer = api("PATCH", f"maintenances/{window['id']}", change, expect=400)
        [error] = answer.json()["errors"]
        answers.add((error["field"], error["code"], error["detail"]))
        body = {**window, "name": "another", **change}
        api("POST", "maintenances", body, expect=400)
    assert answers == {("status_page", "not_found", "There is no such status page.")}
    assert [row["id"] for row in api.get("maintenances")["results"]] == [window["id"]]
    assert api.get(f"maintenances/{window['id']}")["status_page"] == page["id"]
