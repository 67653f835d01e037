"""The life of a subscriber: nobody is told who did not ask, and nobody learns who did."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from django.core import mail
from django_scopes import scopes_disabled

from accounts.models import Team
from statuspages.models import AskingNetwork, StatusPage, Subscriber
from statuspages.services.components import TooMany
from statuspages.services.errors import BadField
from statuspages.subscribers import links, subscribing, throttles
from statuspages.subscribers.subscribing import (
    DuplicateSubscriber,
    TooManyAsked,
    add_subscriber,
    ask_email,
    ask_webhook,
    confirm,
    unsubscribe,
    update_subscriber,
)
from statuspages.subscribers.tidying import tidy_subscribers
from statuspages.subscribers.words import MAIL_WORDS
from tests.providers import Provider
from tests.racing import at_once
from tests.statuspages.following import (
    age,
    follow,
    messages,
    only_subscriber,
    stored,
    tell,
    token_in,
)
from tests.statuspages.pages import make_component, make_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)


def test_an_address_is_told_nothing_until_its_owner_confirms(page: StatusPage) -> None:
    ask_email(page=page, address="ann@example.org")
    asked = only_subscriber()
    assert (asked.confirmed_at, asked.locale, asked.components) == (None, "en", [])
    tell()
    (sent,) = mail.outbox
    assert sent.to == ["ann@example.org"]
    assert sent.subject == "Confirm your subscription: Acme status"
    token = token_in(str(sent.body), "confirm")
    assert f"/status/acme/subscribe/confirm/{token}/" in str(sent.body)
    found = links.read_confirm(page, token)
    assert found == asked
    # Reading a link changes nothing: a button does.
    assert only_subscriber().confirmed_at is None
    assert found is not None
    assert confirm(subscriber=found).confirmed_at is not None
    assert tell() == 0


def test_the_first_mail_has_a_way_out_too(page: StatusPage) -> None:
    ask_email(page=page, address="ann@example.org")
    tell()
    body = str(mail.outbox[0].body)
    assert links.read_manage(page, token_in(body, "unsubscribe")) == only_subscriber()


def test_the_caller_learns_nothing_and_the_address_gets_its_link(page: StatusPage) -> None:
    follow(page, "Ann@example.org")
    assert ask_email(page=page, address="ann@example.org") is None  # type: ignore[func-returns-value]
    assert ask_email(page=page, address="new@example.org") is None  # type: ignore[func-returns-value]
    tell()
    sent = {message.to[0]: str(message.body) for message in mail.outbox}
    assert set(sent) == {"Ann@example.org", "new@example.org"}
    assert "subscribe/confirm/" not in sent["Ann@example.org"]
    token = token_in(sent["Ann@example.org"], "manage")
    known = links.read_manage(page, token)
    assert known is not None
    assert known.address == "Ann@example.org"


def test_asking_again_changes_what_waits_but_not_what_was_confirmed(page: StatusPage) -> None:
    code = make_component(page).code
    ask_email(page=page, address="ann@example.org")
    age("subscribermessage", created_at="11 minutes")
    ask_email(page=page, address="ann@example.org", components=[code], locale="de")
    waiting = only_subscriber()
    assert (waiting.components, waiting.locale) == ([code], "de")
    confirm(subscriber=waiting)
    age("subscribermessage", created_at="11 minutes")
    ask_email(page=page, address="ann@example.org", locale="fr")
    assert (only_subscriber().components, only_subscriber().locale) == ([code], "de")


def test_an_address_gets_a_link_every_ten_minutes_at_most_and_five_a_day(page: StatusPage) -> None:
    for _ in range(3):
        ask_email(page=page, address="ann@example.org")
    assert len(messages()) == 1
    for _ in range(8):
        age("subscribermessage", created_at="11 minutes")
        ask_email(page=page, address="ann@example.org")
    assert len(messages()) == 5
    age("subscribermessage", created_at="1 day")
    ask_email(page=page, address="ann@example.org")
    assert len(messages()) == 6


def test_many_pages_do_not_make_more_mails_to_one_address(team: Team) -> None:
    for number in range(throttles.MOST_PER_DAY_EVERYWHERE + 3):
        ask_email(page=make_page(team, f"page-{number}"), address="ann@example.org")
    assert len(messages()) == throttles.MOST_PER_DAY_EVERYWHERE


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (["192.0.2.7", "::ffff:192.0.2.7"], "192.0.2.8"),
        (["2001:db8::1", "2001:db8::ffff"], "2001:db8:0:1::1"),
    ],
)
def test_a_network_asks_thirty_times_an_hour(page: StatusPage, same: list[str], other: str) -> None:
    for number in range(throttles.MOST_ASKED_PER_HOUR):
        ask_email(page=page, address=f"n{number}@example.org", network=same[number % 2])
    with pytest.raises(TooManyAsked):
        ask_email(page=page, address="late@example.org", network=same[0])
    ask_email(page=page, address="other@example.org", network=other)
    age("askingnetwork", since="61 minutes")
    ask_email(page=page, address="late@example.org", network=same[0])
    assert not AskingNetwork.objects.filter(network__contains="192.0.2").exists()


def test_two_who_ask_for_one_address_at_once_make_one_row_and_one_mail(page: StatusPage) -> None:
    def ask() -> None:
        ask_email(page=page, address="ann@example.org")

    at_once(ask, ask, ask)
    assert only_subscriber().address == "ann@example.org"
    assert len(messages()) == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b",
        "a@example.org\nBcc: b@example.org",
        "a@example.org\r\nx",
        "a@exa\x00mple.org",
        "\ud800@example.org",
        "a@example.org, b@example.org",
        f"{'a' * 250}@example.org",
    ],
)
def test_what_is_no_address_is_refused(page: StatusPage, address: str) -> None:
    with pytest.raises(BadField) as caught:
        ask_email(page=page, address=address)
    assert caught.value.field == "email"


@pytest.mark.parametrize(
    "url",
    ["", "ftp://example.org", "https://10.0.0.1/", "https://x y", "https://\ud800/", "x" * 9999],
)
def test_what_is_no_url_to_call_is_refused(page: StatusPage, url: str) -> None:
    with pytest.raises(BadField) as caught:
        ask_webhook(page=page, url=url)
    assert caught.value.field == "url"
    with pytest.raises(BadField) as caught:
        add_subscriber(page=page, kind="webhook", address=url)
    assert caught.value.field == "address"


def test_components_and_languages_must_be_known(team: Team, page: StatusPage) -> None:
    foreign = make_component(make_page(team, "other")).code
    calls: list[tuple[str, Callable[[], object]]] = [
        ("components", lambda: ask_email(page=page, address="a@example.org", components=[foreign])),
        ("components", lambda: ask_email(page=page, address="a@example.org", components=["\0"])),
        ("locale", lambda: ask_email(page=page, address="a@example.org", locale="tlh")),
        ("kind", lambda: add_subscriber(page=page, kind="fax", address="1")),
    ]
    for field, call in calls:
        with pytest.raises(BadField) as caught:
            call()
        assert caught.value.field == field
    with scopes_disabled():
        assert not Subscriber.objects.exists()


def test_a_webhook_that_a_visitor_names_is_confirmed_by_a_link(page: StatusPage) -> None:
    with Provider() as provider:
        ask_webhook(page=page, url=provider.url)
        tell()
        (got,) = provider.wait(1)
    assert got.json["type"] == "subscription.confirm"
    assert got.json["data"]["page"]["name"] == "Acme"
    token = token_in(got.json["data"]["confirm_url"], "confirm")
    asked = only_subscriber()
    assert asked.confirmed_at is None
    assert asked.secret.startswith("whsec_")
    assert asked.secret not in got.body.decode()
    assert links.read_confirm(page, token) == asked


def test_what_the_team_adds(page: StatusPage) -> None:
    url = add_subscriber(page=page, kind="webhook", address="https://example.org/hook")
    assert url.confirmed_at is not None
    assert url.secret.startswith("whsec_")
    assert not messages()
    address = add_subscriber(page=page, kind="email", address="ann@example.org", locale="ja")
    assert (address.confirmed_at, address.secret) == (None, "")
    assert [message.event for message in messages()] == ["subscription.confirm"]
    with pytest.raises(DuplicateSubscriber):
        add_subscriber(page=page, kind="email", address="ANN@example.org")


def test_a_full_page_takes_nobody_but_waiting_ones_make_room(
    page: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribing, "MOST_SUBSCRIBERS", 2)
    follow(page, "a@example.org")
    ask_email(page=page, address="waiting@example.org")
    follow_two = add_subscriber(page=page, kind="webhook", address="https://example.org/2")
    with scopes_disabled():
        kept = set(Subscriber.objects.values_list("address", flat=True))
    assert kept == {"a@example.org", follow_two.address}
    with pytest.raises(TooMany):
        add_subscriber(page=page, kind="email", address="b@example.org")
    with pytest.raises(TooManyAsked):
        ask_email(page=page, address="b@example.org")


def test_links_are_bound_to_page_use_row_and_address(team: Team, page: StatusPage) -> None:
    other = make_page(team, "other")
    subscriber = follow(page, asked_at=None)
    confirming, managing = links.confirm_token(subscriber), links.manage_token(subscriber)
    assert links.read_manage(page, managing) == subscriber
    assert links.read_confirm(page, confirming) == subscriber
    for found in (
        links.read_manage(other, managing),
        links.read_manage(page, confirming),
        links.read_confirm(page, managing),
        links.read_manage(page, managing[:-1]),
        links.read_manage(page, managing.swapcase()),
        *(links.read_manage(page, junk) for junk in ("", "ä" * 30, "\0", "a" * 22, "x" * 5000)),
    ):
        assert found is None
    with scopes_disabled():
        Subscriber.objects.update(address="eve@example.org")
    assert links.read_manage(page, managing) is None
    assert links.read_confirm(page, confirming) is None


def test_a_confirmation_ends_after_a_week_and_a_manage_link_never(page: StatusPage) -> None:
    ask_email(page=page, address="ann@example.org")
    asked = only_subscriber()
    fresh, managing = links.confirm_token(asked), links.manage_token(asked)
    assert links.read_confirm(page, fresh) == asked
    age("subscriber", asked_at="7 days 1 minute")
    old = links.confirm_token(only_subscriber())
    assert links.read_confirm(page, old) is None
    assert links.read_manage(page, managing) == asked


def test_a_subscriber_is_changed_and_forgotten(page: StatusPage) -> None:
    code = make_component(page).code
    subscriber = follow(page)
    changed = update_subscriber(subscriber=subscriber, components=[code, code], locale="pt")
    assert (changed.components, changed.locale) == ([code], "pt")
    assert update_subscriber(subscriber=subscriber, components=[]).locale == "pt"
    token = links.manage_token(subscriber)
    unsubscribe(subscriber=subscriber)
    unsubscribe(subscriber=subscriber)
    assert stored(subscriber) is None
    assert links.read_manage(page, token) is None
    with pytest.raises(Subscriber.DoesNotExist):
        update_subscriber(subscriber=subscriber, locale="en")
    with pytest.raises(Subscriber.DoesNotExist):
        confirm(subscriber=subscriber)


def test_who_was_given_up_comes_back_by_confirming(page: StatusPage) -> None:
    follow(page, disabled_at="2026-01-01T00:00Z", refused_count=3)
    ask_email(page=page, address="ann@example.org")
    assert [message.event for message in messages()] == ["subscription.confirm"]
    assert only_subscriber().disabled_at is not None
    confirmed = confirm(subscriber=only_subscriber())
    assert (confirmed.disabled_at, confirmed.refused_count) == (None, 0)


def test_requests_are_forgotten_after_two_weeks_and_messages_after_a_month(
    page: StatusPage,
) -> None:
    follow(page, "stays@example.org")
    ask_email(page=page, address="old@example.org", network="192.0.2.1")
    age("subscriber", created_at="15 days", asked_at="15 days")
    age("askingnetwork", since="2 days")
    ask_email(page=page, address="new@example.org", network="192.0.2.2")
    tidy_subscribers()
    with scopes_disabled():
        kept = set(Subscriber.objects.values_list("address", flat=True))
    assert kept == {"stays@example.org", "new@example.org"}
    assert AskingNetwork.objects.count() == 2  # the new one's network, and its address
    tell()
    assert len(messages()) == 1
    age("subscribermessage", finished_at="29 days")
    assert tidy_subscribers() == 0
    age("subscribermessage", finished_at="2 days")
    assert tidy_subscribers() == 1
    assert messages() == []


def test_every_language_has_every_word() -> None:
    for locale, words in MAIL_WORDS.items():
        assert set(words) == set(MAIL_WORDS["en"]), locale
        for name, text in words.items():
            fields = {"page": "P", "status": "S", "title": "T"}
            assert "{" not in text.format(**fields), (locale, name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme\nBcc: x@example.org", "acme"),
        ("Win at https://evil.example", "acme"),
        ("Bank\u202eevil", "Bankevil"),
    ],
)
def test_a_first_mail_carries_no_more_than_a_name(team: Team, name: str, shown: str) -> None:
    page = make_page(team, name=name)
    ask_email(page=page, address="ann@example.org")
    tell()
    (sent,) = mail.outbox
    assert sent.subject == f"Confirm your subscription: {shown} status"
    assert "evil.example" not in sent.message().as_string()
    assert sent.message()["Bcc"] is None
