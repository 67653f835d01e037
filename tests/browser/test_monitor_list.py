"""The list of monitors in Chromium: choosing, changing, taking back; with and without scripts."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import now
from django_scopes import scopes_disabled
from playwright.sync_api import Browser, Page, expect

from monitors.models import Heartbeat, Monitor, PushResult
from tests.console.personas import (
    PASSWORD,
    Personas,
    make_incident,
    make_late,
    make_monitor,
    push,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def fleet(people: Personas) -> list[Monitor]:
    team = people.team
    made = [
        make_monitor(team, name=f"worker-{n:02}", labels={"env": "prod", "region": f"eu-{n % 2}"})
        for n in range(6)
    ]
    at = now()
    with scopes_disabled():
        PushResult.objects.bulk_create(
            PushResult(
                team=team,
                monitor=monitor,
                received_at=at - timedelta(minutes=40 * n),
                status="pass",
                latency_ms=100 + (n * 37 + k * 11) % 60,
            )
            for k, monitor in enumerate(made)
            for n in range(1, 30)
            if n not in (9, 10, 11)
        )
    for monitor in made[:5]:
        push(monitor, latency_ms=120.0)
    make_incident(made[1])
    make_late(made[2], silent_for=timedelta(seconds=120))
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("UPDATE monitors_monitor SET created_at = now() - interval '3 days'")
        cursor.execute("UPDATE monitors_monitor SET grace = 600 WHERE name = 'worker-02'")
        cursor.execute("UPDATE monitors_transition SET at = at - interval '5 hours'")
    return made


def test_choosing_changing_and_taking_back(owner: Page, fleet: list[Monitor]) -> None:
    owner.goto("/t/acme/monitors/")
    pause = owner.get_by_role("button", name="Pause")
    expect(pause).to_be_hidden()
    owner.get_by_role("checkbox", name="worker-00").check()
    owner.get_by_role("checkbox", name="worker-03").check()
    expect(owner.get_by_text("2 chosen")).to_be_visible()
    pause.click()
    expect(owner.get_by_text("2 monitors are paused")).to_be_visible()
    owner.get_by_role("button", name="Undo").click()
    expect(owner.get_by_text("Undone: 2 monitors are watched again, from now.")).to_be_visible()

    owner.get_by_label("All on this page").check()
    expect(owner.get_by_text("6 chosen")).to_be_visible()
    owner.get_by_role("button", name="Delete…").click()
    expect(owner.get_by_role("heading", name="Delete 6 monitors?")).to_be_visible()
    owner.get_by_role("button", name="Delete 6 monitors").click()
    expect(owner.get_by_text("6 monitors are deleted.")).to_be_visible()
    expect(owner.get_by_role("heading", name="No monitor yet")).to_be_visible()
    owner.get_by_role("button", name="Undo").click()
    expect(owner.get_by_text("6 monitors are back")).to_be_visible()
    expect(owner.get_by_role("checkbox", name="worker-05")).to_be_visible()


def test_what_is_ticked_stays_while_the_list_is_asked_for_anew(
    owner: Page, fleet: list[Monitor]
) -> None:
    owner.goto("/t/acme/monitors/")
    owner.get_by_role("checkbox", name="worker-04").check()
    owner.get_by_label("Label, as key=value").fill("team=st")
    owner.evaluate("document.activeElement.blur()")
    live = owner.locator("[data-live]")
    # As the poll and its swap do it, whatever holds them back while somebody is at work.
    owner.evaluate(
        """async () => {
          const live = document.querySelector("[data-live]");
          const headers = {"HX-Request": "true"};
          const answer = await fetch(live.getAttribute("hx-get"), {headers});
          live.innerHTML = await answer.text();
          live.dispatchEvent(new CustomEvent("htmx:afterSwap", {bubbles: true, detail: {}}));
        }"""
    )
    expect(live.get_by_role("checkbox", name="worker-04")).to_be_checked()
    expect(live.get_by_role("checkbox", name="worker-03")).not_to_be_checked()
    expect(owner.get_by_text("1 chosen")).to_be_visible()
    expect(owner.get_by_label("Label, as key=value")).to_have_value("team=st")


def test_a_view_is_saved_and_opened(owner: Page, fleet: list[Monitor]) -> None:
    owner.goto("/t/acme/monitors/")
    owner.locator("summary", has_text="Labels").click()
    owner.get_by_role("link", name="region=eu-1").first.click()
    expect(owner.get_by_role("checkbox", name="worker-01")).to_be_visible()
    expect(owner.get_by_role("checkbox", name="worker-00")).to_have_count(0)
    owner.get_by_text("Save this view").click()
    owner.get_by_label("Name of the view").fill("Region 1")
    owner.get_by_role("button", name="Save", exact=True).click()
    expect(owner.get_by_text("“Region 1” is saved for the team.")).to_be_visible()
    owner.goto("/t/acme/monitors/")
    owner.get_by_role("link", name="Region 1").click()
    expect(owner.get_by_role("checkbox", name="worker-00")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False])
def test_on_a_phone_the_list_comes_before_its_filters(
    chromium: Browser, site: str, people: Personas, fleet: list[Monitor], scripts: bool
) -> None:
    context = chromium.new_context(
        base_url=site, viewport={"width": 375, "height": 667}, java_script_enabled=scripts
    )
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(people.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto("/t/acme/monitors/?label=env%3Aprod&state=up")
    search = page.get_by_label("Search monitors")
    expect(search).to_be_hidden()
    first = page.locator("table.monitors tbody tr").first.bounding_box()
    assert first is not None
    assert first["y"] < (360 if scripts else 560)  # without them what to do to many is in sight
    page.locator("summary", has_text="Filters · 2 set").click()
    expect(search).to_be_visible()
    expect(page.get_by_role("link", name="env=prod (remove this filter)")).to_be_visible()
    page.locator("details.menu:visible summary").click()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.wait_for_url("**/t/acme/settings/**")
    context.close()


def test_importing_shows_first_what_it_would_do(owner: Page) -> None:
    owner.goto("/t/acme/monitors/import")
    owner.get_by_label("Or paste it here").fill("name,interval\nqueue,1 min\nbad/name,1 min\n")
    owner.get_by_role("button", name="Check it").click()
    expect(owner.get_by_role("heading", name="Nothing was imported")).to_be_visible()
    expect(owner.get_by_text("Choose another name")).to_be_visible()
    owner.get_by_label("The lines").fill("name,interval\nqueue,1 min\n")
    owner.get_by_role("button", name="Check it again").click()
    owner.get_by_role("button", name="Import 1 monitor").click()
    expect(owner.get_by_role("heading", name="Imported")).to_be_visible()
    with owner.expect_download() as download:
        owner.get_by_role("button", name="Download push URLs and tokens").click()
    assert download.value.suggested_filename == "acme-push-urls.csv"


def test_without_scripts_all_of_it_works(
    chromium: Browser, site: str, people: Personas, fleet: list[Monitor]
) -> None:
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(people.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto("/t/acme/monitors/")
    page.get_by_role("checkbox", name="worker-04").check()
    page.get_by_label("Label, as key=value").fill("team=storage")
    page.get_by_role("button", name="Add label").click()
    expect(page.get_by_text("“worker-04” has the label team=storage.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: 1 monitor is as it was before.")).to_be_visible()
    with scopes_disabled():
        assert "team" not in Monitor.objects.get(name="worker-04").labels
        assert Heartbeat.objects.filter(state="paused").count() == 0
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_the_list_fits_the_screen(
    owner: Page, fleet: list[Monitor], people: Personas, width: int, theme: str
) -> None:
    make_monitor(people.team, name="a-" + "very-long-" * 20 + "name", labels={"k" * 60: "v" * 200})
    owner.set_viewport_size({"width": width, "height": 900})
    owner.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for path in ("", "?search=worker&label=env%3Aprod", "undo/", "views/", "import"):
        owner.goto(f"/t/acme/monitors/{path}")
        wide = owner.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
    owner.goto("/t/acme/monitors/")
    if folder := os.environ.get("TOCSIN_SHOTS"):
        owner.locator('input[name="ids"]').nth(1).check()
        owner.screenshot(path=f"{folder}/list-{width}-{theme}.png", full_page=True)
    for box in owner.locator('input[name="ids"]').all()[:2]:
        size = box.evaluate("(each) => each.closest('td').getBoundingClientRect().height")
        assert size >= 24
