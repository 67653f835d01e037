"""The editor of a status page in Chromium: dragging, the live preview, and without script."""

from __future__ import annotations

import re

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from statuspages.models import Component, ComponentGroup, StatusPage
from statuspages.services.assets import set_asset
from statuspages.services.components import create_component
from statuspages.services.pages import create_page, update_page
from tests.browser.test_accessible import check
from tests.browser.test_oncall import log_in
from tests.console.personas import Personas, make_monitor
from tests.console.pictures import make_png

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(people: Personas) -> StatusPage:
    """Return a page of two groups and two components without one."""
    page = create_page(
        team=people.team, name="Acme status", slug="acme", description="How the shop is."
    )
    monitor = make_monitor(people.team, "checkout-eu-with-a-rather-long-name-that-has-to-wrap")
    for name, group in (
        ("Website", None),
        ("Checkout", None),
        ("API", "Core services"),
        ("Search", "Core services"),
        ("Europe", "Delivery"),
        ("America", "Delivery"),
    ):
        create_component(page=page, name=name, group=group, monitors=[monitor])
    return page


def at(page: StatusPage, rest: str = "") -> str:
    return f"/t/acme/status-pages/{page.pk}/{rest}"


def order_of(page: StatusPage) -> dict[str, list[str]]:
    """Return what is stored: the names of components by their group."""
    with scopes_disabled():
        rows = list(Component.objects.filter(page=page).order_by("position"))
        groups = [None, *ComponentGroup.objects.filter(page=page).order_by("position")]
    return {
        group.name if group else "": [
            row.name for row in rows if row.group_id == (group.pk if group else None)
        ]
        for group in groups
    }


def drag(page: Page, what: str, to: str, *, below: bool = False) -> None:
    """Take the grip of a row and let it go over the upper or lower end of another one."""
    page.locator(what).locator("[data-grip]").first.hover()
    page.mouse.down()
    box = page.locator(to).bounding_box()
    assert box is not None
    y = box["y"] + (box["height"] - 4 if below else 4)
    page.mouse.move(box["x"] + 60, y - 3, steps=4)
    page.mouse.move(box["x"] + 60, y, steps=2)
    page.mouse.up()


def line(name: str) -> str:
    return f"[data-name='{name}']"


def test_components_and_groups_are_dragged(owner, shown):
    owner.set_viewport_size({"width": 1440, "height": 1400})
    owner.goto(at(shown))
    drag(owner, line("Search"), line("Website"))
    expect(owner.locator("#voice")).to_have_text("Search moved")
    assert order_of(shown)[""] == ["Search", "Website", "Checkout"]
    drag(owner, line("Website"), line("Europe"), below=True)
    expect(owner.locator("#voice")).to_have_text("Website moved")
    assert order_of(shown) == {
        "": ["Search", "Checkout"],
        "Core services": ["API"],
        "Delivery": ["Europe", "Website", "America"],
    }
    delivery = "[data-part]:has(h2:text-is('Delivery'))"
    drag(owner, delivery, "[data-part]:has(h2:text-is('Core services'))")
    expect(owner.locator("#voice")).to_have_text("Delivery moved")
    assert list(order_of(shown)) == ["", "Delivery", "Core services"]
    names = owner.locator("[data-line]").evaluate_all("all => all.map(row => row.dataset.name)")
    assert names == ["Search", "Checkout", "Europe", "Website", "America", "API"]


def test_escape_leaves_a_component_where_it_was(owner, shown):
    owner.goto(at(shown))
    owner.locator(line("Search")).locator("[data-grip]").hover()
    owner.mouse.down()
    owner.mouse.move(500, 300, steps=4)
    expect(owner.locator(".drop-mark")).to_have_count(1)
    owner.keyboard.press("Escape")
    owner.mouse.up()
    expect(owner.locator(".drop-mark")).to_have_count(0)
    assert order_of(shown)["Core services"] == ["API", "Search"]


def test_the_keyboard_moves_a_component_step_by_step(owner, shown):
    create_component(page=shown, name="Mail")
    owner.goto(at(shown))
    owner.get_by_role("button", name="Move Website down").focus()
    for order in (["Checkout", "Website", "Mail"], ["Checkout", "Mail", "Website"]):
        owner.keyboard.press("Enter")
        names = owner.locator("[data-lines][data-group=''] [data-line]")
        expect(names).to_have_text([re.compile(f"^\\s*⠿?\\s*{name}") for name in order])
        assert order_of(shown)[""] == order
    expect(owner.locator("#voice")).to_have_text("Website moved")
    expect(owner.get_by_role("button", name="Move Website up")).to_be_focused()
    owner.get_by_role("button", name="Move the group Delivery up").focus()
    owner.keyboard.press("Enter")
    expect(owner.get_by_role("button", name="Move the group Delivery down")).to_be_focused()
    assert list(order_of(shown)) == ["", "Delivery", "Core services"]


