"""The `teams` kind: an Adaptive Card 1.4 to a Microsoft Teams workflow.

The workflow is the one called "Post to a channel when a webhook request is received"; connectors of
the older kind take the same body for as long as they live, and say 200 to what they then refuse.
There is no idempotency key: a second copy of a message is a second card. Texts are `TextRun`s,
the one place in a card where no markup is read, so what the tenant wrote is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from incidents.channels.base import Field, Message, Outcome
from incidents.channels.clipping import count_json_bytes, fit, fit_lines
from incidents.channels.notice import Notice, write_notice
from incidents.channels.posting import ConfigReader, HttpKind
from incidents.channels.tones import AMBER, BLUE, GREEN, RED, Tone, find_tone
from incidents.channels.verdicts import judge_reply
from incidents.channels.wording import clean_line
from incidents.outbound.addresses import Network
from incidents.outbound.client import Reply

# Teams refuses a message of about 28 KB, in practice from 21 KB; these make 20 KB at most.
_MAX_HEADLINE = 800
_MAX_SENTENCES = 2500
_MAX_FACT = 700
_MAX_FACTS = 6
_MAX_LINES = 5500
_MAX_REASON = 700
_MAX_LINK = 1000
_STYLES = {RED: "attention", AMBER: "warning", BLUE: "accent", GREEN: "good"}
_REFUSED = re.compile(r"delivery failed with error|returned HTTP error ([0-9]{3})")

Element = dict[str, Any]


@dataclass(frozen=True)
class TeamsKind(HttpKind):
    """One card to the channel or chat that the workflow posts to."""

    name: ClassVar[str] = "teams"
    label: ClassVar[str] = "Microsoft Teams"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="url",
            label="Workflow URL",
            help=(
                "In Teams: the channel's menu, Workflows, "
                "“Post to a channel when a webhook request is received”."
            ),
            input_type="url",
            placeholder="https://….environment.api.powerplatform.com/…",
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"url"})
    events: ClassVar[frozenset[str]] = HttpKind.events | {"incident.acknowledged"}

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"url"}`. Raises InvalidConfig."""
        reader = ConfigReader(config, {"url"})
        reader.url("url", allow=allow, missing="Give the URL of the workflow.")
        return reader.finish()

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post the card once and judge the answer."""
        return self.post_json(
            config["url"],
            build_content(write_notice(message, now=now), find_tone(message)),
            key=message.key,
            now=now,
            secrets=[config["url"]],
            judge=judge_teams,
        )


def judge_teams(reply: Reply, *, now: datetime) -> Outcome:
    """Return what `reply` means: a workflow says 202; a 200 may hold the refusal in its text."""
    outcome = judge_reply(reply, now=now)
    said = reply.body[:2000].decode("utf-8", "replace")
    refusal = _REFUSED.search(said) if outcome.kind == "sent" else None
    if refusal is None:
        return outcome
    codes = re.findall(r"HTTP error ([0-9]{3})", said)
    again = any(code == "429" or code.startswith("5") for code in codes) or not codes
    return Outcome(
        "retry" if again else "failed", f"answered {reply.status}: {clean_line(said, 200)}"
    )


def build_content(notice: Notice, tone: Tone) -> dict[str, Any]:
    """Return the body: a message with one card as its attachment."""
    card: Element = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": _fit(notice.subject, _MAX_HEADLINE),
        "body": list(_body(notice, tone)),
        "actions": list(_actions(notice)),
        "msteams": {"width": "Full"},
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _body(notice: Notice, tone: Tone) -> Iterator[Element]:
    headline = _run(_fit(notice.headline, _MAX_HEADLINE), size="Large", weight="Bolder")
    yield {
        "type": "Container",
        "style": _STYLES.get(tone.colour, "emphasis"),
        "bleed": True,
        "items": [_block(headline)],
    }
    room = _MAX_SENTENCES
    for sentence in notice.sentences:
        text = _fit(sentence, room)
        room -= count_json_bytes(text)
        if text:
            yield _block(_run(text))
    if notice.lines:
        # A card breaks no lines inside a run everywhere: each line is a paragraph.
        kept = fit_lines(notice.lines, _MAX_LINES, size=lambda text: _line_bytes(text))
        for line in kept.split("\n"):
            yield _block(_run(line))
    for label, value in notice.facts[:_MAX_FACTS]:
        yield _block(_run(f"{_fit(label, 100)}: ", weight="Bolder"), _run(_fit(value, _MAX_FACT)))
    if notice.reason:
        yield _block(_run(_fit(notice.reason, _MAX_REASON), size="Small", isSubtle=True))


def _actions(notice: Notice) -> Iterator[Element]:
    links = (
        ("Acknowledge", notice.acknowledge_link),
        (notice.link_text, notice.link),
        ("Runbook", notice.runbook),
    )
    for title, url in links:
        if url and count_json_bytes(url) <= _MAX_LINK:
            yield {"type": "Action.OpenUrl", "title": _fit(title, 100), "url": url}


def _block(*runs: Element) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **how: Any) -> Element:
    return {"type": "TextRun", "text": text, **how}


def _fit(text: str, limit: int) -> str:
    return fit(text, limit, size=count_json_bytes)


def _line_bytes(text: str) -> int:
    # Every line is wrapped in a block and a run of its own.
    return count_json_bytes(text) + 70 * (text.count("\n") + 1)


KIND = TeamsKind()
