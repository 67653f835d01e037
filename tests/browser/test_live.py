"""Live parts in a browser: fresh while nobody is at work in them, quiet while somebody is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_accessible import findings
from tests.console.personas import make_incident, make_monitor, push

pytestmark = pytest.mark.browser
NEWS = "Something has changed · show"


@pytest.fixture
def clock(owner: Page) -> Page:
    """The owner's page with a clock that tests turn: polls come when they are wanted."""
    return stop_clock(owner)


@pytest.fixture
def refused(clock: Page) -> Page:
    """The same in a tab of its own, whose complaints about a failing server are no surprise."""
    return stop_clock(clock.context.new_page())


def stop_clock(page: Page) -> Page:
    began = datetime.now(UTC)
    page.clock.install(time=began)
    page.clock.pause_at(began + timedelta(seconds=1))
    page.set_default_timeout(15_000)
    return page


def poll(page: Page, seconds: int = 10) -> None:
    """Let time pass until the page has asked once more, and been answered."""
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.clock.run_for(seconds * 1_000)


def test_a_list_shows_what_is_new(clock, people):
    make_monitor(people.team, name="first")
    clock.goto("/t/acme/monitors/")
    make_monitor(people.team, name="second")
    poll(clock)
    expect(clock.get_by_role("link", name="second", exact=True)).to_be_visible()


def test_whoever_stands_on_a_link_keeps_it_until_they_want_the_news(clock, people):
    make_monitor(people.team, name="first")
    clock.goto("/t/acme/monitors/")
    link = clock.get_by_role("link", name="first", exact=True)
    link.focus()
    poll(clock)
    button = clock.get_by_role("button", name=NEWS)
    expect(button).to_have_count(0)  # nothing has changed
    make_monitor(people.team, name="second")
    poll(clock)
    expect(button).to_be_visible()
    expect(clock.locator("#voice")).to_have_text(NEWS)
    expect(link).to_be_focused()
    expect(clock.get_by_role("link", name="second", exact=True)).to_have_count(0)
    button.click()
    expect(clock.get_by_role("link", name="second", exact=True)).to_be_visible()
    expect(button).to_have_count(0)
    make_monitor(people.team, name="third")
    poll(clock)  # and from then on it is live again
    expect(clock.get_by_role("link", name="third", exact=True)).to_be_visible()


def test_a_selection_is_not_torn_away(clock, people):
    make_monitor(people.team, name="first")
    clock.goto("/t/acme/monitors/")
    clock.evaluate(
        "getSelection().selectAllChildren(document.querySelector('[data-live] td.main'))"
    )
    make_monitor(people.team, name="second")
    poll(clock)
    expect(clock.get_by_role("button", name=NEWS)).to_be_visible()
    assert "first" in clock.evaluate("getSelection().toString()")
    clock.evaluate("getSelection().removeAllRanges()")
    poll(clock)
    expect(clock.get_by_role("link", name="second", exact=True)).to_be_visible()
    expect(clock.get_by_role("button", name=NEWS)).to_have_count(0)


PIECES = {
    "a checked box": ("<input type='checkbox'>", "e => { e.checked = true }"),
    "a changed field": ("<input type='text' value='a'>", "e => { e.value = 'b' }"),
    "a changed choice": (
        "<select><option>a<option>b</select>",
        "e => { e.selectedIndex = 1 }",
    ),
    "an opened menu": (
        "<details><summary>More</summary>text</details>",
        "e => { e.open = true }",
    ),
}


@pytest.mark.parametrize("what", PIECES)
def test_what_somebody_has_begun_is_kept(clock, people, what):
    make_monitor(people.team, name="first")
    html, change = PIECES[what]

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=f"<div id='piece'>{html}</div>{response.text()}")

    clock.goto("/t/acme/monitors/")
    clock.route(
        "**/monitors/",
        lambda route: answer(route) if "hx-request" in route.request.headers else route.fallback(),
    )
    poll(clock)
    piece = clock.locator("#piece > *")
    expect(piece).to_have_count(1)
    make_monitor(people.team, name="second")
    poll(clock)  # as the server sent it, it holds nothing up
    expect(clock.get_by_role("link", name="second", exact=True)).to_be_visible()
    piece.evaluate(change)
    make_monitor(people.team, name="third")
    poll(clock)
    expect(clock.get_by_role("button", name=NEWS)).to_be_visible()
    expect(clock.get_by_role("link", name="third", exact=True)).to_have_count(0)


