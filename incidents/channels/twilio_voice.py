"""The `twilio_voice` kind: a call through Twilio that says what is down, twice.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from xml.sax.saxutils import escape

from accounts.durations import say_duration
from incidents.channels.base import Message
from incidents.channels.facts import CAUSES, IncidentFacts, read_facts
from incidents.channels.notice import write_notice
from incidents.channels.twilio import TwilioKind, cut

MAX_CHARACTERS = 500  # of speech: half a minute; Twilio takes 4,000 of its mark-up
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class TwilioVoiceKind(TwilioKind):
    """A call. A phone rings for what is down, not for what is over."""

    name: ClassVar[str] = "twilio_voice"
    label: ClassVar[str] = "Phone call (Twilio)"
    resource: ClassVar[str] = "Calls"
    events: ClassVar[frozenset[str]] = frozenset({"incident.opened"})

    def write(self, message: Message, *, now: datetime) -> dict[str, str]:
        """Return the call's script."""
        say = f'<Say language="en-US">{escape(write_speech(message, now=now))}</Say>'
        return {"Twiml": f'<Response>{say}<Pause length="1"/>{say}</Response>'}


def write_speech(message: Message, *, now: datetime) -> str:
    """Return what is said: no links, no signs, the digits of a code one by one."""
    if message.event == "contact.code":
        code = re.sub(r"[^0-9A-Za-z]", "", str(message.payload.get("code")))[:12]
        return f"This is Tocsin. Your code is: {', '.join(code)}."
    if message.event in {"incident.opened", "incident.firing"}:
        said = _speak_opened(read_facts(message), now=now)
    else:
        notice = write_notice(message, now=now)
        said = _speakable(f"{notice.headline}. {' '.join(notice.sentences)}")
    return cut(f"This is Tocsin. {said}", MAX_CHARACTERS)


def _speak_opened(facts: IncidentFacts, *, now: datetime) -> str:
    space = f", of {_speakable(facts.namespace)}," if facts.namespace else ""
    cause = f": {CAUSES[facts.cause]}" if facts.cause in CAUSES else ""
    lasted = re.sub(
        r"[a-z]+",
        lambda unit: _UNITS.get(unit[0], unit[0]),
        say_duration((now - facts.down_since).total_seconds()),
    )
    name = _speakable(facts.name)
    return (
        f"{facts.severity.capitalize()}: {name}{space} is down{cause}, for {lasted}. "
        "Open Tocsin to acknowledge it."
    )


def _speakable(text: str) -> str:
    # "nightly-backup.eu" is said as three words; signs would be spelled out or swallowed.
    return " ".join(re.sub(r"[^\w\s.,:;?!'%+-]|_|(?<=\w)[-.](?=\w)", " ", text).split())


KIND = TwilioVoiceKind()
