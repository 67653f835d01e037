"""Changes to many monitors in a number of statements that hardly grows with them.

What `monitors.services` says of one monitor holds for each of these, the order of locks too.
Pushes wait for the locks of heartbeats, and not for long: what changes heartbeats goes by slices,
each in a transaction of its own unless the caller holds one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Namespace, Team
from monitors.ingest.fields import MOST_LABELS
from monitors.models import Heartbeat, Monitor, PushKey
from monitors.services import EDITABLE, DuplicateName, require_quota
from monitors.state import State
from monitors.usage import count_team

SLICE = 200
_BATCH = 1000
_UPDATE_BATCH = 500
_MOST_STATEMENTS = 20

# name: leave
# Leave a transition from the present state of some monitors.
_LEAVE = """
INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, detail)
SELECT team_id, monitor_id, clock_timestamp(), state, %(to)s, '' FROM monitors_heartbeat
WHERE team_id = %(team)s AND monitor_id = ANY(%(ids)s)
"""

# name: pause
# As services.pause_monitor does.
_PAUSE = """
UPDATE monitors_heartbeat
SET state = 'paused', cause = NULL, open_causes = 0, down_since = NULL, check_at = NULL
WHERE team_id = %(team)s AND monitor_id = ANY(%(ids)s) AND state <> 'paused'
"""

# name: resume
# As services.resume_monitor does: a push while paused was stored, and counts as one.
_RESUME = """
UPDATE monitors_heartbeat h
SET state = 'pending', consecutive_fails = 0, consecutive_slow = 0, consecutive_passes = 0,
  clock_from = f.at, check_at = f.at
FROM (
  SELECT b.monitor_id, CASE WHEN b.last_push_at IS NOT NULL OR EXISTS (
    SELECT 1 FROM monitors_pushresult r WHERE r.monitor_id = b.monitor_id
  ) THEN statement_timestamp() END AS at
  FROM monitors_heartbeat b WHERE b.monitor_id = ANY(%(ids)s)
) f
WHERE h.team_id = %(team)s AND h.monitor_id = f.monitor_id AND h.state = 'paused'
"""

# name: put_label
# One label on monitors; those that have all the labels that one may have, and not this, keep to it.
_PUT_LABEL = """
UPDATE monitors_monitor
SET labels = labels || jsonb_build_object(%(key)s::text, %(value)s::text),
  updated_at = clock_timestamp()
WHERE team_id = %(team)s AND id = ANY(%(ids)s) AND labels ->> %(key)s IS DISTINCT FROM %(value)s
  AND (labels ? %(key)s OR (SELECT count(*) FROM jsonb_object_keys(labels)) < %(most)s)
RETURNING id
"""

# name: take_label
_TAKE_LABEL = """
UPDATE monitors_monitor SET labels = labels - %(key)s::text, updated_at = clock_timestamp()
WHERE team_id = %(team)s AND id = ANY(%(ids)s) AND labels ? %(key)s
RETURNING id
"""

# name: restore_label
# What monitors had under a key, where nobody has changed it since: `present` is what we left there.
_RESTORE_LABEL = """
UPDATE monitors_monitor m SET updated_at = clock_timestamp(),
  labels = CASE WHEN r.value IS NULL THEN m.labels - %(key)s::text
    ELSE m.labels || jsonb_build_object(%(key)s::text, r.value) END
FROM jsonb_to_recordset(%(before)s::jsonb) AS r(id uuid, value text)
WHERE m.team_id = %(team)s AND m.id = r.id
  AND m.labels ->> %(key)s IS NOT DISTINCT FROM %(present)s
  AND (r.value IS NULL OR m.labels ? %(key)s
    OR (SELECT count(*) FROM jsonb_object_keys(m.labels)) < %(most)s)
