"""What one batch of the engine has read and will write: incidents in memory, rows to insert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from accounts.models import Team
from accounts.teams import owner_addresses_by_team
from incidents.measures import note_changes
from incidents.models import (
    Channel,
    Delivery,
    DeliveryState,
    Escalation,
    HeldOutage,
    Incident,
    Notification,
    TimelineEvent,
)
from incidents.notifications.compose import Contact, notification_row
from incidents.notifications.holding import hold_back
from incidents.policies.snapshot import Snapshot, load_policies
from incidents.routing import Rule, load_rules
from incidents.rows import Row, insert_rows, run_with_rows, with_any

# Only one transaction at a time turns changes of a monitor into incidents, so that its second
# change does not overtake its first. Whoever is at work on all monitors holds LOCK_KEY alone. Each
# of the lanes, which share the monitors between them, holds it with the others, and its own alone.
LOCK_KEY = 7_203_002
LANE_KEY = 7_203_100
LANES = 3  # as many threads: with two, one of two cores was idle for a quarter of the time


class Sent(NamedTuple):
    """What a batch must know of a message about an incident."""

    id: UUID
    event: str
    contact: str
    kind: str
    channel_id: UUID | None
    contact_method_id: UUID | None
    direct: bool
    state: str
    attempt_count: int
    next_attempt_at: datetime

    @classmethod
    def of(cls, row: Row) -> Sent:
        """Return it for a delivery that is not stored yet."""
        return cls(*[row[name] for name in cls._fields])


# name: end_incidents
# Write how a batch of incidents ended.
_END = """
UPDATE incidents_incident i
SET state = 'resolved', resolved_at = r.at, resolved_reason = r.reason, wake_at = NULL,
  settle_at = NULL
FROM json_to_recordset(%s::json) AS r(id uuid, at timestamptz, reason text)
WHERE i.id = r.id
"""

# name: stop_ladders
# No further step of incidents that are over. A first one that was due before the monitor recovered
# by itself still fires: a fail and a pass within one second are both told, unless their contact is
# left alone for the rest of a minute just then.
_STOP = """
UPDATE incidents_escalation e SET next_step_at = NULL
FROM incidents_incident i
WHERE i.id = e.incident_id AND i.id = ANY(%s) AND e.next_step_at IS NOT NULL
  AND NOT (e.firings = 0 AND e.next_step_at <= i.resolved_at AND i.resolved_reason = 'recovered')
