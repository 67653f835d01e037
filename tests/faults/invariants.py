"""What must hold of an installation's database, whatever was done to its processes.

Every answered push is stored, every change of state was handled, every message was delivered or
failed for all to see, and no monitor has two open incidents.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psycopg

from config.embedded import connection_env
from tests.system.whole import Whole, until

# name: what is broken -> the rows that show it
BROKEN = {
    "changes of state that nobody handled": """
        SELECT monitor_id, from_state, to_state, at FROM monitors_transition
        WHERE handled_at IS NULL
    """,
    "changes that do not begin where the one before ended": """
        SELECT * FROM (
          SELECT monitor_id, id, from_state,
            lag(to_state) OVER (PARTITION BY monitor_id ORDER BY id) AS before
          FROM monitors_transition
        ) steps WHERE before IS NOT NULL AND before <> from_state
    """,
    "monitors whose state is not where their last change led": """
        SELECT h.monitor_id, h.state, t.to_state FROM monitors_heartbeat h
        JOIN LATERAL (
          SELECT to_state FROM monitors_transition t WHERE t.monitor_id = h.monitor_id
          ORDER BY id DESC LIMIT 1
        ) t ON true WHERE t.to_state <> h.state
    """,
    "monitors with two open incidents": """
        SELECT monitor_id, count(*) FROM incidents_incident
        WHERE state <> 'resolved' GROUP BY monitor_id HAVING count(*) > 1
    """,
    "monitors that are down without an open incident": """
        SELECT h.monitor_id FROM monitors_heartbeat h
        WHERE h.state = 'down' AND h.open_causes <> 0
          AND NOT EXISTS (SELECT FROM incidents_incident i
            WHERE i.monitor_id = h.monitor_id AND i.state <> 'resolved')
          AND NOT EXISTS (SELECT FROM incidents_heldoutage o WHERE o.monitor_id = h.monitor_id)
    """,
    "monitors that are up with an open incident": """
        SELECT i.monitor_id FROM incidents_incident i
        JOIN monitors_heartbeat h ON h.monitor_id = i.monitor_id
        WHERE i.state <> 'resolved' AND h.state = 'up' AND NOT i.flapping
    """,
    "messages that are overdue": """
        SELECT id, contact, state, next_attempt_at FROM incidents_delivery
        WHERE state IN ('pending', 'sending') AND (paced OR after_id IS NULL)
          AND next_attempt_at < clock_timestamp() - interval '5 seconds'
    """,
    "messages that ended without saying how": """
        SELECT id, contact, state FROM incidents_delivery
        WHERE state IN ('delivered', 'failed')
          AND (finished_at IS NULL OR jsonb_array_length(attempts) = 0)
    """,
    "intents to tell somebody that became no message": """
        SELECT n.id, n.contact FROM incidents_notification n
        JOIN incidents_incident i ON i.id = n.incident_id
        WHERE n.delivery_id IS NULL AND n.created_at < clock_timestamp() - interval '5 seconds'
          AND i.state <> 'resolved'
    """,
    "incidents that nobody was ever told of": """
        SELECT i.id, i.monitor_name FROM incidents_incident i
        WHERE i.state = 'open' AND i.opened_at < clock_timestamp() - interval '60 seconds'
          AND NOT EXISTS (SELECT FROM incidents_notification n WHERE n.incident_id = i.id)
    """,
}
ANSWERED = "CREATE TEMP TABLE answered (monitor_id uuid, id uuid)"
LOST = """
SELECT monitor_id::text, id::text FROM answered a WHERE NOT EXISTS (
  SELECT FROM monitors_pushresult r WHERE r.monitor_id = a.monitor_id AND r.id = a.id)
"""


def query(data: Path, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Return the rows of a statement on the installation's database, none if it makes none."""
    with psycopg.connect(connection_env(data)["DATABASE_URL"], connect_timeout=5) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def broken(whole: Whole) -> dict[str, list[tuple[Any, ...]]]:
    """Return what does not hold now, with the first rows that show it."""
    found = {what: query(whole.data, sql)[:5] for what, sql in BROKEN.items()}
    return {what: rows for what, rows in found.items() if rows}


def lost(whole: Whole, answered: Collection[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """Return which answered pushes, as (monitor, result), are not stored."""
    with psycopg.connect(connection_env(whole.data)["DATABASE_URL"]) as connection:
        connection.execute(ANSWERED)
        with connection.cursor().copy("COPY answered FROM STDIN") as copy:
            for row in answered:
                copy.write_row(row)
        connection.execute("ANALYZE answered")
        return connection.execute(LOST).fetchall()


def assert_sound(
    whole: Whole, answered: Collection[tuple[str, str]] = (), *, seconds: float = 40
) -> None:
    """Give the installation the time to catch up, then say what does not hold."""
    until(whole.is_ready, "ready again by itself", seconds=60)
    deadline = time.monotonic() + seconds
    while (found := broken(whole)) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert found == {}
    assert lost(whole, answered) == []
