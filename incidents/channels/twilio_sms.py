"""The `twilio_sms` kind: a text message through Twilio.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from accounts.durations import say_duration
from incidents.channels.base import Message
from incidents.channels.facts import IncidentFacts, read_facts
from incidents.channels.notice import write_notice
from incidents.channels.twilio import TwilioKind, cut, plain

MAX_CHARACTERS = 320  # two or three parts of one message
# A link is of use only as a whole; where it would leave less than this for words it is left out.
_LEAST_WORDS = 100


@dataclass(frozen=True)
class TwilioSmsKind(TwilioKind):
    """A text message."""

    name: ClassVar[str] = "twilio_sms"
    label: ClassVar[str] = "Text message (Twilio)"
    resource: ClassVar[str] = "Messages"

    def write(self, message: Message, *, now: datetime) -> dict[str, str]:
        """Return the text."""
        return {"Body": write_text(message, now=now)}


def write_text(message: Message, *, now: datetime) -> str:
    """Return a message in at most 320 characters, what matters first, any link whole."""
    facts = read_facts(message)
    if message.event in {"incident.opened", "incident.firing"}:
        words = _write_opened(facts, now=now)
        if facts.acknowledge_url:
            return _join(words, f" Ack: {facts.acknowledge_url}")
        return _join(words, f" {facts.url}" if facts.url else "")
    if message.event == "incident.resolved":
        return _join(_write_resolved(facts, message), f" {facts.url}" if facts.url else "")
    notice = write_notice(message, now=now)
    words = " ".join([f"{notice.headline}.", *(notice.lines or notice.sentences)])
    return _join(words, f" {notice.link}" if notice.link else "")


def _write_opened(facts: IncidentFacts, *, now: datetime) -> str:
    at = facts.down_since.astimezone(UTC)
    since = f"{at:%H:%M} UTC" if (now - at).days < 1 else f"{at.day} {at:%b %H:%M} UTC"
    said = f"Down: {facts.title}: {facts.cause_word} since {since}."
    return f"{said} {facts.summary}" if facts.summary else said


def _write_resolved(facts: IncidentFacts, message: Message) -> str:
    if facts.resolved_reason not in {"", "recovered"}:
        return f"Resolved: {facts.title}: {facts.resolved_reason}."
    at = facts.resolved_at or message.at
    return f"Up: {facts.title}, was down {say_duration((at - facts.down_since).total_seconds())}."


def _join(words: str, link: str) -> str:
    if len(link) > MAX_CHARACTERS - _LEAST_WORDS:
        link = ""
    return cut(plain(words), MAX_CHARACTERS - len(link)) + link


KIND = TwilioSmsKind()