def test_a_finger_drags_a_component(chromium, site, people, shown):
    context = chromium.new_context(
        base_url=site, viewport={"width": 375, "height": 1000}, has_touch=True
    )
    page = context.new_page()
    log_in(page, people.owner.email)
    page.goto(at(shown))
    page.locator(line("Website")).scroll_into_view_if_needed()
    client = context.new_cdp_session(page)
    grip = page.locator(line("Website")).locator("[data-grip]").bounding_box()
    goal = page.locator(line("Checkout")).bounding_box()
    assert grip is not None
    assert goal is not None
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    end = goal["y"] + goal["height"] - 4
    for kind, height in (("touchStart", y), ("touchMove", (y + end) / 2), ("touchMove", end)):
        points = [{"x": x, "y": height}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#voice")).to_have_text("Website moved")
    assert order_of(shown)[""] == ["Checkout", "Website"]
    context.close()


def test_the_preview_follows_the_form_before_anything_is_saved(owner, shown):
    owner.goto(at(shown, "settings"))
    frame = owner.frame_locator(".preview-frame:not(.waiting)")
    expect(frame.get_by_text("How the shop is.")).to_be_visible()
    owner.get_by_label("Description (optional)").fill("All that we sell.")
    expect(frame.get_by_text("All that we sell.")).to_be_visible()
    owner.get_by_label("Language").select_option("de")
    expect(frame.locator("html")).to_have_attribute("lang", "de")
    owner.get_by_label("Light or dark").select_option("dark")
    expect(frame.locator("html")).to_have_css("background-color", "rgb(18, 22, 28)")
    owner.locator("#id_colour_dark_background").fill("#201040")
    expect(frame.locator("html")).to_have_css("background-color", "rgb(32, 16, 64)")
    assert owner.locator("[data-colour=id_colour_dark_background]").input_value() == "#201040"
    with scopes_disabled():
        assert StatusPage.objects.get().description == "How the shop is."
    owner.go_back()
    owner.wait_for_url("**/t/acme/")


def test_everything_is_done_without_script(chromium, site, people, shown):
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    log_in(page, people.owner.email)
    page.goto(at(shown))
    page.get_by_role("button", name="Move Website down").click()
    page.get_by_role("button", name="Move the group Delivery up").click()
    assert order_of(shown)[""] == ["Checkout", "Website"]
    assert list(order_of(shown)) == ["", "Delivery", "Core services"]
    page.get_by_role("link", name="Settings").last.click()
    page.get_by_label("Description (optional)").fill("All that we sell.")
    page.get_by_role("button", name="Preview").click()
    expect(page.frame_locator(".preview-frame").get_by_text("All that we sell.")).to_be_visible()
    page.get_by_role("button", name="Save the settings").click()
    page.get_by_text("The settings are saved.").wait_for()
    page.goto("/t/acme/status-pages/new")
    page.locator("#id_name").fill("Second page")
    page.get_by_label("Begin with").select_option("nothing")
    page.get_by_role("button", name="Make the page").click()
    page.get_by_text("“Second page” is ready").wait_for()
    context.close()


def test_the_editor_can_be_used_by_everybody(owner, people, shown):
    update_page(
        page=shown,
        domain="status.acme.example",
        colours={"text": "#dddddd", "up": "#00ff00", "dark_background": "#777777"},
    )
    for kind in ("logo", "dark_logo", "favicon"):
        set_asset(page=shown, kind=kind, content=make_png(64, 32))
    hurt = create_component(page=shown, name="x" * 120, group="y" * 120, status="major_outage")
    create_page(team=people.team, name="Empty", slug="empty")
    for address in (
        "/t/acme/status-pages/",
        "/t/acme/status-pages/new",
        at(shown),
        at(shown, "settings"),
        at(shown, "components/new"),
        at(shown, f"components/{hurt.pk}/edit"),
        at(shown, f"components/{hurt.pk}/delete"),
        at(shown, "delete"),
    ):
        check(owner, address)
