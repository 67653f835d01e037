"""Changes to many monitors that can be taken back for ten minutes.

Each leaves an UndoStep in its own transaction: what was there before, for whoever made the change.
Taking a step back changes what is still as the step left it. Monitors that were deleted come back
with their ids, slugs, hashes of tokens and labels, and with every row of any room that went with
them by cascade and whose other end is still there: windows, components, badges.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import CASCADE, Exists, OuterRef, Q
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.models import Namespace, Team
from monitors.bulk import (
    delete_monitors,
    lock_monitors,
    pause_monitors,
    put_label,
    restore_label,
    resume_monitors,
    take_label,
)
from monitors.kept import keep_row, make_row
from monitors.models import Heartbeat, Monitor, PushKey, PushReceipt, PushResult, Secret, UndoStep
from monitors.queries import database_now
from monitors.services import QuotaExceeded, require_quota
from monitors.state import State
from monitors.usage import count_team

UNDO_FOR = timedelta(minutes=10)
PAUSE, RESUME, LABEL, UNLABEL, DELETE = "pause", "resume", "label", "unlabel", "delete"
_BATCH = 500
_MOST_SAID = 200
_MOST_NAMED = 3
# Restored by hand, or of no more use: a repeat of a push is then stored once more.
_NOT_FOLLOWED = (Heartbeat, PushKey, PushReceipt)

# name: leave_restored
# Say in the history of monitors that they are back.
_LEAVE_RESTORED = """
INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, detail)
SELECT team_id, monitor_id, clock_timestamp(), 'deleted', state, '' FROM monitors_heartbeat
WHERE team_id = %(team)s AND monitor_id = ANY(%(ids)s)
"""


class NameTaken(Exception):  # noqa: N818 - it names what happened
    """Monitors of these names have been made since; `names` are some of them, `count` says all."""

    def __init__(self, names: list[str], count: int) -> None:
        super().__init__(", ".join(names))
        self.names, self.count = names, count


class Gone(Exception):  # noqa: N818
    """Something that the monitors need was deleted since: `kind` is `namespace` or `secret`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Overtaken(Exception):  # noqa: N818
    """Somebody else changed the same things at this moment: try again."""


class NotOpen(Exception):  # noqa: N818
    """The step was taken back already, or its time is over."""


@dataclass(frozen=True, slots=True)
class Undone:
    """How many monitors are as they were before, and how many somebody has changed since."""

    count: int
    left: int


Say = Callable[[int], str]


def change_monitors(
    *,
    team: Team,
    actor: str,
    verb: str,
    monitors: Collection[Monitor],
    say: Say,
    key: str = "",
    value: str = "",
) -> UndoStep | None:
    """Change monitors and return the step that takes it back; None if nothing was to be changed.

    `verb` is one of PAUSE, RESUME, LABEL (`key`, `value`), UNLABEL (`key`) and DELETE; `say` tells
    in words what was done to how many. Pausing what is paused changes nothing, and so on.
    """
    with transaction.atomic():
        states = lock_monitors(team=team, monitors=monitors)
        there = [each for each in monitors if each.pk in states]
        data: dict[str, Any]
        if verb in (PAUSE, RESUME):
            paused = State.PAUSED.value
            there = [each for each in there if (states[each.pk] == paused) == (verb == RESUME)]
            (pause_monitors if verb == PAUSE else resume_monitors)(team=team, monitors=there)
            data = {"ids": [str(each.pk) for each in there]}
        elif verb in (LABEL, UNLABEL):
            if verb == LABEL:
                before = put_label(team=team, monitors=there, key=key, value=value)
            else:
                before = take_label(team=team, monitors=there, key=key)
            there = [each for each in there if each.pk in before]
            kept = {str(pk): old for pk, old in before.items()}
            data = {"key": key, "value": value if verb == LABEL else None, "before": kept}
        else:
            data = _keep(team, [each.pk for each in there])
            delete_monitors(team=team, monitors=there)
        if not there:
            return None
        return UndoStep.objects.create(
            team=team,
            actor=actor,
            verb=verb,
            said=say(len(there))[:_MOST_SAID],
            data=data,
            expires_at=database_now() + UNDO_FOR,
        )


def open_steps(*, actor: str, now: datetime) -> Any:
    """Return what somebody did lately in the team in scope, newest first, taken back or not."""
    steps = UndoStep.objects.filter(actor=actor, expires_at__gt=now)
    return steps.defer("data").order_by("-created_at", "-pk")


def undo_step(*, step: UndoStep) -> Undone:
    """Take a step back, whole or not at all.

    Raises NotOpen, and for monitors that were deleted NameTaken, Gone, QuotaExceeded, Overtaken.
    """
    try:
        with transaction.atomic():
            steps = UndoStep.objects.select_for_update(no_key=True)
            locked = steps.filter(pk=step.pk, undone_at=None, expires_at__gt=Now()).first()
            if locked is None:
                raise NotOpen
            undone = _take_back(locked)
            # What was kept of tokens is needed no longer.
            UndoStep.objects.filter(pk=step.pk).update(undone_at=Now(), data={})
            with connection.cursor() as cursor:
                # What the database would refuse at the end it refuses now.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    except IntegrityError as error:
        raise Overtaken from error
    return undone


def purge_steps(*, now: datetime) -> int:
    """Forget steps whose time is over; return how many."""
    with scopes_disabled():
        return UndoStep.objects.filter(expires_at__lte=now).delete()[0]


