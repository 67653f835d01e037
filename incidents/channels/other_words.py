"""Words for what is not about one incident: digests, tests, codes, hand-offs, disabled channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from accounts.durations import say_time
from incidents.channels.base import Message
from incidents.channels.wording import clean_line, read_time

# A digest of thousands names the first; the rest is behind its link.
DIGEST_LINES = 50
_CAUSES = {"silence": "silent", "failure": "failing", "latency": "slow"}


@dataclass(frozen=True)
class Words:
    """The parts of a notice that differ."""

    subject: str
    headline: str
    sentences: tuple[str, ...]
    link_text: str = "Open Tocsin"
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()


def other_words(message: Message) -> Words | None:
    """Return the words for `message`, None if it is about one incident."""
    write = _WRITERS.get(message.event)
    return write(message) if write else None


def _digest(message: Message) -> Words:
    payload = message.payload
    listed = [item for item in payload.get("incidents") or () if isinstance(item, Mapping)]
    counts = _part(payload, "counts")
    opened, resolved = _count(counts, "opened"), _count(counts, "resolved")
    flapping, total = _count(counts, "flapping"), _count(counts, "total")
    said = [
        f"{count} {word}"
        for count, word in ((opened, "down"), (resolved, "over"), (flapping, "flapping"))
        if count
    ]
    lines = [_digest_line(item) for item in listed[:DIGEST_LINES]]
    if total > len(lines):
        lines.append(f"… and {total - len(lines)} more.")
    team = _team(payload)
    sentences = [
        f"So many came at once that this one message stands for {total} of them: {', '.join(said)}."
    ]
    if opened:
        sentences.append("Acknowledge them on the page of incidents.")
    return Words(
        subject=f"{team}: {', '.join(said)}",
        headline=f"{total} incidents in {team}: {', '.join(said)}",
        sentences=tuple(sentences),
        link_text="Look at the incidents",
        lines=tuple(lines),
    )


def _digest_line(item: Mapping[str, Any]) -> str:
    name, namespace = clean_line(item.get("monitor"), 120), clean_line(item.get("namespace"), 80)
    title = f"{name} ({namespace})" if namespace else name
    if item.get("event") == "incident.resolved":
        return f"Over: {title}"
    if item.get("event") == "incident.flapping":
        return f"Flapping: {title}"
    since = read_time(item.get("down_since"))
    cause = _CAUSES.get(str(item.get("cause")), "")
    return (
        f"Down: {title}"
        + (f", {cause}" if cause else "")
        + (f" since {say_time(since)}" if since else "")
    )


def _test(message: Message) -> Words:
    return Words(
        "Test of a channel",
        "This channel works",
        (
            f"Somebody asked for a test message at {say_time(message.at)}.",
            "Nothing is down, and there is nothing to do.",
        ),
    )


def _contact_test(message: Message) -> Words:
    return Words(
        "Test of a contact method",
        "You can be reached here",
        (
            f"Somebody asked for a test message at {say_time(message.at)}.",
            "Nothing is down, and there is nothing to do.",
        ),
    )


def _code(message: Message) -> Words:
    code = clean_line(message.payload.get("code"), 12)
    return Words(
        f"{code} is your code",
        f"Your code is {code}",
        (
            (
                f"Enter it in Tocsin to be reached here by {_team(message.payload)}. "
                "It is valid for 15 minutes."
            ),
            "If you did not ask for it, do nothing: without the code nothing is sent here.",
        ),
        link_text="Enter the code",
    )


def _handoff(message: Message) -> Words:
    payload = message.payload
    rotation = clean_line(_part(payload, "rotation").get("name"), 120)
    incoming = clean_line(payload.get("incoming"), 120) or "nobody"
    until = read_time(payload.get("until"))
    till = f" until {say_time(until)}" if until else ""
    if payload.get("role") == "incoming":
        outgoing = clean_line(payload.get("outgoing"), 120)
        return Words(
            f"You are on call: {rotation}",
            f"You are on call now for {rotation}",
            (
                f"Your shift began {say_time(message.at)}{till}.",
                f"You took over from {outgoing}." if outgoing else "Nobody was on call before.",
            ),
            link_text="Look at the rotation",
        )
    return Words(
        f"You are off call: {rotation}",
        f"You are no longer on call for {rotation}",
        (f"{incoming} took over {say_time(message.at)}{till}.",),
        link_text="Look at the rotation",
    )


def _disabled(message: Message) -> Words:
    channel = _part(message.payload, "channel")
    name, why = clean_line(channel.get("name"), 120), clean_line(channel.get("detail"), 300)
    return Words(
        f"Channel disabled: {name}",
        f"The channel {name} is disabled",
        (
            f"Its provider wants no more messages: {why}" if why else "Its provider refused it.",
            "Nothing is sent there until you mend it and enable it again.",
        ),
        link_text="Look at the channels",
    )


def _part(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = payload.get(key)
    return part if isinstance(part, Mapping) else {}


def _team(payload: Mapping[str, Any]) -> str:
    team = _part(payload, "team")
    return clean_line(team.get("name"), 120) or clean_line(team.get("slug"), 80) or "your team"


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) else 0


_WRITERS: dict[str, Callable[[Message], Words]] = {
    "incident.digest": _digest,
    "channel.test": _test,
    "contact.test": _contact_test,
    "contact.code": _code,
    "rotation.handoff": _handoff,
    "channel.disabled": _disabled,
}
