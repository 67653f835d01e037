"""A monitor's page in a browser: zooming the plot, opening a message, choosing a way to push."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import now
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from tests.console.personas import Personas, make_monitor, push

pytestmark = pytest.mark.browser


def measure(monitor, *, rows: int, seconds: float) -> None:
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_pushresult (id, team_id, monitor_id, received_at, status, "
            "latency_ms) SELECT gen_random_uuid(), %s, %s, %s - n * %s * interval '1 second', "
            "'pass', 10 + n %% 5 FROM generate_series(1, %s) n",
            [monitor.team_id, monitor.pk, now() - timedelta(minutes=2), seconds, rows],
        )


def test_dragging_over_the_plot_zooms_it_and_earlier_goes_back(owner: Page, people: Personas):
    monitor = make_monitor(people.team)
    measure(monitor, rows=110, seconds=30)
    owner.goto(f"/t/acme/monitors/{monitor.pk}/?range=1h")
    lines = owner.locator(".plot-lines")
    lines.scroll_into_view_if_needed()
    box = lines.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    owner.mouse.move(box["x"] + box["width"] * 0.5, middle)
    expect(owner.locator("[data-plot-said]")).to_contain_text("Median 1")
    owner.mouse.down()
    owner.mouse.move(box["x"] + box["width"] * 0.6, middle)
    expect(owner.locator(".plot-zoom")).to_be_attached()
    owner.mouse.move(box["x"] + box["width"] * 0.75, middle)
    owner.mouse.up()
    owner.wait_for_url(re.compile(r"from=.*&to="))
    expect(owner.locator("#result-rows tbody tr")).to_have_count(20)
    owner.locator("#latency").get_by_role("link", name="Earlier").click()
    expect(owner.locator("#latency")).to_contain_text("From ")
    owner.locator("#latency").get_by_role("link", name="24 h").click()
    owner.wait_for_url(re.compile("range=24h"))


def test_a_long_message_opens_in_place_and_stays_while_new_results_arrive(
    owner: Page, people: Personas
):
    monitor = make_monitor(people.team)
    push(monitor, message="trouble " + "x" * 9_000 + " the end")
    owner.goto(f"/t/acme/monitors/{monitor.pk}/")
    rows = owner.locator("#result-rows tbody tr")
    push(monitor, message="came while it was looked at")
    expect(rows).to_have_count(2)
    rows.nth(1).locator("summary").click()
    expect(rows.nth(1).locator(".message-whole")).to_contain_text("the end")
    push(monitor, message="came while something was read")
    with owner.expect_response(lambda answer: f"monitors/{monitor.pk}/" in answer.url):
        pass
    expect(rows).to_have_count(2)
    expect(rows.nth(1).locator(".message-whole")).to_contain_text("the end")


def test_a_way_to_push_is_chosen_and_a_badge_turned_on(owner: Page, people: Personas):
    monitor = make_monitor(people.team)
    push(monitor)
    owner.goto(f"/t/acme/monitors/{monitor.pk}/")
    section = owner.locator("#push")
    section.get_by_role("link", name="By name, with the token").click()
    section.get_by_role("link", name="Node.js").click()
    expect(section.locator("pre").last).to_contain_text("process.env.TOCSIN_TOKEN")
    expect(section.locator("pre").first).to_contain_text("/api/push/acme/nightly-backup")
    owner.get_by_role("link", name="About the badge").click()
    owner.get_by_role("button", name="Turn on the badge").click()
    picture = owner.get_by_role("img", name="State of nightly-backup").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 50


@pytest.mark.parametrize("width", [1440, 375])
def test_nothing_scrolls_sideways(owner: Page, people: Personas, width: int):
    monitor = make_monitor(people.team, name="a-rather-long-name-" * 8)
    push(monitor, message="m" * 3_000, labels={"k" * 60: "v" * 200, "env": "prod"})
    owner.set_viewport_size({"width": width, "height": 800})
    for path in ("", "history", "badge", "?by=name&push=kubernetes&from=2026-01-01T00:00"):
        owner.goto(f"/t/acme/monitors/{monitor.pk}/{path}")
        assert owner.evaluate("document.documentElement.scrollWidth") <= width, path