def test_an_opened_snippet_and_the_place_scrolled_to_outlast_the_news(clock, people):
    monitor = make_monitor(people.team, name="first")
    push(monitor)

    def answer(route: Route) -> None:
        if "hx-request" not in route.request.headers:
            route.fallback()
            return
        response = route.fetch()
        lines = "<p>line</p>" * 100
        more = f"<details id='more'><summary>More</summary>{lines}</details>"
        route.fulfill(response=response, body=response.text() + more)

    clock.route("**/monitors/", answer)
    clock.goto("/t/acme/monitors/")
    poll(clock)
    clock.get_by_text("More", exact=True).click()
    clock.evaluate("scrollTo(0, 1500)")
    make_monitor(people.team, name="second")
    poll(clock)
    scrolled = clock.evaluate("scrollY")
    assert scrolled > 1_000
    clock.get_by_role("button", name=NEWS).dispatch_event("click")  # a click would scroll to it
    expect(clock.get_by_role("link", name="second", exact=True)).to_have_count(1)
    assert clock.locator("#more").get_attribute("open") is not None
    # The browser itself may make up for the row that has come above.
    assert abs(clock.evaluate("scrollY") - scrolled) < 100


def test_a_frozen_page_still_says_that_something_is_down(clock, people):
    monitor = make_monitor(people.team, name="fleet-eu")
    push(monitor)
    clock.goto(f"/t/acme/monitors/{monitor.pk}/")
    clock.locator("[data-live] time").first.focus()
    make_incident(monitor)
    poll(clock, 5)
    expect(clock.get_by_role("button", name=NEWS)).to_be_visible()
    expect(clock).to_have_title(re.compile("^fleet-eu down"))


def test_a_lost_connection_is_said_and_taken_back(refused, people):
    people.owner.timezone = "Asia/Kathmandu"
    people.owner.save()
    make_monitor(people.team, name="first")
    refused.goto("/t/acme/monitors/")
    banner = refused.locator("#stale")
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=502, body="")

    refused.route("**/monitors/", refuse)
    poll(refused)
    expect(banner).to_be_hidden()
    poll(refused)
    expect(banner).to_have_text(re.compile(r"^Not updated since \d\d:\d\d:\d\d GMT\+5:45$"))
    assert banner.get_attribute("role") == "status"
    refused.unroute("**/monitors/")
    poll(refused, 30)
    expect(banner).to_be_hidden()
    assert len(asked) == 2


def test_times_outlast_a_page_whose_stamp_cannot_be_read(owner, people):
    push(make_monitor(people.team, name="first"))

    def spoil(route: Route) -> None:
        response = route.fetch()
        body = re.sub('data-now="[^"]*"', 'data-now=""', response.text())
        route.fulfill(response=response, body=body)

    owner.route("**/monitors/", spoil)
    owner.goto("/t/acme/monitors/")
    at = owner.locator("[data-live] td time").first
    before = at.text_content()
    expect(at).not_to_have_text(str(before))
    expect(at).to_have_text(re.compile("s ago$"))


def test_what_a_page_says_of_news_and_of_a_lost_connection_is_accessible(refused, people):
    make_monitor(people.team, name="first")
    refused.goto("/t/acme/monitors/")
    refused.get_by_role("link", name="first", exact=True).focus()
    make_monitor(people.team, name="second")
    poll(refused)
    refused.route("**/monitors/", lambda route: route.fulfill(status=502, body=""))
    poll(refused)
    poll(refused)
    expect(refused.get_by_role("button", name=NEWS)).to_be_visible()
    expect(refused.locator("#stale")).to_be_visible()
    refused.clock.resume()  # what looks for mistakes needs a running clock
    for scheme in ("light", "dark"):
        refused.emulate_media(color_scheme=scheme)
        for width, height in ((1440, 900), (375, 812)):
            refused.set_viewport_size({"width": width, "height": height})
            assert findings(refused) == []
            assert refused.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(refused, people, status):
    make_monitor(people.team, name="first")
    refused.goto("/t/acme/monitors/")
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=status, headers={"Retry-After": "60"}, body="")

    refused.route("**/monitors/", refuse)
    poll(refused)
    refused.clock.run_for(45_000)
    assert len(asked) == 1
    expect(refused.locator("#stale")).to_contain_text("Not updated since")
    refused.unroute("**/monitors/")
    poll(refused, 30)
    expect(refused.locator("#stale")).to_be_hidden()


def test_a_hidden_tab_does_not_ask_and_catches_up(clock, people):
    make_monitor(people.team, name="first")
    clock.goto("/t/acme/monitors/")
    clock.evaluate(
        "Object.defineProperty(document, 'hidden', "
        "{value: true, configurable: true, writable: true})"
    )
    asked = []
    clock.on("request", lambda request: asked.append(request.url))
    make_monitor(people.team, name="second")
    clock.clock.run_for(60_000)
    assert asked == []
    clock.evaluate("document.hidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(clock.get_by_role("link", name="second", exact=True)).to_be_visible()
    assert len(asked) == 1


def test_a_session_that_has_ended_leads_to_the_log_in(clock, people):
    make_monitor(people.team, name="first")
    clock.goto("/t/acme/monitors/")
    clock.context.clear_cookies()
    clock.clock.run_for(10_000)
    clock.wait_for_url("**/accounts/login/**")
