"""What a subscriber's mail says, and what a hostile text cannot make of it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from django.core import mail

from accounts.models import Team
from statuspages.models import StatusPage
from statuspages.rendering.words import words_of
from statuspages.services import posts
from statuspages.subscribers import links, subscribing
from tests.statuspages.following import follow, messages, tell, token_in
from tests.statuspages.pages import make_component, make_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team)


def sent_mail() -> EmailMessage:
    """Return the one mail as its reader's program understands it."""
    (sent,) = mail.outbox
    content = sent.message().as_bytes()
    return cast("EmailMessage", message_from_bytes(content, policy=policy.default))


def part(found: EmailMessage, kind: str) -> str:
    body = found.get_body(preferencelist=(kind,))
    assert body is not None
    return str(body.get_content())


def test_programs_can_unsubscribe_and_thread_and_tell_it_from_a_persons(page: StatusPage) -> None:
    subscriber = follow(page)
    post = posts.create_post(page=page, title="API slow")
    tell()
    found = sent_mail()
    url = links.unsubscribe_url(page, subscriber)
    assert found["List-Unsubscribe"] == f"<{url}>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found["Message-ID"].startswith(f"<{messages()[0].pk}@")
    assert found["X-Tocsin-Delivery"] == str(messages()[0].pk)
    assert found["In-Reply-To"].startswith(f"<post-{post.code}@")
    assert found["List-Id"].startswith(f"<{page.code}.status.")
    assert (found["Auto-Submitted"], found["Precedence"]) == ("auto-generated", "bulk")
    assert found["To"] == "ann@example.org"
    for kind in ("plain", "html"):
        text = part(found, kind)
        assert links.read_manage(page, token_in(text, "manage")) == subscriber
        assert links.read_manage(page, token_in(text, "unsubscribe")) == subscriber
        assert f"/status/acme/posts/{post.code}" in text


@pytest.mark.parametrize("name", ["Zoë’s “Shop”, Inc.", 'a" <x@evil.example>,', "状態" * 60])
def test_an_update_comes_in_the_name_of_the_page(team: Team, settings: Any, name: str) -> None:
    settings.DEFAULT_FROM_EMAIL = "Tocsin <alerts@tocsin.example>"
    page = make_page(team, name=name)
    follow(page)
    posts.create_post(page=page, title="API slow")
    tell()
    (sender,) = sent_mail()["From"].addresses
    assert sender.addr_spec == "alerts@tocsin.example"
    # Python's reader leaves the spaces between encoded words, which are none of the text.
    shown = sender.display_name.replace(" ", "")
    assert shown.startswith(name.replace(" ", "")[:20])


def test_a_first_mail_comes_in_the_name_of_the_operator(page: StatusPage, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Tocsin <alerts@tocsin.example>"
    subscribing.ask_email(page=page, address="ann@example.org")
    tell()
    assert sent_mail()["From"] == "Tocsin <alerts@tocsin.example>"


def test_markdown_is_words_in_text_and_harmless_in_html(page: StatusPage) -> None:
    follow(page)
    body = (
        "We **look**. <script>alert(1)</script> [click](javascript:alert(1))"
        " ![x](https://spy.example/p.gif)\n\n- one\n- two"
    )
    posts.create_post(page=page, title="<b>API</b> & more", body=body)
    tell()
    found = sent_mail()
    text, html = part(found, "plain"), part(found, "html")
    assert "We look." in text
    assert "<b>API</b> & more" in text
    assert "<strong>look</strong>" in html
    assert "<li>one</li>" in html
    assert "&lt;b&gt;API&lt;/b&gt; &amp; more" in html
    for harm in ("<script", "javascript:alert", "<img", "<b>API"):
        assert harm not in html.replace("[click](javascript:alert(1))", "")


@pytest.mark.parametrize(
    "title",
    [
        "Down\nBcc: victim@example.org",
        "Down\r\n\r\nNot the body",
        "Down\u2028Bcc: victim@example.org",
        "=?utf-8?B?QmNjOiB4?=",
        "Größer 故障 \u202egnp.exe",
        "x" * 200,
    ],
)
def test_no_text_becomes_a_header(team: Team, title: str) -> None:
    page = make_page(team, name=f"Acme{title[4:30]}")
    follow(page)
    posts.create_post(page=page, title=title)
    tell()
    found = sent_mail()
    assert found["Bcc"] is None
    assert found.get_all("To") == ["ann@example.org"]
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    subject = str(found["Subject"])
    assert "\n" not in subject
    assert "\u202e" not in subject
    if "=?" in title:
        assert title in subject


LEAVE = {
    "en": "Unsubscribe",
    "de": "Abbestellen",
    "fr": "Se désabonner",
    "es": "Cancelar la suscripción",
    "pt": "Cancelar a subscrição",
    "ja": "購読を解除する",
}


@pytest.mark.parametrize("locale", LEAVE)
def test_a_mail_is_in_the_subscribers_language(page: StatusPage, locale: str) -> None:
    follow(page, locale=locale)
    api = make_component(page, name="API")
    posts.create_post(page=page, title="API slow", components={api: "major_outage"})
    tell()
    found = sent_mail()
    words = words_of(locale)
    text, html = part(found, "plain"), part(found, "html")
    assert LEAVE[locale] in text
    assert LEAVE[locale] in html
    assert f'<html lang="{locale}">' in html
    assert words["investigating"] in str(found["Subject"])
    assert f"API: {words['major_outage']}" in text


def test_what_it_affects_is_said_where_nothing_changed(page: StatusPage) -> None:
    follow(page)
    posts.create_post(page=page, title="x", components={make_component(page, name="API"): ""})
    tell()
    assert "Affects: API" in part(sent_mail(), "plain")


def test_a_verified_domain_is_in_every_link(team: Team, settings: Any) -> None:
    page = make_page(team, domain="status.example.org", domain_verified_at="2026-01-01T00:00Z")
    follow(page)
    posts.create_post(page=page, title="x")
    tell()
    found = sent_mail()
    for kind in ("plain", "html"):
        assert settings.BASE_URL not in part(found, kind)
    assert found["List-Unsubscribe"].startswith("<https://status.example.org/subscribe/unsub")
