"""The `slack` kind: a message of blocks to an incoming webhook.

Slack knows no idempotency key: a second copy of a message is a second message. What the tenant
wrote is only ever `plain_text`, where Slack reads no mentions, links or markup; `&`, `<` and `>`
are escaped all the same, as Slack asks of every text. A webhook answers 200 "ok"; 404 means that
it or its channel is gone (`no_service`, `channel_not_found`), 410 that the channel is archived.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.clipping import count_utf16, fit, fit_lines
from incidents.channels.notice import Notice, write_notice
from incidents.channels.posting import ConfigReader, HttpKind
from incidents.channels.tones import Tone, find_tone
from incidents.outbound.addresses import Network

_MAX_HEADER = 150
_MAX_TEXT = 3000
_MAX_FIELD = 2000
_MAX_FIELDS = 10
_MAX_CONTEXT = 2000
_MAX_BUTTON_TEXT = 75
_MAX_BUTTON_URL = 3000
# All blocks of a message together are refused somewhere above 13,000 characters.
_MAX_LINES = 3000
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Block = dict[str, Any]


@dataclass(frozen=True)
class SlackKind(HttpKind):
    """One message to the channel that the webhook was made for."""

    name: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="url",
            label="Webhook URL",
            help="In Slack: your app, Incoming Webhooks, Add New Webhook to Workspace.",
            input_type="url",
            placeholder="https://hooks.slack.com/services/…",
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"url"})
    events: ClassVar[frozenset[str]] = HttpKind.events | {"incident.acknowledged"}

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"url"}`. Raises InvalidConfig."""
        reader = ConfigReader(config, {"url"})
        reader.url("url", allow=allow, missing="Give the URL of the incoming webhook.")
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post the message once and judge the answer."""
        content = build_content(write_notice(message, now=now), find_tone(message))
        return self.post_json(
            config["url"], content, key=message.key, now=now, secrets=[config["url"]]
        )


def build_content(notice: Notice, tone: Tone) -> dict[str, Any]:
    """Return the body: the headline as a header, the rest beside a bar of the tone's colour."""
    return {
        # Shown in notifications only, as there are blocks; markup would be read in it.
        "text": fit(_pieces(notice.subject), _MAX_TEXT, size=count_utf16),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [{"type": "header", "text": _plain(notice.headline, _MAX_HEADER)}],
        "attachments": [
            {
                "color": tone.hex_colour,
                "fallback": fit(_pieces(notice.headline), _MAX_HEADER, size=count_utf16),
                "blocks": list(_blocks(notice)),
            }
        ],
    }


def _blocks(notice: Notice) -> Iterator[Block]:
    if notice.sentences:
        yield {"type": "section", "text": _plain("\n".join(notice.sentences), _MAX_TEXT)}
    if notice.lines:
        escaped = ["".join(_pieces(line)) for line in notice.lines]
        yield {
            "type": "section",
            "text": _text(fit_lines(escaped, _MAX_LINES, size=count_utf16)),
        }
    if notice.facts:
        yield {
            "type": "section",
            "fields": [
                _plain(f"{label}\n{value}", _MAX_FIELD)
                for label, value in notice.facts[:_MAX_FIELDS]
            ],
        }
    buttons = [button for button in _buttons(notice) if len(button["url"]) <= _MAX_BUTTON_URL]
    if buttons:
        yield {"type": "actions", "elements": buttons}
    if notice.reason:
        yield {"type": "context", "elements": [_plain(notice.reason, _MAX_CONTEXT)]}


def _buttons(notice: Notice) -> Iterator[Block]:
    links = (
        ("acknowledge", "Acknowledge", notice.acknowledge_link),
        ("look", notice.link_text, notice.link),
        ("runbook", "Runbook", notice.runbook),
    )
    for action, text, url in links:
        if url:
            button = {"type": "button", "action_id": action, "url": url}
            button["text"] = _plain(text, _MAX_BUTTON_TEXT)  # type: ignore[assignment]
            yield button


def _plain(text: str, limit: int) -> Block:
    return _text(fit(_pieces(text), limit, size=count_utf16))


def _text(escaped: str) -> Block:
    return {"type": "plain_text", "text": escaped, "emoji": False}


def _pieces(text: str) -> Iterator[str]:
    return (_ESCAPES.get(char, char) for char in text)


KIND = SlackKind()
