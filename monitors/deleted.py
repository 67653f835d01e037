"""Deleted monitors: what is kept of them for a while, and how they come back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import CASCADE, Exists, OuterRef, Q
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.models import Namespace, Team
from monitors.kept import keep_row, keepers, make_row
from monitors.models import Heartbeat, Monitor, PushKey, PushReceipt, PushResult, Secret
from monitors.queries import database_now
from monitors.services import require_quota
from monitors.state import State
from monitors.usage import count_team

_BATCH = 500
_MOST_NAMED = 3
# Restored by hand, or of no more use: a repeat of a push is then stored once more.
_NOT_FOLLOWED = (Heartbeat, PushKey, PushReceipt)
_ROWS = ("monitors", "heartbeats", "keys")

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


def look_at(team: Team, ids: Collection[UUID]) -> dict[UUID, Any]:
    """Return what tells whether monitors are as they were when they were kept."""
    with scopes_disabled():
        rows = Monitor.objects.filter(team=team, pk__in=ids).values_list(
            "pk", "updated_at", "heartbeat__state", "token_hash", "old_token_hash"
        )
        found: dict[UUID, Any] = {}
        for pk, at, state, *hashes in rows:
            # Of pushes it matters alone whether there was one.
            is_armed = state not in (State.PENDING, State.PAUSED)
            hidden = [None if each is None else bytes(each) for each in hashes]
            found[pk] = [at, state == State.PAUSED, is_armed, hidden]
        keys = PushKey.objects.filter(team=team, monitor__in=found).order_by("value")
        for pk, value in keys.values_list("monitor_id", "value"):
            found[pk].append(value)
    return found


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


def keep_monitors(team: Team, ids: Collection[UUID]) -> dict[str, Any]:
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
            "beside": {name: keeper.keep(team, ids) for name, keeper in keepers.items()},
        }


def join_kept(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was kept of slices as that of one."""

    def join(dicts: list[dict[str, list[Any]]]) -> dict[str, Any]:
        names = dict.fromkeys(chain.from_iterable(dicts))
        return {name: [*chain.from_iterable(d.get(name, []) for d in dicts)] for name in names}

    rows = {name: [*chain.from_iterable(part[name] for part in parts)] for name in _ROWS}
    return rows | {name: join([part[name] for part in parts]) for name in ("others", "beside")}


def restore_monitors(team: Team, data: dict[str, Any]) -> int:
    """Bring monitors back as they were kept, and return how many; callers hold a transaction.

    Raises QuotaExceeded, Gone, NameTaken.
    """
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
        for name, keeper in keepers.items():
            keeper.restore(team, data["beside"].get(name, []))
        with connection.cursor() as cursor:
            cursor.execute(_LEAVE_RESTORED, {"team": team.pk, "ids": ids})
        count_team(team.pk)
    return len(monitors)


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
