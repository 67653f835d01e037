"""Ladders and dry runs in words: who is paged, how, and how long after the opening."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.durations import say_duration
from accounts.models import Team
from accounts.teams import owner_addresses
from incidents.channels.registry import KINDS
from incidents.models import Channel
from incidents.policies.reaching import Reached, Way, due_at
from incidents.policies.rehearsal import PolicyRehearsed, Rehearsal
from incidents.routing import Rule

_TIMES = {1: "once", 2: "twice"}
_WORDS = {"email": "e-mail"}


@dataclass(frozen=True, slots=True)
class SaidTarget:
    """A target: what it is called, who that is now, and by which ways; or why it is nobody."""

    name: str
    kind: str
    person: str | None
    ways: Sequence[str]
    remark: str


@dataclass(frozen=True, slots=True)
class SaidStep:
    """A rung: "At once" or "After 5 min"; `at` is the instant, where a rehearsal has one."""

    when: str
    targets: Sequence[SaidTarget]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SaidPolicy:
    """A ladder."""

    id: UUID
    name: str
    steps: Sequence[SaidStep]
    again: str


@dataclass(frozen=True, slots=True)
class SaidRehearsal:
    """What would become of an incident; `owners` are those who would be mailed."""

    rules: Sequence[Rule]
    channels: Sequence[Channel]
    policies: Sequence[SaidPolicy]
    owners: Sequence[str]
    owners_only: bool


def say_when(after_seconds: int) -> str:
    """Return how long after the opening a step fires: "At once", "After 5 min"."""
    return f"After {say_duration(after_seconds, units=3)}" if after_seconds else "At once"


def say_again(repeat: int) -> str:
    """Return how often a ladder is climbed anew: "Repeats twice."; nothing for never."""
    return f"Repeats {_TIMES.get(repeat, f'{repeat} times')}." if repeat else ""


def say_steps(
    steps: Iterable[tuple[int, Sequence[Reached]]],
    *,
    at: datetime | None = None,
    severity: str = "",
) -> list[SaidStep]:
    """Return rungs in words; with `at`, when the incident opens, also the ways of each page."""
    return [
        SaidStep(
            when=say_when(after),
            at=at and at + timedelta(seconds=after),
            targets=[
                _say_target(reached, at and at + timedelta(seconds=after), severity)
                for reached in targets
            ],
        )
        for after, targets in steps
    ]


def say_rehearsal(found: Rehearsal, *, team: Team) -> SaidRehearsal:
    """Return a dry run in words."""
    return SaidRehearsal(
        rules=found.rules,
        channels=found.channels,
        policies=[_say_policy(policy, found) for policy in found.policies],
        owners=owner_addresses(team) if found.owners else [],
        owners_only=not found.channels and not found.policies,
    )


def _say_policy(policy: PolicyRehearsed, found: Rehearsal) -> SaidPolicy:
    return SaidPolicy(
        id=policy.id,
        name=policy.name,
        steps=say_steps(
            ((step.after, step.targets) for step in policy.steps),
            at=found.subject.at,
            severity=found.subject.severity,
        ),
        again=say_again(policy.repeat),
    )


def _say_target(reached: Reached, fired_at: datetime | None, severity: str) -> SaidTarget:
    target: Mapping[str, Any] = reached.target
    kind = next(kind for kind in ("rotation", "member", "channel") if kind in target)
    return SaidTarget(
        name=target["name"],
        kind=kind,
        person=reached.person if kind == "rotation" else None,
        ways=[_say_way(way, reached.person, fired_at, severity) for way in reached.contacts]
        if fired_at
        else [],
        remark=reached.remark,
    )


def _say_way(way: Way, person: str | None, fired_at: datetime, severity: str) -> str:
    """Return "e-mail", "e-mail to another@example.org", "Pushover (phone) after 2 min"."""
    known = KINDS.get(way.kind)
    kind = _WORDS.get(way.kind) or (known.label if known else "") or way.kind
    if way.channel_id is not None or way.label == (person or "").lower():
        said = kind
    elif way.kind == "email" and "@" in way.label:
        said = f"{kind} to {way.label}"
    else:
        said = f"{kind} ({way.label})" if way.label not in (kind, way.kind) else kind
    wait = (due_at(way, fired_at=fired_at, severity=severity) - fired_at).total_seconds()
    return f"{said} after {say_duration(wait)}" if wait >= 1 else said
