"""The public page as a visitor's browser shows it: from files, with nothing behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from statuspages.rendering.representations import render
from tests.statuspages.views import make_code, make_views

pytestmark = pytest.mark.browser
VIEWS = make_views()
# Looking takes seconds: these in both themes and sizes, others once in each theme.
THOROUGH = {"open_incident", "coloured"}
SOME = {("light", "wide"), ("dark", "narrow")}
SIZES = {"wide": (1440, 900), "narrow": (375, 812)}


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Page]:
    """A page whose every complaint and every request to elsewhere fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file:", "data:")) or complaints.append(request.url)
        ),
    )
    yield page
    assert complaints == []
    context.close()


def show(page: Page, folder, name: str, path: str = "") -> None:
    rendering = render(VIEWS[name], path)
    assert rendering is not None
    file = folder / f"{name}.html"
    file.write_bytes(rendering.body)
    page.goto(file.as_uri())


def findings(page: Page) -> list[str]:
    return [
        f"{v['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for v in Axe().run(page).response["violations"]
        for node in v["nodes"]
    ]


@pytest.mark.parametrize("name", VIEWS)
def test_no_finding_in_light_and_dark_and_no_sideways_scroll(visitor, tmp_path, name):
    paths = ("", "history", f"posts/{make_code('inc1')}") if name == "open_incident" else ("",)
    for path in paths:
        show(visitor, tmp_path, name, path)
        if name != "big":
            visitor.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        for scheme in ("light", "dark"):
            visitor.emulate_media(color_scheme=scheme)
            for size, (width, height) in SIZES.items():
                visitor.set_viewport_size({"width": width, "height": height})
                scrolls = visitor.evaluate("document.documentElement.scrollWidth")
                assert scrolls <= width, f"{name} {size} scrolls sideways"
                if name in THOROUGH or (scheme, size) in SOME:
                    assert findings(visitor) == [], f"{name} {path} {scheme} {size}"


def test_days_are_read_with_the_keyboard_alone(visitor, tmp_path):
    show(visitor, tmp_path, "all_up")
    visitor.keyboard.press("Tab")
    assert visitor.evaluate("document.activeElement.textContent") == "Skip to content"
    visitor.keyboard.press("Enter")
    visitor.keyboard.press("Tab")
    assert visitor.evaluate("document.activeElement.tagName") == "SUMMARY"
    visitor.keyboard.press("Enter")
    row = visitor.locator("details[open] tr", has_text="partial outage").first
    assert row.is_visible()
    assert row.locator("th").inner_text() == "9 Nov"


def test_the_style_is_let_in_by_the_page_s_own_policy(visitor, tmp_path):
    show(visitor, tmp_path, "coloured")
    assert visitor.evaluate("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(255, 247, 230)"
    )
    assert visitor.evaluate("getComputedStyle(document.body).maxWidth") == "864px"
    visitor.emulate_media(color_scheme="dark")
    assert visitor.evaluate("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(32, 32, 64)"
    )


def test_print_is_dark_on_light_and_without_the_form(visitor, tmp_path):
    show(visitor, tmp_path, "all_up")
    visitor.emulate_media(color_scheme="dark", media="print")
    assert visitor.evaluate("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert not visitor.locator("#subscribe").is_visible()


def test_a_script_in_a_page_would_not_run(visitor, tmp_path):
    rendering = render(VIEWS["all_up"], "")
    file = tmp_path / "evil.html"
    evil = b"<script>document.title='evil'</script></body>"
    file.write_bytes(rendering.body.replace(b"</body>", evil))
    heard: list[str] = []
    page = visitor.context.new_page()
    page.on("console", lambda message: heard.append(message.text))
    page.goto(file.as_uri())
    assert page.title() == "Acme status"
    assert any("Content Security Policy" in text for text in heard)
