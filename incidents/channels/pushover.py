"""The `pushover` kind: a push message through an application of the tenant's.

Pushover knows no idempotency key: a second copy of a message is a second notification. Critical
messages have priority 1, which breaks through quiet hours, and not 2: that rings until somebody
confirms it in Pushover, even if the incident is long over, and repeating is for the escalation
policy. Texts are sent as plain text, in which Pushover reads no markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.clipping import fit, fit_lines
from incidents.channels.notice import Notice, write_notice
from incidents.channels.posting import ConfigReader, HttpKind, read_object
from incidents.channels.tones import Tone, find_tone
from incidents.channels.verdicts import judge_reply
from incidents.channels.wording import clean_line
from incidents.outbound.addresses import Network
from incidents.outbound.client import Reply

_SERVER = "https://api.pushover.net"
_PRIORITIES = {"critical": 1, "warning": 0, "info": -1, "news": 0}
_KEY = r"[A-Za-z0-9]{30}"
_MAX_MESSAGE = 1024
_MAX_TITLE = 250
_MAX_URL = 512
_MAX_URL_TITLE = 100


@dataclass(frozen=True)
class PushoverKind(HttpKind):
    """One notification to the devices of a user or group."""

    name: ClassVar[str] = "pushover"
    label: ClassVar[str] = "Pushover"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="user_key",
            label="User or group key",
            help="30 letters and digits, on your Pushover page.",
        ),
        Field(
            name="app_token",
            label="Application token",
            help="30 letters and digits, of an application that you create in Pushover.",
            input_type="password",
        ),
        Field(
            name="device",
            label="Device",
            help="Only for one device; otherwise all of them.",
            required=False,
        ),
        Field(
            name="api_url",
            label="Server",
            help=f"Only for a server that speaks as Pushover does; otherwise {_SERVER}.",
            input_type="url",
            required=False,
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"app_token"})
    server_field: ClassVar[str] = "api_url"
    server_default: ClassVar[str] = _SERVER

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return the configuration without its empty parts. Raises InvalidConfig."""
        reader = ConfigReader(config, {"user_key", "app_token", "device", "api_url"})
        for name, what in (("user_key", "user or group key"), ("app_token", "application token")):
            reader.text(
                name,
                _KEY,
                wrong=f"A Pushover {what} is 30 letters and digits.",
                missing=f"Give the {what}.",
            )
        reader.text(
            "device",
            r"[A-Za-z0-9_-]{1,25}(,[A-Za-z0-9_-]{1,25}){0,9}",
            wrong="A device's name is up to 25 letters, digits, _ or -.",
        )
        reader.url("api_url", allow=allow)
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post the message once and judge the answer."""
        fields = build_fields(write_notice(message, now=now), find_tone(message), at=message.at)
        fields |= {"token": config["app_token"], "user": config["user_key"]}
        if config.get("device"):
            fields["device"] = config["device"]
        server = config.get("api_url") or _SERVER
        return self.post_form(
            f"{server.rstrip('/')}/1/messages.json",
            fields,
            key=message.key,
            now=now,
            secrets=[config["app_token"]],
            judge=judge_pushover,
        )


def judge_pushover(reply: Reply, *, now: datetime) -> Outcome:
    """Return what `reply` means; `status` is 1 for yes, and `errors` say why not."""
    outcome = judge_reply(reply, now=now)
    if reply.status == 429 and reply.headers.get("x-limit-app-remaining", "").strip() == "0":
        # It stays used up until the month ends, which no retry outlasts.
        return Outcome("failed", "answered 429: the application's messages for this month are used")
    content = read_object(reply)
    errors = content.get("errors")
    if outcome.kind == "sent" and content.get("status", 1) != 1:
        said = errors if isinstance(errors, list) else ["no reason given"]
        words = clean_line("; ".join(str(error) for error in said), 200)
        return Outcome("failed", f"answered {reply.status}: {words}")
    return outcome


def build_fields(notice: Notice, tone: Tone, *, at: datetime) -> dict[str, str]:
    """Return the message's fields, without whom it is for."""
    fields = {
        "title": fit(notice.headline, _MAX_TITLE),
        "message": _write(notice),
        "priority": str(_PRIORITIES[tone.urgency]),
        "timestamp": str(int(at.timestamp())),
    }
    for text, url in (("Acknowledge", notice.acknowledge_link), (notice.link_text, notice.link)):
        if url and len(url) <= _MAX_URL:
            return fields | {"url": url, "url_title": fit(text, _MAX_URL_TITLE)}
    return fields


def _write(notice: Notice) -> str:
    lines = [fit(line, 400) for line in (*notice.sentences, *notice.lines) if line]
    lines += [fit(f"{label}: {value}", 200) for label, value in notice.facts]
    if notice.runbook and len(notice.runbook) <= _MAX_URL:
        lines.append(f"Runbook: {notice.runbook}")
    return fit_lines(lines, _MAX_MESSAGE) or fit(notice.subject, _MAX_MESSAGE)


KIND = PushoverKind()
