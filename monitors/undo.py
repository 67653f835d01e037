"""Changes to many monitors that can be taken back for ten minutes.

A change goes by slices of monitors, each in a transaction of its own, since pushes wait for the
locks. All of them grow one UndoStep: what was there before, for whoever made the change; one that
was interrupted leaves a way back for what it did. Taking a step back changes what is still as the
step left it. Monitors that were deleted come back with their ids, slugs, hashes of tokens and
labels, with every row of any room that went with them by cascade and whose other end is still
there (windows, components, badges), and with what rooms keep beside (`monitors.kept`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.ids import uuid7
from accounts.models import Team
from monitors.bulk import (
    delete_monitors,
    lock_monitors,
    pause_monitors,
    put_label,
    restore_label,
    resume_monitors,
    slice_ids,
    take_label,
)
from monitors.deleted import (
    Gone,
    NameTaken,
    join_kept,
    keep_monitors,
    look_at,
    restore_monitors,
)
from monitors.models import Monitor, UndoStep
from monitors.queries import database_now
from monitors.services import QuotaExceeded
from monitors.state import State
from monitors.usage import count_team
from monitors.waiting import Busy, busy_if_waited

UNDO_FOR = timedelta(minutes=10)
PAUSE, RESUME, LABEL, UNLABEL, DELETE = "pause", "resume", "label", "unlabel", "delete"
_TRIES = 5
_MOST_SAID = 200

# name: grow
# Put what one slice had before beside that of the slices before it.
_GROW = """
UPDATE monitors_undostep SET said = %(said)s, expires_at = clock_timestamp() + %(keep)s,
  data = jsonb_set(data, '{parts}', (data -> 'parts') || jsonb_build_array(%(part)s::jsonb))
WHERE id = %(id)s AND undone_at IS NULL
"""


class Overtaken(Exception):  # noqa: N818
    """Somebody else changes the same things at this moment: try again. `count` are undone."""

    def __init__(self, count: int = 0) -> None:
        super().__init__(count)
        self.count = count


class Interrupted(Exception):  # noqa: N818
    """Somebody else changes some of the monitors at this moment: try again for the rest.

    `step` takes back what was done by then; it is None if that is nothing.
    """

    def __init__(self, step: UndoStep | None) -> None:
        super().__init__()
        self.step = step


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
    in words what was done to how many. Pausing what is paused changes nothing, and so on. Raises
    Interrupted.
    """
    step = _Step(team, actor, verb, say)
    for ids in slice_ids(monitors):
        part = [Monitor(pk=pk) for pk in ids]
        try:
            with busy_if_waited():
                if verb in (PAUSE, RESUME):
                    changed = _turn_part(step, part)
                elif verb in (LABEL, UNLABEL):
                    changed = _label_part(step, part, key, value)
                else:
                    changed = _delete_part(step, part)
        except _TakenBack:  # what is done so far, while we were at it
            break
        except Busy as error:
            raise Interrupted(step.find()) from error
        step.count += changed
    return step.find()


class _TakenBack(Exception):  # noqa: N818
    """Its maker has taken the step back while it grew."""


class _Step:
    """The step of a change that is under way; `count` is how many monitors are changed by now."""

    def __init__(self, team: Team, actor: str, verb: str, say: Say) -> None:
        self.team, self.verb = team, verb
        self._actor, self._say, self._pk = actor, say, uuid7()
        self.count = 0

    def grow(self, part: dict[str, Any], count: int) -> None:
        """Store how to take one more slice back, in the transaction that changes it."""
        said = self._say(self.count + count)[:_MOST_SAID]
        if self.count:
            values: dict[str, Any] = {"said": said, "keep": UNDO_FOR, "id": self._pk}
            with connection.cursor() as cursor:
                cursor.execute(_GROW, {**values, "part": json.dumps(part)})
                if not cursor.rowcount:
                    raise _TakenBack
            return
        UndoStep.objects.create(
            pk=self._pk,
            team=self.team,
            actor=self._actor,
            verb=self.verb,
            said=said,
            data={"parts": [part]},
            expires_at=database_now() + UNDO_FOR,
        )

    def find(self) -> UndoStep | None:
        """Return the stored step; None if nothing was changed."""
        if not self.count:
            return None
        return UndoStep.objects.filter(team=self.team).defer("data").get(pk=self._pk)


def _turn_part(step: _Step, monitors: Collection[Monitor]) -> int:
    turn = pause_monitors if step.verb == PAUSE else resume_monitors
    with transaction.atomic():
        states = lock_monitors(team=step.team, monitors=monitors)
        there = sorted(
            pk for pk, state in states.items() if (state == State.PAUSED) == (step.verb == RESUME)
        )
        if there:
            turn(team=step.team, monitors=[Monitor(pk=pk) for pk in there])
            step.grow({"ids": [str(pk) for pk in there]}, len(there))
    return len(there)


