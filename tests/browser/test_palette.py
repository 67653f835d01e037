"""The command palette: by keys alone, by the mouse, and what a page without a script has."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.test_accessible import findings
from tests.console.personas import PASSWORD, make_monitor

pytestmark = pytest.mark.browser
SIZES = {"wide": (1440, 900), "narrow": (375, 812)}


@pytest.fixture
def palette(owner: Page, people) -> Page:
    make_monitor(people.team, name="warehouse-gateway")
    make_monitor(people.team, name="warehouse-lights")
    owner.goto("/t/acme/")
    owner.keyboard.press("Control+k")
    expect(owner.locator("#palette")).to_be_visible()
    return owner


def selected(page: Page) -> str:
    return page.locator("#palette [aria-selected='true'] .palette-name").inner_text()


def test_keys_alone_lead_to_a_monitor(palette):
    field = palette.get_by_role("combobox")
    expect(field).to_be_focused()
    palette.keyboard.type("warehouse")
    lights = palette.get_by_role("option", name=re.compile("warehouse-lights"))
    expect(lights).to_be_visible()
    assert selected(palette) == "warehouse-gateway"
    palette.keyboard.press("ArrowDown")
    assert selected(palette) == "warehouse-lights"
    assert field.get_attribute("aria-activedescendant") == lights.get_attribute("id")
    palette.keyboard.press("ArrowDown")  # round the corner
    assert selected(palette) == "warehouse-gateway"
    palette.keyboard.press("ArrowUp")
    palette.keyboard.press("Enter")
    palette.wait_for_url(re.compile(r"/t/acme/monitors/[0-9a-f-]{36}/$"))
    expect(palette.locator("h1")).to_contain_text("warehouse-lights")


def test_pages_and_actions_need_no_server(palette):
    palette.route("**/find?**", lambda route: route.fulfill(body=""))
    palette.keyboard.type("new mon")
    expect(palette.get_by_role("option")).to_have_count(1)
    palette.keyboard.press("Enter")
    palette.wait_for_url("**/t/acme/monitors/new")


def test_escape_closes_and_gives_the_focus_back(palette):
    palette.keyboard.press("Escape")
    expect(palette.locator("#palette")).to_be_hidden()
    button = palette.locator("button[data-palette-button]:visible")
    button.click()
    expect(palette.get_by_role("combobox")).to_have_value("")
    palette.keyboard.press("Escape")
    expect(button).to_be_focused()
    button.click()
    palette.mouse.click(5, 5)  # beside it
    expect(palette.locator("#palette")).to_be_hidden()


def test_nothing_found_is_said(palette):
    palette.keyboard.type("no such thing")
    expect(palette.locator("#palette-nothing")).to_have_text("Nothing found for “no such thing”")
    expect(palette.get_by_role("combobox")).to_have_attribute("aria-expanded", "false")
    palette.keyboard.press("Enter")  # leads nowhere
    expect(palette.locator("#palette")).to_be_visible()


def test_many_letters_are_one_question_and_an_old_answer_never_wins(palette):
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fallback()

    palette.route("**/find?**", answer)
    palette.keyboard.type("warehouse-l", delay=5)
    expect(palette.get_by_role("option", name=re.compile("warehouse-lights"))).to_be_visible()
    expect(palette.get_by_role("option", name=re.compile("warehouse-gateway"))).to_have_count(0)
    assert len(asked) <= 3
    assert asked[-1].endswith("q=warehouse-l")


def test_the_mouse_chooses_too(palette):
    palette.get_by_role("option", name=re.compile("^Incidents")).click()
    palette.wait_for_url("**/t/acme/incidents/")


def test_an_ended_session_leads_to_the_log_in(palette):
    palette.context.clear_cookies()
    palette.keyboard.type("warehouse")
    palette.wait_for_url("**/accounts/login/**")


def test_it_is_accessible_open_found_and_empty_in_every_size(palette):
    for text in ("", "warehouse", "no such thing"):
        palette.get_by_role("combobox").fill(text)
        if text:
            awaited = palette.locator("#palette-nothing:not(:empty), #palette-found [role=option]")
            awaited.first.wait_for()
        for scheme in ("light", "dark"):
            palette.emulate_media(color_scheme=scheme)
            for width, height in SIZES.values():
                palette.set_viewport_size({"width": width, "height": height})
                assert findings(palette) == [], (text, scheme, width)
                assert palette.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_the_search_box_leads_to_a_page(chromium: Browser, site, people):
    make_monitor(people.team, name="warehouse-gateway")
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(people.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[data-palette-button]:visible")).to_have_count(0)
    page.get_by_role("searchbox", name="Find anything in this team").fill("warehouse")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="warehouse-gateway").click()
    expect(page.locator("h1")).to_contain_text("warehouse-gateway")
    context.close()
