"""A dry run: which rules an incident would hit, and whom that would page when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import Channel
from incidents.policies.reaching import Reached, resolve_over_time
from incidents.policies.snapshot import Snapshot, load_policies
from incidents.routing import (
    Rule,
    Subject,
    ensure_catch_all,
    load_rules,
    matching_rules,
    route,
)
from monitors.models import Monitor


@dataclass(frozen=True, slots=True)
class StepRehearsed:
    """A rung that fires `after` seconds from the opening, and whom it reaches then."""

    after: int
    targets: Sequence[Reached]


@dataclass(frozen=True, slots=True)
class PolicyRehearsed:
    """One climb of a policy; `repeat` more would follow."""

    id: UUID
    name: str
    repeat: int
    steps: Sequence[StepRehearsed]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would become of an incident. `owners` says whether the owners are mailed.

    They are if the rules say so, and also if nothing that the rules name reaches anybody.
    """

    subject: Subject
    rules: Sequence[Rule]
    channels: Sequence[Channel]
    policies: Sequence[PolicyRehearsed]
    owners: bool


def subject_of(
    monitor: Monitor, *, cause: str, at: datetime, severity: str | None = None
) -> Subject:
    """Return what rules look at in an incident of a monitor (read with its namespace)."""
    return Subject(
        labels=monitor.labels,
        namespace=monitor.namespace.name,
        name=monitor.name,
        severity=severity or monitor.severity,
        cause=cause,
        at=at,
    )


def rehearse(*, team: Team, subject: Subject) -> Rehearsal:
    """Return what an incident of `subject` would do, on call read at its time and later ones.

    A fixed number of queries, however many rules, steps and people.
    """
    ensure_catch_all(team)
    rules = load_rules([team.pk])[team.pk]
    found = route(rules, subject)
    with scopes_disabled():
        channels = Channel.objects.in_bulk(found.channels)
    snapshots = load_policies(found.policies) if found.policies else {}
    policies = _climb({pk: snapshots[pk] for pk in found.policies if pk in snapshots}, subject)
    told = [channels[pk] for pk in found.channels if pk in channels]
    reaches = any(channel.disabled_at is None for channel in told) or any(
        target.contacts for policy in policies for step in policy.steps for target in step.targets
    )
    return Rehearsal(
        subject=subject,
        rules=list(matching_rules(rules, subject)),
        channels=told,
        policies=policies,
        owners=found.owners or not reaches,
    )


def _climb(snapshots: Mapping[UUID, Snapshot], subject: Subject) -> list[PolicyRehearsed]:
    climbs = {
        pk: list(zip(accumulate(step["delay"] for step in shot.steps), shot.steps, strict=True))
        for pk, shot in snapshots.items()
    }
    # All are asked at once, in order, so that ten policies cost what one does.
    reached = iter(
        resolve_over_time(
            (
                (target, subject.at + timedelta(seconds=after))
                for steps in climbs.values()
                for after, step in steps
                for target in step["targets"]
            ),
            severity=subject.severity,
        )
    )
    return [
        PolicyRehearsed(
            id=pk,
            name=snapshots[pk].name,
            repeat=snapshots[pk].repeat,
            steps=[
                StepRehearsed(after=after, targets=[next(reached) for _ in step["targets"]])
                for after, step in steps
            ],
        )
        for pk, steps in climbs.items()
    ]
