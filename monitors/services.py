"""Changes to monitors: each in one transaction, under the heartbeat's lock.

Locks are taken in one order, and whoever needs several takes them so: the team (its quota), its
row of today (UsageDay, see `monitors.usage`), heartbeats by their monitors' ids, monitors by id.

A heartbeat is never saved as a whole row: pushes and the sweep change it at the same time. What
changes a window also rings the alarm (`check_at = now()` on the database's clock), so that the
sweep works the due time out anew.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.keys import hash_token, token_matches
from accounts.models import Team
from accounts.plans import monitor_quota
from accounts.teams import claim_namespace
from monitors.models import Heartbeat, Monitor, PushKey, PushResult, new_slug
from monitors.state import State
from monitors.usage import count_team

TOKEN_BYTES = 30
# What a caller may change on a monitor; anything else has a service of its own.
EDITABLE = frozenset(
    [
        "namespace",
        "name",
        "description",
        "interval",
        "silent_after",
        "grace",
        "cron",
        "cron_timezone",
        "timeout",
        "failures_to_open",
        "passes_to_close",
        "latency_limit_ms",
        "severity",
        "labels",
        "require_token",
        "arm_on_create",
        "runbook_url",
        "secret",
    ]
)


class QuotaExceeded(Exception):  # noqa: N818 - it names what happened
    """The team's plan allows no further monitor; `quota` is how many it allows."""

    def __init__(self, quota: int) -> None:
        super().__init__(f"The plan allows {quota} monitors.")
        self.quota = quota


def create_monitor(
    *, team: Team, namespace: str | None = None, **fields: Any
) -> tuple[Monitor, str | None]:
    """Create a monitor; return it with its token, which is shown this once.

    `fields` are those of EDITABLE but the namespace, which is given by name (the team's slug if
    left out). The token is None if a `secret` stands in for it. Raises NameTaken for a foreign
    namespace, DuplicateName, QuotaExceeded.
    """
    _check_fields(fields)
    token = None if fields.get("secret") else new_token()
    try:
        with transaction.atomic(), scopes_disabled():
            require_quota(team, 1)
            monitor = Monitor.objects.create(
                team=team,
                namespace=claim_namespace(team=team, name=namespace or team.slug),
                token_hash=hash_token(token) if token else None,
                **fields,
            )
            armed = monitor.arm_on_create
            Heartbeat.objects.create(
                team=team,
                monitor=monitor,
                clock_from=Now() if armed else None,
                check_at=Now() if armed else None,
            )
            PushKey.objects.create(team=team, monitor=monitor)
            count_team(team.pk)
    except IntegrityError as error:
        raise _named(error) from error
    return monitor, token


def update_monitor(*, monitor: Monitor, namespace: str | None = None, **fields: Any) -> Monitor:
    """Change some fields of a monitor, and ring its alarm. Raises as create_monitor does."""
    _check_fields(fields)
    try:
        with transaction.atomic(), scopes_disabled():
            heartbeat = _lock(monitor)
            if namespace is not None:
                fields["namespace"] = claim_namespace(team=monitor.team, name=namespace)
            for name, value in fields.items():
                setattr(monitor, name, value)
            monitor.save(update_fields=[*fields, "updated_at"])
            arms = fields.get("arm_on_create") and heartbeat.state == State.PENDING
            if arms and heartbeat.clock_from is None:
                _change(monitor, clock_from=Now(), check_at=Now())
            elif heartbeat.check_at is not None:
                _change(monitor, check_at=Now())
    except IntegrityError as error:
        raise _named(error) from error
    return monitor


def pause_monitor(*, monitor: Monitor) -> None:
    """Stop judging a monitor; its incident is resolved with that reason."""
    with transaction.atomic(), scopes_disabled():
        heartbeat = _lock(monitor)
        if heartbeat.state == State.PAUSED:
            return
        _change(
            monitor,
            state=State.PAUSED.value,
            cause=None,
            open_causes=0,
            down_since=None,
            check_at=None,
        )
        _leave_transition(monitor, heartbeat.state, State.PAUSED.value)


def resume_monitor(*, monitor: Monitor) -> None:
    """Judge a paused monitor again: pending, counters at zero, armed if it was ever pushed to."""
    with transaction.atomic(), scopes_disabled():
        heartbeat = _lock(monitor)
        if heartbeat.state != State.PAUSED:
            return
        # A push while paused changed nothing but was stored: it counts as one.
        armed = (
            heartbeat.last_push_at is not None
            or PushResult.objects.filter(monitor=monitor).exists()
        )
        _change(
            monitor,
            state=State.PENDING.value,
            consecutive_fails=0,
            consecutive_slow=0,
            consecutive_passes=0,
            clock_from=Now() if armed else None,
            check_at=Now() if armed else None,
        )
        _leave_transition(monitor, State.PAUSED.value, State.PENDING.value)


