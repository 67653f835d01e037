"""Whom the targets of a step reach now: people by their contact methods, and channels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.channels.registry import KINDS
from incidents.contacts import Method, quiet_until, usable_methods
from incidents.models import Channel, ContactMethod, Rotation
from incidents.oncall.loading import load_schedules
from incidents.oncall.schedule import Shift
from incidents.oncall.schedule import on_call as find_shift
from monitors.models import Severity

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """One contact that a page goes to, `delay_seconds` after the step fires.

    `key` is `channel:<id>`, `email:<address>` or `method:<id>`: a page goes once to each.
    `quiet_hours` hold it back (never what is critical). `label` names it and holds no secret.
    """

    key: str
    kind: str
    channel_id: UUID | None
    method_id: UUID | None
    delay_seconds: int
    quiet_hours: tuple[dict[str, Any], ...]
    label: str
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """What one target leads to. Without contacts `remark` says why, for the timeline."""

    target: Mapping[str, Any]
    person: str | None = None
    contacts: list[Way] = field(default_factory=list)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything that was read, by id."""

    rotations: Mapping[UUID, str]
    on_call: Mapping[tuple[UUID, datetime], Shift | None]
    members: Mapping[UUID, Membership]
    methods: Mapping[UUID, Sequence[Method]]
    channels: Mapping[UUID, Channel]
    names: Mapping[UUID, str]


def resolve_targets(
    targets: Iterable[Mapping[str, Any]], *, at: datetime, severity: str | None = None
) -> list[Reached]:
    """Return whom each of a snapshot's targets reaches at `at`, in their order.

    A fixed number of queries, however many targets and of however many teams. Nothing holds back
    what is `critical`; without a severity each way keeps its quiet hours, for the caller to judge.
    """
    return resolve_over_time(((target, at) for target in targets), severity=severity)


def resolve_over_time(
    targets: Iterable[tuple[Mapping[str, Any], datetime]], *, severity: str | None = None
) -> list[Reached]:
    """Return what `resolve_targets` does, for targets that each have a time of their own."""
    wanted = [(target, *_kind_and_id(target), at) for target, at in targets]
    with scopes_disabled():
        known = _read((kind, pk, at) for _, kind, pk, at in wanted)
    critical = severity == Severity.CRITICAL
    once: dict[tuple[str, UUID, datetime], Reached] = {}
    found = []
    for target, kind, pk, at in wanted:
        if (kind, pk, at) not in once:
            once[kind, pk, at] = _resolve(target, kind, pk, at, known, critical=critical)
        found.append(once[kind, pk, at])
    return found


def due_at(way: Way, *, fired_at: datetime, severity: str) -> datetime:
    """Return when a page goes out this way: after its delay, and after quiet hours if it is in any.

    `fired_at` is when the step fires.
    """
    at = fired_at + timedelta(seconds=way.delay_seconds)
    if way.method is None:
        return at
    return quiet_until(way.method, severity=severity, at=at) or at


def _read(wanted: Iterable[tuple[str, UUID, datetime]]) -> _Known:
    ids: dict[str, set[UUID]] = {"rotation": set(), "member": set(), "channel": set()}
    times: dict[datetime, set[UUID]] = {}
    for kind, pk, at in wanted:
        ids[kind].add(pk)
        if kind == "rotation":
            times.setdefault(at, set()).add(pk)
    on_call = _find_shifts(ids["rotation"], times)
    people = ids["member"] | {
        cast("UUID", shift.member) for shift in on_call.values() if shift is not None
    }
    methods = usable_methods(people) if people else {}
    used = [method.id for listed in methods.values() for method in listed]
    rotations = Rotation.objects.filter(pk__in=ids["rotation"])
    return _Known(
        rotations=dict(rotations.values_list("pk", "name")),
        on_call=on_call,
        members=Membership.objects.select_related("user").in_bulk(people),
        methods=methods,
        channels=Channel.objects.in_bulk(ids["channel"]),
        names=dict(ContactMethod.objects.filter(pk__in=used).values_list("pk", "name")),
    )


