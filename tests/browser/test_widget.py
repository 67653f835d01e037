"""Statuspage's own widget, unchanged in somebody else's page, shows ours in every state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled
from playwright.sync_api import Browser, expect

from statuspages.models import StatusPage
from statuspages.services.pages import update_page
from tests.clients.modules import need_modules
from tests.clients.scenes import Scene, make_scenes, serve
from tests.factories import TeamFactory

pytestmark = pytest.mark.browser
EMBEDDING = "http://shop.example/"


@pytest.fixture
def served(chromium: Browser, transactional_db: Any, settings: Any) -> Iterator[str]:
    need_modules()
    with serve(settings) as address:
        yield address


@pytest.fixture
def scenes(served: str) -> dict[str, Scene]:
    return make_scenes(TeamFactory(slug="acme"))


def own_domain(name: str, scene: Scene) -> str:
    """Give the page a domain that is proved: the widget reads a domain's root."""
    domain = f"{name.replace('_', '-')}.acme.example"
    update_page(page=scene.page, domain=domain)
    with scopes_disabled():
        StatusPage.objects.filter(pk=scene.page.pk).update(domain_verified_at=now())
    return domain


def test_the_widget_shows_every_state(chromium, served, scenes):
    script = need_modules() / "@statuspage/status-widget/dist/index.js"
    domains = {name: own_domain(name, scene) for name, scene in scenes.items()}
    widgets = "".join(
        f'<statuspage-widget id="{name}" src="http://{domain}"></statuspage-widget>'
        for name, domain in domains.items()
    )
    # Every domain leads to our server, as its DNS would.
    context = chromium.new_context(proxy={"server": served})
    page = context.new_page()
    html = f"<!DOCTYPE html><title>Shop</title>{widgets}"
    page.route(EMBEDDING, lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(EMBEDDING)
    page.add_script_tag(path=script)
    for name, scene in scenes.items():
        widget = page.locator(f"#{name}")
        expect(widget.locator(".status-text")).to_have_text(scene.expected.description)
        expect(widget.locator(".status-indicator")).to_contain_class(scene.expected.indicator)
        assert widget.locator("a").get_attribute("href") == f"http://{domains[name]}"
    context.close()