def delete_monitor(*, monitor: Monitor) -> None:
    """Delete a monitor and its keys; its incident is resolved with that reason.

    Its results go with their partitions; its transitions and incidents stay as history.
    """
    with transaction.atomic(), scopes_disabled():
        count_team(monitor.team_id)  # it was there today
        heartbeat = _lock(monitor)
        _leave_transition(monitor, heartbeat.state, "deleted")
        monitor.delete()


def forget_causes(*, monitor: Monitor) -> None:
    """Let a monitor that is down open anew: its incident was resolved by hand.

    Without this a further fail would be a cause already known, and page nobody.
    """
    with transaction.atomic(), scopes_disabled():
        if _lock(monitor).state == State.DOWN:
            _change(monitor, open_causes=0, consecutive_fails=0, consecutive_slow=0)


def rotate_slug(*, monitor: Monitor, keep_old_for_seconds: int = 0) -> PushKey:
    """Give a monitor a new push URL. The old one dies at once, or after the seconds asked for."""
    with transaction.atomic(), scopes_disabled():
        _lock(monitor)
        keys = PushKey.objects.filter(monitor=monitor)
        if keep_old_for_seconds > 0:
            keys.filter(is_current=True).update(
                is_current=False, expires_at=_seconds_from_now(keep_old_for_seconds)
            )
        else:
            keys.delete()  # those still in an earlier overlap too: it leaked, or it is not wanted
        return PushKey.objects.create(team_id=monitor.team_id, monitor=monitor, value=new_slug())


def rotate_token(*, monitor: Monitor, keep_old_for_seconds: int = 0) -> str:
    """Give a monitor a token of its own and return it; the old one is treated as in rotate_slug."""
    token = new_token()
    with transaction.atomic(), scopes_disabled():
        _lock(monitor)
        rows = Monitor.objects.filter(pk=monitor.pk)
        if keep_old_for_seconds > 0:
            fresh = rows.select_related("secret").get()
            old = fresh.secret.token_hash if fresh.secret else fresh.token_hash
            rows.update(
                old_token_hash=old, old_token_expires_at=_seconds_from_now(keep_old_for_seconds)
            )
        else:
            rows.update(old_token_hash=None, old_token_expires_at=None)
        rows.update(token_hash=hash_token(token), secret=None)
    return token


def token_is_valid(monitor: Monitor, token: str) -> bool:
    """Return whether `token` opens this monitor: its own, its Secret's, or an old one in overlap.

    Whether the overlap has passed is asked of the database's clock.
    """
    current = monitor.secret.token_hash if monitor.secret else monitor.token_hash
    if token_matches(token, current):
        return True
    if not token_matches(token, monitor.old_token_hash):
        return False
    with scopes_disabled():
        return Monitor.objects.filter(pk=monitor.pk, old_token_expires_at__gt=Now()).exists()


def new_token() -> str:
    """Return a fresh bearer token: 240 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class DuplicateName(Exception):  # noqa: N818 - it names what happened
    """A monitor of that name exists in the namespace."""


def _named(error: IntegrityError) -> Exception:
    if "monitor_name_once" in str(error):
        return DuplicateName()
    return error


def _check_fields(fields: dict[str, Any]) -> None:
    unknown = set(fields) - EDITABLE
    if unknown:
        raise TypeError(f"not fields of a monitor: {', '.join(sorted(unknown))}")


def require_quota(team: Team, more: int) -> None:
    """Hold the team's lock, and raise QuotaExceeded unless its plan allows `more` monitors.

    Not the full lock: that would hold up every transition, which refers to its team.
    """
    teams = Team.objects.select_related("plan").select_for_update(no_key=True, of=("self",))
    quota = monitor_quota(teams.get(pk=team.pk))
    if quota is not None and Monitor.objects.filter(team=team).count() + more > quota:
        raise QuotaExceeded(quota)


def _lock(monitor: Monitor) -> Heartbeat:
    return Heartbeat.objects.select_for_update(no_key=True).get(monitor=monitor)


def _change(monitor: Monitor, **values: Any) -> None:
    Heartbeat.objects.filter(monitor=monitor).update(**values)


def _leave_transition(monitor: Monitor, from_state: str, to_state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, "
            "detail) VALUES (%s, %s, clock_timestamp(), %s, %s, '')",
            [monitor.team_id, monitor.pk, from_state, to_state],
        )


def _seconds_from_now(seconds: int) -> Any:
    return Now() + Value(timedelta(seconds=seconds))
