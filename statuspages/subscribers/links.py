"""The links in what subscribers get: they are all that a subscriber needs, and open one row alone.

A token names the row and is signed with the installation's key together with the page and the
address, so that it ends with the subscription. Following a link changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django_scopes import scopes_disabled

from monitors.queries import database_now
from statuspages.models import StatusPage, Subscriber
from statuspages.services.pages import page_url

CONFIRM_DAYS = 7
MOST_TOKEN = 200
_CONFIRM, _MANAGE = "confirm", "manage"


def confirm_token(subscriber: Subscriber, *, asked_at: datetime | None = None) -> str:
    """Return what proves the address for 7 days from when it was asked (the row's `asked_at`)."""
    asked_at = asked_at or subscriber.asked_at or subscriber.created_at
    until = int((asked_at + timedelta(days=CONFIRM_DAYS)).timestamp())
    return _signer(_CONFIRM, subscriber).sign(f"{_name(subscriber.pk)}.{until}")


def read_confirm(page: StatusPage | None, token: str) -> Subscriber | None:
    """Return the page's subscriber whom the token confirms; None if it is none or too old.

    Without a page any page's: for links to an address that the page no longer has.
    """
    subscriber, value = _read(page, token, _CONFIRM)
    _, _, until = value.partition(".")
    if subscriber is None or not until.isdecimal():
        return None
    return subscriber if database_now().timestamp() <= int(until) else None


def manage_token(subscriber: Subscriber) -> str:
    """Return what lets its owner change or end the subscription, as long as there is one."""
    return _signer(_MANAGE, subscriber).sign(_name(subscriber.pk))


def read_manage(page: StatusPage | None, token: str) -> Subscriber | None:
    """Return the page's subscriber whom the token is for; without a page any page's."""
    return _read(page, token, _MANAGE)[0]


def confirm_url(
    page: StatusPage, subscriber: Subscriber, *, asked_at: datetime | None = None
) -> str:
    """Return the address of the page with the button that confirms."""
    return f"{page_url(page)}subscribe/confirm/{confirm_token(subscriber, asked_at=asked_at)}/"


def manage_url(page: StatusPage, subscriber: Subscriber) -> str:
    """Return the address of the page where the subscription is changed."""
    return f"{page_url(page)}subscribe/manage/{manage_token(subscriber)}/"


def unsubscribe_url(page: StatusPage, subscriber: Subscriber) -> str:
    """Return the address that ends the subscription by a POST, of one click too (RFC 8058)."""
    return f"{page_url(page)}subscribe/unsubscribe/{manage_token(subscriber)}/"


def _read(page: StatusPage | None, token: str, use: str) -> tuple[Subscriber | None, str]:
    name = token[:22]
    if len(token) > MOST_TOKEN or not token.isascii():
        return None, ""
    try:
        pk = UUID(bytes=base64.urlsafe_b64decode(name + "=="))
    except (binascii.Error, ValueError):
        return None, ""
    with scopes_disabled():
        subscriber = Subscriber.objects.select_related("page__team").filter(pk=pk).first()
    if subscriber is None or (page is not None and subscriber.page_id != page.pk):
        return None, ""
    try:
        return subscriber, _signer(use, subscriber).unsign(token)
    except BadSignature:
        return None, ""


def _name(pk: UUID) -> str:
    return base64.urlsafe_b64encode(pk.bytes).decode().rstrip("=")


def _signer(use: str, subscriber: Subscriber) -> Signer:
    bound = f"{subscriber.page_id}\0{subscriber.kind}\0{subscriber.address.lower()}"
    digest = hashlib.sha256(bound.encode(errors="surrogatepass")).hexdigest()
    return Signer(salt=f"statuspages.subscribers.{use}:{digest}", sep=":")
