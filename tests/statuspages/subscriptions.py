"""What tests of the pages about a subscription ask for, make and read."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils.timezone import now
from django_scopes import scopes_disabled

from statuspages.models import Subscriber, SubscriberMessage
from statuspages.subscribers.links import confirm_token, manage_token
from tests.statuspages.test_html import Reader

PAGE = "/status/acme/"
ANA = "ana@example.org"


def subscribers(**fields: Any) -> list[Subscriber]:
    with scopes_disabled():
        return list(Subscriber.objects.filter(**fields).order_by("id"))


def only() -> Subscriber:
    (found,) = subscribers()
    return found


def messages() -> list[str]:
    with scopes_disabled():
        return list(SubscriberMessage.objects.order_by("id").values_list("event", flat=True))


def ask(client: Client | None = None, page: str = PAGE, **fields: Any) -> Any:
    return (client or Client()).post(f"{page}subscribe", {"email": ANA, **fields})


def subscribed(page: Any, **fields: Any) -> Subscriber:
    """Return a subscriber whose address is proved."""
    with scopes_disabled():
        fields = {"kind": "email", "address": ANA, "confirmed_at": now(), **fields}
        return Subscriber.objects.create(team=page.team, page=page, **fields)


def confirm_path(subscriber: Subscriber, page: str = PAGE) -> str:
    return f"{page}subscribe/confirm/{confirm_token(subscriber)}/"


def manage_path(subscriber: Subscriber, page: str = PAGE) -> str:
    return f"{page}subscribe/manage/{manage_token(subscriber)}/"


def leave_path(subscriber: Subscriber, page: str = PAGE) -> str:
    return f"{page}subscribe/unsubscribe/{manage_token(subscriber)}/"


def read(answer: Any) -> Reader:
    """Read an answer that must be a small page as all of them are."""
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    policy = answer["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not answer.cookies
    reader = Reader()
    reader.feed(answer.content.decode())
    reader.close()
    assert reader.open == []
    assert not reader.all("script")
    assert {"name": "robots", "content": "noindex, nofollow"} in reader.all("meta")
    ids = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    return reader
