"""What tests of subscribers make, do and ask."""

from __future__ import annotations

import re
from typing import Any

from django.core import mail
from django.db import connection
from django_scopes import scopes_disabled

from monitors.queries import database_now
from statuspages.models import PostNotice, StatusPage, Subscriber, SubscriberMessage
from statuspages.subscribers import subscribing
from statuspages.subscribers.outbox import put_in_line
from statuspages.subscribers.pool import Round


def follow(
    page: StatusPage, address: str = "ann@example.org", *components: str, **fields: Any
) -> Subscriber:
    """Return a confirmed subscriber who was sent nothing so far."""
    with scopes_disabled():
        return Subscriber.objects.create(
            team_id=page.team_id,
            page=page,
            kind="email",
            address=address,
            components=list(components),
            confirmed_at=fields.pop("confirmed_at", database_now()),
            **fields,
        )


def hook(page: StatusPage, url: str, **fields: Any) -> Subscriber:
    """Return a webhook that the team added."""
    return subscribing.add_subscriber(page=page, kind="webhook", address=url, **fields)


def tell() -> int:
    """Do what the engine does each second; return how many messages were tried."""
    return Round().run(runner="test")


def line_up() -> int:
    """Put what was posted in line without sending any of it; return how many messages."""
    made = 0
    with scopes_disabled():
        while (count := put_in_line()) is not None:
            made += count
    return made


def messages(**wanted: Any) -> list[SubscriberMessage]:
    """Return the messages in the order in which they were made."""
    with scopes_disabled():
        rows = SubscriberMessage.objects.select_related("subscriber").filter(**wanted)
        return list(rows.order_by("created_at", "id"))


def states(**wanted: Any) -> list[str]:
    """Return the messages' states."""
    return [message.state for message in messages(**wanted)]


def stored(subscriber: Subscriber) -> Subscriber | None:
    """Return the subscriber as it is stored."""
    with scopes_disabled():
        return Subscriber.objects.select_related("page").filter(pk=subscriber.pk).first()


def only_subscriber() -> Subscriber:
    """Return the one there is."""
    with scopes_disabled():
        return Subscriber.objects.select_related("page").get()


def open_notices() -> int:
    """Return how many updates are still to be put in line."""
    with scopes_disabled():
        return PostNotice.objects.filter(handled_at=None).count()


def make_due() -> None:
    """Let every wait and every lease be over."""
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("UPDATE statuspages_subscribermessage SET next_attempt_at = now()")


def age(table: str, **columns: str) -> None:
    """Move times of all rows of a table into the past, by an interval each."""
    parts = ", ".join(f"{name} = {name} - interval '{span}'" for name, span in columns.items())
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE statuspages_{table} SET {parts}")


def told() -> list[str]:
    """Return who got mails, in alphabetical order."""
    return sorted(address for message in mail.outbox for address in message.to)


def token_in(text: str, use: str) -> str:
    """Return the token of the link in a mail's text."""
    found = re.search(rf"/subscribe/{use}/([A-Za-z0-9_:.-]+)/", text)
    assert found is not None, text
    return found[1]
