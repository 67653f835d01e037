"""How components are shown: by their monitors, posts, plans, and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.engine import run_round
from incidents.maintenance.maintenances import create_maintenance, delete_maintenance
from monitors.models import Monitor, Transition
from statuspages.engine import states
from statuspages.engine.ageing import is_old, renew_pages
from statuspages.engine.states import rebuild_history, refresh_components
from statuspages.models import (
    Component,
    ComponentMonitor,
    ComponentSpan,
    PageSnapshot,
    Post,
    PostComponent,
    StatusPage,
)
from tests.incidents.telling import go
from tests.monitors.pushing import age, listen, make_monitors, push
from tests.statuspages.pages import add_span, make_component, make_page, shown, spans_of


@pytest.fixture(autouse=True)
def _unscoped() -> Iterator[None]:
    states._seen.clear()  # another test's changes had the same numbers
    with scopes_disabled():
        yield


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team)


def monitors_up(team: Team, count: int) -> list[Monitor]:
    found = make_monitors(team, count)
    for monitor in found:
        push(monitor)
    run_round()
    return found


def version(page: StatusPage) -> int:
    return StatusPage.objects.get(pk=page.pk).version


def look(component: Component) -> str:
    refresh_components()
    return shown(component)


def kinds(component: Component) -> list[str]:
    return [kind for kind, _, _ in spans_of(component)]


def all_is_due() -> None:
    """Let the round be one that looks at everything."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM monitors_enginestamp WHERE name = 'pages:all'")


def test_a_failure_is_shown_and_its_end_too(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor)
    assert look(component) == "operational"
    before = version(page)
    go(monitor, "fail")
    assert look(component) == "major_outage"
    went_down = Transition.objects.get(monitor=monitor, to_state="down").at
    assert ("major", went_down, None) in spans_of(component)
    assert Component.objects.get(pk=component.pk).status_since == went_down
    assert version(page) == before + 1
    go(monitor, "pass")
    assert look(component) == "operational"
    came_up = Transition.objects.get(monitor=monitor, from_state="down").at
    assert ("major", went_down, came_up) in spans_of(component)
    assert version(page) == before + 2


def test_a_page_does_not_wait_for_the_incident(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor)
    refresh_components()
    push(monitor, "fail")
    assert look(component) == "major_outage"
    run_round()
    before = version(page)
    assert look(component) == "major_outage"
    assert kinds(component).count("major") == 1
    assert version(page) == before


def test_an_outage_that_came_and_went_between_two_rounds_is_in_the_history(
    page: StatusPage,
) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor)
    refresh_components()
    before = version(page)
    go(monitor, "fail", "pass")
    assert look(component) == "operational"
    assert kinds(component).count("major") == 1
    assert version(page) == before + 1


def test_a_silence_counts_from_when_it_really_began(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor)
    refresh_components()
    age(monitor, 1000)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE monitors_transition SET at = at - interval '2000 s' WHERE monitor_id = %s",
            [monitor.pk],
        )
        cursor.execute("UPDATE monitors_monitor SET created_at = created_at - interval '3000 s'")
        cursor.execute(
            "UPDATE statuspages_component SET status_since = status_since - interval '3000 s'"
        )
    listen()
    run_round()
    assert look(component) == "major_outage"
    since = Transition.objects.get(monitor=monitor, to_state="down").since
    assert since is not None
    assert since < now() - timedelta(seconds=900)
    assert spans_of(component)[-1] == ("major", since, None)


@pytest.mark.parametrize(
    ("rule", "down", "expected"),
    [
        ("any", 1, "major_outage"),
        ("majority", 1, "partial_outage"),
        ("majority", 2, "major_outage"),
        ("all", 2, "partial_outage"),
        ("all", 3, "major_outage"),
    ],
)
def test_several_monitors_are_judged_by_the_rule(
    page: StatusPage, rule: str, down: int, expected: str
) -> None:
    found = monitors_up(page.team, 3)
    component = make_component(page, *found, rule=rule)
    for monitor in found[:down]:
        push(monitor, "fail")
    run_round()
    assert look(component) == expected


