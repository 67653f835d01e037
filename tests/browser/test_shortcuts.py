"""Single keys: where they lead, when they do nothing, and that they can be switched off."""

from __future__ import annotations

import re

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from tests.browser.test_accessible import findings
from tests.console.personas import make_incident, make_monitor

pytestmark = pytest.mark.browser
PLACES = {
    "g m": "/t/acme/monitors/",
    "g i": "/t/acme/incidents/",
    "g o": "/t/acme/on-call/",
    "g p": "/t/acme/status-pages/",
    "g s": "/t/acme/settings/**",
    "g h": "/t/acme/",
    "n": "/t/acme/monitors/new",
}


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def test_each_key_leads_where_the_help_says(owner):
    for keys, address in PLACES.items():
        press(owner, keys)
        owner.wait_for_url(f"**{address}")
        owner.wait_for_load_state()
        if keys == "n":
            break
        assert owner.locator(f"#palette [data-keys='{keys}']").count() == 1


def test_the_help_names_every_key_and_is_accessible(owner):
    press(owner, "?")
    dialog = owner.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    for keys in PLACES:
        expect(dialog.locator("kbd", has_text=re.compile(f"^{keys}$"))).to_have_count(1)
    for scheme in ("light", "dark"):
        owner.emulate_media(color_scheme=scheme)
        for width, height in ((1440, 900), (375, 812)):
            owner.set_viewport_size({"width": width, "height": height})
            assert findings(owner) == []
            assert owner.evaluate("document.documentElement.scrollWidth") <= width
    press(owner, "g m")  # no key leads away from below a dialog
    expect(dialog).to_be_visible()
    press(owner, "Escape")
    expect(dialog).to_be_hidden()


def test_lists_are_walked_through_and_opened(owner, people):
    for name in ("alpha", "beta", "gamma"):
        make_monitor(people.team, name=name)
    owner.goto("/t/acme/monitors/")
    for key, name in (("j", "alpha"), ("j", "beta"), ("j", "gamma"), ("j", "gamma"), ("k", "beta")):
        press(owner, key)
        expect(owner.get_by_role("link", name=name, exact=True)).to_be_focused()
    press(owner, "Enter")
    owner.wait_for_url(re.compile(r"/monitors/[0-9a-f-]{36}/$"))
    expect(owner.locator("h1")).to_contain_text("beta")


def test_slash_goes_to_the_search_and_letters_typed_there_are_letters(owner, people):
    make_monitor(people.team, name="alpha")
    owner.goto("/t/acme/monitors/")
    press(owner, "/")
    field = owner.locator("main input[type='search']")
    expect(field).to_be_focused()
    press(owner, "g i n ? / a")
    expect(field).to_have_value("gin?/a")
    assert owner.url.endswith("/t/acme/monitors/")
    owner.goto("/t/acme/monitors/new")
    owner.locator("#id_name").focus()
    press(owner, "g h")
    expect(owner.locator("#id_name")).to_have_value("gh")


def test_slash_opens_the_palette_where_a_page_has_no_search(owner):
    press(owner, "/")
    expect(owner.locator("#palette")).to_be_visible()


def test_a_acknowledges_on_an_incidents_page_alone(owner, people):
    incident = make_incident(make_monitor(people.team, name="fleet-eu"))
    for address in ("/t/acme/", "/t/acme/incidents/"):
        owner.goto(address)
        press(owner, "a")
    with scopes_disabled():
        incident.refresh_from_db()
    assert incident.state == "open"
    owner.goto(f"/t/acme/incidents/{incident.pk}/")
    press(owner, "Control+a")  # selects everything, and is no key of ours
    owner.evaluate("getSelection().removeAllRanges()")
    with owner.expect_navigation():
        press(owner, "a")
    with scopes_disabled():
        incident.refresh_from_db()
    assert incident.state == "acknowledged"
    assert incident.acknowledged_by == "owner@acme.example"


def test_switched_off_they_do_nothing_and_stay_off(owner):
    menu = owner.locator("details.menu:visible")
    menu.locator("summary").click()
    menu.get_by_role("button", name="Keyboard shortcuts").click()
    box = owner.get_by_label("Use single keys in this browser")
    expect(box).to_be_checked()
    box.uncheck()
    press(owner, "Escape")
    for _ in range(2):
        press(owner, "? g m n /")
        expect(owner.locator("dialog[open]")).to_have_count(0)
        assert owner.url.endswith("/t/acme/")
        owner.reload()
    press(owner, "Control+k")  # no single key
    expect(owner.locator("#palette")).to_be_visible()
    press(owner, "Escape")
    menu.locator("summary").click()
    menu.get_by_role("button", name="Keyboard shortcuts").click()
    box.check()
    press(owner, "Escape")
    expect(owner.locator("dialog[open]")).to_have_count(0)
    press(owner, "g m")
    owner.wait_for_url("**/t/acme/monitors/")


def test_the_theme_follows_the_system_until_somebody_chooses(owner):
    owner.emulate_media(color_scheme="dark")
    root = owner.locator("html")
    expect(root).to_have_attribute("data-bs-theme", "dark")
    owner.locator("details.menu:visible summary").click()
    button = owner.locator("[data-theme-button]:visible")
    for said, theme in (("system", "dark"), ("light", "light"), ("dark", "dark")):
        expect(button).to_have_text(f"Theme: {said}")
        expect(root).to_have_attribute("data-bs-theme", theme)
        if said != "dark":
            button.click()
    owner.emulate_media(color_scheme="light")
    owner.reload()
    expect(root).to_have_attribute("data-bs-theme", "dark")
