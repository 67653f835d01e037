"""The first minutes in a browser: from sign-up to a test page that has arrived."""

from __future__ import annotations

import re
import urllib.request
from ipaddress import ip_network

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Browser, Page, expect

from incidents.delivery.pool import deliver_here
from monitors.models import Monitor
from monitors.services import delete_monitor
from tests.browser.test_accessible import check, findings
from tests.console.personas import PASSWORD
from tests.providers import Provider

pytestmark = pytest.mark.browser


def deliver() -> None:
    with scopes_disabled():
        deliver_here()


def run_line(line: str) -> None:
    """Do what the line on the page does: ask for its address."""
    address = re.search(r"http\S+", line)[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(address, timeout=10).close()


def sign_up(page: Page, mailoutbox: list) -> None:
    page.set_default_timeout(20_000)
    page.goto("/")
    page.get_by_role("link", name="Sign up and push in three minutes").click()
    page.get_by_label("E-mail address").fill("ana@northwind.example")
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(re.search(r"^http\S+$", mailoutbox[-1].body, re.MULTILINE)[0])
    page.get_by_role("button", name="Yes, go on").click()
    page.get_by_label("Team name").fill("Northwind")
    page.get_by_label("Short name").fill("northwind")
    page.get_by_role("button", name="Create the team").click()


def test_from_sign_up_to_a_test_page_that_arrives(page, mailoutbox):
    sign_up(page, mailoutbox)
    expect(page.get_by_role("link", name="First monitor")).to_have_attribute("aria-current", "step")
    page.get_by_role("link", name="Queue depth").click()
    expect(page.locator("#id_name")).to_have_value("queue-depth")
    page.get_by_role("button", name="Create the monitor").click()

    expect(page.get_by_role("heading", name="Waiting for the first push")).to_be_visible()
    script = page.locator("#pattern-1").inner_text()
    url = page.locator("#push-url").first.inner_text()
    assert f"URL={url}" in script
    assert "LIMIT=10000" in script
    page.evaluate("window.unchanged = true")
    run_line(page.locator("#try-line").inner_text())
    expect(page.get_by_role("heading", name="It works: queue-depth is up")).to_be_visible()
    assert page.evaluate("window.unchanged"), "it changed by itself, without a reload"
    assert findings(page) == []

    page.get_by_role("link", name="Next: who is paged").click()
    expect(page.get_by_text("The owners are mailed: ana@northwind.example.")).to_be_visible()
    before = len(mailoutbox)
    page.get_by_role("button", name="Send a test page").click()
    expect(page.get_by_role("heading", name="The test page is on its way")).to_be_visible()
    page.evaluate("window.unchanged = true")
    deliver()
    expect(page.get_by_role("heading", name="The test page is delivered")).to_be_visible()
    assert page.evaluate("window.unchanged")
    assert [mail.to for mail in mailoutbox[before:]] == [["ana@northwind.example"]]
    expect(page.get_by_text("What teams do next")).to_be_visible()
    page.get_by_role("link", name="Done: go to the team's home").click()
    expect(page).to_have_url(re.compile("/t/northwind/$"))
    expect(page.get_by_text("Finish setting up")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_same_without_scripts(chromium: Browser, site, mailoutbox, settings, scheme):
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
    context = chromium.new_context(base_url=site, java_script_enabled=False, color_scheme=scheme)
    page = context.new_page()
    sign_up(page, mailoutbox)
    page.get_by_role("link", name="Nightly backup").click()
    page.get_by_role("button", name="Create the monitor").click()
    run_line(page.locator("#try-line").inner_text())
    page.get_by_role("link", name="Check for the first push").click()
    expect(page.get_by_role("heading", name="It works: nightly-backup is up")).to_be_visible()
    expect(page.get_by_text("pg_dump production")).to_be_visible()  # the pattern is still known
    page.get_by_role("link", name="Next: who is paged").click()
    with Provider(lambda n: 200) as provider:
        page.get_by_role("link", name="Slack").click()
        page.get_by_label("Webhook URL").fill(provider.url)
        expect(page.get_by_label("Go on mailing the owners as well")).to_be_checked()
        page.get_by_role("button", name="Add it and send a test page").click()
        expect(page.get_by_role("heading", name="The test page is on its way")).to_be_visible()
        deliver()
        assert len(provider.got) == 1
    page.get_by_role("link", name="Check again").click()
    expect(page.get_by_role("heading", name="The test page is delivered")).to_be_visible()
    page.get_by_role("link", name="Done: go to the team's home").click()
    expect(page.get_by_text("Finish setting up")).to_have_count(0)
    context.close()


def test_every_step_can_be_left_and_come_back_to(page, mailoutbox):
    sign_up(page, mailoutbox)
    page.get_by_role("link", name="Skip for now").click()
    page.get_by_role("link", name="Skip", exact=True).click()
    page.get_by_role("link", name="Skip, go to the team's home").click()
    expect(page.get_by_role("heading", name="Finish setting up")).to_be_visible()
    expect(page.get_by_text("4 steps left")).to_be_visible()
    page.get_by_role("link", name="Go on", exact=True).click()
    page.get_by_role("link", name="Cron job").click()
    page.go_back()
    page.get_by_role("link", name="Start from scratch").click()
    page.locator("#id_name").fill("fleet-eu")
    page.get_by_role("button", name="Create the monitor").click()
    expect(page.get_by_role("heading", name="Waiting for the first push")).to_be_visible()
    page.get_by_role("link", name="Serverless function").click()
    expect(page.locator("#pattern-2")).to_contain_text("export async function handler")
    page.goto("/t/northwind/")
    page.get_by_role("link", name="Send it a first push.").click()
    expect(page.get_by_role("heading", name="Waiting for the first push")).to_be_visible()
    with scopes_disabled():
        delete_monitor(monitor=Monitor.objects.get())
    expect(page.get_by_role("heading", name="This monitor is gone")).to_be_visible()
    page.get_by_role("link", name="New monitor").click()
    expect(page.get_by_role("heading", name="New monitor")).to_be_visible()


def test_a_test_page_that_fails_says_why(owner, people, settings):
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
    owner.set_default_timeout(20_000)
    owner.goto("/t/acme/start/paging?kind=ntfy#add")
    with Provider(lambda n: 403) as provider:
        owner.get_by_label("Topic").fill("alerts")
        owner.get_by_label("Server (optional)").fill(provider.url.removesuffix("/hook"))
        owner.get_by_label("Go on mailing the owners as well").uncheck()
        owner.get_by_role("button", name="Add it and send a test page").click()
        expect(owner.get_by_role("heading", name="The test page is on its way")).to_be_visible()
        deliver()
        expect(owner.get_by_role("heading", name="A test page did not arrive")).to_be_visible()
    expect(owner.get_by_text("403").first).to_be_visible()
    assert findings(owner) == []
    owner.get_by_role("link", name="Edit the channel").click()
    expect(owner.get_by_role("heading", name="Edit ntfy")).to_be_visible()


def test_the_pages_are_accessible(owner, people):
    for address in (
        "/t/acme/start/",
        "/t/acme/start/paging",
        "/t/acme/start/paging?kind=slack",
        "/t/acme/start/test",
        "/t/acme/monitors/new",
        "/t/acme/monitors/new?pattern=cron",
        "/t/new",
    ):
        check(owner, address)


def test_the_page_for_visitors_is_accessible(page):
    check(page, "/")
    page.get_by_role("link", name="What people watch").click()
    expect(page.get_by_role("heading", name="For what no probe can see")).to_be_in_viewport()
