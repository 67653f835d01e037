"""A message put into words: what happened, since when, and what to do.

Every kind that speaks to people starts from the same notice. Names and texts of the tenant are
made safe lines here; escaping for a format (HTML, Slack's markup) is left to the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.durations import say_duration, say_time
from incidents.channels.base import Message
from incidents.channels.other_words import other_words
from incidents.channels.wording import clean_line, read_time, web_link

_CAUSES = {"silence": "silent", "failure": "failing", "latency": "slow"}
_DASH = "\N{EN DASH}"
_RECOVERED = frozenset({"", "recovered"})


@dataclass(frozen=True)
class Notice:
    """A message in words. `facts` are labelled values; `link` is where to look.

    `acknowledge_link` opens a page with a button and is empty where there is nothing to
    acknowledge. `lines` are the entries of a digest.
    """

    subject: str
    headline: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link: str
    link_text: str
    runbook: str
    reason: str
    acknowledge_link: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Facts:
    """The payload with safe texts and read times; what is missing is empty or None."""

    name: str
    title: str
    cause: str
    summary: str
    resolved_reason: str
    acknowledged_by: str
    down_since: datetime | None
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    last_push_at: datetime | None
    never_pushed: bool
    interval: float | None
    silent_after: float | None


def write_notice(message: Message, *, now: datetime) -> Notice:
    """Return `message` in words; relative times are relative to `now`."""
    other = other_words(message)
    if other is not None:
        return Notice(
            subject=f"[Tocsin] {other.subject}",
            headline=other.headline,
            sentences=other.sentences,
            facts=other.facts,
            link=web_link(message.payload.get("url")),
            link_text=other.link_text,
            runbook="",
            reason=clean_line(message.payload.get("reason"), 300),
            lines=other.lines,
        )
    incident, monitor, team = (
        _part(message.payload, key) for key in ("incident", "monitor", "team")
    )
    name = clean_line(monitor.get("name")) or "a monitor"
    namespace = clean_line(monitor.get("namespace"), 100)
    facts = _Facts(
        name=name,
        title=f"{name} ({namespace})" if namespace else name,
        cause=clean_line(incident.get("cause"), 40),
        summary=clean_line(incident.get("summary"), 500),
        resolved_reason=clean_line(incident.get("resolved_reason")),
        acknowledged_by=clean_line(incident.get("acknowledged_by")),
        down_since=read_time(incident.get("down_since")),
        acknowledged_at=read_time(incident.get("acknowledged_at")),
        resolved_at=read_time(incident.get("resolved_at")),
        last_push_at=read_time(monitor.get("last_push_at")),
        never_pushed="last_push_at" in monitor and not monitor["last_push_at"],
        interval=_number(monitor.get("interval")),
        silent_after=_number(monitor.get("silent_after")),
    )
    write = {
        "incident.opened": _write_opened,
        "incident.firing": _write_opened,
        "incident.flapping": _write_flapping,
        "incident.acknowledged": _write_acknowledged,
        "incident.resolved": _write_resolved,
    }.get(message.event, _write_other)
    subject, headline, sentences, link_text = write(facts, message, now)
    return Notice(
        subject=f"[Tocsin] {subject}",
        headline=headline,
        sentences=tuple(sentence for sentence in sentences if sentence),
        facts=_list_facts(incident, monitor, team, facts),
        link=web_link(incident.get("url")) or web_link(monitor.get("url")),
        link_text=link_text,
        runbook=web_link(monitor.get("runbook_url")),
        reason=clean_line(message.payload.get("reason"), 300),
        acknowledge_link=web_link(message.payload.get("acknowledge_url")),
    )


_Words = tuple[str, str, list[str], str]


def _write_opened(facts: _Facts, message: Message, now: datetime) -> _Words:
    since = facts.down_since or message.at
    ago = f"{say_time(since)}, {say_duration((now - since).total_seconds())} ago"
    expected = _say_expected(facts)
    pushed = "No push has ever come." if facts.never_pushed else ""
    if facts.last_push_at:
        pushed = f"Last push {say_time(facts.last_push_at)}{expected}."
    if facts.cause == "silence":
        headline, sentences = f"{facts.name} went silent", [f"Down since {ago}.", pushed]
    elif facts.cause == "failure":
        headline, sentences = f"{facts.name} reported a failure", [f"Down since {ago}."]
    elif facts.cause == "latency":
        headline = f"{facts.name} is slower than its limit"
        sentences = [f"Down since {ago}."]
    else:
        headline, sentences = f"{facts.name} is down", [f"Down since {ago}."]
    if facts.summary:
        sentences.append(f"Details: {facts.summary}")
    cause = _CAUSES.get(facts.cause, facts.cause)
    subject = f"Down: {facts.title}" + (f" {_DASH} {cause}" if cause else "")
    look = "Look at the incident"
    if not message.payload.get("acknowledge_url"):
        look += " and acknowledge it"
    return subject, headline, sentences, look


def _say_expected(facts: _Facts) -> str:
    if not facts.interval:
        return ""
    if facts.silent_after and facts.interval > facts.silent_after:
        return ""  # the interval is not what is waited for, and would contradict the summary
    return f", expected every {say_duration(facts.interval)}"


def _write_acknowledged(facts: _Facts, message: Message, now: datetime) -> _Words:
    at = facts.acknowledged_at or message.at
    who = f" by {facts.acknowledged_by}" if facts.acknowledged_by else ""
    sentences = [f"Acknowledged {say_time(at)}{who}: nobody else is paged for it."]
    if facts.down_since:
        down = say_duration((now - facts.down_since).total_seconds())
        sentences.append(f"Still down, since {say_time(facts.down_since)}, {down} ago.")
    headline = f"The incident of {facts.name} is acknowledged"
    return f"Acknowledged: {facts.title}", headline, sentences, "Look at the incident"


def _write_resolved(facts: _Facts, message: Message, now: datetime) -> _Words:
    at = facts.resolved_at or message.at
    lasted, sentences = "", [f"Resolved {say_time(at)}."]
    if facts.down_since:
        lasted = say_duration((at - facts.down_since).total_seconds())
        sentences = [f"Down from {say_time(facts.down_since)} to {say_time(at)}, {lasted}."]
    # Only a pass says that the service is well again; a person or a deletion does not.
    if facts.resolved_reason in _RECOVERED:
        subject = f"Up: {facts.title}" + (f" {_DASH} was down {lasted}" if lasted else "")
        headline = f"{facts.name} is up again"
    else:
        sentences[0] = f"Resolved {say_time(at)}. Reason: {facts.resolved_reason}."
        if facts.down_since:
            sentences.append(f"Opened for being down since {say_time(facts.down_since)}.")
        subject = f"Resolved: {facts.title}"
        headline = f"The incident of {facts.name} is resolved"
    return subject, headline, sentences, "Look at the incident"


def _write_flapping(facts: _Facts, message: Message, now: datetime) -> _Words:
    since = facts.down_since or message.at
    sentences = [
        f"It went up and down four times within 15 minutes; down first at {say_time(since)}.",
        (
            "The incident stays open until it has been quiet for 10 minutes; nothing more is sent "
            "until then."
        ),
    ]
    return (
        f"Flapping: {facts.title}",
        f"{facts.name} is flapping",
        sentences,
        "Look at the incident",
    )


def _write_other(facts: _Facts, message: Message, now: datetime) -> _Words:
    what = clean_line(message.event.removeprefix("incident."), 60)
    headline = f"The incident of {facts.name}: {what}"
    sentences = [f"This happened {say_time(message.at)}."]
    return f"{what.capitalize()}: {facts.title}", headline, sentences, "Look at the incident"


def _list_facts(
    incident: Mapping[str, Any], monitor: Mapping[str, Any], team: Mapping[str, Any], facts: _Facts
) -> tuple[tuple[str, str], ...]:
    labels = monitor.get("labels")
    pairs = sorted(labels.items()) if isinstance(labels, Mapping) else []
    said = ", ".join(f"{clean_line(key, 63)}={clean_line(value, 80)}" for key, value in pairs[:16])
    listed = (
        ("Monitor", facts.title if monitor.get("name") else ""),
        ("Severity", clean_line(incident.get("severity"), 40)),
        ("Labels", said),
        ("Team", clean_line(team.get("name")) or clean_line(team.get("slug"))),
    )
    return tuple((label, value) for label, value in listed if value)


def _part(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = payload.get(key)
    return part if isinstance(part, Mapping) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None