def test_a_monitor_that_never_reported_gives_no_data_and_no_outage(page: StatusPage) -> None:
    (monitor,) = make_monitors(page.team, 1)
    component = make_component(page, monitor)
    assert look(component) == "operational"
    assert kinds(component) == ["no_data"]
    go(monitor, "pass")
    look(component)
    assert [end is None for _, _, end in spans_of(component)] == [False]


def test_a_word_by_hand_wins_and_can_be_taken_back(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor)
    refresh_components()
    go(monitor, "fail")
    refresh_components()
    say(component, "degraded_performance")
    assert look(component) == "degraded_performance"
    assert kinds(component)[-2:] == ["major", "degraded"]
    say(component, "")
    assert look(component) == "major_outage"
    last = spans_of(component)[-3:]
    assert [kind for kind, _, _ in last] == ["major", "degraded", "major"]
    assert last[0][2] == last[1][1]
    assert last[1][2] == last[2][1]
    say(component, "operational")
    assert look(component) == "operational"
    assert spans_of(component)[-1][2] is not None


def say(component: Component, status: str) -> None:
    Component.objects.filter(pk=component.pk).update(manual_status=status, updated_at=now())


def test_an_open_post_says_how_a_component_is_until_it_is_over(page: StatusPage) -> None:
    component = make_component(page)
    posts = [
        Post.objects.create(
            team=page.team, page=page, title=title, status="investigating", published_at=at
        )
        for title, at in (("A", now()), ("B", now()), ("Draft", None))
    ]
    for post, status in zip(
        posts, ("degraded_performance", "partial_outage", "major_outage"), strict=True
    ):
        PostComponent.objects.create(team=page.team, post=post, component=component, status=status)
    assert look(component) == "partial_outage"
    Post.objects.filter(pk=posts[1].pk).update(resolved_at=now(), status="resolved")
    assert look(component) == "degraded_performance"
    posts[0].delete()
    assert look(component) == "operational"
    assert [end is None for _, _, end in spans_of(component)] == [False, False]


