"""How loud a message is, and its colour: what chat and push kinds make of event and severity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from incidents.channels.base import Message

Urgency = Literal["critical", "warning", "info", "news"]

RED, AMBER, BLUE, GREEN, GREY = 0xC62828, 0xB26A00, 0x1565C0, 0x2E7D32, 0x5F6B76
_SEVERITIES: dict[str, tuple[Urgency, int]] = {
    "critical": ("critical", RED),
    "warning": ("warning", AMBER),
    "info": ("info", BLUE),
}
_RANK = ("critical", "warning", "info")
_DOWN = frozenset({"incident.opened", "incident.firing"})


@dataclass(frozen=True)
class Tone:
    """`urgency` is how loud to be ("news" needs no hand), `colour` is 0xRRGGBB.

    The colour never says anything that the words do not.
    """

    urgency: Urgency
    colour: int

    @property
    def hex_colour(self) -> str:
        """Return the colour as "#rrggbb"."""
        return f"#{self.colour:06x}"


def find_tone(message: Message) -> Tone:
    """Return the tone of `message`. An unknown severity counts as critical: better loud."""
    incident = message.payload.get("incident")
    severity = _severity(incident if isinstance(incident, Mapping) else {})
    if message.event in _DOWN:
        return Tone(*_SEVERITIES[severity])
    if message.event == "incident.flapping":
        return Tone("info" if severity == "info" else "warning", AMBER)
    if message.event == "incident.digest":
        return _digest_tone(message.payload)
    if message.event == "incident.resolved":
        return Tone("info" if severity == "info" else "news", GREEN)
    if message.event == "incident.acknowledged":
        return Tone("info" if severity == "info" else "news", BLUE)
    return Tone("news", GREY)


def _digest_tone(payload: Mapping[str, Any]) -> Tone:
    """Return the tone of the worst that has gone down, however few of all are listed."""
    counts = payload.get("counts")
    opened = counts.get("opened") if isinstance(counts, Mapping) else None
    listed = [item for item in payload.get("incidents") or () if isinstance(item, Mapping)]
    down = [_severity(item) for item in listed if item.get("event", "incident.opened") in _DOWN]
    if down or opened:
        return Tone(*_SEVERITIES[min(down or ["critical"], key=_RANK.index)])
    return Tone("news", GREEN)


def _severity(incident: Mapping[str, Any]) -> str:
    severity = incident.get("severity")
    return severity if isinstance(severity, str) and severity in _SEVERITIES else "critical"
