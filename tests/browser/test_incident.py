"""An incident in Chromium, from the page at home to the post that visitors read."""

from __future__ import annotations

import re

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Browser, Page, expect

from incidents.engine import run_round
from incidents.models import Incident
from statuspages.services.components import create_component
from statuspages.services.pages import create_page
from tests.browser.test_oncall import log_in
from tests.console.personas import Personas, make_incident, make_monitor, push

pytestmark = pytest.mark.browser


def state_of(incident: Incident) -> str:
    with scopes_disabled():
        return str(Incident.objects.get(pk=incident.pk).state)


def test_from_seeing_it_to_telling_visitors(owner: Page, people: Personas):
    monitor = make_monitor(people.team, name="checkout")
    page = create_page(team=people.team, name="Acme status", slug="acme")
    create_component(page=page, name="Shop", monitors=[monitor])
    incident = make_incident(monitor, message="card gateway: timeout")
    owner.set_default_timeout(15_000)

    owner.goto("/t/acme/")
    owner.get_by_role("button", name="Acknowledge checkout").click()
    expect(owner.get_by_text("You have acknowledged checkout")).to_be_visible()
    assert owner.url.endswith("/t/acme/")
    assert state_of(incident) == "acknowledged"

    owner.get_by_role("link", name="checkout").click()
    expect(owner.get_by_role("heading", name="checkout reports failure")).to_be_visible()
    owner.locator("summary", has_text="Snooze").click()
    owner.get_by_role("button", name="30 min").click()
    expect(owner.get_by_text("Snoozed: if it is still down in").first).to_be_visible()

    owner.locator("summary", has_text="Assign").click()
    owner.get_by_label("Assign to").select_option(label="member@acme.example")
    owner.get_by_role("button", name="Assign and page").click()
    expect(owner.locator(".timeline")).to_contain_text("Assigned to member@acme.example")
    expect(owner.get_by_text("Down for").first).to_contain_text("assigned to member@acme.example")
    assert state_of(incident) == "open"

    owner.get_by_label("Add a note").fill("The gateway's status page is red")
    owner.get_by_role("button", name="Add the note").click()
    expect(owner.get_by_text("The gateway's status page is red")).to_be_visible()
    owner.get_by_role("link", name=re.compile("^People")).click()
    expect(owner.locator(".timeline li.kind-opened")).to_have_count(0)
    expect(owner.get_by_text("The gateway's status page is red")).to_be_visible()

    owner.get_by_role("link", name="Write a post on Acme status").click()
    expect(owner.get_by_label("Title")).to_have_value("Shop: outage")
    owner.get_by_role("button", name="Publish").click()
    expect(owner.get_by_text("is on the page")).to_be_visible()
    owner.goto(f"/t/acme/incidents/{incident.pk}/")
    expect(owner.get_by_role("link", name="Shop: outage")).to_be_visible()

    owner.get_by_role("button", name="Resolve").click()
    expect(owner.get_by_text("Resolved by hand")).to_be_visible()
    expect(owner.get_by_role("button", name="Resolve")).to_have_count(0)


def test_what_is_being_typed_or_chosen_outlives_the_live_parts(owner: Page, people: Personas):
    monitor = make_monitor(people.team)
    incident = make_incident(monitor)
    owner.goto(f"/t/acme/incidents/{incident.pk}/")
    owner.locator("summary", has_text="Assign").click()
    owner.get_by_label("Assign to").select_option(label="member@acme.example")
    push(monitor)
    run_round()
    expect(owner.get_by_text("Recovered: it pushes a pass again")).to_be_visible()
    expect(owner.get_by_label("Assign to")).to_be_visible()
    assert "member:" in owner.get_by_label("Assign to").input_value()
    owner.get_by_role("button", name="Assign and page").click()
    expect(owner.get_by_text("was resolved in the meantime")).to_be_visible()


