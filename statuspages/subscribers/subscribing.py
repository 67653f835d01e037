"""The life of a subscriber: asking, confirming, changing, leaving.

Whoever asks learns nothing: the answer is the same for an address that is new, waiting or confirmed
already, and what differs goes to the address itself. Whatever is sent is a row of the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django_scopes import scopes_disabled

from incidents.channels.webhook import make_secret
from incidents.outbound.urls import UnsafeUrl, check_url
from monitors.queries import database_now
from statuspages.models import Component, StatusPage, Subscriber, SubscriberMessage
from statuspages.models.subscribers import MessageEvent, SubscriberKind
from statuspages.services.announced import hold_page
from statuspages.services.components import TooMany
from statuspages.services.errors import BadField
from statuspages.services.page_values import LOCALES
from statuspages.subscribers.throttles import has_had_enough, is_asking_too_often

MOST_SUBSCRIBERS = 50_000
MOST_ADDRESS = 254
MOST_URL = 2_000
# What somebody waits for at a screen goes before what went into line earlier.
AHEAD = timedelta(days=1)
_KEEP: Any = object()


class TooManyAsked(Exception):  # noqa: N818 - it names what happened
    """Too many subscriptions were asked for, from one network or for one page."""


class DuplicateSubscriber(Exception):  # noqa: N818
    """The page has this subscriber."""


class NotWaiting(Exception):  # noqa: N818
    """The subscriber has confirmed already, or has been given up."""


class AskedAlready(Exception):  # noqa: N818
    """The address was sent a link a moment ago, or often enough today."""


def ask_email(
    *,
    page: StatusPage,
    address: str,
    components: Sequence[str] = (),
    locale: str | None = None,
    network: str = "",
) -> None:
    """Send a mail that asks its owner to confirm, or one with the link to a subscription there is.

    The same to the caller whoever subscribes already. `components` are codes, none for the whole
    page; `network` is the visitor's address, "" for none known. Raises BadField (`email`,
    `components`, `locale`), TooManyAsked and StatusPage.DoesNotExist.
    """
    address = clean_address(address)
    _ask(page, SubscriberKind.EMAIL, address, components, locale, network)


def ask_webhook(
    *,
    page: StatusPage,
    url: str,
    components: Sequence[str] = (),
    locale: str | None = None,
    network: str = "",
) -> None:
    """Post a link to the URL that confirms it, or one to the subscription there is.

    Otherwise as `ask_email`, with `url` for `email`.
    """
    _ask(page, SubscriberKind.WEBHOOK, clean_url(url), components, locale, network)


def add_subscriber(
    *,
    page: StatusPage,
    kind: str,
    address: str,
    components: Sequence[str] = (),
    locale: str | None = None,
) -> Subscriber:
    """Add one for the team: a mail address is asked to confirm, a URL is confirmed at once.

    Raises BadField (`kind`, `address`, `components`, `locale`), DuplicateSubscriber, TooMany and
    StatusPage.DoesNotExist.
    """
    if kind not in SubscriberKind.values:
        raise BadField("kind", f"Must be one of: {', '.join(SubscriberKind.values)}.")
    by_mail = kind == SubscriberKind.EMAIL
    clean = clean_address if by_mail else clean_url
    address = clean(address, field="address")
    codes, language = clean_components(page, components), _clean_locale(page, locale)
    with scopes_disabled(), transaction.atomic():
        _hold(page)
        if _find(page, kind, address) is not None:
            raise DuplicateSubscriber
        _make_room(page)
        present = database_now()
        try:
            with transaction.atomic():
                subscriber = Subscriber.objects.create(
                    team_id=page.team_id,
                    page=page,
                    kind=kind,
                    secret="" if by_mail else make_secret(),
                    asked_at=present if by_mail else None,
                    confirmed_at=None if by_mail else present,
                    address=address,
                    components=codes,
                    locale=language,
                )
        except IntegrityError as error:
            if "subscriber_once" in str(error):
                raise DuplicateSubscriber from error
            raise
        if by_mail and not has_had_enough(subscriber):
            _queue(subscriber, MessageEvent.CONFIRM)
    return subscriber


def ask_again(*, subscriber: Subscriber) -> Subscriber:
    """Send what asks to confirm once more, for the team.

    Raises NotWaiting, AskedAlready and Subscriber.DoesNotExist.
    """
    with scopes_disabled(), transaction.atomic():
        found = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if found.confirmed_at is not None or found.disabled_at is not None:
            raise NotWaiting
        if has_had_enough(found):
            raise AskedAlready
        found.asked_at = database_now()
        found.save(update_fields=["asked_at"])
        _queue(found, MessageEvent.CONFIRM)
    return found


def confirm(*, subscriber: Subscriber) -> Subscriber:
    """Begin to tell a subscriber who followed the link; one who was given up is told again.

    Raises Subscriber.DoesNotExist if it is gone.
    """
    with scopes_disabled(), transaction.atomic():
        found = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        found.confirmed_at = found.confirmed_at or database_now()
        found.disabled_at, found.refused_count = None, 0
        found.save(update_fields=["confirmed_at", "disabled_at", "refused_count"])
    return found


def update_subscriber(
    *, subscriber: Subscriber, components: Sequence[str] = _KEEP, locale: str = _KEEP
) -> Subscriber:
    """Change what a subscriber is told of, or in which language; what is not given stays.

    Raises BadField and Subscriber.DoesNotExist.
    """
    with scopes_disabled(), transaction.atomic():
        rows = Subscriber.objects.select_related("page").select_for_update(of=("self",))
        found = rows.get(pk=subscriber.pk)
        if components is not _KEEP:
            found.components = clean_components(found.page, components)
        if locale is not _KEEP:
            found.locale = _clean_locale(found.page, locale)
        found.save(update_fields=["components", "locale"])
    return found


def unsubscribe(*, subscriber: Subscriber) -> None:
    """Forget a subscriber, and what was still to be sent; nothing if it is gone already."""
    with scopes_disabled(), transaction.atomic():
        # The lock comes first: nobody puts a message in line for a row that is being deleted.
        found = Subscriber.objects.select_for_update().filter(pk=subscriber.pk).first()
        if found is not None:
            found.delete()


def clean_address(value: str, *, field: str = "email") -> str:
    """Return a mail address. Raises BadField."""
    text = value.strip() if isinstance(value, str) else ""
    # What is not printable some servers take apart at, and longer ones are no addresses.
    if len(text) > MOST_ADDRESS or not text.isprintable():
        raise BadField(field, "Must be an e-mail address.")
    try:
        validate_email(text)
    except ValidationError as error:
        raise BadField(field, "Must be an e-mail address.") from error
    return text


def clean_url(value: str, *, field: str = "url") -> str:
    """Return the URL that is to be called. Raises BadField."""
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise BadField(field, "Must be a URL.")
    if len(text) > MOST_URL:
        raise BadField(field, f"Must be at most {MOST_URL} characters.")
    try:
        check_url(text, settings.OUTBOUND_ALLOW)
    except UnsafeUrl as error:
        raise BadField(field, str(error)) from error
    return text


def clean_components(page: StatusPage, codes: Sequence[str]) -> list[str]:
    """Return the codes once each, in their order; all must be the page's. Raises BadField."""
    wanted = list(dict.fromkeys(codes))
    if not wanted:
        return []
    with scopes_disabled():
        # All of them, since a code of the wrong form need not be asked for.
        known = set(Component.objects.filter(page=page).values_list("code", flat=True))
    if not known.issuperset(wanted):
        raise BadField("components", "Must be components of this page.")
    return wanted


