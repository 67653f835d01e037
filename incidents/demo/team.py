"""Making the demo team, all of it in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django_scopes import scopes_disabled

from accounts.models import Team, User
from accounts.teams import create_team, verify_address
from incidents.demo.on_call import make_on_call
from incidents.demo.outages import History, tell_incidents
from incidents.demo.past import Past, tell_past
from incidents.demo.story import CHANNELS, DAYS, MONITORS, RULES
from incidents.destinations import create_channel
from incidents.models import Delivery, Incident, Notification, TimelineEvent, empty_match
from incidents.routing import load_rules
from incidents.rows import insert_rows
from incidents.rules import create_rule
from monitors.models import CAUSE_BITS, Heartbeat, Monitor, Transition, UsageDay
from monitors.partitions import make_partitions
from monitors.queries import database_now
from monitors.services import create_monitor
from monitors.state import State

SLUG = "demo"

# name: copy_results
# Take in results of the past, whose partitions exist: by a table of our own, since one with
# row-level security takes no COPY.
PLACE = """
CREATE TEMPORARY TABLE IF NOT EXISTS told_results (LIKE monitors_pushresult) ON COMMIT DROP;
TRUNCATE told_results
"""
COPY_RESULTS = """
COPY told_results (team_id, monitor_id, received_at, id, status, latency_ms, message, labels)
  FROM STDIN
"""
KEEP_RESULTS = """
INSERT INTO monitors_pushresult
  (team_id, monitor_id, received_at, id, status, latency_ms, message, labels)
SELECT team_id, monitor_id, received_at, id, status, latency_ms, message, labels FROM told_results
"""


def create_demo(
    *, email: str, password: str, keep_days: int, parts: Iterable[Callable[..., Any]] = ()
) -> Team:
    """Create the demo team with its past, no longer than results are kept.

    A person with this address is made, or joins as they are. `parts` are what other rooms add in
    the same transaction. Raises NameTaken.
    """
    with scopes_disabled():
        now = database_now()
        start = now - timedelta(days=max(1, min(DAYS, keep_days - 1)))
        days = (now.date() - start.date()).days
        make_partitions([start.date() + timedelta(days=day) for day in range(days + 1)])
        with transaction.atomic():
            owner = User.objects.filter(email__iexact=email).first()
            owner = owner or User.objects.create_user(email, password)
            verify_address(owner)
            team = create_team(slug=SLUG, name="Demo", owner=owner)
            channels = {
                name: create_channel(team=team, name=name, kind=kind, config=config)
                for name, kind, config in CHANNELS
            }
            for name, match, used in RULES:
                create_rule(
                    team=team,
                    name=name,
                    match={**empty_match(), **match},
                    channels=[channels[channel] for channel in used],
                )
            history = History(
                team=team,
                owner=owner.email,
                rules=load_rules([team.pk])[team.pk],
                channels={channel.pk: channel for channel in channels.values()},
            )
            for told in MONITORS:
                monitor, _ = create_monitor(team=team, **told.fields)
                past = tell_past(told, start=start, now=now, team_id=team.pk, monitor_id=monitor.pk)
                tell_incidents(history, monitor=monitor, past=past, now=now)
                _write_past(monitor, past, start=start, now=now)
            _write_history(history)
            # Last: the past went by the rules of that time.
            make_on_call(team=team, owner=owner, channels=channels, now=now)
            _write_usage(team, start=start, now=now)
            for part in parts:
                part(team=team, actor=owner.email, now=now)
    return team


def _write_past(monitor: Monitor, past: Past, *, start: datetime, now: datetime) -> None:
    Monitor.objects.filter(pk=monitor.pk).update(created_at=start - timedelta(minutes=5))
    with connection.cursor() as cursor:
        cursor.execute(PLACE)
        copying: Any = cursor
        with copying.copy(COPY_RESULTS) as copy:
            for row in past.results:
                copy.write_row(row)
        cursor.execute(KEEP_RESULTS)
    Transition.objects.bulk_create(
        Transition(
            team_id=monitor.team_id,
            monitor_id=monitor.pk,
            at=moved.at,
            from_state=moved.change.from_state.value,
            to_state=moved.change.to_state.value,
            cause=moved.change.cause.value if moved.change.cause else None,
            since=moved.since,
            detail=moved.detail,
            handled_at=moved.at + timedelta(seconds=0.4),
        )
        for moved in past.moves
    )
    standing = past.standing
    armed = past.last_push_at is not None and standing.state is not State.PAUSED
    Heartbeat.objects.filter(monitor=monitor).update(
        state=standing.state.value,
        cause=standing.cause.value if standing.cause else None,
        open_causes=sum(CAUSE_BITS[cause] for cause in standing.open_causes),
        last_push_at=past.last_push_at,
        last_status=past.last_status,
        consecutive_fails=standing.consecutive_fails,
        consecutive_slow=standing.consecutive_slow,
        consecutive_passes=standing.consecutive_passes,
        down_since=past.down_since,
        clock_from=past.last_push_at,
        check_at=now if armed else None,
    )


def _write_usage(team: Team, *, start: datetime, now: datetime) -> None:
    """Write what would have been counted on the days before today; today's is counted already."""
    days = [start.date() + timedelta(days=day) for day in range((now.date() - start.date()).days)]
    UsageDay.objects.bulk_create(
        UsageDay(team=team, day=day, monitors=len(MONITORS)) for day in days
    )


def _write_history(history: History) -> None:
    history.incidents.sort(key=lambda incident: incident.pk)
    history.events.sort(key=lambda event: event["at"])
    insert_rows(Incident, history.incidents)
    insert_rows(TimelineEvent, history.events)
    insert_rows(Delivery, history.deliveries)
    insert_rows(Notification, history.notifications)
