"""The public page as a visitor's browser shows it: from files, with nothing behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django_scopes import scopes_disabled
from playwright.sync_api import Browser, Page, expect

from statuspages.models import Subscriber
from statuspages.rendering.forms import (
    Frame,
    write_asked,
    write_confirm,
    write_gate,
    write_gone,
    write_manage,
    write_subscribe,
    write_unsubscribe,
    write_unsubscribed,
)
from statuspages.rendering.html import Choice
from statuspages.rendering.representations import render
from statuspages.rendering.words import LOCALES
from statuspages.serving.snapshots import render_page
from statuspages.subscribers.links import confirm_url
from tests.factories import TeamFactory
from tests.statuspages.pages import make_component as add_component
from tests.statuspages.pages import make_page as publish_page
from tests.statuspages.views import (
    make_code,
    make_component,
    make_latency,
    make_view,
    make_views,
)

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


CHOICES = (
    Choice("aaaaaaaaaaaa", "API", chosen=True),
    Choice("bbbbbbbbbbbb", "The website and everything that stands behind it"),
)
HOOK = "https://hooks.example.org/a/path/that/goes/on/0123456789abcdef0123456789abcdef"
SOFT = {"accent": "#ffcc00", "background": "#fff7e6", "dark_background": "#202040"}


def make_forms(frame: Frame) -> dict[str, bytes]:
    """Return every small page around a status page."""
    return {
        "gate": write_gate(frame, wrong=True, throttled=False),
        "throttled": write_gate(frame, wrong=False, throttled=True),
        "form": write_subscribe(
            frame, CHOICES, email="ana", url="http://127.0.0.1", problem="bad_email"
        ),
        "asked": write_asked(frame, webhook=False),
        "gone": write_gone(frame),
        "confirm": write_confirm(frame, address="ana@example.org", chosen=["API"]),
        "manage": write_manage(
            frame,
            CHOICES,
            address=HOOK,
            secret="whsec_" + "a1B2" * 11,
            language="de",
            leave="/leave",
            said="saved",
            silent="given_up",
            problem="bad_components",
        ),
        "unsubscribe": write_unsubscribe(frame, address=HOOK),
        "unsubscribed": write_unsubscribed(frame, address=HOOK),
    }


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


@pytest.mark.parametrize("locale", LOCALES)
def test_no_finding_on_the_small_pages_around_it(visitor, tmp_path, locale):
    frame = Frame(name="Acme", locale=locale, root="/", colours=SOFT if locale == "de" else {})
    for name, body in make_forms(frame).items():
        file = tmp_path / f"{name}.html"
        file.write_bytes(body)
        visitor.goto(file.as_uri())
        for scheme, size in SOME if locale in ("en", "de") else [("light", "narrow")]:
            width, height = SIZES[size]
            visitor.emulate_media(color_scheme=scheme)
            visitor.set_viewport_size({"width": width, "height": height})
            scrolls = visitor.evaluate("document.documentElement.scrollWidth")
            assert scrolls <= width, f"{name} {locale} {size} scrolls sideways"
            assert findings(visitor) == [], f"{name} {locale} {scheme} {size}"


def test_the_words_of_a_plot_are_as_large_on_a_phone(visitor, tmp_path):
    view = make_view(components=(make_component("API", latency=make_latency(48)),), groups=())
    file = tmp_path / "plot.html"
    file.write_bytes(render(view, "").body)
    visitor.goto(file.as_uri())
    for width, height in SIZES.values():
        visitor.set_viewport_size({"width": width, "height": height})
        words = visitor.locator(".plot span")
        assert words.count() == 5
        for word in words.all():
            assert word.evaluate("e => e.getBoundingClientRect().height") >= 16
        plot = visitor.locator(".plot").bounding_box()
        assert plot["x"] >= 0
        assert plot["x"] + plot["width"] <= width


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


def test_a_visitor_subscribes_chooses_and_leaves_without_a_script(page, site):
    shown = publish_page(TeamFactory(slug="acme"))
    add_component(shown, name="API")
    add_component(shown, name="Web")
    render_page(shown.pk)
    page.goto("/status/acme/de/")
    page.get_by_text("Nur einige Komponenten").click()
    page.get_by_role("checkbox", name="Web").check()
    page.get_by_label("E-Mail-Adresse").fill("ana@example.org")
    page.get_by_role("button", name="Per E-Mail abonnieren").click()
    expect(page.get_by_role("heading", name="Sehen Sie in Ihr Postfach")).to_be_visible()
    with scopes_disabled():
        found = Subscriber.objects.get()
    page.goto(confirm_url(shown, found))
    page.get_by_role("button", name="Bestätigen").click()
    expect(page.get_by_role("status")).to_have_text("Ihr Abonnement ist bestätigt.")
    expect(page.get_by_role("checkbox", name="Web")).to_be_checked()
    page.get_by_role("checkbox", name="API").check()
    page.get_by_label("Sprache der Nachrichten").select_option("en")
    page.get_by_role("button", name="Speichern").click()
    expect(page.get_by_role("status")).to_have_text("Your changes are saved.")
    expect(page.get_by_role("checkbox", name="API")).to_be_checked()
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    assert page.context.cookies() == []
    with scopes_disabled():
        assert not Subscriber.objects.exists()
