"""The main job in a browser: from sign-up to a resolved incident."""

from __future__ import annotations

import re
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, expect

from incidents.engine import run_round
from tests.console.personas import PASSWORD, Personas, make_incident, make_monitor, push

pytestmark = pytest.mark.browser


def http_push(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def sign_up(page: Page, mailoutbox: list) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up", exact=True).click()
    page.get_by_label("E-mail address").fill("ana@northwind.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(re.search(r"^http\S+$", mailoutbox[-1].body, re.MULTILINE)[0])
    page.get_by_role("button", name="Yes, go on").click()


def test_from_sign_up_to_a_resolved_incident(page, mailoutbox):
    sign_up(page, mailoutbox)
    page.get_by_label("Team name").fill("Northwind Größe")
    expect(page.get_by_label("Short name")).to_have_value("northwind-grosse")
    page.get_by_label("Short name").fill("northwind")
    page.get_by_role("button", name="Create the team").click()

    page.locator("#id_name").fill("fleet-eu")
    page.get_by_role("button", name="Create the monitor").click()
    expect(page.get_by_role("heading", name="Waiting for the first push")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/t/northwind/monitors/[0-9a-f-]+/setup$"))
    token = page.locator("#push-token").inner_text()
    url = page.locator("#push-url").inner_text()
    page.evaluate("window.unchanged = true")

    http_push(url, b'{"status": "pass", "latency_ms": 41}')
    expect(page.get_by_role("heading", name="It works: fleet-eu is up")).to_be_visible()
    expect(page.locator("#voice")).to_contain_text("The first push has arrived")
    assert page.evaluate("window.unchanged"), "it turned green by itself, without a reload"
    assert page.locator("#push-token").inner_text() == token
    page.reload()
    expect(page.locator("#push-token")).to_have_count(0)

    page.get_by_role("link", name="Go to the monitor").click()
    expect(page.get_by_role("heading", name="fleet-eu is up")).to_be_visible()
    expect(page).to_have_title(re.compile("^fleet-eu up"))
    page.get_by_text("crontab", exact=True).click()
    page.evaluate("window.unchanged = true")
    http_push(url, b'{"status": "fail", "message": "disk full <b>"}')
    run_round()
    expect(page.get_by_role("heading", name="fleet-eu reported a failure")).to_be_visible()
    expect(page.get_by_text("disk full <b>").first).to_be_visible()
    expect(page).to_have_title(re.compile("^fleet-eu down"))
    assert page.evaluate("window.unchanged")
    expect(page.get_by_text("crontab -e", exact=True)).to_be_visible()  # what was unfolded stays so

    page.get_by_role("link", name="Go to the incident").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("nobody else is paged").first).to_be_visible()
    page.get_by_label("Add a note").fill("Cleaning up /var")
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_text("Cleaning up /var")).to_be_visible()

    http_push(url, b'{"status": "pass"}')
    run_round()
    expect(page.get_by_text("Recovered: it pushes a pass again")).to_be_visible()
    expect(page).to_have_title(re.compile("^fleet-eu resolved"))
    page.get_by_role("link", name="Home").first.click()
    expect(page.get_by_role("heading", name="No open incident")).to_be_visible()


def test_typing_survives_the_live_parts(owner: Page, people: Personas):
    monitor = make_monitor(people.team)
    incident = make_incident(monitor)
    owner.goto(f"/t/acme/incidents/{incident.pk}/")
    owner.get_by_label("Add a note").fill("half a thou")
    push(monitor)
    run_round()
    expect(owner.get_by_text("Recovered: it pushes a pass again")).to_be_visible()
    expect(owner.get_by_label("Add a note")).to_have_value("half a thou")
    expect(owner.get_by_label("Add a note")).to_be_focused()


def test_whoever_reads_is_not_disturbed_unless_there_is_news(owner: Page, people: Personas):
    monitor = make_monitor(people.team)
    push(monitor, labels={"host": "w-1"})
    owner.goto(f"/t/acme/monitors/{monitor.pk}/")
    link = owner.get_by_role("link", name="host=w-1")
    link.focus()
    push(monitor, message="one more")
    with owner.expect_response(lambda answer: "/monitors/" in answer.url, timeout=10_000):
        pass
    with owner.expect_response(lambda answer: "/monitors/" in answer.url, timeout=10_000):
        pass
    expect(link).to_be_focused()
    expect(owner.get_by_text("one more")).to_have_count(0)
    push(monitor, fail=True, message="disk full")
    expect(owner.get_by_text("disk full").first).to_be_visible()


def test_the_countdown_counts(owner: Page, people: Personas):
    monitor = make_monitor(people.team, interval=60, silent_after=90)
    push(monitor)
    owner.goto(f"/t/acme/monitors/{monitor.pk}/")
    due = owner.locator("time[data-kind=countdown]")
    first = due.inner_text()
    assert re.fullmatch(r"in 1 min \d+ s", first)
    expect(due).not_to_have_text(first, timeout=3_000)


def test_the_exact_time_shows_on_focus(owner: Page, people: Personas):
    push(make_monitor(people.team))
    owner.goto("/t/acme/monitors/")
    time = owner.locator("td time").first
    owner.get_by_role("link", name="nightly-backup").focus()
    owner.keyboard.press("Tab")
    expect(time).to_be_focused()
    shown = time.evaluate("t => getComputedStyle(t, '::after').content")
    assert re.fullmatch(r'"\d+ \w+ \d{4} \d\d:\d\d:\d\d UTC"', shown)


def test_the_theme_follows_the_system_until_somebody_chooses(owner: Page):
    body, light, dark = owner.locator("body"), "rgb(246, 247, 249)", "rgb(15, 19, 23)"
    owner.emulate_media(color_scheme="light")
    expect(body).to_have_css("background-color", light)
    owner.emulate_media(color_scheme="dark")
    expect(body).to_have_css("background-color", dark)
    owner.locator("details.menu:visible summary").click()
    owner.get_by_role("button", name="Theme: system").click()
    expect(owner.get_by_role("button", name="Theme: light")).to_be_visible()
    expect(body).to_have_css("background-color", light)
    owner.reload()
    expect(body).to_have_css("background-color", light)


def test_a_line_is_copied(owner: Page, people: Personas, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    monitor = make_monitor(people.team)
    owner.goto(f"/t/acme/monitors/{monitor.pk}/")
    owner.get_by_role("button", name="Copy: Push URL").click()
    expect(owner.get_by_text("Copied")).to_be_visible()
    assert owner.evaluate("navigator.clipboard.readText()") == (
        owner.locator("#push-url").inner_text()
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_works_without_scripts(chromium: Browser, site, mailoutbox, scheme):
    context = chromium.new_context(base_url=site, java_script_enabled=False, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(5_000)
    sign_up(page, mailoutbox)
    page.get_by_label("Team name").fill("Northwind")
    page.get_by_role("button", name="Create the team").click()
    page.locator("#id_name").fill("fleet-eu")
    page.get_by_role("button", name="Create the monitor").click()
    url = page.locator("#push-url").inner_text()
    expect(page.get_by_role("button", name="Copy", exact=False)).to_have_count(0)
    http_push(url, b'{"status": "pass"}')
    page.get_by_role("link", name="Check for the first push").click()
    expect(page.get_by_role("heading", name="It works: fleet-eu is up")).to_be_visible()
    http_push(url, b'{"status": "fail"}')
    run_round()
    page.get_by_role("link", name="Home").first.click()
    page.get_by_role("link", name="fleet-eu").click()
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Resolved by hand")).to_be_visible()
    page.locator("details.menu:visible summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Know when something stops.")).to_be_visible()
    context.close()
