"""The console's pages about posts and subscribers of a status page, in a browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import expect

from monitors.queries import database_now
from statuspages.engine.planned import run_plans
from statuspages.models import Post
from statuspages.services.posts import add_update, create_maintenance_post, create_post
from statuspages.services.templates import create_template
from statuspages.subscribers.subscribing import add_subscriber
from tests.browser.test_accessible import check, findings
from tests.console.personas import make_incident, make_monitor
from tests.console.status_pages import at_post, base_of, make_component, make_page, told_of

pytestmark = pytest.mark.browser
HOUR = timedelta(hours=1)
LONG = "Checkout-and-payments-with-a-rather-long-name-that-has-to-wrap-somewhere"
BODY = (
    "We see **errors** at `checkout`.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    f"> quoted\n\n[a link](https://example.org/{'x' * 80})\n\n    {'code ' * 40}"
)


def fill(people):
    """Return a page with something in every list, and the posts by name."""
    page = make_page(people.team)
    monitor = make_monitor(people.team)
    api = make_component(page, "API", monitor)
    web = make_component(page, LONG)
    incident = make_incident(monitor)
    found = {}
    found["open"] = create_post(
        page=page,
        title=f"{LONG} is slow",
        body=BODY,
        components={api: "major_outage", web: "partial_outage"},
        actor="owner@acme.example",
    )
    add_update(
        post=found["open"],
        status="identified",
        body="Found.",
        components={api: "degraded_performance"},
        actor="owner@acme.example",
    )
    found["over"] = create_post(page=page, title="Over", actor="owner@acme.example")
    add_update(post=found["over"], status="resolved", body="Over.", actor="owner@acme.example")
    found["draft"] = create_post(page=page, title="Perhaps", published=False)
    found["automatic"] = create_post(
        page=page, title="API: outage", automatic=True, incident_id=incident.pk
    )
    begins = database_now() - HOUR / 2
    for name, start in (("on", begins), ("coming", begins + 30 * HOUR)):
        found[name] = create_maintenance_post(
            page=page,
            title=f"Works {name}",
            scheduled_for=start,
            scheduled_until=start + HOUR,
            components={api: ""},
            silence=True,
            actor="owner@acme.example",
        )
    run_plans()
    create_template(page=page, name="Cause found", title=LONG, status="identified", body=BODY)
    create_template(page=page, name="Works begin", status="scheduled", body="Soon.")
    add_subscriber(page=page, kind="email", address="a-rather-long-address@storage.acme.example")
    url = f"https://hooks.example/{'x' * 90}"
    add_subscriber(page=page, kind="webhook", address=url, components=[api.code, web.code])
    return page, found


def addresses(page, found):
    """Return the addresses of all pages, by name."""
    base = base_of(page)
    with scopes_disabled():
        update = found["open"].updates.earliest("at")
        template = page.templates.get(name="Cause found")
        subscriber = page.subscribers.get(kind="webhook")
    return {
        "posts": f"{base}posts/",
        "post-new": f"{base}posts/new?template={template.pk}",
        "post": at_post(page, found["open"]),
        "post-over": at_post(page, found["over"]),
        "post-draft": at_post(page, found["draft"]),
        "post-automatic": at_post(page, found["automatic"]),
        "post-edit": at_post(page, found["open"], "edit"),
        "post-delete": at_post(page, found["open"], "delete"),
        "update-edit": at_post(page, found["open"], f"updates/{update.pk}/edit"),
        "update-delete": at_post(page, found["open"], f"updates/{update.pk}/delete"),
        "maintenance": f"{base}maintenance/",
        "maintenance-new": f"{base}maintenance/new",
        "maintenance-on": at_post(page, found["on"]),
        "maintenance-edit": at_post(page, found["coming"], "edit"),
        "maintenance-cancel": at_post(page, found["on"], "cancel"),
        "templates": f"{base}templates/",
        "template-edit": f"{base}templates/{template.pk}/edit",
        "template-delete": f"{base}templates/{template.pk}/delete",
        "subscribers": f"{base}subscribers/",
        "subscriber-new": f"{base}subscribers/new?kind=webhook",
        "subscriber-edit": f"{base}subscribers/{subscriber.pk}/edit",
        "subscriber-delete": f"{base}subscribers/{subscriber.pk}/delete",
    }


def test_no_finding_in_light_and_dark_and_no_sideways_scroll(owner, people):
    for address in addresses(*fill(people)).values():
        check(owner, address)


def test_no_finding_in_empty_lists(owner, people):
    base = base_of(make_page(people.team))
    for tab in ("posts/", "posts/new", "maintenance/", "templates/", "subscribers/"):
        check(owner, base + tab)


def test_an_incident_is_written_and_resolved_without_scripts(owner, people):
    page = make_page(people.team)
    api = make_component(page, "API")
    quiet = owner.context.browser.new_context(
        base_url=owner.url.partition("/t/")[0],
        java_script_enabled=False,
        storage_state=owner.context.storage_state(),
    )
    visit = quiet.new_page()
    visit.goto(f"{base_of(page)}posts/")
    visit.get_by_role("link", name="Write the first incident").click()
    visit.get_by_label("Title").fill("Sign-in is slow")
    visit.get_by_label("What visitors are told").fill("We **look** into it.")
    visit.get_by_role("button", name="Preview").click()
    expect(visit.locator("#preview strong")).to_have_text("look")
    expect(visit.get_by_label("Title")).to_have_value("Sign-in is slow")
    visit.get_by_label("API").select_option("major_outage")
    visit.get_by_role("button", name="Publish").click()
    expect(visit.locator("h1")).to_have_text("Sign-in is slow")
    expect(visit.get_by_text("API: Major outage").first).to_be_visible()
    visit.get_by_role("link", name="Resolve").click()
    expect(visit.get_by_label("What visitors are told")).to_have_value(
        re.compile("API is working again")
    )
    visit.get_by_role("button", name="Add the update").click()
    expect(visit.get_by_text("Over. What was it?")).to_be_visible()
    quiet.close()
    with scopes_disabled():
        post = Post.objects.get()
        assert post.resolved_at is not None
        assert not post.component_links.exclude(status="").exists()
    assert told_of(post) == 2
    assert api.pk


def test_the_enter_key_in_the_title_publishes_nothing(owner, people):
    owner.goto(f"{base_of(make_page(people.team))}posts/new")
    owner.get_by_label("Title").fill("Perhaps")
    owner.keyboard.press("Enter")
    expect(owner.locator("#preview")).to_be_visible()
    assert findings(owner) == []
    with scopes_disabled():
        assert not Post.objects.exists()


def test_the_secret_of_a_webhook_is_shown_with_a_way_to_copy_it(owner, people):
    page = make_page(people.team)
    owner.goto(f"{base_of(page)}subscribers/new?kind=webhook")
    owner.get_by_label("URL").fill("https://hooks.example/a")
    owner.get_by_role("button", name="Add the webhook").click()
    expect(owner.locator("#secret")).to_have_text(re.compile("^whsec_"))
    assert findings(owner) == []
    owner.get_by_role("link", name="I have copied it").click()
    expect(owner.locator("td.main")).to_contain_text("https://hooks.example/a")
