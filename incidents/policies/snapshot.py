"""A policy as plain values: what an incident keeps of it when it opens."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Prefetch, QuerySet

from incidents.models import EscalationPolicy, EscalationStep, EscalationTarget

# name: load_policies
# Policies with their steps and targets, in order, as `take_snapshot` writes them.
LOAD = """
SELECT p.id, p.name, p.repeat, p.acknowledge_timeout, coalesce((
  SELECT json_agg(json_build_object('delay', s.delay, 'targets', coalesce((
    SELECT json_agg(CASE
        WHEN r.id IS NOT NULL THEN json_build_object('rotation', r.id, 'name', r.name)
        WHEN u.id IS NOT NULL THEN json_build_object('member', m.id, 'name', u.email)
        ELSE json_build_object('channel', c.id, 'name', c.name) END ORDER BY t.position, t.id)
    FROM incidents_escalationtarget t
    LEFT JOIN incidents_rotation r ON r.id = t.rotation_id
    LEFT JOIN accounts_membership m ON m.id = t.membership_id
    LEFT JOIN accounts_user u ON u.id = m.user_id
    LEFT JOIN incidents_channel c ON c.id = t.channel_id
    WHERE t.step_id = s.id), '[]'::json)) ORDER BY s.position)
  FROM incidents_escalationstep s WHERE s.policy_id = p.id), '[]'::json)
FROM incidents_escalationpolicy p WHERE p.id = ANY(%s)
"""


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


def load_policies(policy_ids: Iterable[UUID]) -> dict[UUID, Snapshot]:
    """Return the policies of these ids, of whatever team, as they are at one moment.

    One statement, so nobody edits them in the middle, and no lock: engines at work on thousands of
    incidents of one policy do not wait for each other, nor an editor for them. What is gone is
    absent.
    """
    wanted = list(policy_ids)
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LOAD, [wanted])
        rows = cursor.fetchall()
    return {
        pk: Snapshot(
            policy_id=pk,
            name=name,
            repeat=repeat,
            acknowledge_timeout=timeout,
            steps=json.loads(steps) if isinstance(steps, str) else steps,
        )
        for pk, name, repeat, timeout, steps in rows
    }


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
