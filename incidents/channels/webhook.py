"""The `webhook` kind: a POST signed as Standard Webhooks describe.

Every attempt carries the same id and the same bytes, so that a receiver can drop a second copy;
only the timestamp, which receivers hold against replays, and with it the signature are new.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from standardwebhooks import Webhook

from incidents.channels.base import (
    ChannelKind,
    InvalidConfig,
    Message,
    Outcome,
    refuse_unknown_fields,
)
from incidents.channels.verdicts import judge_error, judge_reply
from incidents.outbound.addresses import Network
from incidents.outbound.client import OutboundError, Resolve, post
from incidents.outbound.urls import UnsafeUrl, check_url

_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)


@dataclass(frozen=True)
class WebhookKind(ChannelKind):
    """Signed JSON to a URL. The limits are fields so that a test need not wait for them."""

    name: ClassVar[str] = "webhook"
    secret_fields: ClassVar[frozenset[str]] = frozenset({"secret"})
    digests: ClassVar[bool] = False
    timeout_seconds: float = 10
    deadline_seconds: float = 15
    resolve: Resolve = socket.getaddrinfo

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"url", "secret"}`; a missing secret is generated. Raises InvalidConfig."""
        refuse_unknown_fields(config, frozenset({"url", "secret"}))
        errors = {}
        url, secret = config.get("url"), config.get("secret")
        if not isinstance(url, str) or not url:
            errors["url"] = "Give the URL that is to be called."
        else:
            try:
                check_url(url, allow)
            except UnsafeUrl as error:
                errors["url"] = str(error)
        if secret is None:
            secret = make_secret()
        elif not _is_secret(secret):
            errors["secret"] = "Give whsec_ and the base64 of 24 to 64 bytes, or nothing."  # noqa: S105
        if errors:
            raise InvalidConfig(errors)
        return {"url": url, "secret": secret}

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post the message once and judge the answer."""
        body = encode_body(message)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Tocsin (+{settings.BASE_URL})",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(config["secret"]).sign(
                message.key, now.astimezone(UTC), body.decode()
            ),
        }
        try:
            reply = post(
                config["url"],
                body=body,
                headers=headers,
                allow=settings.OUTBOUND_ALLOW,
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.deadline_seconds,
                resolve=self.resolve,
            )
        except OutboundError as error:
            return judge_error(error)
        return judge_reply(reply, now=now)


def encode_body(message: Message) -> bytes:
    """Return the JSON body: the same bytes for the same message, pure ASCII."""
    content = {
        "type": message.event,
        "timestamp": message.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": message.payload,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode("ascii")


def make_secret() -> str:
    """Return a new signing secret of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _is_secret(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith(_PREFIX) or not value.isascii():
        return False
    try:
        return len(base64.b64decode(value.removeprefix(_PREFIX), validate=True)) in _SECRET_BYTES
    except binascii.Error:
        return False


KIND = WebhookKind()
