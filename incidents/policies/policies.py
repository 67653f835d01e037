"""Making and changing escalation policies: the ladders that rules page people by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.models import (
    AlertRule,
    Channel,
    EscalationPolicy,
    EscalationStep,
    EscalationTarget,
    Rotation,
)

Target: TypeAlias = Rotation | Membership | Channel
MOST_STEPS = 20
MOST_TARGETS = 20
MOST_REPEATS = 9
MOST_DELAY_SECONDS = 7 * 86_400
LEAST_TIMEOUT_SECONDS, MOST_TIMEOUT_SECONDS = 60, 30 * 86_400
_KEEP: Final[Any] = object()


class DuplicateName(Exception):  # noqa: N818 - it names what happened
    """The team has a policy of that name."""


class TargetGone(Exception):  # noqa: N818
    """A rotation, member or channel that a step names has just been deleted."""


class PolicyInUse(Exception):  # noqa: N818
    """Alert rules follow this policy; `rules` are their names."""

    def __init__(self, rules: Sequence[str]) -> None:
        super().__init__(", ".join(rules))
        self.rules = list(rules)


@dataclass(frozen=True, slots=True)
class StepValues:
    """A rung: `delay` seconds after the one before it, and whom it pages, each once."""

    delay: int
    targets: Sequence[Target]


def create_policy(
    *,
    team: Team,
    name: str,
    steps: Sequence[StepValues],
    repeat: int = 0,
    acknowledge_timeout: int | None = None,
) -> EscalationPolicy:
    """Create a policy. Raises DuplicateName, TargetGone."""
    with _changing():
        policy = EscalationPolicy.objects.create(
            team=team, name=name, repeat=repeat, acknowledge_timeout=acknowledge_timeout
        )
        _write_steps(policy, steps)
    return policy


def update_policy(
    *,
    policy: EscalationPolicy,
    name: str | None = None,
    repeat: int | None = None,
    steps: Sequence[StepValues] | None = None,
    acknowledge_timeout: int | None = _KEEP,
) -> EscalationPolicy:
    """Change what is given; incidents that are open go on by the policy as it was.

    `acknowledge_timeout` None means never. Raises DuplicateName, TargetGone, and
    EscalationPolicy.DoesNotExist if the policy has just been deleted.
    """
    with _changing():
        policy = EscalationPolicy.objects.select_for_update(no_key=True).get(pk=policy.pk)
        if name is not None:
            policy.name = name
        if repeat is not None:
            policy.repeat = repeat
        if acknowledge_timeout is not _KEEP:
            policy.acknowledge_timeout = acknowledge_timeout
        policy.save(update_fields=["name", "repeat", "acknowledge_timeout"])
        if steps is not None:
            EscalationTarget.objects.filter(step__policy=policy).delete()
            EscalationStep.objects.filter(policy=policy).delete()
            _write_steps(policy, steps)
    return policy


def delete_policy(*, policy: EscalationPolicy) -> None:
    """Delete a policy; escalations that are under way go on.

    Raises PolicyInUse, and EscalationPolicy.DoesNotExist if it has just been deleted.
    """
    with _changing():
        policy = EscalationPolicy.objects.select_for_update().get(pk=policy.pk)
        if rules := following_rules(policy):
            raise PolicyInUse(rules)
        policy.delete()


def following_rules(policy: EscalationPolicy) -> list[str]:
    """Return the names of the alert rules that follow a policy, in order."""
    rules = AlertRule.objects.filter(policy=policy).order_by("position")
    return list(rules.values_list("name", flat=True))


def _write_steps(policy: EscalationPolicy, steps: Sequence[StepValues]) -> None:
    rows = EscalationStep.objects.bulk_create(
        EscalationStep(team_id=policy.team_id, policy=policy, position=index, delay=step.delay)
        for index, step in enumerate(steps)
    )
    EscalationTarget.objects.bulk_create(
        EscalationTarget(
            team_id=policy.team_id, step=row, position=index, **{_field(target): target}
        )
        for row, step in zip(rows, steps, strict=True)
        for index, target in enumerate(dict.fromkeys(step.targets))
    )


def _field(target: Target) -> str:
    if isinstance(target, Rotation):
        return "rotation"
    return "membership" if isinstance(target, Membership) else "channel"


@contextmanager
def _changing() -> Iterator[None]:
    try:
        with transaction.atomic(), scopes_disabled():
            yield
    except IntegrityError as error:
        text = str(error)
        if "policy_name_once" in text:
            raise DuplicateName from error
        if "alertrule_policy_team" in text:  # a rule came to follow it meanwhile
            raise PolicyInUse([]) from error
        if "target_" in text:
            raise TargetGone from error
        raise