"""

# name: mark_incidents
# Write which incidents flap, and until when they must be quiet.
_MARK = """
UPDATE incidents_incident i SET flapping = r.flapping, settle_at = r.settle_at
FROM json_to_recordset(%s::json) AS r(id uuid, flapping bool, settle_at timestamptz)
WHERE i.id = r.id
"""

# name: cancel_deliveries
# Cancel a batch of messages that wait, under a lock that was taken when they were read.
_CANCEL = """
UPDATE incidents_delivery d SET state = 'cancelled', finished_at = r.at
FROM json_to_recordset(%s::json) AS r(id uuid, at timestamptz)
WHERE d.id = r.id AND d.state = 'pending'
"""


@dataclass
class Work:
    """One batch: what was read at `now`, and what `write` will store."""

    now: datetime
    teams: dict[UUID, Team]
    rules: dict[UUID, list[Rule]]
    channels: dict[UUID, Channel]
    policies: dict[UUID, Snapshot]
    owners: dict[UUID, list[str]]
    open: dict[UUID, Incident] = field(default_factory=dict)  # by monitor
    previous: dict[UUID, UUID] = field(default_factory=dict)  # by monitor: its latest incident
    held: dict[UUID, Row] = field(default_factory=dict)  # by monitor: down in a maintenance window
    sent: dict[UUID, list[Sent]] = field(default_factory=dict)  # by incident
    contacts_cache: dict[Any, tuple[list[Contact], list[str]]] = field(default_factory=dict)
    created: list[Incident] = field(default_factory=list)
    ended: dict[UUID, Incident] = field(default_factory=dict)
    marked: dict[UUID, Incident] = field(default_factory=dict)
    escalations: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    cancelled: dict[UUID, datetime] = field(default_factory=dict)
    held_anew: dict[UUID, Row] = field(default_factory=dict)
    released: set[UUID] = field(default_factory=set)

    def note(self, incident: Incident, at: datetime, kind: str, text: str) -> None:
        """Add a line to an incident's timeline."""
        self.events.append(event_row(incident, at, kind, text))

    def write(self) -> None:
        """Store everything, in the order that the constraints want."""
        created = {incident.pk for incident in self.created}
        # The ended ones first: a monitor that recovered and failed again has one open incident.
        run_with_rows(
            _END,
            [
                {"id": pk, "at": i.resolved_at, "reason": i.resolved_reason}
                for pk, i in self.ended.items()
                if pk not in created
            ],
        )
        run_with_rows(
            _MARK,
            [
                {"id": pk, "flapping": i.flapping, "settle_at": i.settle_at}
                for pk, i in self.marked.items()
                if pk not in created and pk not in self.ended
            ],
        )
        insert_rows(Incident, self.created)
        insert_rows(Escalation, self.escalations)
        if self.ended:
            with connection.cursor() as cursor:
                cursor.execute(_STOP, [list(self.ended)])
        for row in self.deliveries:
            if cancelled_at := self.cancelled.get(row["id"]):
                row |= {"state": DeliveryState.CANCELLED, "finished_at": cancelled_at}
        run_with_rows(_CANCEL, [{"id": pk, "at": at} for pk, at in self.cancelled.items()])
        insert_rows(TimelineEvent, self.events)
        hold_back(self.deliveries)
        insert_rows(Delivery, self.deliveries)
        insert_rows(Notification, [notification_row(row) for row in self.deliveries])
        gone = self.released | self.held_anew.keys()
        if gone:
            with_any(HeldOutage.objects.all(), "monitor_id", gone).delete()
        insert_rows(HeldOutage, list(self.held_anew.values()))
        note_changes(self.created, self.ended.values())


def event_row(
    incident: Incident, at: datetime, kind: str, text: str, *, actor: str = "tocsin"
) -> Row:
    """Return a line of an incident's timeline, by column."""
    return {
        "team_id": incident.team_id,
        "incident_id": incident.pk,
        "at": at,
        "kind": kind,
        "actor": actor,
        "text": text,
    }


# name: try_lane
# Take one lane's lock, beside the other lanes and with nobody at work on all monitors.
_TRY_LANE = "SELECT pg_try_advisory_xact_lock_shared(%s) AND pg_try_advisory_xact_lock(%s)"


def try_lock(lane: int | None = None) -> bool:
    """Take the engine's lock until the end of the transaction; False if somebody else has it.

    Without a `lane` it is the lock on all monitors.
    """
    with connection.cursor() as cursor:
        if lane is None:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
        else:
            cursor.execute(_TRY_LANE, [LOCK_KEY, LANE_KEY + lane])
        return bool(cursor.fetchone()[0])


def start_work(team_ids: Iterable[UUID]) -> Work:
    """Return a batch for incidents of these teams, with their rules, channels and policies."""
    wanted = set(team_ids)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now = cursor.fetchone()[0]
    rules = load_rules(wanted)
    every = [rule for team_rules in rules.values() for rule in team_rules]
    return Work(
        now=now,
        teams={team.pk: team for team in Team.objects.filter(pk__in=wanted)},
        rules=rules,
        channels=Channel.objects.in_bulk({c for rule in every for c in rule.channels}),
        policies=load_policies({rule.policy for rule in every if rule.policy}),
        owners=owner_addresses_by_team(wanted),
    )


def read_sent(incident_ids: Iterable[UUID]) -> dict[UUID, list[Sent]]:
    """Return and lock the deliveries about incidents that may end in this batch, by incident.

    The lock holds off the senders: what is found waiting here can be cancelled.
    """
    wanted = list(incident_ids)
    sent: dict[UUID, list[Sent]] = {}
    if wanted:
        found = with_any(Delivery.objects.order_by("id"), "incident_id", wanted)
        for incident_id, *values in found.select_for_update(no_key=True).values_list(
            "incident_id", *Sent._fields
        ):
            assert incident_id is not None
            sent.setdefault(incident_id, []).append(Sent(*values))
    return sent
