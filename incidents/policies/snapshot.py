"""A policy as plain values: what an incident keeps of it when it opens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django_scopes import scopes_disabled

from incidents.models import EscalationPolicy, EscalationStep, EscalationTarget


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A policy as it is now.

    `steps` is the JSON list that `Escalation.steps` keeps: objects of `delay` in seconds and
    `targets`, each of which has the id of one thing (`rotation`, `member` or `channel`) and its
    `name` (a member's is their address).
    """

    policy_id: UUID | None  # None for one made up on the spot
    name: str
    repeat: int
    acknowledge_timeout: int | None
    steps: list[dict[str, Any]]


def with_steps(policies: QuerySet[EscalationPolicy]) -> QuerySet[EscalationPolicy]:
    """Return the policies with their steps and targets, in order: two queries more."""
    targets = EscalationTarget.objects.select_related("rotation", "membership__user", "channel")
    steps = EscalationStep.objects.order_by("position").prefetch_related(
        Prefetch("targets", targets.order_by("position"))
    )
    return policies.prefetch_related(Prefetch("steps", steps))


def load_policies(policy_ids: Iterable[UUID], *, lock: bool = False) -> dict[UUID, Snapshot]:
    """Return the policies of these ids, of whatever team: three queries. What is gone is absent.

    With `lock`, in a transaction, nobody edits them between the queries.
    """
    with scopes_disabled():
        found = EscalationPolicy.objects.filter(pk__in=set(policy_ids))
        if lock:
            found = found.select_for_update(no_key=True).order_by("pk")
        rows = list(with_steps(found))
        return {row.pk: take_snapshot(row) for row in rows}


def take_snapshot(policy: EscalationPolicy) -> Snapshot:
    """Return a policy of `with_steps` as plain values."""
    return Snapshot(
        policy_id=policy.pk,
        name=policy.name,
        repeat=policy.repeat,
        acknowledge_timeout=policy.acknowledge_timeout,
        steps=[
            {
                "delay": step.delay,
                "targets": [_describe_target(target) for target in step.targets.all()],
            }
            for step in policy.steps.all()
        ],
    )


def _describe_target(target: EscalationTarget) -> dict[str, str]:
    if target.rotation is not None:
        return {"rotation": str(target.rotation_id), "name": target.rotation.name}
    if target.membership is not None:
        return {"member": str(target.membership_id), "name": target.membership.user.email}
    assert target.channel is not None
    return {"channel": str(target.channel_id), "name": target.channel.name}