def _find_shifts(
    rotations: set[UUID], times: Mapping[datetime, set[UUID]]
) -> dict[tuple[UUID, datetime], Shift | None]:
    """Return who is on call by rotation and time; one that cannot be read is logged: nobody.

    Its zone may be gone from the time zone database: nobody else's pages may wait for that.
    """
    if not rotations:
        return {}
    try:
        # A transaction of its own: after a failed query the others go on.
        with transaction.atomic():
            schedules = load_schedules(rotations, since=min(times), until=max(times))
            return {
                (pk, at): find_shift(schedules[pk], at)
                for at, wanted in times.items()
                for pk in wanted
                if pk in rotations and pk in schedules
            }
    except Exception:
        if len(rotations) == 1:
            log.exception("rotation %s cannot be read", next(iter(rotations)))
            return {}
    found: dict[tuple[UUID, datetime], Shift | None] = {}
    for pk in rotations:
        found |= _find_shifts({pk}, times)
    return found


def _kind_and_id(target: Mapping[str, Any]) -> tuple[str, UUID]:
    kind = next(kind for kind in ("rotation", "member", "channel") if kind in target)
    return kind, UUID(str(target[kind]))


def _resolve(
    target: Mapping[str, Any], kind: str, pk: UUID, at: datetime, known: _Known, *, critical: bool
) -> Reached:
    name = target.get("name", "")
    if kind == "channel":
        return _resolve_channel(target, pk, known)
    if kind == "rotation":
        if pk not in known.rotations:
            return Reached(target, remark=f"The rotation “{name}” is gone.")
        shift = known.on_call.get((pk, at))
        if shift is None:
            return Reached(target, remark=f"Rotation “{known.rotations[pk]}” has nobody on call.")
        pk = cast("UUID", shift.member)
    member = known.members.get(pk)
    if member is None:
        who = name if kind == "member" else f"Whoever is on call in “{name}”"
        return Reached(target, remark=f"{who} is no longer in the team.")
    person = member.user.email
    if member.accepted_at is None:
        return Reached(target, person, remark=f"{person} has not accepted their place yet.")
    if not member.user.is_active:
        return Reached(target, person, remark=f"The account of {person} is disabled.")
    ways = [_way(method, known.names, critical=critical) for method in known.methods.get(pk, ())]
    if not ways:
        return Reached(target, person, remark=f"{person} has no verified contact method.")
    return Reached(target, person, ways)


def _resolve_channel(target: Mapping[str, Any], pk: UUID, known: _Known) -> Reached:
    channel = known.channels.get(pk)
    if channel is None:
        return Reached(target, remark=f"The channel “{target.get('name', '')}” is gone.")
    if channel.disabled_at is not None:
        return Reached(target, remark=f"Channel “{channel.name}” is disabled.")
    way = Way(
        key=f"channel:{channel.pk}",
        kind=channel.kind,
        channel_id=channel.pk,
        method_id=None,
        delay_seconds=0,
        quiet_hours=(),
        label=channel.name,
    )
    return Reached(target, None, [way])


def _way(method: Method, names: Mapping[UUID, str], *, critical: bool) -> Way:
    return Way(
        key=method.key,
        kind=method.kind,
        channel_id=None,
        method_id=method.id,
        delay_seconds=method.delay_seconds,
        quiet_hours=() if critical else method.quiet_hours,
        label=_label(method, names.get(method.id, "")),
        method=method,
    )


def _label(method: Method, name: str) -> str:
    """Name a method by its address if it is mail, else by the name its owner gave it."""
    if method.key.startswith("email:"):
        return method.key.removeprefix("email:")
    known = KINDS.get(method.kind)
    return name or (known.label if known else "") or method.kind
