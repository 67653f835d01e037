"""A month of on-call in Chromium: choosing days by mouse, finger, keyboard; and without script."""

from __future__ import annotations

from datetime import datetime

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from accounts.models import Membership
from incidents.models import Rotation, RotationOverride
from incidents.oncall.rotations import LayerValues, create_rotation
from tests.console.personas import PASSWORD

pytestmark = pytest.mark.browser


@pytest.fixture
def rotation(people) -> Rotation:
    with scopes_disabled():
        members = list(Membership.objects.filter(team=people.team).order_by("created_at"))
    layer = LayerValues(unit="week", length=1, handoff=datetime(2026, 3, 2, 9), members=members[:2])
    return create_rotation(
        team=people.team, name="storage", timezone="Europe/Berlin", layers=[layer]
    )


def address_of(rotation: Rotation) -> str:
    return f"/t/acme/on-call/rotations/{rotation.pk}/"


def middle(page: Page, day: str) -> tuple[float, float]:
    box = page.locator(f"[data-day='{day}']").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def only_override() -> tuple[str, str, str]:
    with scopes_disabled():
        row = RotationOverride.objects.select_related("membership__user").get()
    return row.membership.user.email, row.start.isoformat(), row.end.isoformat()


def test_dragging_over_days_makes_an_override(owner, rotation):
    owner.goto(f"{address_of(rotation)}?month=2027-03")
    owner.mouse.move(*middle(owner, "2027-03-27"))
    owner.mouse.down()
    owner.mouse.move(*middle(owner, "2027-03-25"), steps=3)
    owner.mouse.move(*middle(owner, "2027-03-30"), steps=6)
    owner.mouse.up()
    assert owner.locator(".chosen").count() == 4
    expect(owner.get_by_label("From")).to_have_value("2027-03-27T00:00")
    expect(owner.locator("#id_end")).to_have_value("2027-03-31T00:00")
    expect(owner.get_by_label("Who")).to_be_focused()
    owner.get_by_label("Who").select_option(label="viewer@acme.example")
    owner.get_by_role("button", name="Create the override").click()
    owner.get_by_text("viewer@acme.example takes over from Sat 27 Mar 00:00").wait_for()
    # The clocks go forward in between: the last midnight is two hours before that of UTC.
    assert only_override() == (
        "viewer@acme.example",
        "2027-03-26T23:00:00+00:00",
        "2027-03-30T22:00:00+00:00",
    )
    owner.goto(f"{address_of(rotation)}?month=2027-03")
    assert owner.locator(".bar-override title").count() >= 2, "over the end of a week"


def test_arrow_keys_choose_days(owner, rotation):
    owner.goto(f"{address_of(rotation)}?month=2027-03")
    owner.locator("[data-day='2027-03-10'] a").focus()
    for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        owner.keyboard.press(key)
    expect(owner.get_by_label("From")).to_have_value("2027-03-11T00:00")
    expect(owner.locator("#id_end")).to_have_value("2027-03-20T00:00")
    expect(owner.get_by_label("Who")).to_be_focused()
    expect(owner.locator("#voice")).to_have_text("2027-03-11 to 2027-03-19 chosen")
    assert owner.locator(".day-link[tabindex='0']").count() == 1, "the month is one stop for Tab"


def test_a_finger_chooses_days(chromium, site, people, rotation):
    context = chromium.new_context(
        base_url=site, viewport={"width": 375, "height": 812}, has_touch=True
    )
    page = context.new_page()
    log_in(page, people.owner.email)
    page.goto(f"{address_of(rotation)}?month=2027-03")
    page.locator("[data-day='2027-03-16']").scroll_into_view_if_needed()
    client = context.new_cdp_session(page)
    points = [middle(page, day) for day in ("2027-03-16", "2027-03-17", "2027-03-18")]
    for kind, point in zip(("touchStart", "touchMove", "touchMove"), points, strict=True):
        touch = [{"x": point[0], "y": point[1]}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touch})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.get_by_label("From")).to_have_value("2027-03-16T00:00")
    expect(page.locator("#id_end")).to_have_value("2027-03-19T00:00")
    context.close()


def test_everything_is_done_without_script(chromium, site, people, rotation):
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    log_in(page, people.owner.email)
    page.goto(f"{address_of(rotation)}?month=2027-03")
    page.locator("[data-day='2027-03-14'] a").click()
    assert page.get_by_label("From").input_value() == "2027-03-14T00:00"
    page.get_by_label("Who").select_option(label="viewer@acme.example")
    page.get_by_role("button", name="Create the override").click()
    page.get_by_text("viewer@acme.example takes over from").wait_for()
    assert only_override() == (
        "viewer@acme.example",
        "2027-03-13T23:00:00+00:00",
        "2027-03-14T23:00:00+00:00",
    )
    page.goto("/t/acme/on-call/rotations/new")
    page.get_by_label("Name").fill("night")
    page.get_by_label("Turn 1", exact=True).select_option(label="owner@acme.example")
    page.get_by_role("button", name="Add a person").click()
    page.get_by_label("Turn 2", exact=True).select_option(label="member@acme.example")
    page.get_by_role("button", name="Move turn 2 up").click()
    page.get_by_label("Name").press("Enter")
    page.get_by_text("“night” is ready").wait_for()
    assert "member@acme.example, owner@acme.example" in page.locator(".layers").inner_text()
    context.close()


def log_in(page: Page, email: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/t/acme/")