def _clean_locale(page: StatusPage, locale: str | None) -> str:
    if not locale:
        return page.locale
    if locale not in LOCALES:
        raise BadField("locale", f"Must be one of: {', '.join(LOCALES)}.")
    return locale


def _ask(
    page: StatusPage,
    kind: str,
    address: str,
    components: Sequence[str],
    locale: str | None,
    network: str,
) -> None:
    codes, language = clean_components(page, components), _clean_locale(page, locale)
    if is_asking_too_often(network):
        raise TooManyAsked
    with scopes_disabled(), transaction.atomic():
        _hold(page)
        subscriber = _find_or_add(page, kind, address, codes, language)
        if has_had_enough(subscriber):
            return
        if subscriber.confirmed_at is not None and subscriber.disabled_at is None:
            _queue(subscriber, MessageEvent.MANAGE)
            return
        subscriber.components, subscriber.locale = codes, language
        subscriber.asked_at = database_now()
        subscriber.save(update_fields=["components", "locale", "asked_at"])
        _queue(subscriber, MessageEvent.CONFIRM)


def _find_or_add(
    page: StatusPage, kind: str, address: str, codes: list[str], locale: str
) -> Subscriber:
    found = _find(page, kind, address)
    if found is not None:
        return found
    try:
        _make_room(page)
    except TooMany as error:
        raise TooManyAsked from error
    try:
        with transaction.atomic():
            Subscriber.objects.create(
                team_id=page.team_id,
                page=page,
                kind=kind,
                address=address,
                secret=make_secret() if kind == SubscriberKind.WEBHOOK else "",
                components=codes,
                locale=locale,
            )
    except IntegrityError as error:
        if "subscriber_once" not in str(error):
            raise
    # Somebody else may have asked for it at the same moment: the row is locked in any case.
    found = _find(page, kind, address)
    if found is None:
        raise Subscriber.DoesNotExist
    return found


def _hold(page: StatusPage) -> None:
    # Before any subscriber's row: whoever deletes a page takes the locks in this order.
    if not hold_page(page.team_id, page.pk):
        raise StatusPage.DoesNotExist


def _find(page: StatusPage, kind: str, address: str) -> Subscriber | None:
    rows = Subscriber.objects.annotate(lowered=Lower("address")).select_for_update()
    return rows.filter(page=page, kind=kind, lowered=address.lower()).first()


def _make_room(page: StatusPage) -> None:
    """Raise TooMany if the page is full; one that never confirmed makes room for another."""
    rows = Subscriber.objects.filter(page=page)
    if rows.count() < MOST_SUBSCRIBERS:
        return
    waiting = rows.filter(confirmed_at=None).select_for_update(skip_locked=True)
    oldest = waiting.order_by("created_at", "id").first()
    if oldest is None:
        raise TooMany
    oldest.delete()


def _queue(subscriber: Subscriber, event: MessageEvent) -> None:
    present = database_now()
    SubscriberMessage.objects.create(
        team_id=subscriber.team_id,
        subscriber=subscriber,
        event=event,
        next_attempt_at=present - AHEAD,
        created_at=present,
    )
