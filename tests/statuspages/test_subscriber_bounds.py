"""What cannot be done with subscriptions: flood an address, read a link in a log, race a delete."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import Team
from config.redaction import redact
from statuspages.models import StatusPage, Subscriber, SubscriberMessage
from statuspages.services.pages import delete_page
from statuspages.subscribers import links, subscribing, throttles
from statuspages.subscribers.mails import mailable_name
from statuspages.subscribers.subscribing import (
    AskedAlready,
    NotWaiting,
    add_subscriber,
    ask_again,
    ask_email,
    unsubscribe,
)
from tests.racing import PATIENCE_SECONDS, before_sql, start, wait_for
from tests.statuspages.following import age, follow, messages, stored, tell
from tests.statuspages.pages import make_page
from tests.statuspages.subscriptions import confirm_path, leave_path, manage_path

pytestmark = pytest.mark.django_db(transaction=True)
ANA = "ana@example.org"


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team)


def test_no_log_holds_what_opens_a_subscription(page: StatusPage, caplog: Any) -> None:
    subscriber = follow(page, ANA)
    for path in (confirm_path(subscriber), manage_path(subscriber), leave_path(subscriber)):
        token = path.split("/")[-2]
        said = redact(f"Method Not Allowed: {path}?x=1")
        assert token not in said
        assert token.rpartition(":")[2] not in said
        assert said.endswith("/[redacted]/?x=1")
    assert redact("GET /status/acme/subscribe/asked 200") == "GET /status/acme/subscribe/asked 200"


@pytest.mark.parametrize("anew", ["subscriber", "page"])
def test_deleting_and_adding_again_floods_no_address(team: Team, anew: str) -> None:
    page = make_page(team)
    for _ in range(throttles.MOST_PER_DAY_EVERYWHERE + 5):
        subscriber = add_subscriber(page=page, kind="email", address=ANA.upper())
        tell()
        if anew == "page":
            delete_page(page=page)
            page = make_page(team)
        else:
            unsubscribe(subscriber=subscriber)
    assert len(mail.outbox) == throttles.MOST_PER_DAY_EVERYWHERE
    ask_email(page=page, address="bob@example.org")
    tell()
    assert mail.outbox[-1].to == ["bob@example.org"]
    age("askingnetwork", since="1 day 1 minute")
    ask_email(page=page, address=ANA)
    tell()
    assert mail.outbox[-1].to == [ANA]


def test_the_team_can_have_the_link_sent_once_more(page: StatusPage) -> None:
    subscriber = add_subscriber(page=page, kind="email", address=ANA)
    tell()
    with pytest.raises(AskedAlready):
        ask_again(subscriber=subscriber)
    age("subscribermessage", created_at="11 minutes")
    ask_again(subscriber=subscriber)
    tell()
    assert [sent.to for sent in mail.outbox] == [[ANA], [ANA]]
    subscribing.confirm(subscriber=subscriber)
    age("subscribermessage", created_at="11 minutes")
    with pytest.raises(NotWaiting):
        ask_again(subscriber=subscriber)
    unsubscribe(subscriber=subscriber)
    with pytest.raises(Subscriber.DoesNotExist):
        ask_again(subscriber=subscriber)


def test_a_link_sent_anew_works_for_its_own_seven_days(page: StatusPage) -> None:
    subscriber = add_subscriber(page=page, kind="email", address=ANA)
    age("subscribermessage", created_at="8 days")
    age("subscriber", created_at="8 days", asked_at="8 days")
    found = stored(subscriber)
    assert found is not None
    assert links.read_confirm(page, links.confirm_token(found)) is None
    again = ask_again(subscriber=subscriber)
    assert links.read_confirm(page, links.confirm_token(again)) == subscriber


def test_a_page_that_was_just_deleted_takes_nobody(page: StatusPage) -> None:
    def delete() -> None:
        start(lambda: delete_page(page=page)).result(PATIENCE_SECONDS)

    with before_sql("FOR KEY SHARE", delete) as met, pytest.raises(StatusPage.DoesNotExist):
        add_subscriber(page=page, kind="email", address=ANA)
    assert met
    with scopes_disabled():
        assert not Subscriber.objects.exists()


def test_a_visitor_of_a_page_that_was_just_deleted_is_told_nothing_of_it(page: StatusPage) -> None:
    def delete() -> None:
        start(lambda: delete_page(page=page)).result(PATIENCE_SECONDS)

    with before_sql("FOR KEY SHARE", delete) as met:
        answer = Client().post("/status/acme/subscribe", {"email": ANA})
    assert met
    assert answer.status_code == 303


def test_a_page_is_deleted_while_a_link_is_asked_for(page: StatusPage) -> None:
    follow(page, ANA)
    deleting: list[Any] = []

    def delete() -> None:
        deleting.append(start(lambda: delete_page(page=page)))

    with before_sql('INSERT INTO "statuspages_subscribermessage"', delete) as met:
        ask_email(page=page, address=ANA)
    assert met
    wait_for(deleting[0].done)
    deleting[0].result(PATIENCE_SECONDS)
    assert messages() == []
    with scopes_disabled():
        assert not SubscriberMessage.objects.exists()
        assert not StatusPage.objects.exists()


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Acme", "Acme"),
        ("Acme, Inc.", "Acme, Inc."),
        ("Acme 2.0", "Acme 2.0"),
        ("Dr. Acme", "Dr. Acme"),
        ("Win at evil.example", "acme"),
        ("evil．example", "acme"),
        ("evil。example", "acme"),
        ("evil.example:8080", "acme"),
        ("www.evil", "acme"),
        ("https://evil.example", "acme"),
        ("me@evil", "acme"),
    ],
)
def test_a_first_mail_names_a_page_by_nothing_that_becomes_a_link(
    team: Team, name: str, called: str
) -> None:
    assert mailable_name(make_page(team, name=name)) == called
