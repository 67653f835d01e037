"""The preview in the editor: drawn by the page's renderer, framed by the console alone."""

from __future__ import annotations

import pytest
from django.test import Client
from django_scopes import scopes_disabled

from statuspages.models import StatusPage
from statuspages.services.assets import set_asset
from statuspages.services.components import create_component
from statuspages.services.pages import create_page
from tests.console.pictures import make_png
from tests.console.test_status_pages import at, read, settings_of, text_of


@pytest.fixture
def page(people):
    page = create_page(team=people.team, name="Acme status", slug="acme")
    create_component(page=page, name="Checkout")
    return page


def test_members_look_at_an_unpublished_page(browse, people, page):
    shown = browse(people.viewer).get(at(page, "preview"))
    assert "Checkout" in text_of(shown)
    assert "All systems operational" in text_of(shown)
    assert Client().get("/status/acme/").status_code == 404


def test_only_the_preview_may_be_framed_and_only_by_us(owner, page):
    shown = owner.get(at(page, "preview"))
    assert "frame-ancestors 'self'" in shown["Content-Security-Policy"]
    assert "script-src" not in shown["Content-Security-Policy"]
    assert "default-src 'none'" in shown["Content-Security-Policy"]
    assert (shown["X-Frame-Options"], shown["Cache-Control"]) == ("SAMEORIGIN", "no-store")
    editor = owner.get(at(page, "settings"))
    assert "frame-ancestors 'none'" in editor["Content-Security-Policy"]
    assert editor["X-Frame-Options"] == "DENY"


def test_the_preview_shows_what_is_not_stored(owner, page):
    asked = settings_of(
        page, name="Brand new", description="Soon", locale="de", colour_background="#ffeedd"
    )
    shown = text_of(owner.post(at(page, "preview"), asked))
    assert "Brand new" in shown
    assert "Soon" in shown
    assert "--bg:#ffeedd" in shown
    assert '<html lang="de"' in shown
    assert (read(page).name, read(page).version) == ("Acme status", page.version + 1)


def test_what_cannot_be_taken_is_previewed_as_it_is(owner, page):
    asked = settings_of(page, name="", timezone="Mars/Base", colour_up="green", locale="xx")
    shown = owner.post(at(page, "preview"), {**asked, "weight_major": "nan"})
    assert shown.status_code == 200
    assert "Acme status" in text_of(shown)
    assert owner.post(at(page, "preview"), {}).status_code == 200


@pytest.mark.parametrize(("theme", "ground"), [("light", "#ffffff"), ("dark", "#12161c")])
def test_a_theme_is_drawn_whatever_the_screen_prefers(owner, page, theme, ground):
    shown = text_of(owner.get(at(page, "preview"), {"theme": theme}))
    screen = shown[: shown.index("@media print")]
    assert screen.count(f"--bg:{ground}") == 2, "by daylight and at night"


def test_pictures_come_from_where_members_may_look(owner, page):
    set_asset(page=page, kind="logo", content=make_png())
    shown = text_of(owner.get(at(page, "preview")))
    source = shown.partition('<img src="')[2].partition('"')[0]
    assert source.startswith(at(page, "pictures/logo"))
    assert owner.get(source).content == make_png()


def test_a_preview_that_is_posted_needs_the_token(browse, people, page):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert strict.post(at(page, "preview"), settings_of(page)).status_code == 403


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_preview_is_made_of_cleaned_text_as_the_page_is(owner, page, is_stored):
    harmful = {"name": "Ac\u202eme", "support_url": "javascript:alert(1)"}
    if is_stored:
        with scopes_disabled():
            StatusPage.objects.filter(pk=page.pk).update(**harmful)
        answer = owner.get(at(page, "preview"))
    else:
        answer = owner.post(at(page, "preview"), settings_of(page, **harmful))
    shown = text_of(answer)
    assert "Acme" in shown
    assert "javascript:" not in shown