def test_a_note_that_is_not_added_yet_outlives_every_button(owner: Page, people: Personas):
    incident = make_incident(make_monitor(people.team))
    owner.goto(f"/t/acme/incidents/{incident.pk}/")
    note = owner.get_by_label("Add a note")
    note.fill("The disk is full,")
    owner.get_by_role("button", name="Acknowledge").click()
    expect(owner.get_by_text("You have acknowledged it")).to_be_visible()
    expect(note).to_have_value("The disk is full,")
    owner.locator("summary", has_text="Snooze").click()
    owner.get_by_role("button", name="15 min").click()
    expect(owner.get_by_text("Snoozed: if it is still down in").first).to_be_visible()
    expect(note).to_have_value("The disk is full,")
    note.press_sequentially(" x")
    owner.get_by_role("button", name="Add the note").click()
    expect(owner.locator(".timeline .by-person").first).to_contain_text("The disk is full,")
    expect(note).to_have_value("")
    other = make_incident(make_monitor(people.team, name="other"))
    owner.get_by_label("Add a note").fill("of the first alone")
    owner.goto(f"/t/acme/incidents/{other.pk}/")
    expect(note).to_have_value("")


def test_ticks_outlive_the_live_list(owner: Page, people: Personas):
    make_incident(make_monitor(people.team, name="one"))
    make_incident(make_monitor(people.team, name="two"))
    owner.goto("/t/acme/incidents/")
    owner.get_by_label("Choose one").check()
    owner.get_by_role("heading", name="Incidents").click()
    make_incident(make_monitor(people.team, name="three"))
    # Whoever has ticked something is at work: news waits until it is asked for.
    owner.get_by_role("button", name="Something has changed").click(timeout=20_000)
    expect(owner.get_by_label("Choose three")).to_be_visible()
    expect(owner.get_by_label("Choose one")).to_be_checked()
    expect(owner.get_by_label("Choose two")).not_to_be_checked()
    owner.get_by_label("All open ones on this page").check()
    expect(owner.get_by_label("Choose three")).to_be_checked()
    owner.get_by_label("Choose two").uncheck()
    owner.get_by_role("button", name="Acknowledge the ticked ones").click()
    expect(owner.get_by_text("You have acknowledged 2 incidents")).to_be_visible()
    with scopes_disabled():
        states = dict(Incident.objects.values_list("monitor_name", "state"))
    assert states == {"one": "acknowledged", "two": "open", "three": "acknowledged"}


def test_on_a_phone_everything_to_do_is_in_the_first_screen(
    chromium: Browser, site: str, people: Personas
):
    incident = make_incident(make_monitor(people.team))
    context = chromium.new_context(base_url=site, viewport={"width": 375, "height": 667})
    page = context.new_page()
    log_in(page, people.owner.email)
    page.goto(f"/t/acme/incidents/{incident.pk}/")
    bar = page.locator("nav.bottom").bounding_box()
    assert bar is not None
    for place in (
        page.get_by_role("button", name="Acknowledge"),
        page.get_by_role("button", name="Resolve"),
        page.locator("summary", has_text="Snooze"),
        page.locator("summary", has_text="Assign"),
    ):
        box = place.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= bar["y"], place
        assert box["height"] >= 24
    for path in ("", "incidents/", "incidents/insights", f"incidents/{incident.pk}/", "on-call/"):
        page.goto(f"/t/acme/{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 375, path
    context.close()


def test_seen_and_acknowledged_without_script(chromium: Browser, site: str, people: Personas):
    one = make_incident(make_monitor(people.team, name="one"))
    two = make_incident(make_monitor(people.team, name="two"))
    three = make_incident(make_monitor(people.team, name="three"))
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(10_000)
    log_in(page, people.owner.email)
    page.get_by_role("button", name="Acknowledge one").click()
    expect(page.get_by_text("You have acknowledged one")).to_be_visible()
    page.get_by_role("link", name="Incidents", exact=True).first.click()
    page.get_by_label("Choose two").check()
    page.get_by_role("button", name="Acknowledge the ticked ones").click()
    expect(page.get_by_text("You have acknowledged 1 incident:")).to_be_visible()
    page.get_by_role("link", name="three").click()
    expect(page.get_by_text("Add the note before you press another button")).to_be_visible()
    page.locator("summary", has_text="Snooze").click()
    page.get_by_role("button", name="1 h").click()
    expect(page.get_by_text("Snoozed: if it is still down").first).to_be_visible()
    assert {state_of(incident) for incident in (one, two, three)} == {"acknowledged"}
    context.close()
