"""Changes to many monitors in a number of statements that does not grow with them.

What `monitors.services` says of one monitor holds for each of these; callers hold a transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Namespace, Team
from monitors.models import Heartbeat, Monitor, PushKey
from monitors.services import EDITABLE, DuplicateName, QuotaExceeded
from monitors.state import State

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
            locked = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
            if locked.monitor_quota is not None:
                used = Monitor.objects.filter(team=team).count()
                if used + len(rows) > locked.monitor_quota:
                    raise QuotaExceeded(locked.monitor_quota)
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
        for written, monitors in by_fields.items():
            _write(team, written, monitors)
        waiting = beats.filter(state=State.PENDING.value, clock_from=None, monitor__in=armed)
        waiting.update(clock_from=Now(), check_at=Now())
        beats.filter(~Q(check_at=None)).update(check_at=Now())


def delete_monitors(*, team: Team, monitors: Collection[Monitor]) -> None:
    """Delete monitors and their keys; their incidents are resolved with that reason."""
    ids = [monitor.pk for monitor in monitors]
    with transaction.atomic(), scopes_disabled():
        _lock(team, ids)
        with connection.cursor() as cursor:
            cursor.execute(_LEAVE, {"team": team.pk, "ids": ids, "to": "deleted"})
        Monitor.objects.filter(team=team, pk__in=ids).delete()


def pause_monitors(*, team: Team, monitors: Collection[Monitor]) -> None:
    """Stop judging monitors; their incidents are resolved with that reason."""
    _turn(team, monitors, State.PAUSED, _PAUSE)


def resume_monitors(*, team: Team, monitors: Collection[Monitor]) -> None:
    """Judge paused monitors again: pending, armed if they were ever pushed to."""
    _turn(team, monitors, State.PENDING, _RESUME)


def _turn(team: Team, monitors: Collection[Monitor], to: State, change: str) -> None:
    """Leave transitions and change heartbeats: short, since pushes wait for the locks."""
    ids = [monitor.pk for monitor in monitors]
    values: dict[str, Any] = {"team": team.pk, "ids": ids, "to": to.value}
    with transaction.atomic(), scopes_disabled():
        _lock(team, ids)
        with connection.cursor() as cursor:
            is_turning = "= 'paused'" if to is State.PENDING else "<> 'paused'"
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


def _check_fields(fields: Mapping[str, Any]) -> None:
    unknown = set(fields) - (EDITABLE - {"namespace"})
    if unknown:
        raise TypeError(f"not fields of a monitor: {', '.join(sorted(unknown))}")