def test_maintenance_in_progress_and_a_window_of_the_page_are_shown(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component, other = make_component(page, monitor), make_component(page, name="Other")
    post = Post.objects.create(
        team=page.team,
        page=page,
        title="Work",
        is_maintenance=True,
        status="scheduled",
        published_at=now(),
    )
    PostComponent.objects.create(team=page.team, post=post, component=other)
    assert look(other) == "operational"
    Post.objects.filter(pk=post.pk).update(status="in_progress")
    assert look(other) == "under_maintenance"
    window = make_window(page, monitor)
    assert look(component) == "under_maintenance"
    go(monitor, "fail")
    assert look(component) == "under_maintenance"
    assert kinds(component)[-1] == "maintenance"
    delete_maintenance(maintenance=window)
    assert look(component) == "major_outage"
    elsewhere = make_window(make_page(page.team, "other"), monitor, name="elsewhere")
    assert look(component) == "major_outage"
    delete_maintenance(maintenance=elsewhere)


def make_window(page: StatusPage, monitor: Monitor, name: str = "w") -> Any:
    at = now()
    window = create_maintenance(
        team=page.team,
        name=name,
        monitors=[monitor],
        starts_at=at - timedelta(minutes=1),
        ends_at=at + timedelta(hours=1),
    )
    type(window).objects.filter(pk=window.pk).update(status_page_id=page.pk)
    return window


def test_changed_monitors_have_their_history_written_anew(page: StatusPage) -> None:
    monitor, other = monitors_up(page.team, 2)
    at = now()
    for component_monitor, hours in ((monitor, 5), (other, 3)):
        change(component_monitor, at - timedelta(hours=hours), "up", "down")
        change(component_monitor, at - timedelta(hours=hours - 1), "down", "up")
    Monitor.objects.update(created_at=at - timedelta(hours=10))
    Transition.objects.filter(from_state="pending").update(at=at - timedelta(hours=9))
    component = make_component(page, monitor, status_since=at)
    add_span(component, "maintenance", at - timedelta(minutes=270), at - timedelta(minutes=240))
    rebuild_history([component.pk])
    hour = timedelta(hours=1)
    assert [s for s in spans_of(component) if s[0] != "no_data"] == [
        ("major", at - 5 * hour, at - 4.5 * hour),
        ("maintenance", at - 4.5 * hour, at - 4 * hour),
    ]
    (nothing,) = [s for s in spans_of(component) if s[0] == "no_data"]
    assert nothing[2] == at - 9 * hour
    ComponentMonitor.objects.create(team=page.team, component=component, monitor=other)
    rebuild_history([component.pk])
    assert ("major", at - 3 * hour, at - 2 * hour) in spans_of(component)
    ComponentMonitor.objects.filter(component=component).delete()
    rebuild_history([component.pk])
    assert kinds(component) == ["maintenance"]


def change(monitor: Monitor, at: datetime, from_state: str, to_state: str) -> None:
    Transition.objects.create(
        team_id=monitor.team_id,
        monitor=monitor,
        at=at,
        from_state=from_state,
        to_state=to_state,
        handled_at=at,
    )


def test_what_a_round_missed_is_made_up_for_within_a_minute(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor, updated_at=now() - timedelta(minutes=1))
    refresh_components()
    go(monitor, "fail")
    Transition.objects.update(handled_at=now() - timedelta(hours=1))
    assert look(component) == "operational"
    all_is_due()
    assert look(component) == "major_outage"
    assert kinds(component)[-1] == "major"


def test_a_deleted_monitor_leaves_no_outage_open(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    component = make_component(page, monitor)
    go(monitor, "fail")
    assert look(component) == "major_outage"
    ComponentMonitor.objects.all().delete()
    all_is_due()
    assert look(component) == "operational"
    assert spans_of(component)[-1][2] is not None


def test_two_rounds_write_the_same(page: StatusPage) -> None:
    found = monitors_up(page.team, 2)
    component = make_component(page, *found, rule="all")
    refresh_components()
    go(found[0], "fail", "pass", "fail")
    refresh_components()
    spans, pk = spans_of(component), set(ComponentSpan.objects.values_list("pk", flat=True))
    seen = version(page)
    states._seen.clear()
    all_is_due()
    assert refresh_components() == 0
    assert spans_of(component) == spans
    assert set(ComponentSpan.objects.values_list("pk", flat=True)) == pk
    assert version(page) == seen


def test_when_nothing_changed_three_statements_are_run(page: StatusPage) -> None:
    (monitor,) = monitors_up(page.team, 1)
    old = now() - timedelta(minutes=1)
    make_component(page, monitor, updated_at=old)
    refresh_components()
    refresh_components()
    with CaptureQueriesContext(connection) as captured:
        assert refresh_components() == 0
    statements = [q["sql"] for q in captured if "SAVEPOINT" not in q["sql"]]
    assert len(statements) <= 3, statements


@pytest.mark.parametrize(
    ("minutes", "troubled", "old"), [(4, True, False), (6, True, True), (20, False, False)]
)
def test_a_page_with_trouble_is_made_anew_every_five_minutes(
    minutes: int, troubled: bool, old: bool
) -> None:
    at = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
    assert is_old("UTC", at, at + timedelta(minutes=minutes), troubled) is old


def test_a_page_is_made_anew_at_its_own_midnight_and_every_hour() -> None:
    before = datetime(2027, 3, 1, 18, 14, tzinfo=UTC)
    after = before + timedelta(minutes=2)
    assert is_old("Asia/Kathmandu", before, after, False)
    assert not is_old("UTC", before, after, False)
    assert is_old("UTC", before, before + timedelta(minutes=50), False)


def test_a_page_that_grew_old_gets_a_new_version_and_no_new_date(page: StatusPage) -> None:
    StatusPage.objects.update(rendered_version=F("version"))
    snapshot = PageSnapshot.objects.create(
        team=page.team,
        page=page,
        path="",
        version=1,
        content_type="",
        etag="",
        body=b"",
        gzipped=b"",
    )
    assert renew_pages() == 0
    PageSnapshot.objects.filter(pk=snapshot.pk).update(rendered_at=now() - timedelta(hours=2))
    assert renew_pages() == 1
    assert renew_pages() == 0
    found = StatusPage.objects.get(pk=page.pk)
    assert (found.version, found.updated_at) == (page.version + 1, page.updated_at)
