"""What visitors and subscribers do on a status page: ask, confirm, choose, leave."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils.timezone import now

from accounts.models import Team
from statuspages.rendering.words import LOCALES
from statuspages.subscribers.links import confirm_token, manage_token
from tests.factories import TeamFactory
from tests.statuspages.pages import make_component
from tests.statuspages.subscriptions import (
    ANA,
    PAGE,
    ask,
    confirm_path,
    leave_path,
    manage_path,
    messages,
    only,
    read,
    subscribed,
    subscribers,
)
from tests.statuspages.visiting import (
    again,
    change,
    make_page,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


def test_the_whole_way_from_asking_to_leaving(team: Team) -> None:
    page = make_page(team)
    api, web = make_component(page), make_component(page, name="Web")
    browser = Client()
    asked = ask(browser, components=[api.code], locale="de")
    assert (asked.status_code, asked["Location"]) == (303, f"{PAGE}subscribe/asked?locale=de")
    assert "Postfach" in read(browser.get(asked["Location"])).text
    found = only()
    assert (found.address, found.components, found.locale) == (ANA, [api.code], "de")
    assert found.confirmed_at is None
    assert messages() == ["subscription.confirm"]

    shown = read(browser.get(confirm_path(found)))
    assert shown.all("html")[0]["lang"] == "de"
    assert ANA in shown.text
    assert "API" in shown.text
    assert only().confirmed_at is None
    confirmed = browser.post(confirm_path(found))
    assert confirmed.status_code == 303
    assert only().confirmed_at is not None

    manage = read(browser.get(confirmed["Location"]))
    assert "Ihr Abonnement ist bestätigt." in manage.text
    boxes = {a["value"]: "checked" in a for a in manage.all("input") if a.get("type") == "checkbox"}
    assert boxes == {api.code: True, web.code: False}
    changes = {"components": [api.code, web.code], "locale": "en"}
    saved = browser.post(manage_path(found), changes)
    assert saved.status_code == 303
    assert "Your changes are saved." in read(browser.get(saved["Location"])).text
    assert (only().components, only().locale) == ([api.code, web.code], "en")
    browser.post(manage_path(found), {"locale": "en"})
    assert only().components == []

    form = next(a for a in manage.all("form") if "action" in a)
    assert form["action"] == leave_path(found)
    left = browser.post(leave_path(found))
    assert left.status_code == 200
    assert "You are unsubscribed" in read(left).text
    assert subscribers() == []
    for path in (confirm_path(found), manage_path(found), leave_path(found)):
        assert browser.get(path).status_code == 404
        assert browser.post(path).status_code == 404
    assert not browser.cookies


def test_looking_changes_nothing(team: Team) -> None:
    page = make_page(team)
    ask()
    found = only()
    before = (messages(), found.confirmed_at, found.components)
    for path in (confirm_path(found), manage_path(found), leave_path(found), f"{PAGE}subscribe"):
        for method in ("get", "head"):
            assert getattr(Client(), method)(path).status_code == 200, path
        assert Client().options(path).status_code == 405
        assert Client().put(path).status_code == 405
    assert (messages(), only().confirmed_at, only().components) == before
    assert again(page).version == page.version


def test_one_click_of_a_mail_program_ends_it(team: Team) -> None:
    """RFC 8058: a POST without cookies, whose answer is no redirect."""
    found = subscribed(make_page(team))
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(leave_path(found), {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert subscribers() == []


def test_no_form_needs_a_cookie(team: Team) -> None:
    make_page(team)
    strict = Client(enforce_csrf_checks=True)
    assert ask(strict).status_code == 303
    assert strict.post(confirm_path(only())).status_code == 303
    assert strict.post(manage_path(only()), {"locale": "fr"}).status_code == 303
    assert only().locale == "fr"
    assert not strict.cookies


def test_whoever_asks_learns_nothing(team: Team) -> None:
    page = make_page(team)
    subscribed(page)
    first, known = ask(email="new@example.org"), ask()
    again_ = ask(email="new@example.org")
    assert {(a.status_code, a["Location"], a.content) for a in (first, known, again_)} == {
        (303, f"{PAGE}subscribe/asked?locale=en", b"")
    }
    assert messages() == ["subscription.confirm", "subscription.manage"]


def test_a_webhook_is_asked_for_in_the_same_form(team: Team) -> None:
    make_page(team)
    hook = "https://hooks.example.org/x"
    # The second button, or Enter in the second field.
    for fields in ({"url": hook, "kind": "webhook"}, {"url": hook, "email": ""}):
        asked = ask(**fields)
        assert asked["Location"] == f"{PAGE}subscribe/asked?locale=en&kind=webhook"
    assert "confirm_url" in read(Client().get(asked["Location"])).text
    found = only()
    assert (found.kind, found.address) == ("webhook", hook)
    shown = read(Client().get(manage_path(found)))
    assert found.secret.startswith("whsec_")
    assert found.secret in shown.text
    # With both filled in the first button means the first field.
    ask(url=hook)
    assert {one.kind for one in subscribers()} == {"email", "webhook"}


@pytest.mark.parametrize(
    ("fields", "said", "bad"),
    [
        ({"email": ""}, "not an e-mail address", "email"),
        ({"email": "ana"}, "not an e-mail address", "email"),
        ({"email": "a@example.org\r\nBcc: b@example.org"}, "not an e-mail address", "email"),
        ({"email": "\x00@example.org"}, "not an e-mail address", "email"),
        ({"email": "x" * 100_000}, "not an e-mail address", "email"),
        ({"kind": "webhook"}, "cannot be called", "url"),
        ({"kind": "webhook", "url": "http://127.0.0.1/"}, "cannot be called", "url"),
        ({"kind": "webhook", "url": "javascript:alert(1)"}, "cannot be called", "url"),
        ({"components": ["zzzzzzzzzzzz"]}, "not on this page any more", None),
        ({"components": ["\x00"]}, "not on this page any more", None),
    ],
)
def test_a_mistake_shows_the_form_again(team: Team, fields: Any, said: str, bad: str) -> None:
    make_page(team)
    answer = ask(**fields)
    assert answer.status_code == 400
    page = read(answer)
    assert said in page.text
    wrong = [a["name"] for a in page.all("input") if a.get("aria-invalid") == "true"]
    assert wrong == ([bad] if bad else [])
    assert subscribers() == []
    assert messages() == []


def test_what_was_typed_stays_in_the_form_as_text(team: Team) -> None:
    page = make_page(team)
    api = make_component(page, name="<b>API</b>")
    evil = '"><script>alert(1)</script>'
    page = read(ask(email=evil, components=[api.code]))
    field = next(a for a in page.all("input") if a["name"] == "email")
    assert field["value"] == evil
    assert [a for a in page.all("input") if a.get("type") == "checkbox" and "checked" in a]
    assert "<b>API</b>" in page.text


def test_what_fills_the_hidden_field_is_a_program(team: Team) -> None:
    make_page(team)
    answer = ask(subject="Great offers")
    assert (answer.status_code, answer["Location"]) == (303, f"{PAGE}subscribe/asked?locale=en")
    assert subscribers() == []


def test_one_network_cannot_ask_without_end(team: Team) -> None:
    make_page(team)
    client = Client(REMOTE_ADDR="203.0.113.77")
    for n in range(60):
        answer = ask(client, email=f"a{n}@example.org")
        if answer.status_code != 303:
            break
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "Too many subscriptions" in read(answer).text
    assert ask(Client(REMOTE_ADDR="203.0.113.78"), email="b@example.org").status_code == 303


def test_other_tokens_open_nothing(team: Team) -> None:
    page = make_page(team)
    other = make_page(TeamFactory(slug="rival"), "other")
    mine, theirs = subscribed(page, confirmed_at=None), subscribed(other)
    tokens = {
        "confirm": [manage_token(mine), confirm_token(theirs)],
        "manage": [confirm_token(mine), manage_token(theirs), manage_token(mine) + "x"],
        "unsubscribe": [confirm_token(mine), manage_token(theirs), manage_token(mine)[:-1]],
    }
    for use, wrong in tokens.items():
        for token in (*wrong, "x", "a" * 200, ":", "....", "-:-"):
            for method in ("get", "post"):
                answer = getattr(Client(), method)(f"{PAGE}subscribe/{use}/{token}/")
                assert answer.status_code == 404, (use, token)
                text = read(answer).text
                assert "This link does not work any more" in text
                assert "example.org" not in text
    assert [one.confirmed_at is None for one in subscribers()] == [True, False]


def test_a_link_to_confirm_runs_out(team: Team) -> None:
    from datetime import timedelta

    page = make_page(team)
    found = subscribed(page, confirmed_at=None, asked_at=now() - timedelta(days=8))
    answer = Client().post(confirm_path(found))
    assert answer.status_code == 404
    assert "run out" in read(answer).text
    assert only().confirmed_at is None


def test_who_has_confirmed_already_is_led_on(team: Team) -> None:
    found = subscribed(make_page(team), asked_at=now())
    answer = Client().get(confirm_path(found))
    assert (answer.status_code, answer["Location"]) == (303, manage_path(found))


def test_who_gets_nothing_is_told_why_and_can_begin_again(team: Team) -> None:
    page = make_page(team)
    found = subscribed(page, disabled_at=now())
    shown = read(Client().get(manage_path(found)))
    assert "refused for a long time" in shown.text
    answer = Client().post(manage_path(found), {"do": "resume"})
    assert answer.status_code == 303
    assert only().disabled_at is None
    assert "refused" not in read(Client().get(manage_path(found))).text


@pytest.mark.parametrize("locale", LOCALES)
def test_every_page_is_in_the_subscriber_s_language(team: Team, locale: str) -> None:
    page = make_page(team, locale=locale)
    words = LOCALES[locale]
    found = subscribed(page, locale=locale, confirmed_at=None, kind="webhook", address="https://x")
    waiting = confirm_path(found)
    pages = {
        f"{PAGE}subscribe": "subscribe_button",
        f"{PAGE}subscribe/asked": "asked",
        f"{PAGE}subscribe/asked?kind=webhook": "asked_webhook",
        waiting: "confirm_button",
        manage_path(found): "subscriber_language",
        leave_path(found): "unsubscribe",
        f"{PAGE}subscribe/manage/x/": "gone",
    }
    for path, key in pages.items():
        shown = read(Client().get(path))
        assert shown.all("html") == [{"lang": locale, "dir": "ltr"}], path
        assert words[key] in shown.text, path
        assert "{" not in shown.text
    change(page, locale="en" if locale != "en" else "fr")
    assert words["asked"] in read(Client().get(f"{PAGE}subscribe/asked?locale={locale}")).text
    assert words["subscribe_button"] in read(Client().get(f"{PAGE}subscribe?locale={locale}")).text
