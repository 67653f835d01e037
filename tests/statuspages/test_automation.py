"""Posts that write themselves: for incidents that last, and for planned maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.engine import run_round
from incidents.maintenance.maintenances import (
    create_maintenance,
    delete_maintenance,
    update_maintenance,
)
from incidents.models import Incident, Maintenance
from monitors.models import Monitor
from statuspages.engine import states
from statuspages.engine.automation import write_posts
from statuspages.engine.planned import run_plans
from statuspages.engine.rounds import run_steps
from statuspages.models import Component, Post, PostNotice, StatusPage
from statuspages.services.posts import add_update, create_maintenance_post, create_post
from statuspages.tasks import run_round as run_whole_round
from tests.incidents.telling import go
from tests.monitors.pushing import make_monitors, push
from tests.statuspages.pages import make_component, make_page, shown

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _unscoped() -> Iterator[None]:
    states._seen.clear()  # another test's changes had the same numbers
    with scopes_disabled():
        yield


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team, auto_post="publish", auto_post_delay=120)


@pytest.fixture
def monitor(team: Team) -> Monitor:
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    run_round()
    return monitor


def wait(seconds: int = 121) -> None:
    """Let all that is open have been open for longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_incident SET opened_at = opened_at - make_interval(secs => %s)",
            [seconds],
        )


def posts() -> list[Post]:
    return list(Post.objects.order_by("scheduled_for", "created_at"))


def said(post: Post) -> list[str]:
    return [update.status for update in post.updates.order_by("at", "id")]


def test_a_blip_that_is_over_before_the_delay_is_never_posted(
    page: StatusPage, monitor: Monitor
) -> None:
    make_component(page, monitor)
    go(monitor, "fail")
    run_steps()
    go(monitor, "pass")
    run_steps()
    wait()
    run_steps()
    assert posts() == []


def test_an_incident_that_lasts_is_posted_once_and_resolved(
    page: StatusPage, monitor: Monitor
) -> None:
    component = make_component(page, monitor)
    go(monitor, "fail")
    wait()
    run_steps()
    run_steps()
    (post,) = posts()
    assert post.title == "API: outage"
    assert (post.impact, post.status, post.automatic) == ("major", "investigating", True)
    assert post.published_at is not None
    assert post.started_at == Incident.objects.get().down_since
    assert [link.component_id for link in post.component_links.all()] == [component.pk]
    assert PostNotice.objects.count() == 1
    go(monitor, "pass")
    run_steps()
    run_steps()
    (post,) = posts()
    assert post.resolved_at is not None
    assert said(post) == ["investigating", "resolved"]
    assert PostNotice.objects.count() == 2
    assert shown(component) == "operational"


def test_an_acknowledgement_is_said_once(page: StatusPage, monitor: Monitor) -> None:
    make_component(page, monitor)
    go(monitor, "fail")
    wait()
    run_steps()
    Incident.objects.update(state="acknowledged", acknowledged_at=now())
    run_steps()
    run_steps()
    assert said(posts()[0]) == ["investigating", "investigating"]


def test_where_the_page_wants_drafts_nobody_sees_or_hears_of_it(
    page: StatusPage, monitor: Monitor
) -> None:
    StatusPage.objects.update(auto_post="draft", locale="de")
    make_component(page, monitor)
    go(monitor, "fail")
    wait()
    run_steps()
    (post,) = posts()
    assert (post.published_at, post.title) == (None, "API: Ausfall")
    go(monitor, "pass")
    run_steps()
    assert said(posts()[0])[-1] == "resolved"
    assert PostNotice.objects.count() == 0


def test_a_person_who_takes_over_is_not_spoken_over(page: StatusPage, monitor: Monitor) -> None:
    make_component(page, monitor)
    go(monitor, "fail")
    wait()
    run_steps()
    add_update(post=posts()[0], status="identified", body="A disk.", actor="ana@example.org")
    go(monitor, "pass")
    run_steps()
    (post,) = posts()
    assert (post.status, post.resolved_at) == ("identified", None)


def test_nothing_is_posted_where_visitors_see_nothing_or_were_told(
    page: StatusPage, monitor: Monitor, team: Team
) -> None:
    others = make_monitors(team, 2, prefix="o")
    for other in others:
        push(other)
    component = make_component(page, monitor)
    make_component(page, others[0], name="By hand", manual_status="operational")
    create_post(page=page, title="We know", components={component: ""}, actor="ana@example.org")
    go(monitor, "fail")
    go(others[0], "fail")
    go(others[1], "fail")  # of no component
    wait()
    run_steps()
    assert [post.title for post in posts()] == ["We know"]


def test_off_means_off(page: StatusPage, monitor: Monitor) -> None:
    StatusPage.objects.update(auto_post="off")
    make_component(page, monitor)
    go(monitor, "fail")
    wait()
    run_steps()
    assert posts() == []


