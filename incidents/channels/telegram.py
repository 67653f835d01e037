"""The `telegram` kind: `sendMessage` of the Bot API, as HTML.

The Bot API knows no idempotency key: a second copy of a message is a second message. Links are in
the text and not buttons: Telegram refuses a whole message for one button whose URL it dislikes (a
host without a dot, say), but only drops a link. Words that it would make clickable by itself, such
as @names, /commands and addresses, are set as code, where it finds nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.clipping import count_utf16, fit, fit_lines
from incidents.channels.notice import Notice, write_notice
from incidents.channels.posting import ConfigReader, HttpKind, read_object
from incidents.channels.tones import find_tone
from incidents.channels.verdicts import MAX_RETRY_AFTER_SECONDS, judge_reply
from incidents.channels.wording import clean_line
from incidents.outbound.addresses import Network
from incidents.outbound.client import Reply

_SERVER = "https://api.telegram.org"
# Of 4,096 after the markup is taken out; counted with it, these can never be too much.
_MAX_HEADLINE = 400
_MAX_SENTENCES = 900
_MAX_LINES = 900
_MAX_LABEL = 30
_MAX_FACT = 175
_MAX_FACTS = 4
_MAX_LINKS = 700
_MAX_REASON = 150
_CLICKABLE = re.compile(r"[@/#$]|\w\.\w")
_WORDS = re.compile(r"\s+|\S+")


@dataclass(frozen=True)
class TelegramKind(HttpKind):
    """One message of a bot to a chat, group, channel or topic."""

    name: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="bot_token",
            label="Bot token",
            help="From @BotFather.",
            input_type="password",
            placeholder="123456789:AA…",
        ),
        Field(
            name="chat_id",
            label="Chat",
            help="The number of the chat or group (groups begin with a minus), or @channel.",
            placeholder="-1001234567890",
        ),
        Field(
            name="message_thread_id",
            label="Topic",
            help="The number of the topic, in a group that has topics.",
            required=False,
        ),
        Field(
            name="api_url",
            label="Server",
            help=f"Only for a Bot API server of your own; otherwise {_SERVER}.",
            input_type="url",
            required=False,
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"bot_token"})
    events: ClassVar[frozenset[str]] = HttpKind.events | {"incident.acknowledged"}
    server_field: ClassVar[str] = "api_url"
    server_default: ClassVar[str] = _SERVER

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return the configuration with its ids as text. Raises InvalidConfig."""
        reader = ConfigReader(config, {"bot_token", "chat_id", "message_thread_id", "api_url"})
        reader.text(
            "bot_token",
            r"[0-9]{1,20}:[A-Za-z0-9_-]{3,100}",
            wrong="Give the whole token: digits, a colon, then letters and digits.",
            missing="Give the bot's token.",
        )
        reader.text(
            "chat_id",
            r"-?[0-9]{1,20}|@[A-Za-z0-9_]{4,64}",
            wrong="Give the chat's number, or a channel's name that begins with @.",
            missing="Give the chat that messages go to.",
        )
        reader.text(
            "message_thread_id", r"[0-9]{1,18}", wrong="Give the topic's number, or nothing."
        )
        reader.url("api_url", allow=allow)
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Send the message once and judge the answer."""
        server = config.get("api_url") or _SERVER
        content: dict[str, Any] = {
            "chat_id": config["chat_id"],
            "text": build_text(write_notice(message, now=now)),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            # What needs no hand comes without a sound.
            "disable_notification": find_tone(message).urgency == "info",
        }
        if config.get("message_thread_id"):
            content["message_thread_id"] = int(config["message_thread_id"])
        return self.post_json(
            f"{server.rstrip('/')}/bot{config['bot_token']}/sendMessage",
            content,
            key=message.key,
            now=now,
            secrets=[config["bot_token"]],
            judge=judge_telegram,
        )


def judge_telegram(reply: Reply, *, now: datetime) -> Outcome:
    """Return what `reply` means: `ok`, `description` and `parameters` say more than the status."""
    outcome = judge_reply(reply, now=now)
    content = read_object(reply)
    if content.get("ok") is not False:
        return outcome
    said = clean_line(content.get("description"), 200) or "no reason given"
    kind = "failed" if outcome.kind == "sent" else outcome.kind
    outcome = replace(outcome, kind=kind, detail=f"answered {reply.status}: {said}")
    parameters = content.get("parameters")
    parameters = parameters if isinstance(parameters, Mapping) else {}
    moved, wait = parameters.get("migrate_to_chat_id"), parameters.get("retry_after")
    if isinstance(moved, int):
        return replace(
            outcome, detail=f"{outcome.detail}. The chat's number is now {moved}: save it."
        )
    if outcome.kind == "retry" and isinstance(wait, int) and not isinstance(wait, bool):
        seconds = float(min(max(wait, 0), MAX_RETRY_AFTER_SECONDS))
        return replace(outcome, retry_after_seconds=seconds)
    return outcome


def build_text(notice: Notice) -> str:
    """Return the message as Telegram's HTML, at most 4,096 UTF-16 units with its markup."""
    sentences = [_mark(sentence, 600) for sentence in notice.sentences]
    facts = [
        f"<b>{_mark(label, _MAX_LABEL)}:</b> {_mark(value, _MAX_FACT)}"
        for label, value in notice.facts[:_MAX_FACTS]
    ]
    parts = [
        f"<b>{_mark(notice.headline, _MAX_HEADLINE)}</b>",
        fit_lines(sentences, _MAX_SENTENCES, size=count_utf16),
        fit_lines([_mark(line, 400) for line in notice.lines], _MAX_LINES, size=count_utf16),
        "\n".join(facts),
        "\n".join(_links(notice)),
        _mark(notice.reason, _MAX_REASON),
    ]
    return "\n\n".join(part for part in parts if part)


def _links(notice: Notice) -> Iterator[str]:
    links = (
        ("Acknowledge", notice.acknowledge_link),
        (notice.link_text, notice.link),
        ("Runbook", notice.runbook),
    )
    room = _MAX_LINKS
    for text, url in links:
        line = f'<a href="{html.escape(url)}">{_mark(text, 100)}</a>'
        if url and count_utf16(line) <= room:
            room -= count_utf16(line)
            yield line


def _mark(text: str, limit: int) -> str:
    return fit(_pieces(text), limit, size=count_utf16)


def _pieces(text: str) -> Iterator[str]:
    for word in _WORDS.findall(text):
        if _CLICKABLE.search(word):
            yield f"<code>{html.escape(word, quote=False)}</code>"
        else:
            # A long word may be cut between its characters.
            yield from (html.escape(char, quote=False) for char in word)


KIND = TelegramKind()
