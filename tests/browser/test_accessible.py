"""Every main page in light and dark, wide and narrow: no serious finding, no sideways scroll."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils.timezone import now
from django_scopes import scopes_disabled
from playwright.sync_api import Page

from accounts.audit import acting
from accounts.models import Membership
from incidents.destinations import create_channel
from incidents.lifecycle.actions import acknowledge_incident
from incidents.maintenance.maintenances import create_maintenance
from incidents.notifications import test_channel
from incidents.oncall.overrides import create_override
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.policies.policies import StepValues, create_policy
from incidents.rules import create_rule
from monitors.services import delete_monitor, pause_monitor, rotate_slug, update_monitor
from tests.console.personas import make_incident, make_monitor, push

pytestmark = pytest.mark.browser
SIZES = {"wide": (1440, 900), "narrow": (375, 812)}
TO = {"to": ["a@acme.example", "a-rather-long-address@storage.acme.example"]}
OUTSIDE = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]


def findings(page: Page) -> list[str]:
    # What is new fades in: half-way its colours are nobody's.
    page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for v in found
        if v["impact"] in {"serious", "critical"}
        for node in v["nodes"]
    ]


def check(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.removeAttribute('name'))")
    page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true })")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            scrolls = page.evaluate("document.documentElement.scrollWidth")
            assert scrolls <= width, f"{address} {size} scrolls sideways"
            assert findings(page) == [], f"{address} {scheme} {size}"


def make_rotations(team):
    """Return one of two rotations; it has hours that leave gaps, and an override."""
    with scopes_disabled():
        members = list(Membership.objects.filter(team=team).order_by("created_at"))
    weekly = LayerValues("week", 1, datetime(2026, 3, 2, 9), members[:2])
    create_rotation(
        team=team, name="a-second-line-with-a-long-name", timezone="UTC", layers=[weekly]
    )
    hours = [{"weekdays": [0, 1, 2, 3, 4], "from": "09:00", "to": "17:00"}]
    daily = LayerValues("day", 1, datetime(2026, 3, 2, 9), members, hours)
    rotation = create_rotation(team=team, name="first", timezone="Europe/Berlin", layers=[daily])
    create_override(
        rotation=rotation,
        start=now(),
        end=now() + timedelta(days=2),
        membership=members[2],
        actor="owner@acme.example",
    )
    return rotation


def test_pages_of_a_team(owner, people):
    name = "warehouse-gateway-with-a-rather-long-name-that-has-to-wrap-somewhere"
    labels = {"env": "production", "a-rather-long-key": "with-a-value-of-some-length-too"}
    monitor = make_monitor(people.team, name=name, labels=labels, latency_limit_ms=900.0)
    incident = make_incident(monitor, message="x" * 300)
    acknowledge_incident(incident=incident, actor="owner@acme.example")
    push(monitor, latency_ms=1_520.5, message="slow " * 60, labels=labels)
    for n in range(3):
        push(make_monitor(people.team, name=f"m-{n}", labels={"env": "test"}))
    make_incident(make_monitor(people.team, name="silent-one"))
    pause_monitor(monitor=make_monitor(people.team, name="paused-one"))
    for kind, to in (("webhook", {"url": f"https://hooks.example/{'x' * 60}"}), ("email", TO)):
        delivery = test_channel(
            channel=create_channel(team=people.team, name=kind, kind=kind, config=to),
            actor="owner@acme.example",
        )
    rotation = make_rotations(people.team)
    policy = create_policy(
        team=people.team, name="first-and-then-all", steps=[StepValues(delay=0, targets=[rotation])]
    )
    rule = create_rule(team=people.team, name="production", match={}, policy=policy)
    window = create_maintenance(
        team=people.team,
        name="upgrade",
        monitors=[monitor],
        starts_at=now() - timedelta(hours=1),
        ends_at=now() + timedelta(hours=1),
        rrule="FREQ=WEEKLY",
        timezone="Europe/Berlin",
    )
    pending = make_monitor(people.team, name="pending-one")
    with acting("a-person-with-a-long-name@acme.example", address="2001:db8::7"):
        update_monitor(monitor=pending, grace=9, description="w" * 300, labels=labels)
        rotate_slug(monitor=pending)
        delete_monitor(monitor=make_monitor(people.team, name=name[:50]))
    for address in (
        "/t/acme/",
        "/t/acme/monitors/",
        f"/t/acme/monitors/{monitor.pk}/",
        f"/t/acme/monitors/{pending.pk}/setup",
        f"/t/acme/monitors/{monitor.pk}/edit",
        f"/t/acme/monitors/{monitor.pk}/delete",
        "/t/acme/incidents/",
        "/t/acme/incidents/insights",
        f"/t/acme/incidents/{incident.pk}/",
        "/t/acme/channels/",
        "/t/acme/channels/new",
        "/t/acme/channels/new?kind=alertmanager",
        f"/t/acme/channels/{delivery.channel_id}/edit",
        f"/t/acme/channels/{delivery.channel_id}/delete",
        "/t/acme/channels/deliveries/",
        f"/t/acme/channels/deliveries/{delivery.pk}/",
        "/t/acme/on-call/",
        f"/t/acme/on-call/rotations/{rotation.pk}/",
        f"/t/acme/on-call/rotations/{rotation.pk}/edit",
        f"/t/acme/on-call/rotations/{rotation.pk}/delete",
        "/t/acme/on-call/policies/",
        f"/t/acme/on-call/policies/{policy.pk}/edit",
        "/t/acme/on-call/rules/",
        "/t/acme/on-call/rules/new",
        f"/t/acme/on-call/rules/{rule.pk}/edit",
        "/t/acme/on-call/contacts/",
        "/t/acme/on-call/contacts/new",
        "/t/acme/on-call/contacts/new?kind=ntfy",
        "/t/acme/maintenance/",
        "/t/acme/maintenance/new",
        f"/t/acme/maintenance/{window.pk}/",
        f"/t/acme/maintenance/{window.pk}/edit",
        "/t/acme/settings/members",
        "/t/acme/settings/keys",
        "/t/acme/settings/audit",
        "/t/acme/settings/audit?search=nothing",
        "/t/acme/find?q=warehouse",
        "/t/acme/find?q=nothing",
    ):
        check(owner, address)


def test_empty_pages_and_refused_forms(owner):
    for address in (
        "/t/acme/",
        "/t/acme/monitors/",
        "/t/acme/incidents/",
        "/t/acme/on-call/",
        "/t/acme/on-call/rotations/new",
        "/t/acme/on-call/policies/",
        "/t/acme/on-call/policies/new",
        "/t/acme/on-call/rules/",
        "/t/acme/maintenance/",
        "/t/acme/settings/audit",
        "/t/new",
    ):
        check(owner, address)
    owner.goto("/t/acme/monitors/new")
    owner.locator("#id_name").fill("a/b")
    owner.get_by_label("It pushes every").fill("often")
    owner.get_by_role("button", name="Create the monitor").click()
    owner.get_by_text("Write a duration such as").wait_for()
    for scheme in ("light", "dark"):
        owner.emulate_media(color_scheme=scheme)
        assert findings(owner) == []


def test_pages_for_visitors(page):
    for address in OUTSIDE:
        check(page, address)


def test_the_menu_and_the_first_key_press(owner):
    owner.keyboard.press("Tab")
    assert owner.evaluate("document.activeElement.textContent") == "Skip to content"
    owner.keyboard.press("Enter")
    assert owner.evaluate("document.activeElement.id") == "main"
    owner.locator("details.menu:visible summary").click()
    assert findings(owner) == []
    owner.keyboard.press("Escape")
    assert owner.locator("details.menu[open]").count() == 0