"""


def create_monitors(
    *,
    team: Team,
    monitors: Sequence[tuple[Namespace, Mapping[str, Any]]],
    token_hashes: Sequence[bytes] | None = None,
) -> list[Monitor]:
    """Create monitors, each in a namespace of the team's, and return them in order.

    Without `token_hashes` they have no tokens of their own: a `secret` stands in, or one is asked
    for later. Raises DuplicateName, QuotaExceeded.
    """
    for _, fields in monitors:
        _check_fields(fields)
    hashes: Sequence[bytes | None] = token_hashes or [None] * len(monitors)
    rows = [
        Monitor(team=team, namespace=namespace, token_hash=token_hash, **fields)
        for (namespace, fields), token_hash in zip(monitors, hashes, strict=True)
    ]
    try:
        with transaction.atomic(), scopes_disabled():
            require_quota(team, len(rows))
            Monitor.objects.bulk_create(rows, batch_size=_BATCH)
            Heartbeat.objects.bulk_create(
                [
                    Heartbeat(
                        team=team,
                        monitor=row,
                        clock_from=Now() if row.arm_on_create else None,
                        check_at=Now() if row.arm_on_create else None,
                    )
                    for row in rows
                ],
                batch_size=_BATCH,
            )
            PushKey.objects.bulk_create(
                [PushKey(team=team, monitor=row) for row in rows], batch_size=_BATCH
            )
            count_team(team.pk)
    except IntegrityError as error:
        if "monitor_name_once" in str(error):
            raise DuplicateName from error
        raise
    return rows


def update_monitors(*, team: Team, changes: Sequence[tuple[Monitor, Mapping[str, Any]]]) -> None:
    """Change fields of monitors, and ring their alarms.

    A monitor that is given a `secret` loses its own token, and one that loses its `secret` has no
    token until one is asked for.
    """
    by_fields: dict[tuple[str, ...], list[Monitor]] = defaultdict(list)
    armed = []
    at = now()
    for monitor, fields in changes:
        _check_fields(fields)
        for name, value in fields.items():
            setattr(monitor, name, value)
        names = {*fields, "updated_at"}
        monitor.updated_at = at
        if "secret" in fields:
            monitor.token_hash = None
            names.add("token_hash")
        by_fields[tuple(sorted(names))].append(monitor)
        if fields.get("arm_on_create"):
            armed.append(monitor.pk)
    with transaction.atomic(), scopes_disabled():
        ids = [monitor.pk for monitor, _ in changes]
        beats = _lock(team, ids)
        _lock_rows(team, ids)
        for written, monitors in by_fields.items():
            _write(team, written, monitors)
        waiting = beats.filter(state=State.PENDING.value, clock_from=None, monitor__in=armed)
        waiting.update(clock_from=Now(), check_at=Now())
        beats.filter(~Q(check_at=None)).update(check_at=Now())


def delete_monitors(*, team: Team, monitors: Collection[Monitor]) -> None:
    """Delete monitors and their keys; their incidents are resolved with that reason."""
    with scopes_disabled():
        count_team(team.pk)  # they were there today; before the locks, see monitors.services
        for ids in slice_ids(monitors):
            with transaction.atomic():
                _lock(team, ids)
                _lock_rows(team, ids)
                with connection.cursor() as cursor:
                    cursor.execute(_LEAVE, {"team": team.pk, "ids": ids, "to": "deleted"})
                Monitor.objects.filter(team=team, pk__in=ids).delete()


def pause_monitors(*, team: Team, monitors: Collection[Monitor]) -> None:
    """Stop judging monitors; their incidents are resolved with that reason."""
    _turn(team, monitors, State.PAUSED, _PAUSE)


def resume_monitors(*, team: Team, monitors: Collection[Monitor]) -> None:
    """Judge paused monitors again: pending, armed if they were ever pushed to."""
    _turn(team, monitors, State.PENDING, _RESUME)


def slice_ids(monitors: Collection[Monitor]) -> Iterator[list[UUID]]:
    """Yield the monitors' ids in the order of locks, as many at a time as may be locked at once."""
    ids = sorted(monitor.pk for monitor in monitors)
    for start in range(0, len(ids), SLICE):
        yield ids[start : start + SLICE]


def lock_monitors(*, team: Team, monitors: Collection[Monitor]) -> dict[UUID, str]:
    """Lock the monitors' heartbeats, in the one order, and return their states by id."""
    with scopes_disabled():
        beats = _lock(team, [monitor.pk for monitor in monitors])
        return dict(beats.order_by().values_list("monitor_id", "state"))