def _take_back(step: UndoStep) -> Undone:
    team, data = Team.objects.get(pk=step.team_id), step.data
    if step.verb == DELETE:
        return _restore(team, data)
    if step.verb in (PAUSE, RESUME):
        ids = [UUID(text) for text in data["ids"]]
        states = lock_monitors(team=team, monitors=[Monitor(pk=pk) for pk in ids])
        is_paused = step.verb == PAUSE
        same = [pk for pk, state in states.items() if (state == State.PAUSED) == is_paused]
        turn = resume_monitors if is_paused else pause_monitors
        turn(team=team, monitors=[Monitor(pk=pk) for pk in same])
        return Undone(len(same), len(ids) - len(same))
    before = {UUID(text): old for text, old in data["before"].items()}
    count = restore_label(team=team, before=before, key=data["key"], present=data["value"])
    return Undone(count, len(before) - count)


# --- monitors that were deleted ---------------------------------------------------------------


def _followed() -> list[tuple[Any, str]]:
    """Return the tables, of whatever room, whose rows go when their monitor goes."""
    fields = Monitor._meta.get_fields(include_hidden=True)
    relations: list[Any] = [each for each in fields if each.auto_created and not each.concrete]
    return [
        (relation.related_model, relation.field.name)
        for relation in relations
        if getattr(relation, "on_delete", None) is CASCADE
        and relation.related_model not in _NOT_FOLLOWED
    ]


def _keep(team: Team, ids: Collection[UUID]) -> dict[str, Any]:
    """Return all that is needed to bring monitors back, as plain values."""
    with scopes_disabled():
        results = PushResult.objects.filter(monitor=OuterRef("monitor"))
        beats = Heartbeat.objects.filter(team=team, monitor__in=ids)
        return {
            "monitors": [keep_row(row) for row in Monitor.objects.filter(team=team, pk__in=ids)],
            "heartbeats": [
                keep_row(row) | {"pushed": row.last_push_at is not None or row.has_results}
                for row in beats.annotate(has_results=Exists(results))
            ],
            "keys": [keep_row(row) for row in PushKey.objects.filter(team=team, monitor__in=ids)],
            "others": {
                model._meta.label: [
                    keep_row(row)
                    for row in model.objects.filter(team=team, **{f"{field}__in": ids})
                ]
                for model, field in _followed()
            },
        }


def _restore(team: Team, data: dict[str, Any]) -> Undone:
    monitors = [make_row(Monitor, kept) for kept in data["monitors"]]
    ids = [row.pk for row in monitors]
    with scopes_disabled():
        require_quota(team, len(monitors))
        _check(team, monitors)
        Monitor.objects.bulk_create(monitors, batch_size=_BATCH)
        beats = [_beat(kept) for kept in data["heartbeats"]]
        Heartbeat.objects.bulk_create(beats, batch_size=_BATCH)
        now = database_now()
        keys = [make_row(PushKey, kept) for kept in data["keys"]]
        alive = [key for key in keys if key.expires_at is None or key.expires_at > now]
        PushKey.objects.bulk_create(alive, batch_size=_BATCH)
        for model, field in _followed():
            rows = [make_row(model, kept) for kept in data["others"].get(model._meta.label, [])]
            model.objects.bulk_create(_whole(model, field, rows), batch_size=_BATCH)
        with connection.cursor() as cursor:
            cursor.execute(_LEAVE_RESTORED, {"team": team.pk, "ids": ids})
        count_team(team.pk)
    return Undone(len(monitors), 0)


def _check(team: Team, monitors: Iterable[Monitor]) -> None:
    """Raise unless the monitors fit in beside what there is now."""
    rows = list(monitors)
    spaces = {row.namespace_id for row in rows}
    if Namespace.objects.filter(team=team, pk__in=spaces).count() < len(spaces):
        raise Gone("namespace")
    secrets = {row.secret_id for row in rows if row.secret_id}
    if Secret.objects.filter(team=team, pk__in=secrets).count() < len(secrets):
        raise Gone("secret")
    wanted = {(row.namespace_id, row.name) for row in rows}
    named = Q(namespace__in=spaces, name__in={row.name for row in rows})
    there = Monitor.objects.filter(named, team=team).values_list("namespace_id", "name")
    if taken := sorted(name for space, name in there if (space, name) in wanted):
        raise NameTaken(taken[:_MOST_NAMED], len(taken))


def _beat(kept: dict[str, Any]) -> Heartbeat:
    """Return the heartbeat to begin with: paused if it was, else pending, armed if ever pushed."""
    row: Heartbeat = make_row(Heartbeat, kept)
    is_paused = row.state == State.PAUSED
    is_armed = not is_paused and (kept["pushed"] or row.clock_from is not None)
    return Heartbeat(
        team_id=row.team_id,
        monitor_id=row.monitor_id,
        state=State.PAUSED.value if is_paused else State.PENDING.value,
        last_push_at=row.last_push_at,
        last_status=row.last_status,
        clock_from=Now() if is_armed else None,
        check_at=Now() if is_armed else None,
    )


def _whole(model: Any, own: str, rows: list[Any]) -> list[Any]:
    """Return the rows whose other ends are still there."""
    for field in model._meta.concrete_fields:
        if not field.is_relation or field.name in (own, "team"):
            continue
        wanted = {getattr(row, field.attname) for row in rows} - {None}
        targets = field.related_model.objects.filter(pk__in=wanted)
        there = {None, *targets.values_list("pk", flat=True)}
        rows = [row for row in rows if getattr(row, field.attname) in there]
    return rows


__all__ = [
    "DELETE",
    "LABEL",
    "PAUSE",
    "RESUME",
    "UNLABEL",
    "Gone",
    "NameTaken",
    "NotOpen",
    "Overtaken",
    "QuotaExceeded",
    "Undone",
    "change_monitors",
    "open_steps",
    "purge_steps",
    "undo_step",
]
