"""What every channel kind answers to.

A kind knows its provider and nothing of our tables: it gets a message and its configuration, and
answers whether the message was sent, may be tried again, or has failed for good. Deliveries keep
the rest (attempts, backoff, the log).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from incidents.channels.wording import clip_text
from incidents.outbound.addresses import Network

MAX_DETAIL_CHARACTERS = 500
# What a page, its repetition while the outage lasts, and one message for many are called.
OPENED, FIRING, DIGEST = "incident.opened", "incident.firing", "incident.digest"
# Carries the message's key in every mail, so that a second copy can be told from a second page.
DELIVERY_HEADER = "X-Tocsin-Delivery"


class InvalidConfig(ValueError):  # noqa: N818
    """A channel's configuration is refused; `errors` maps each field to what to do about it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class Message:
    """One thing to tell: the same key, time and payload on every attempt.

    `key` is the delivery's uuid and the idempotency key; `at` is when it happened. `event` is
    "incident.opened" (also for later steps), "incident.acknowledged", "incident.flapping",
    "incident.firing" (it still lasts: for kinds with `resend_seconds`), "incident.resolved",
    "incident.digest" (several incidents), "channel.test", "channel.disabled", "contact.code"
    (proof of a contact method), "contact.test", or "rotation.handoff".
    """

    key: str
    event: str
    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt; `detail` is for the delivery log and holds no secret.

    `retry_after_seconds` is what the provider asked for, None if it did not. `disable_channel`
    says that the provider wants nothing more through this channel, `address_refused` that the mail
    server does not take mails to this address.
    """

    kind: Literal["sent", "retry", "failed"]
    detail: str
    retry_after_seconds: float | None = None
    disable_channel: bool = False
    address_refused: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", clip_text(self.detail, MAX_DETAIL_CHARACTERS))


@dataclass(frozen=True)
class Field:
    """One entry of a kind's configuration, as a form shows it.

    `input_type` is an HTML input's type ("text", "url", "password", "tel", "email") or "select",
    for which `choices` are the values. An optional one may be left empty.
    """

    name: str
    label: str
    help: str = ""
    input_type: str = "text"
    required: bool = True
    choices: tuple[str, ...] = ()
    placeholder: str = ""


class ChannelKind(ABC):
    """One way out. Kinds hold no state between messages and are used by many threads at once.

    `events` are what it is told of. `digests` says that a person reads it, who wants one message
    instead of a thousand; a machine that keeps its own account of incidents wants each.
    One that `keeps_account` holds an alert of its own open until it is told of the end.
    `resend_seconds`, where set, is how often it must hear anew that an incident still lasts.
    """

    name: ClassVar[str]
    label: ClassVar[str] = ""  # as people write it: "E-mail", "Slack"
    fields: ClassVar[tuple[Field, ...]] = ()
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    events: ClassVar[frozenset[str]] = frozenset(
        {"incident.opened", "incident.flapping", "incident.resolved"}
    )
    digests: ClassVar[bool] = True
    keeps_account: ClassVar[bool] = False
    resend_seconds: ClassVar[int | None] = None

    @abstractmethod
    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `config` checked, normalised and completed (a generated secret, say).

        `allow` are the operator's exceptions for private networks. Raises InvalidConfig.
        Cleaning what was cleaned changes nothing.
        """

    @abstractmethod
    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Make one attempt, at most 15 s long, and return what became of it."""

    def hide_secrets(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return `config` as it may be read back: without its secrets."""
        return {name: value for name, value in config.items() if name not in self.secret_fields}

    def keep_secrets(
        self, config: Mapping[str, Any], *, stored: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a new `config` completed with the stored secrets that it does not mention.

        For edits: secrets are write-only, so whoever edits a channel cannot send them back.
        """
        kept = {name: stored[name] for name in self.secret_fields if name in stored}
        return kept | dict(config)


def refuse_unknown_fields(config: Mapping[str, Any], known: frozenset[str]) -> None:
    """Check that `config` has no other fields than `known`. Raises InvalidConfig."""
    unknown = sorted(set(config) - known)
    if unknown:
        fields = ", ".join(sorted(known))
        raise InvalidConfig({str(name): f"Unknown field. Known: {fields}." for name in unknown})