def test_two_incidents_of_one_component_are_one_post_until_it_is_up(
    page: StatusPage, team: Team
) -> None:
    first, second = make_monitors(team, 2, prefix="x")
    push(first)
    push(second)
    run_round()
    make_component(page, first, second)
    go(first, "fail")
    go(second, "fail")
    wait()
    run_steps()
    assert len(posts()) == 1
    go(first, "pass")
    run_steps()
    assert posts()[0].resolved_at is None
    go(second, "pass")
    run_steps()
    (post,) = posts()
    assert post.resolved_at is not None


def test_planned_maintenance_begins_and_ends_by_itself(page: StatusPage) -> None:
    component = make_component(page)
    post = create_maintenance_post(
        page=page,
        title="Disks",
        scheduled_for=now() + HOUR,
        scheduled_until=now() + 2 * HOUR,
        components={component: ""},
        actor="ana@example.org",
    )
    run_steps()
    assert said(post) == ["scheduled"]
    Post.objects.update(scheduled_for=now() - HOUR)
    run_steps()
    run_steps()
    assert said(post) == ["scheduled", "in_progress"]
    assert shown(component) == "under_maintenance"
    Post.objects.update(scheduled_until=now())
    run_steps()
    run_steps()
    assert said(post) == ["scheduled", "in_progress", "completed"]
    assert shown(component) == "operational"
    assert Post.objects.get().resolved_at is not None
    assert PostNotice.objects.count() == 3


def window(page: StatusPage, monitor: Monitor, **fields: Any) -> Maintenance:
    at = now().replace(microsecond=0)
    values = {"starts_at": at + HOUR, "ends_at": at + 2 * HOUR, "name": "Upgrade", **fields}
    made = create_maintenance(team=page.team, monitors=[monitor], **values)
    Maintenance.objects.filter(pk=made.pk).update(status_page_id=page.pk)
    return Maintenance.objects.get(pk=made.pk)


def test_a_window_of_the_page_is_announced_moved_and_called_off(
    page: StatusPage, monitor: Monitor
) -> None:
    component = make_component(page, monitor)
    make_component(page, name="Unrelated")
    found = window(page, monitor)
    assert run_plans() == 1
    assert run_plans() == 0
    (post,) = posts()
    assert (post.title, post.status, post.is_maintenance) == ("Upgrade", "scheduled", True)
    assert (post.scheduled_for, post.scheduled_until) == (found.starts_at, found.ends_at)
    assert [link.component_id for link in post.component_links.all()] == [component.pk]
    update_maintenance(
        maintenance=found, starts_at=found.starts_at + HOUR, ends_at=found.ends_at + HOUR
    )
    assert run_plans() == 1
    (moved,) = posts()
    assert (moved.pk, moved.scheduled_for) == (post.pk, found.starts_at + HOUR)
    delete_maintenance(maintenance=found)
    run_plans()
    run_plans()
    (gone,) = posts()
    assert gone.status == "completed"
    assert gone.resolved_at is not None


def test_a_window_that_repeats_is_announced_two_weeks_ahead_and_told_once(
    page: StatusPage, monitor: Monitor
) -> None:
    window(page, monitor, rrule="FREQ=DAILY")
    run_plans()
    assert 13 <= len(posts()) <= 15
    assert PostNotice.objects.count() == 1
    before = [post.pk for post in posts()]
    run_plans()
    assert [post.pk for post in posts()] == before


def test_a_window_that_is_on_shows_maintenance_and_ends(page: StatusPage, monitor: Monitor) -> None:
    component = make_component(page, monitor)
    found = window(page, monitor, starts_at=now() - HOUR)
    run_steps()
    run_steps()
    assert posts()[0].status == "in_progress"
    assert shown(component) == "under_maintenance"
    update_maintenance(maintenance=found, ends_at=now())
    run_steps()
    run_steps()
    run_steps()
    assert posts()[0].status == "completed"
    assert shown(component) == "operational"


def test_a_window_that_a_post_made_is_not_announced_again(
    page: StatusPage, monitor: Monitor
) -> None:
    component = make_component(page, monitor)
    create_maintenance_post(
        page=page,
        title="Disks",
        scheduled_for=now() + HOUR,
        scheduled_until=now() + 2 * HOUR,
        components={component: ""},
        silence=True,
        actor="ana@example.org",
    )
    run_plans()
    run_plans()
    (post,) = posts()
    assert post.status == "scheduled"


def test_a_step_that_fails_leaves_the_others_to_their_work(page: StatusPage) -> None:
    done: list[str] = []

    def broken() -> None:
        raise ValueError

    run_steps((broken, lambda: done.append("x")))
    assert done == ["x"]


def test_nothing_is_written_for_no_pages(db: None) -> None:
    assert write_posts() == 0
    assert run_plans() == 0
    assert Component.objects.count() == 0


def test_the_task_renders_what_changed(page: StatusPage, monitor: Monitor) -> None:
    make_component(page, monitor)
    go(monitor, "fail")
    run_whole_round()
    run_whole_round()
    found = StatusPage.objects.get(pk=page.pk)
    assert found.rendered_version == found.version > page.version
