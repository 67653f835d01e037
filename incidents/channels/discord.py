"""The `discord` kind: an embed through a channel's webhook.

Discord's webhooks know no idempotency key: a second copy of a message is a second message. The
answer is waited for (`wait=true`), since without it Discord says yes to what it then drops. Markup
of the tenant is escaped with backslashes, and no mention is allowed to reach anybody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.clipping import count_utf16, fit, fit_lines
from incidents.channels.notice import Notice, write_notice
from incidents.channels.posting import ConfigReader, HttpKind, read_object
from incidents.channels.tones import Tone, find_tone
from incidents.channels.verdicts import MAX_RETRY_AFTER_SECONDS, judge_reply
from incidents.outbound.addresses import Network
from incidents.outbound.client import Reply

# The texts of all embeds together may have 6,000 characters; these make less at most.
_MAX_TITLE = 256
_MAX_FIELD_NAME = 40
_MAX_FIELD_VALUE = 250
_MAX_FIELDS = 5
_MAX_FOOTER = 250
_MAX_SENTENCES = 1300
_MAX_LINES = 1800
_MAX_LINK = 900
_SPECIAL = frozenset("\\*_~`|<>[]@/")
_AT_THE_START = frozenset("#-+")


@dataclass(frozen=True)
class DiscordKind(HttpKind):
    """One message to the channel that the webhook was made for."""

    name: ClassVar[str] = "discord"
    label: ClassVar[str] = "Discord"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="url",
            label="Webhook URL",
            help="In Discord: the channel's settings, Integrations, Webhooks, Copy Webhook URL.",
            input_type="url",
            placeholder="https://discord.com/api/webhooks/…",
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"url"})
    events: ClassVar[frozenset[str]] = HttpKind.events | {"incident.acknowledged"}

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"url"}`. Raises InvalidConfig."""
        reader = ConfigReader(config, {"url"})
        url = reader.url("url", allow=allow, missing="Give the URL of the webhook.")
        if urlsplit(url).path.rstrip("/").endswith(("/slack", "/github")):
            reader.fail("url", "Give the webhook's URL without /slack or /github at its end.")
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post the message once and judge the answer."""
        notice = write_notice(message, now=now)
        return self.post_json(
            _waiting(config["url"]),
            build_content(notice, find_tone(message), at=message.at),
            key=message.key,
            now=now,
            secrets=[config["url"]],
            judge=judge_discord,
        )


def judge_discord(reply: Reply, *, now: datetime) -> Outcome:
    """Return what `reply` means; the body's `retry_after` is finer than the header's."""
    outcome = judge_reply(reply, now=now)
    wait = read_object(reply).get("retry_after")
    if reply.status == 429 and isinstance(wait, int | float) and not isinstance(wait, bool):
        seconds = float(wait) if math.isfinite(wait) else 0.0
        capped = min(max(seconds, outcome.retry_after_seconds or 0.0, 0.0), MAX_RETRY_AFTER_SECONDS)
        return replace(outcome, retry_after_seconds=capped)
    return outcome


def build_content(notice: Notice, tone: Tone, *, at: datetime) -> dict[str, Any]:
    """Return the body: one embed, within 6,000 characters in all."""
    embed: dict[str, Any] = {
        "title": _escape(notice.headline, _MAX_TITLE),
        "description": _describe(notice),
        "color": tone.colour,
        "timestamp": at.astimezone(UTC).isoformat(),
        "fields": [
            {
                "name": _escape(label, _MAX_FIELD_NAME),
                "value": _escape(value, _MAX_FIELD_VALUE),
                "inline": len(value) <= 40,
            }
            for label, value in notice.facts[:_MAX_FIELDS]
        ],
    }
    if notice.reason:
        # A footer knows no markup: escapes would show.
        embed["footer"] = {"text": fit(notice.reason, _MAX_FOOTER, size=count_utf16)}
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _describe(notice: Notice) -> str:
    parts = [
        fit_lines(
            [_escape(text, 900) for text in notice.sentences], _MAX_SENTENCES, size=count_utf16
        ),
        fit_lines([_escape(text, 600) for text in notice.lines], _MAX_LINES, size=count_utf16),
        "\n".join(_links(notice)),
    ]
    return "\n\n".join(part for part in parts if part)


def _links(notice: Notice) -> Iterator[str]:
    links = (
        ("Acknowledge", notice.acknowledge_link),
        (notice.link_text, notice.link),
        ("Runbook", notice.runbook),
    )
    room = _MAX_LINK
    for text, url in links:
        # Whatever could end the link early is percent-encoded; nothing in a URL needs it bare.
        target = quote(url, safe="/:?#@!$&'*+,;=%~-._")
        line = f"[{_escape(text, 100)}]({target})"
        if url and count_utf16(line) <= room:
            room -= count_utf16(line) + 1
            yield line


def _escape(text: str, limit: int) -> str:
    return fit(_pieces(text), limit, size=count_utf16)


def _pieces(text: str) -> Iterator[str]:
    for index, char in enumerate(text):
        special = char in _SPECIAL or (index == 0 and char in _AT_THE_START)
        yield "\\" + char if special else char


def _waiting(url: str) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "wait"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("wait", "true")])))


KIND = DiscordKind()
