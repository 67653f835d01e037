"""The form of an escalation policy, edited without a script by buttons that ask anew.

A draft holds what was typed, as text. A button of the form changes the draft and shows it again;
"Save" reads it, and what is wrong is written beside the field it is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import QueryDict

from accounts.console.forms import DurationField
from accounts.durations import say_duration
from accounts.models import Membership
from incidents.models import Channel, EscalationPolicy, Rotation
from incidents.policies.policies import (
    LEAST_TIMEOUT_SECONDS,
    MOST_DELAY_SECONDS,
    MOST_REPEATS,
    MOST_STEPS,
    MOST_TARGETS,
    MOST_TIMEOUT_SECONDS,
    StepValues,
    Target,
)

MOST_NAME = 120
_DELAY = DurationField(least=0, most=MOST_DELAY_SECONDS, required=False)
_TIMEOUT = DurationField(least=LEAST_TIMEOUT_SECONDS, most=MOST_TIMEOUT_SECONDS, required=False)

Choices = Sequence[tuple[str, Sequence[tuple[str, str]]]]


@dataclass
class Rung:
    """A step as typed: its delay, and whom it pages as "rotation:<id>" and the like."""

    delay: str = "0 s"
    targets: list[str] = field(default_factory=lambda: [""])
    errors: dict[str, str] = field(default_factory=dict)
    is_new: bool = False
    has_new_target: bool = False


@dataclass
class Draft:
    """A policy as it was typed so far."""

    name: str = ""
    repeat: str = "0"
    acknowledge_timeout: str = ""
    steps: list[Rung] = field(default_factory=lambda: [Rung()])
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.errors and not any(step.errors for step in self.steps)

    def change(self, what: str) -> None:
        """Do what a button says: "add-step", "drop-step:1", "up-step:1", "add-target:0"."""
        action, _, number = what.partition(":")
        n = int(number) if re.fullmatch("[0-9]{1,3}", number) else -1
        if action == "add-step" and len(self.steps) < MOST_STEPS:
            self.steps.append(Rung(delay="5 min", is_new=True))
        elif not 0 <= n < len(self.steps):
            return
        elif action == "drop-step" and len(self.steps) > 1:
            del self.steps[n]
        elif action == "up-step" and n:
            self.steps[n - 1 : n + 1] = [self.steps[n], self.steps[n - 1]]
        elif action == "add-target" and len(self.steps[n].targets) < MOST_TARGETS:
            self.steps[n].targets.append("")
            self.steps[n].has_new_target = True


def new_draft(choices: Choices) -> Draft:
    """Return a first suggestion: the first rotation, or else the first person, at once."""
    first = next((value for _, group in choices for value, _ in group), "")
    return Draft(steps=[Rung(targets=[first])])


def draft_of(policy: EscalationPolicy) -> Draft:
    """Return a policy of `with_steps` as the form shows it."""
    timeout = policy.acknowledge_timeout
    return Draft(
        name=policy.name,
        repeat=str(policy.repeat),
        acknowledge_timeout=say_duration(timeout, units=4) if timeout else "",
        steps=[
            Rung(
                delay=say_duration(step.delay, units=4),
                targets=[_value_of(target) for target in step.targets.all()] or [""],
            )
            for step in policy.steps.all()
        ]
        or [Rung()],
    )


def read_draft(data: QueryDict) -> Draft:
    """Return what a form sent, untouched."""
    steps = []
    for n in range(min(len(data.getlist("step")), MOST_STEPS)):
        targets = data.getlist(f"step-{n}-target")[:MOST_TARGETS] or [""]
        steps.append(Rung(delay=data.get(f"step-{n}-delay", ""), targets=targets))
    return Draft(
        name=data.get("name", ""),
        repeat=data.get("repeat", ""),
        acknowledge_timeout=data.get("acknowledge_timeout", ""),
        steps=steps or [Rung()],
    )


def read_values(draft: Draft) -> dict[str, Any]:
    """Return what the services take; what is wrong is noted in the draft."""
    name = draft.name.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        draft.errors["name"] = f"Give it a name of up to {MOST_NAME} characters."
    if not re.fullmatch(f"[0-{MOST_REPEATS}]", draft.repeat):
        draft.errors["repeat"] = f"Choose from 0 to {MOST_REPEATS}."
    timeout = _read_duration(_TIMEOUT, draft.acknowledge_timeout, draft.errors, "timeout")
    things = find_targets(value for step in draft.steps for value in step.targets)
    steps = []
    for step in draft.steps:
        delay = _read_duration(_DELAY, step.delay, step.errors, "delay")
        chosen = [value for value in step.targets if value]
        if not chosen:
            step.errors["targets"] = "Choose whom this step pages."
        elif any(value not in things for value in chosen):
            step.errors["targets"] = "One of these is gone. Choose again."
        else:
            steps.append(StepValues(delay or 0, [things[value] for value in chosen]))
    return {
        "name": name,
        "repeat": int(draft.repeat) if "repeat" not in draft.errors else 0,
        "acknowledge_timeout": timeout,
        "steps": steps,
    }


def target_choices() -> Choices:
    """Return whom a step can page, in groups: rotations, people and channels."""
    rotations = Rotation.objects.order_by("name").values_list("pk", "name")
    members = Membership.objects.select_related("user").order_by("user__email")
    channels = Channel.objects.order_by("name").values_list("pk", "name")
    groups = (
        ("Whoever is on call in", "rotation", rotations),
        ("People", "member", [(member.pk, _name_of(member)) for member in members]),
        ("Channels", "channel", channels),
    )
    return [(title, [(f"{kind}:{pk}", name) for pk, name in rows]) for title, kind, rows in groups]


def _name_of(member: Membership) -> str:
    email = member.user.email
    return email if member.accepted_at else f"{email} (has not accepted yet)"


def find_targets(values: Any) -> Mapping[str, Target]:
    """Return the team's things that these values name; what is gone or foreign is absent."""
    ids: dict[str, set[UUID]] = {"rotation": set(), "member": set(), "channel": set()}
    for value in values:
        kind, _, pk = value.partition(":")
        try:
            ids[kind].add(UUID(pk))
        except (KeyError, ValueError):
            continue
    return {
        **{f"rotation:{pk}": row for pk, row in Rotation.objects.in_bulk(ids["rotation"]).items()},
        **{f"member:{pk}": row for pk, row in Membership.objects.in_bulk(ids["member"]).items()},
        **{f"channel:{pk}": row for pk, row in Channel.objects.in_bulk(ids["channel"]).items()},
    }


def _value_of(target: Any) -> str:
    if target.rotation_id is not None:
        return f"rotation:{target.rotation_id}"
    if target.membership_id is not None:
        return f"member:{target.membership_id}"
    return f"channel:{target.channel_id}"


def _read_duration(
    reader: DurationField, text: str, errors: dict[str, str], name: str
) -> int | None:
    try:
        seconds: int | None = reader.clean(text)
    except ValidationError as error:
        errors[name] = " ".join(error.messages)
        return None
    return seconds