def _label_part(step: _Step, monitors: Collection[Monitor], key: str, value: str) -> int:
    with transaction.atomic():
        if step.verb == LABEL:
            before = put_label(team=step.team, monitors=monitors, key=key, value=value)
        else:
            before = take_label(team=step.team, monitors=monitors, key=key)
        if before:
            kept = {str(pk): old for pk, old in before.items()}
            present = value if step.verb == LABEL else None
            step.grow({"key": key, "value": present, "before": kept}, len(before))
    return len(before)


def _delete_part(step: _Step, monitors: Collection[Monitor]) -> int:
    """Keep what there is, then lock and delete it if it is still that: the locks are short."""
    for _ in range(_TRIES):
        with transaction.atomic():
            ids = [monitor.pk for monitor in monitors]
            seen = look_at(step.team, ids)
            kept = keep_monitors(step.team, list(seen))
            if not seen:
                return 0
            step.grow(kept, len(seen))
            count_team(step.team.pk)  # before the locks, see monitors.services
            lock_monitors(team=step.team, monitors=monitors)
            if look_at(step.team, ids) == seen:
                delete_monitors(team=step.team, monitors=[Monitor(pk=pk) for pk in seen])
                return len(seen)
            transaction.set_rollback(True)
    raise Busy


def open_steps(*, actor: str, now: datetime) -> Any:
    """Return what somebody did lately in the team in scope, newest first, taken back or not."""
    steps = UndoStep.objects.filter(actor=actor, expires_at__gt=now)
    return steps.defer("data").order_by("-created_at", "-pk")


def undo_step(*, step: UndoStep) -> Undone:
    """Take a step back; of deleted monitors all or none.

    Raises NotOpen, Overtaken, and for monitors that were deleted NameTaken, Gone, QuotaExceeded.
    """
    if step.verb == DELETE:
        try:
            with busy_if_waited():
                return _restore_all(step)
        except (IntegrityError, Busy) as error:
            raise Overtaken from error
    count = left = 0
    is_first, is_over = True, False
    while not is_over:
        try:
            with busy_if_waited(), transaction.atomic():
                # What is begun in time is finished, and by whoever is first.
                in_time = Q(expires_at__gt=Now()) if is_first else Q()
                data = _lock_step(step, in_time).data
                part, *rest = data["parts"]
                undone = _take_back(step, part)
                is_over = not rest
                done = {"data": {"parts": rest}} | ({"undone_at": Now()} if is_over else {})
                UndoStep.objects.filter(pk=step.pk).update(**done)
        except NotOpen:
            if is_first:
                raise
            break
        except Busy as error:
            raise Overtaken(count) from error
        is_first = False
        count, left = count + undone.count, left + undone.left
    return Undone(count, left)


def _lock_step(step: UndoStep, *conditions: Q) -> UndoStep:
    """Lock and return a step that is not taken back yet. Raises NotOpen."""
    steps = UndoStep.objects.select_for_update(no_key=True)
    locked: UndoStep | None = steps.filter(*conditions, pk=step.pk, undone_at=None).first()
    if locked is None:
        raise NotOpen
    return locked


def _restore_all(step: UndoStep) -> Undone:
    """Bring deleted monitors back in one transaction: no push waits for what was not there."""
    with transaction.atomic():
        locked = _lock_step(step, Q(expires_at__gt=Now()))
        team = Team.objects.get(pk=step.team_id)
        count = restore_monitors(team, join_kept(locked.data["parts"]))
        # What was kept of tokens is needed no longer.
        UndoStep.objects.filter(pk=step.pk).update(undone_at=Now(), data={})
        with connection.cursor() as cursor:
            # What the database would refuse at the end it refuses now.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return Undone(count, 0)


def purge_steps(*, now: datetime) -> int:
    """Forget steps whose time is over; return how many."""
    with scopes_disabled():
        return UndoStep.objects.filter(expires_at__lte=now).delete()[0]


def _take_back(step: UndoStep, part: dict[str, Any]) -> Undone:
    team = Team.objects.get(pk=step.team_id)
    if step.verb in (PAUSE, RESUME):
        ids = [UUID(text) for text in part["ids"]]
        states = lock_monitors(team=team, monitors=[Monitor(pk=pk) for pk in ids])
        is_paused = step.verb == PAUSE
        same = [pk for pk, state in states.items() if (state == State.PAUSED) == is_paused]
        turn = resume_monitors if is_paused else pause_monitors
        turn(team=team, monitors=[Monitor(pk=pk) for pk in same])
        return Undone(len(same), len(ids) - len(same))
    before = {UUID(text): old for text, old in part["before"].items()}
    count = restore_label(team=team, before=before, key=part["key"], present=part["value"])
    return Undone(count, len(before) - count)


__all__ = [
    "DELETE",
    "LABEL",
    "PAUSE",
    "RESUME",
    "UNLABEL",
    "Gone",
    "Interrupted",
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
