"""What the audit log watches of incidents and on-call: what people and keys do, not the engine."""

from __future__ import annotations

from accounts.audit_triggers import Noted, Watched, watch
from accounts.audited import email_of_member
from incidents.channels.registry import KINDS

SECRET_FIELDS = [(kind.name, name) for kind in KINDS.values() for name in kind.secret_fields]
MEMBER = ("member", email_of_member("membership_id"))


def name_of(table: str, column: str) -> str:
    """Return SQL for the name of the row of `table` that a row's `column` names."""
    return f"(SELECT x.name FROM {table} x WHERE x.id = {{r}}.{column})"


def named(table: str, column: str) -> tuple[str, str]:
    """Return how a reference is recorded: by the name of what it names."""
    return (column.removesuffix("_id"), name_of(table, column))


CHANNEL = named("incidents_channel", "channel_id")
ROTATION = named("incidents_rotation", "rotation_id")
_STEP_POLICY = "(SELECT s.policy_id FROM incidents_escalationstep s WHERE s.id = {r}.step_id)"
_SLOT_ROTATION = "(SELECT l.rotation_id FROM incidents_rotationlayer l WHERE l.id = {r}.layer_id)"

watch(
    "incidents",
    Watched(table="incidents_channel", kind="channel", hidden_keys={"config": SECRET_FIELDS}),
    Watched(
        table="incidents_contactmethod",
        kind="contact_method",
        name="coalesce(nullif({r}.name, ''), {r}.kind)",
        ignored=["code_sent_at", "code_tries", "code_hash", "position"],
        hidden=["config"],  # a person's own: their team need not know a number
        said={"membership_id": MEMBER},
    ),
    Watched(
        table="incidents_alertrule",
        kind="alert_rule",
        said={"policy_id": named("incidents_escalationpolicy", "policy_id")},
    ),
    Watched(
        table="incidents_alertrulechannel",
        kind="alert_rule",
        thing="{r}.rule_id",
        name=name_of("incidents_alertrule", "rule_id"),
        part_of="channels",
        ignored=["rule_id"],
        said={"channel_id": CHANNEL},
    ),
    Watched(table="incidents_escalationpolicy", kind="escalation_policy"),
    Watched(
        table="incidents_escalationstep",
        kind="escalation_policy",
        thing="{r}.policy_id",
        name=name_of("incidents_escalationpolicy", "policy_id"),
        part_of="steps",
        ignored=["policy_id"],
    ),
    Watched(
        table="incidents_escalationtarget",
        kind="escalation_policy",
        thing=_STEP_POLICY,
        name=f"(SELECT p.name FROM incidents_escalationpolicy p WHERE p.id = {_STEP_POLICY})",
        part_of="targets",
        ignored=["step_id"],
        said={"membership_id": MEMBER, "channel_id": CHANNEL, "rotation_id": ROTATION},
    ),
    Watched(
        table="incidents_rotation",
        kind="rotation",
        ignored=["present_id", "looked_at", "check_at"],
        hidden=["calendar_key"],
    ),
    Watched(
        table="incidents_rotationlayer",
        kind="rotation",
        thing="{r}.rotation_id",
        name=name_of("incidents_rotation", "rotation_id"),
        part_of="layers",
        ignored=["rotation_id", "turn_offset"],
    ),
    Watched(
        table="incidents_rotationmember",
        kind="rotation",
        thing=_SLOT_ROTATION,
        name=f"(SELECT x.name FROM incidents_rotation x WHERE x.id = {_SLOT_ROTATION})",
        part_of="members",
        ignored=["layer_id"],
        said={"membership_id": MEMBER},
    ),
    Watched(
        table="incidents_rotationoverride",
        kind="override",
        name=name_of("incidents_rotation", "rotation_id"),
        ignored=["created_by"],
        said={"membership_id": MEMBER, "rotation_id": ROTATION},
    ),
    Watched(
        table="incidents_maintenance",
        kind="maintenance",
        ignored=["spans_until"],
        said={"status_page_id": named("statuspages_statuspage", "status_page_id")},
    ),
    Watched(
        table="incidents_maintenancemonitor",
        kind="maintenance",
        thing="{r}.maintenance_id",
        name=name_of("incidents_maintenance", "maintenance_id"),
        part_of="monitors",
        ignored=["maintenance_id"],
        said={"monitor_id": named("monitors_monitor", "monitor_id")},
    ),
    # Of incidents, what people do to them; the rest is on their own timeline.
    Watched(
        table="incidents_incident",
        kind="incident",
        name="{r}.monitor_name",
        ignored=["step_seq", "wake_at", "settle_at", "reopened_at", "acknowledged_at"],
    ),
    Noted(
        table="incidents_timelineevent",
        kind="incident",
        when="NEW.kind = 'note'",
        thing="NEW.incident_id",
        name="(SELECT x.monitor_name FROM incidents_incident x WHERE x.id = NEW.incident_id)",
        action="'incident.noted'",
        before="'{}'::jsonb",
        after="jsonb_build_object('note', NEW.text)",
    ),
)
