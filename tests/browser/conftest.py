from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import find_chromium, open_browser
from tests.console.personas import PASSWORD, Personas, listen_now, make_personas

expect.set_options(timeout=10_000)  # live parts are asked for every 5 s


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if find_chromium() is None:
        if os.environ.get("TOCSIN_REQUIRE_BROWSER") == "1":
            pytest.fail("TOCSIN_REQUIRE_BROWSER=1 and no Chromium found")
        pytest.skip("no Chromium found: browser tests are left out")
    # Playwright keeps an event loop in this thread, and Django takes that for asynchronous code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with open_browser() as browser:
        yield browser
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Watched:
    """A page whose every complaint and every request to elsewhere is noted."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.host = host
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(5_000)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _see(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob", "about"} and parts.netloc != self.host:
            self.complaints.append(f"request to elsewhere: {request.url}")


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    """Forget how often an address has signed up or logged in: other tests use the same ones."""
    cache.clear()


@pytest.fixture
def site(transactional_db: Any, live_server: Any, settings: Any) -> str:
    settings.BASE_URL = live_server.url
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    listen_now()
    return str(live_server.url)


@pytest.fixture
def context(chromium: Browser, site: str) -> Iterator[BrowserContext]:
    opened = chromium.new_context(base_url=site, viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, site: str) -> Iterator[Page]:
    watched = Watched(context, urlsplit(site).netloc)
    yield watched.page
    assert watched.complaints == []


@pytest.fixture
def people(site: str) -> Personas:
    return make_personas()


@pytest.fixture
def owner(page: Page, people: Personas) -> Page:
    """A page of the owner's, logged in."""
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(people.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/t/acme/")
    return page
