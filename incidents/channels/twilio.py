"""What the kinds `twilio_sms` and `twilio_voice` share: the account, and how Twilio answers.

A person needs no account of their own where the operator has one: then `account_sid`,
`auth_token` and `from` come from the settings TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and
TWILIO_FROM. These never go to another address than Twilio's.
https://www.twilio.com/docs/usage/requests-to-twilio
"""

from __future__ import annotations

import base64
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.posting import ConfigReader, HttpKind, read_object
from incidents.channels.verdicts import judge_reply, read_retry_after
from incidents.channels.wording import clean_line
from incidents.outbound.addresses import Network
from incidents.outbound.client import Reply

_API_URL = "https://api.twilio.com"
_NUMBER = r"\+[1-9][0-9]{6,14}"
_NUMBER_LIKE = "Write the number with its country code: +4915112345678."
# Too many calls at once, too many messages a second, a full queue, too many requests.
_TRY_AGAIN = frozenset({10004, 14107, 20429, 21611})


@dataclass(frozen=True)
class TwilioKind(HttpKind):
    """What both have in common: the account, and how Twilio answers."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("to", "Number", input_type="tel", help=_NUMBER_LIKE, placeholder="+4915112345678"),
        Field(
            "from",
            "Sent from",
            input_type="tel",
            required=False,
            help="A number of the Twilio account.",
        ),
        Field(
            "account_sid",
            "Account SID",
            required=False,
            help="Begins with AC. May be left out where this installation has an account.",
        ),
        Field("auth_token", "Auth token", input_type="password", required=False),
        Field(
            "api_url",
            "Address",
            input_type="url",
            required=False,
            help="Only for a service with Twilio's API elsewhere.",
            placeholder=_API_URL,
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"auth_token"})
    server_field: ClassVar[str] = "api_url"
    server_default: ClassVar[str] = _API_URL
    resource: ClassVar[str]

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"to", "from"?, "account_sid"?, "auth_token"?, "api_url"?}`.

        Numbers are normalised to E.164. Raises InvalidConfig.
        """
        known = ("to", "from", "account_sid", "auth_token", "api_url")
        tidied = dict(config) | {
            name: re.sub(r"[\s().\-/]", "", config[name])
            for name in ("to", "from")
            if isinstance(config.get(name), str)
        }
        reader = ConfigReader(tidied, known)
        reader.text("to", _NUMBER, missing="Give the number.", wrong=_NUMBER_LIKE)
        sender = reader.text("from", _NUMBER, wrong=_NUMBER_LIKE)
        sid = reader.text(
            "account_sid", "AC[0-9a-fA-F]{32}", wrong="It is AC and 32 hexadecimal digits."
        )
        token = reader.text("auth_token", r"[\x21-\x7e]{8,128}", wrong="This is no auth token.")
        url = reader.url("api_url", allow=allow)
        if "?" in url or "#" in url:
            reader.fail("api_url", "Give the address without ? and #.")
        own = bool(sid or token or url)
        missing = {
            "account_sid": not sid and (own or not _setting("ACCOUNT_SID")),
            "auth_token": not token and (own or not _setting("AUTH_TOKEN")),
            "from": not sender and (own or not _setting("FROM")),
        }
        for name, is_missing in missing.items():
            if is_missing and name not in reader.errors:
                because = "Give this, too." if own else "Give this: the installation has none."
                reader.fail(name, because)
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Ask Twilio for one message or call."""
        sid, token = config.get("account_sid"), config.get("auth_token")
        base = config.get("api_url") or self.server_default
        if not sid and not token and not config.get("api_url"):
            sid, token = _setting("ACCOUNT_SID"), _setting("AUTH_TOKEN")
        sender = config.get("from") or _setting("FROM")
        if not sid or not token or not sender:
            return Outcome("failed", "No Twilio account: neither here nor in the installation.")
        coded = base64.b64encode(f"{sid}:{token}".encode()).decode()
        return self.post_form(
            f"{base.rstrip('/')}/2010-04-01/Accounts/{sid}/{self.resource}.json",
            {"To": config["to"], "From": sender, **self.write(message, now=now)},
            key=message.key,
            now=now,
            headers={"Authorization": f"Basic {coded}"},
            secrets=(token, coded),
            judge=judge_twilio,
        )

    @abstractmethod
    def write(self, message: Message, *, now: datetime) -> dict[str, str]:
        """Return the fields that say it."""


def judge_twilio(reply: Reply, *, now: datetime) -> Outcome:
    """Return what Twilio's answer means; its own code is more exact than the status."""
    content = read_object(reply)
    code = content.get("code")
    if 200 <= reply.status < 300 or not isinstance(code, int):
        return judge_reply(reply, now=now)
    detail = f"answered {reply.status}: {code} {clean_line(content.get('message'), 200)}"
    if code in _TRY_AGAIN or reply.status >= 500 or reply.status in {408, 425, 429}:
        wait = read_retry_after(reply.headers.get("retry-after"), now=now)
        return Outcome("retry", detail, wait)
    return Outcome("failed", detail)


def _setting(name: str) -> str:
    return str(getattr(settings, f"TWILIO_{name}", "") or "")


def plain(text: str) -> str:
    """Return `text` with the signs of an ordinary text message where there are such.

    One sign outside of that old alphabet halves what fits into a message.
    """
    return text.translate({0x2013: "-", 0x2014: "-", 0x2026: "...", 0x201C: '"', 0x201D: '"'})


def cut(text: str, limit: int) -> str:
    """Return `text` in plain signs, cut with three dots where it is longer than `limit`."""
    text = plain(text)
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."