def put_label(
    *, team: Team, monitors: Collection[Monitor], key: str, value: str
) -> dict[UUID, str | None]:
    """Put one label on monitors; return what those that changed had under its key, by id.

    A monitor that has all the labels that one may have is left as it is.
    """
    return _label(team, monitors, _PUT_LABEL, {"key": key, "value": value})


def take_label(*, team: Team, monitors: Collection[Monitor], key: str) -> dict[UUID, str | None]:
    """Take a label away from monitors; return what those that had it had, by id."""
    return _label(team, monitors, _TAKE_LABEL, {"key": key})


def restore_label(
    *, team: Team, before: Mapping[UUID, str | None], key: str, present: str | None
) -> int:
    """Give monitors what they had under a key, where it is `present` now; return how many."""
    rows = [{"id": str(pk), "value": value} for pk, value in before.items()]
    with transaction.atomic(), scopes_disabled():
        _lock_rows(team, list(before))
        with connection.cursor() as cursor:
            values: dict[str, Any] = {"key": key, "present": present, "most": MOST_LABELS}
            values["team"] = team.pk
            cursor.execute(_RESTORE_LABEL, {**values, "before": json.dumps(rows)})
            return int(cursor.rowcount)


def _label(
    team: Team, monitors: Collection[Monitor], change: str, values: Mapping[str, str]
) -> dict[UUID, str | None]:
    ids = [monitor.pk for monitor in monitors]
    with transaction.atomic(), scopes_disabled():
        rows = _lock_rows(team, ids)  # no window changes: no heartbeat is needed
        before = {pk: labels.get(values["key"]) for pk, labels in rows}
        with connection.cursor() as cursor:
            more: dict[str, Any] = {"team": team.pk, "ids": ids, "most": MOST_LABELS}
            cursor.execute(change, {**values, **more})
            return {pk: before[pk] for (pk,) in cursor.fetchall()}


def _turn(team: Team, monitors: Collection[Monitor], to: State, change: str) -> None:
    """Leave transitions and change heartbeats: short, since pushes wait for the locks."""
    is_turning = "= 'paused'" if to is State.PENDING else "<> 'paused'"
    for ids in slice_ids(monitors):
        values: dict[str, Any] = {"team": team.pk, "ids": ids, "to": to.value}
        with transaction.atomic(), scopes_disabled():
            _lock(team, ids)
            with connection.cursor() as cursor:
                cursor.execute(f"{_LEAVE} AND state {is_turning}", values)
                cursor.execute(change, values)


def _write(team: Team, names: Sequence[str], monitors: Sequence[Monitor]) -> None:
    """Write some columns of the monitors: at once those that become alike, which is far cheaper."""
    columns = {name: Monitor._meta.get_field(name).attname for name in names}  # type: ignore[union-attr]
    alike: dict[str, list[Monitor]] = defaultdict(list)
    for monitor in monitors:
        alike[repr([getattr(monitor, column) for column in columns.values()])].append(monitor)
    if len(alike) > _MOST_STATEMENTS:
        Monitor.objects.bulk_update(monitors, names, batch_size=_UPDATE_BATCH)
        return
    for same in alike.values():
        values = {name: getattr(same[0], column) for name, column in columns.items()}
        rows = Monitor.objects.filter(team=team, pk__in=[monitor.pk for monitor in same])
        rows.update(**values)


def _lock(team: Team, ids: Collection[Any]) -> Any:
    """Lock the monitors' heartbeats, always in one order, and return them as a query."""
    beats = Heartbeat.objects.filter(team=team, monitor__in=ids)
    locked = beats.order_by(F("monitor_id")).select_for_update(no_key=True)
    list(locked.values_list("monitor_id"))
    return beats


def _lock_rows(team: Team, ids: Collection[Any]) -> list[tuple[UUID, dict[str, str]]]:
    """Lock the monitors themselves, always in one order, and return their ids and labels."""
    rows = Monitor.objects.filter(team=team, pk__in=ids).order_by("pk")
    return list(rows.select_for_update(no_key=True).values_list("pk", "labels"))


def _check_fields(fields: Mapping[str, Any]) -> None:
    unknown = set(fields) - (EDITABLE - {"namespace"})
    if unknown:
        raise TypeError(f"not fields of a monitor: {', '.join(sorted(unknown))}")
