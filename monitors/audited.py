"""What the audit log watches of monitors. Pushes and the sweep are no person's change."""

from __future__ import annotations

from accounts.audit_triggers import Noted, Watched, watch

NAMESPACE = "(SELECT s.name FROM accounts_namespace s WHERE s.id = {r}.namespace_id)"
MONITOR_NAME = "(SELECT m.name FROM monitors_monitor m WHERE m.id = {r}.monitor_id)"

watch(
    "monitors",
    Watched(
        table="monitors_monitor",
        kind="monitor",
        hidden=["token_hash", "old_token_hash"],
        said={"namespace_id": ("namespace", NAMESPACE)},
    ),
    Watched(
        table="monitors_pushkey",
        kind="monitor",
        thing="{r}.monitor_id",
        name=MONITOR_NAME,
        part_of="push_urls",
        ignored=["monitor_id"],
        hidden=["value"],
    ),
    # A badge has no id of its own: it is a part of its monitor.
    Watched(
        table="monitors_badge",
        kind="monitor",
        thing="{r}.monitor_id",
        name=MONITOR_NAME,
        part_of="badge",
        ignored=["monitor_id"],
        hidden=["key"],
    ),
    # How changes are taken back (monitors_undostep) is not watched: what it changes is.
    Watched(table="monitors_savedview", kind="saved_view", ignored=["created_by"]),
    Watched(
        table="monitors_secret",
        kind="secret",
        hidden=["token_hash"],
        said={"namespace_id": ("namespace", NAMESPACE)},
    ),
    # Pausing changes the heartbeat alone, which every push changes too: its transition tells.
    Noted(
        table="monitors_transition",
        kind="monitor",
        when="NEW.to_state = 'paused' OR NEW.from_state = 'paused' AND NEW.to_state = 'pending'",
        thing="NEW.monitor_id",
        name=MONITOR_NAME.format(r="NEW"),
        action="CASE NEW.to_state WHEN 'paused' THEN 'monitor.paused' ELSE 'monitor.resumed' END",
        before="jsonb_build_object('state', NEW.from_state)",
        after="jsonb_build_object('state', NEW.to_state)",
    ),
)
