"""Sending one leased message, and what its outcome means."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection, transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled

from incidents.channels.base import Message, Outcome
from incidents.channels.mail import EmailKind
from incidents.channels.webhook import WebhookKind
from incidents.delivery.outbox import backoff_seconds
from statuspages.models import Subscriber, SubscriberMessage
from statuspages.models.subscribers import MessageEvent, MessageState, SubscriberKind
from statuspages.subscribers import outbox
from statuspages.subscribers.contents import find_told, webhook_payload
from statuspages.subscribers.mails import build_mail
from statuspages.subscribers.outbox import Leased

# Ten minutes of ever longer waits, then twice an hour: half a day in all, so that a mail server may
# be down for a night.
MOST_ATTEMPTS = 30
_QUICK_ATTEMPTS = 8
_LATER_SECONDS = 1800.0
# The process's connections are few, and those who page people need them more.
_connections = threading.BoundedSemaphore(3)
_mail = EmailKind()
_webhook = WebhookKind()

log = logging.getLogger(__name__)


class _Settled(Exception):  # noqa: N818 - it names what is
    """Nothing is to be sent: the message has this state, or is somebody else's by now."""

    def __init__(self, state: str, outcome: str) -> None:
        super().__init__(outcome)
        self.state = state
        self.outcome = outcome


@contextmanager
def database() -> Iterator[None]:
    """Hold one of the few connections, and give it back at the end."""
    with _connections, scopes_disabled():
        connection.close_if_unusable_or_obsolete()
        try:
            yield
        finally:
            connection.close()


def send_leased(leased: Leased) -> str:
    """Send one message and record the outcome; return its new state, "" if it is gone.

    No transaction and no connection is held while a server answers.
    """
    with database():
        message = _load(leased)
        if message is None:
            return ""
        try:
            send = _prepare(leased, message)
        except _Settled as settled:
            if settled.state:
                outbox.record(leased, state=settled.state, outcome=settled.outcome)
            return settled.state
        except Exception as error:
            # One page's trouble is its own: its messages come again later, the others go on.
            log.exception("message %s to a subscriber could not be written", leased.id)
            send = partial(Outcome, "retry", f"Our own error: {type(error).__name__}.")
    try:
        outcome = send()
    except Exception as error:
        log.exception("message %s to a subscriber could not be sent", leased.id)
        outcome = Outcome("retry", f"Our own error: {type(error).__name__}.")
    with database():
        return _record(leased, message, outcome)


def _load(leased: Leased) -> SubscriberMessage | None:
    rows = SubscriberMessage.objects.select_related("subscriber__page", "post_update__post")
    return rows.filter(pk=leased.id, lease_token=leased.lease_token).first()


def _prepare(leased: Leased, message: SubscriberMessage) -> Callable[[], Outcome]:
    """Return what sends the message; all that it needs is read by then. Raises _Settled."""
    if message.attempt_count > MOST_ATTEMPTS:
        raise _Settled(MessageState.FAILED, "Every sender died with it; given up.")
    subscriber = message.subscriber
    told = None
    if message.event == MessageEvent.UPDATE:
        if not _is_told(subscriber):
            raise _Settled(MessageState.CANCELLED, "The subscriber has been given up.")
        told = find_told(message)
        if told is None:
            text = "The update is not to be seen any more."
            raise _Settled(MessageState.CANCELLED, text)
    elif message.event == MessageEvent.CONFIRM and _is_told(subscriber):
        raise _Settled(MessageState.CANCELLED, "Confirmed already.")
    if subscriber.kind == SubscriberKind.EMAIL:
        return partial(_mail.hand_over, build_mail(message, told))
    payload = message.payload
    if payload is None:
        payload = webhook_payload(message, told)
        if not outbox.keep_payload(leased, payload):
            raise _Settled("", "")
    config = {"url": subscriber.address, "secret": subscriber.secret}
    sent = Message(key=str(message.pk), event=message.event, at=message.created_at, payload=payload)
    return lambda: _webhook.send(sent, config, now=now())


def _is_told(subscriber: Subscriber) -> bool:
    return subscriber.confirmed_at is not None and subscriber.disabled_at is None


def _record(leased: Leased, message: SubscriberMessage, outcome: Outcome) -> str:
    state, delay = _judge(message, outcome)
    subscriber = message.subscriber
    refused = outcome.address_refused or outcome.disable_channel
    with transaction.atomic():
        if refused:
            outbox.lock_subscriber(subscriber.pk)
        if not outbox.record(leased, state=state, outcome=outcome.detail, delay_seconds=delay):
            return ""
        if refused:
            outbox.refuse(subscriber.pk, for_good=outcome.disable_channel)
    if outcome.kind == "sent" and subscriber.refused_count:
        outbox.accept(subscriber.pk)
    return state


def _judge(message: SubscriberMessage, outcome: Outcome) -> tuple[str, float]:
    """Return the state that an outcome leads to, and after how many seconds it is tried again."""
    if outcome.kind == "sent":
        return MessageState.DELIVERED, 0.0
    if outcome.kind == "failed" or message.attempt_count >= MOST_ATTEMPTS:
        return MessageState.FAILED, 0.0
    wait = backoff_seconds(min(message.attempt_count, _QUICK_ATTEMPTS), outcome.retry_after_seconds)
    if message.attempt_count > _QUICK_ATTEMPTS:
        wait = max(wait, _LATER_SECONDS)
    return MessageState.PENDING, wait
