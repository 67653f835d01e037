"""Telling people that they are on call now, or no longer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.channels.registry import KINDS
from incidents.contacts import Method, quiet_until, usable_methods
from incidents.models import Delivery, Rotation, RotationMember
from incidents.notifications.payload import write_time
from incidents.oncall.loading import load_schedules
from incidents.oncall.schedule import Schedule, Shift, next_change, on_call
from monitors.queries import database_now

log = logging.getLogger(__name__)

# A rotation that cannot be read is looked at again after so long: nobody can mend it in a second.
_UNREADABLE_WAIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Handoff:
    """One change of who is on call, as it is found."""

    rotation: Rotation
    outgoing: UUID | None
    incoming: UUID | None
    until: datetime | None


def announce_handoffs(*, limit: int = 200) -> int:
    """Look at the rotations whose time has come and queue their notices; return how many notices.

    What is told is the change from whom we saw last to who is on call now: hand-offs that were
    slept through are not made up for, and the first look at a rotation tells nobody. A row's lock
    lets one of several engines look.
    """
    with scopes_disabled():
        due = Rotation.objects.filter(check_at__lte=Now())
        if not due.exists():
            return 0
        with transaction.atomic():
            # The rotations alone: the team's row would be locked by every engine.
            locked = due.select_for_update(skip_locked=True, of=("self",))
            rotations = list(locked.select_related("team").order_by("check_at", "pk")[:limit])
            at = database_now()
            schedules = _load(rotations, at)
            handoffs = [
                handoff
                for rotation in rotations
                if (handoff := _look(rotation, schedules.get(rotation.pk), at))
            ]
            Rotation.objects.bulk_update(rotations, ["present", "looked_at", "check_at"])
            notices = _write_notices(handoffs, at)
            Delivery.objects.bulk_create(notices)
    return len(notices)


def look_for_leavers() -> int:
    """Have rotations looked at whose present person has left the team; return how many.

    Leaving empties `present` and tells no rotation of it. One that has nobody is looked at as well.
    """
    with scopes_disabled():
        empty = Rotation.objects.filter(present=None, looked_at__isnull=False)
        people = RotationMember.objects.filter(
            layer__rotation=OuterRef("pk"), membership__isnull=False
        )
        return empty.filter(Exists(people)).update(check_at=Now())


def _load(rotations: Sequence[Rotation], at: datetime) -> dict[UUID, Schedule]:
    try:
        with transaction.atomic():
            # Without an end: where nobody is on call, the next change may be a far override's.
            return load_schedules([rotation.pk for rotation in rotations], since=at)
    except Exception:
        if len(rotations) == 1:
            log.exception("rotation %s cannot be read", rotations[0].pk)
            return {}
    # One that cannot be read does not hold up the others.
    found: dict[UUID, Schedule] = {}
    for rotation in rotations:
        found |= _load([rotation], at)
    return found


def _look(rotation: Rotation, schedule: Schedule | None, at: datetime) -> _Handoff | None:
    """Write who is on call into the rotation; return the hand-off if it is another person."""
    rotation.check_at = at + _UNREADABLE_WAIT
    if schedule is None:
        return None
    try:
        shift = on_call(schedule, at)
        rotation.check_at = next_change(schedule, at)
    except Exception:
        log.exception("rotation %s cannot be worked out", rotation.pk)
        return None
    before, seen_before = rotation.present_id, rotation.looked_at is not None
    present = _member(shift)
    rotation.present_id, rotation.looked_at = present, at
    if not seen_before or present == before:
        return None
    return _Handoff(rotation, before, present, shift.end if shift else None)


def _member(shift: Shift | None) -> UUID | None:
    member = shift.member if shift else None
    return member if isinstance(member, UUID) else None


def _write_notices(handoffs: Sequence[_Handoff], at: datetime) -> list[Delivery]:
    sides = [
        (handoff, role, person)
        for handoff in handoffs
        for role, person in (("outgoing", handoff.outgoing), ("incoming", handoff.incoming))
        if person is not None
    ]
    people = {person for _, _, person in sides}
    if not people:
        return []
    methods = usable_methods(people)
    rows = Membership.objects.select_related("user").filter(pk__in=people)
    names = {row.pk: row.get_full_name() for row in rows}
    notices = []
    for handoff, role, person in sides:
        method = _first_read_by_people(methods.get(person, ()))
        if method is not None:
            payload = _payload(handoff, role, names)
            notices.append(_delivery(handoff.rotation, method, payload, at))
    return notices


def _first_read_by_people(methods: Iterable[Method]) -> Method | None:
    return next((m for m in methods if m.kind in KINDS and KINDS[m.kind].digests), None)


def _payload(handoff: _Handoff, role: str, names: Mapping[UUID, str]) -> dict[str, Any]:
    rotation, team = handoff.rotation, handoff.rotation.team
    url = f"{settings.BASE_URL}/t/{team.slug}/on-call/rotations/{rotation.pk}/"
    word = "are on call now" if role == "incoming" else "were on call"
    return {
        "team": {"slug": team.slug, "name": team.name},
        "rotation": {
            "id": str(rotation.pk),
            "name": rotation.name,
            "timezone": rotation.timezone,
            "url": url,
        },
        "incoming": names.get(handoff.incoming) if handoff.incoming else None,
        "outgoing": names.get(handoff.outgoing) if handoff.outgoing else None,
        "role": role,
        "until": write_time(handoff.until),
        "reason": f"You {word} in the rotation “{rotation.name}”.",
        "url": url,
    }


def _delivery(
    rotation: Rotation, method: Method, payload: dict[str, Any], at: datetime
) -> Delivery:
    return Delivery(
        team_id=rotation.team_id,
        contact_method_id=method.id,
        contact=method.key,
        kind=method.kind,
        event="rotation.handoff",
        payload=payload,
        next_attempt_at=quiet_until(method, severity="info", at=at) or at,
        created_at=at,
    )
