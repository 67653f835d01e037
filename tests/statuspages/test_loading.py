"""Reading a page: all that visitors may see, nothing else, in a constant number of queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import PushResult
from monitors.partitions import ensure_partitions
from statuspages.engine.loading import load_page
from statuspages.models import (
    Asset,
    ComponentGroup,
    Post,
    PostComponent,
    PostUpdate,
    StatusPage,
)
from tests.monitors.pushing import make_monitors
from tests.statuspages.pages import add_span, make_component, make_page

NOW = datetime(2027, 3, 31, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _unscoped() -> Any:
    with scopes_disabled():
        yield


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team, timezone="Europe/Berlin")


def make_post(page: StatusPage, title: str, **fields: Any) -> Post:
    values = {"status": "investigating", "published_at": NOW, "started_at": NOW - DAY, **fields}
    return Post.objects.create(team=page.team, page=page, title=title, **values)


def test_a_page_is_read_with_its_groups_components_days_and_uptime(page: StatusPage) -> None:
    old = NOW - 200 * DAY
    group = ComponentGroup.objects.create(team=page.team, page=page, name="Core")
    api = make_component(page, name="API", position=1, group=group, created_at=old)
    make_component(page, name="Web", position=0, created_at=old, status="major_outage")
    add_span(api, "major", NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    view = load_page(page, now=NOW)
    assert [c.name for c in view.components] == ["Web", "API"]
    web, read = view.components
    assert (read.group_code, web.group_code) == (group.code, None)
    assert view.groups[0].component_codes == (api.code,)
    assert view.groups[0].status == "operational"
    assert len(read.days) == 90
    assert read.days[-1].date.isoformat() == "2027-03-31"
    assert read.days[-1].length_seconds == 14.5 * 3600  # Berlin is two hours ahead
    assert read.days[-1].major_seconds == 3600
    sunday = next(day for day in read.days if day.date.isoformat() == "2027-03-28")
    assert sunday.length_seconds == 23 * 3600
    window = sum(day.length_seconds for day in read.days)
    exact = Decimal(100) * (window - 3600) / window
    assert read.uptime is not None
    assert 0 <= exact - read.uptime < Decimal("0.001")
    assert web.uptime == Decimal("100.000")


def test_before_a_component_and_its_monitors_there_is_no_data(page: StatusPage) -> None:
    make_component(page, created_at=NOW - DAY / 2)
    watched = make_monitors(page.team, 1, created_at=NOW - 300 * DAY)
    make_component(page, *watched, name="Old", created_at=NOW - DAY / 2)
    new, old = load_page(page, now=NOW).components
    assert new.days[0].no_data_seconds == new.days[0].length_seconds
    assert new.days[0].uptime is None
    assert new.uptime == Decimal("100.000")
    assert old.days[0].no_data_seconds == 0


def test_only_published_posts_are_read_newest_first_with_their_updates(page: StatusPage) -> None:
    component = make_component(page)
    older = make_post(page, "Older", started_at=NOW - 3 * DAY)
    newer = make_post(page, "Newer")
    make_post(page, "Draft", published_at=None)
    make_post(page, "Ancient", started_at=NOW - 200 * DAY, resolved_at=NOW - 199 * DAY)
    make_post(page, "Endless", started_at=NOW - 200 * DAY)
    make_post(page, "Planned", is_maintenance=True, status="scheduled", scheduled_for=NOW + DAY)
    PostComponent.objects.create(team=page.team, post=newer, component=component)
    for hours, status in ((3, "investigating"), (1, "resolved")):
        PostUpdate.objects.create(
            team=page.team, post=older, status=status, at=NOW - timedelta(hours=hours)
        )
    view = load_page(page, now=NOW)
    assert [post.title for post in view.posts] == ["Newer", "Older", "Endless"]
    assert [post.title for post in view.maintenances] == ["Planned"]
    assert view.posts[0].component_codes == (component.code,)
    assert [update.status for update in view.posts[1].updates] == ["resolved", "investigating"]


def test_another_page_s_rows_are_not_read(page: StatusPage) -> None:
    other = make_page(page.team, "other")
    make_component(other, name="Elsewhere")
    make_post(other, "Elsewhere")
    view = load_page(page, now=NOW)
    assert (view.components, view.posts) == ((), ())


def test_addresses_follow_the_domain_once_it_is_verified(page: StatusPage, settings: Any) -> None:
    settings.BASE_URL = "https://tocsin.example"
    Asset.objects.create(team=page.team, page=page, kind="logo", sha256="0123456789abcdef" * 4)
    page.domain = "status.acme.example"
    view = load_page(page, now=NOW)
    assert view.url == "https://tocsin.example/status/acme/"
    assert view.assets == {"logo": "https://tocsin.example/status/acme/assets/logo-0123456789ab"}
    page.domain_verified_at = NOW
    assert load_page(page, now=NOW).url == "https://status.acme.example/"


def test_latency_is_read_by_the_hour_where_it_is_shown(page: StatusPage) -> None:
    ensure_partitions(now=NOW)
    monitors = make_monitors(page.team, 2)
    make_component(page, *monitors, show_latency=True)
    make_component(page, *monitors, name="Quiet")
    for minute, latency in ((31, 10.0), (33, 20.0), (41, 90.0), (50, None)):
        PushResult.objects.create(
            team=page.team,
            monitor=monitors[minute % 2],
            received_at=NOW - timedelta(minutes=minute),
            status="pass",
            latency_ms=latency,
        )
    api, quiet = load_page(page, now=NOW).components
    assert len(api.latency) == 24
    assert api.latency[-1].at == NOW.replace(minute=0)
    assert api.latency[-1].median_ms is None
    assert api.latency[-2].median_ms == 20.0
    assert api.latency[-2].p95_ms == 83.0
    assert quiet.latency == ()


def test_the_number_of_queries_does_not_grow_with_the_page(page: StatusPage) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            load_page(page, now=NOW)
        return len(captured)

    monitors = make_monitors(page.team, 20)

    def fill(start: int, end: int) -> None:
        for n in range(start, end):
            component = make_component(page, monitors[n], name=f"C{n}", show_latency=True)
            add_span(component, "major", NOW - DAY, NOW)
            post = make_post(page, f"P{n}")
            PostComponent.objects.create(team=page.team, post=post, component=component)
            PostUpdate.objects.create(team=page.team, post=post, status="investigating")

    fill(0, 1)
    few = queries()
    fill(1, 20)
    assert queries() == few <= 12
