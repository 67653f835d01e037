"""The `ntfy` kind: a push message published as JSON to an ntfy server.

ntfy knows no idempotency key: a second copy of a message is a second notification. It reads no
markup unless asked to. A server takes 4,096 bytes of message and, in some versions, of the whole
JSON, so the whole stays below that. On a public server whoever knows the topic reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.clipping import count_json_bytes, fit, fit_lines
from incidents.channels.notice import Notice, write_notice
from incidents.channels.posting import ConfigReader, HttpKind
from incidents.channels.tones import Tone, find_tone
from incidents.outbound.addresses import Network

_SERVER = "https://ntfy.sh"
_TOPIC = r"[A-Za-z0-9_-]{1,64}"
_PRIORITIES = {"critical": 5, "warning": 4, "info": 3, "news": 3}
_MAX_TITLE = 250
_MAX_MESSAGE = 2000
_MAX_LINK = 450
_MAX_LABEL = 60


@dataclass(frozen=True)
class NtfyKind(HttpKind):
    """One notification to everybody who subscribes to a topic."""

    name: ClassVar[str] = "ntfy"
    label: ClassVar[str] = "ntfy"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="topic",
            label="Topic",
            help="Letters, digits, _ and -. On a public server choose one nobody can guess.",
            placeholder="acme-alerts-7Qd2",
        ),
        Field(
            name="url",
            label="Server",
            help=f"Only for a server of your own; otherwise {_SERVER}.",
            input_type="url",
            required=False,
            placeholder=_SERVER,
        ),
        Field(
            name="token",
            label="Access token",
            help="Only for a topic that needs one.",
            input_type="password",
            required=False,
            placeholder="tk_…",
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"token"})
    server_field: ClassVar[str] = "url"
    server_default: ClassVar[str] = _SERVER

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"url", "topic"}` and a token if there is one. Raises InvalidConfig.

        A topic's own URL, as ntfy shows it, may stand for both.
        """
        reader = ConfigReader(config, {"url", "topic", "token"})
        url = reader.url("url", allow=allow, default=_SERVER)
        parts = urlsplit(url)
        inside = parts.path.strip("/")
        if inside and not config.get("topic"):
            reader = ConfigReader({**config, "topic": inside}, {"url", "topic", "token"})
        elif inside and inside != config.get("topic"):
            reader.fail("url", "Give the server alone: the topic has its own field.")
        if parts.query or parts.fragment:
            reader.fail("url", "Give the server alone, without a query.")
        reader.text(
            "topic",
            _TOPIC,
            wrong="A topic is 1 to 64 letters, digits, _ or -.",
            missing="Give the topic to publish to.",
        )
        reader.text(
            "token", r"[!-~]{1,200}", wrong="Give the token as the server shows it, or nothing."
        )
        server = f"{parts.scheme}://{parts.netloc}" if url else ""
        return {**reader.finish(), "url": server}

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Publish the message once and judge the answer."""
        content = build_content(write_notice(message, now=now), find_tone(message))
        token = config.get("token")
        return self.post_json(
            f"{config['url']}/",
            {**content, "topic": config["topic"]},
            key=message.key,
            now=now,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            secrets=[token] if token else [],
        )


def build_content(notice: Notice, tone: Tone) -> dict[str, Any]:
    """Return the message without its topic."""
    content: dict[str, Any] = {
        "title": _fit(notice.headline, _MAX_TITLE),
        "message": _write(notice),
        "priority": _PRIORITIES[tone.urgency],
        # Not the bare severity: ntfy would turn "warning" into a picture.
        "tags": ["tocsin", f"tocsin-{tone.urgency}"],
        "actions": list(_actions(notice)),
    }
    if notice.link and count_json_bytes(notice.link) <= _MAX_LINK:
        content["click"] = notice.link
    return content


def _write(notice: Notice) -> str:
    facts = [f"{label}: {value}" for label, value in notice.facts]
    lines = [*notice.sentences, *notice.lines, *facts]
    lines = [_fit(line, 600) for line in lines if line]
    return fit_lines(lines, _MAX_MESSAGE, size=count_json_bytes) or _fit(
        notice.subject, _MAX_MESSAGE
    )


def _actions(notice: Notice) -> Iterator[dict[str, Any]]:
    links = (
        ("Acknowledge", notice.acknowledge_link),
        (notice.link_text, notice.link),
        ("Runbook", notice.runbook),
    )
    for label, url in links:
        if url and count_json_bytes(url) <= _MAX_LINK:
            yield {"action": "view", "label": _fit(label, _MAX_LABEL), "url": url}


def _fit(text: str, limit: int) -> str:
    return fit(text, limit, size=count_json_bytes)


KIND = NtfyKind()
