"""What a webhook gets, and what becomes of messages that are not taken at once."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from standardwebhooks import Webhook

from accounts.models import Team
from monitors.queries import database_now
from statuspages.models import StatusPage
from statuspages.services import pages, posts
from statuspages.subscribers import outbox
from statuspages.subscribers.sender import MOST_ATTEMPTS, send_leased
from tests.providers import Answer, MailServer, Provider
from tests.statuspages.following import (
    follow,
    hook,
    line_up,
    make_due,
    messages,
    states,
    stored,
    tell,
)
from tests.statuspages.pages import make_component, make_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def ids(provider: Provider) -> list[str]:
    return [got.headers["webhook-id"] for got in provider.got]


def outcome() -> str:
    (message,) = messages()
    return message.outcome


def test_a_webhook_gets_the_public_incident_signed(page: StatusPage, provider: Provider) -> None:
    api = make_component(page, name="API")
    subscriber = hook(page, provider.url)
    post = posts.create_post(
        page=page, title="API slow", body="We look.", components={api: "partial_outage"}
    )
    tell()
    (got,) = provider.got
    data = Webhook(subscriber.secret).verify(got.body, got.headers)
    assert data["type"] == "page.update"
    assert data["timestamp"].endswith("Z")
    data = data["data"]
    assert data["page"] == {
        "id": page.code,
        "name": "Acme",
        "url": pages.page_url(page).rstrip("/"),
    }
    assert (data["incident"]["id"], data["incident"]["name"]) == (post.code, "API slow")
    assert data["incident"]["incident_updates"][0]["body"] == "We look."
    assert data["incident"]["components"][0]["id"] == api.code
    assert data["incident_update"]["status"] == "investigating"
    assert data["component_updates"] == [
        {
            "code": api.code,
            "name": "API",
            "old_status": "operational",
            "new_status": "partial_outage",
        }
    ]
    assert "/status/acme/subscribe/manage/" in data["manage_url"]


def test_another_try_sends_the_same_bytes_with_the_same_key(
    page: StatusPage, provider: Provider
) -> None:
    provider.answer = lambda n: 503 if n < 3 else 200
    hook(page, provider.url)
    post = posts.create_post(page=page, title="API slow")
    tell()
    assert states() == ["pending"]
    wait = (messages()[0].next_attempt_at - database_now()).total_seconds()
    assert 1 < wait < 6
    assert tell() == 0
    pages.update_page(page=page, name="Renamed")
    posts.update_post(post=post, title="Other words")
    for _ in range(2):
        make_due()
        tell()
    assert states() == ["delivered"]
    assert len(set(ids(provider))) == 1
    assert len({got.body for got in provider.got}) == 1
    assert len(provider.got) == 3
    assert messages()[0].payload is None


def test_a_dead_senders_message_is_sent_again_with_the_same_key(
    page: StatusPage, provider: Provider
) -> None:
    hook(page, provider.url)
    posts.create_post(page=page, title="API slow")
    line_up()
    (lost,) = outbox.claim(limit=1)
    assert tell() == 0  # its lease still runs
    make_due()
    assert tell() == 1
    assert ids(provider) == [str(lost.id)]
    assert messages()[0].attempt_count == 2
    # Who comes back from the dead neither sends nor records.
    assert send_leased(lost) == ""
    assert (states(), len(provider.got)) == (["delivered"], 1)


def test_a_mail_has_the_same_id_on_every_try(page: StatusPage, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    follow(page)
    posts.create_post(page=page, title="API slow")
    with MailServer({"data": "451 later"}) as server:
        settings.EMAIL_PORT = server.port
        tell()
        assert states() == ["pending"]
        del server.replies["data"]
        make_due()
        tell()
        (sent,) = server.mails
    assert f"Message-ID: <{messages()[0].pk}@".encode() in sent
    assert states() == ["delivered"]


@pytest.mark.parametrize("answer", [400, 403, 404, 301])
def test_what_cannot_pass_is_given_up(page: StatusPage, provider: Provider, answer: int) -> None:
    provider.answer = lambda n: answer
    subscriber = hook(page, provider.url)
    posts.create_post(page=page, title="API slow")
    tell()
    assert (states(), len(provider.got)) == (["failed"], 1)
    assert str(answer) in outcome()
    kept = stored(subscriber)
    assert kept is not None
    assert kept.disabled_at is None


def test_after_half_a_day_it_is_given_up(page: StatusPage, provider: Provider) -> None:
    provider.answer = lambda n: 500
    hook(page, provider.url)
    posts.create_post(page=page, title="API slow")
    line_up()
    for _ in range(MOST_ATTEMPTS + 1):
        make_due()
        tell()
    assert (states(), len(provider.got)) == (["failed"], 30)


def test_a_webhook_that_says_when_to_come_again_is_heeded(
    page: StatusPage, provider: Provider
) -> None:
    provider.answer = lambda n: Answer(429, {"Retry-After": "900"})
    hook(page, provider.url)
    posts.create_post(page=page, title="API slow")
    tell()
    wait = (messages()[0].next_attempt_at - database_now()).total_seconds()
    assert 890 < wait <= 900


def test_a_webhook_that_is_gone_is_told_nothing_more(page: StatusPage, provider: Provider) -> None:
    provider.answer = lambda n: 410
    subscriber = hook(page, provider.url)
    for title in ("One", "Two", "Three"):
        posts.create_post(page=page, title=title)
    line_up()
    (leased,) = outbox.claim(limit=1)
    assert send_leased(leased) == "failed"
    given_up = stored(subscriber)
    assert given_up is not None
    assert given_up.disabled_at is not None
    assert sorted(states()) == ["cancelled", "cancelled", "failed"]
    posts.create_post(page=page, title="Four")
    assert tell() == 0
    assert len(provider.got) == 1


def test_an_address_refused_three_times_in_a_row_is_given_up(
    page: StatusPage, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    subscriber = follow(page)

    def post(title: str) -> int:
        posts.create_post(page=page, title=title)
        tell()
        found = stored(subscriber)
        assert found is not None
        assert (found.disabled_at is not None) == (found.refused_count >= 3)
        return found.refused_count

    with MailServer({"rcpt": "550 no such user"}) as server:
        settings.EMAIL_PORT = server.port
        assert [post("1"), post("2")] == [1, 2]
        server.replies.clear()
        assert post("3") == 0
        # That the server does not take our mails says nothing of the address.
        server.replies["mail"] = "550 not from you"
        assert post("4") == 0
        server.replies["rcpt"] = server.replies.pop("mail")
        assert [post("5"), post("6"), post("7"), post("8")] == [1, 2, 3, 3]
    assert len(messages()) == 7
