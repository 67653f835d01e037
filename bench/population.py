"""Monitors by the hundred thousand, written by SQL, in the state that steady pushing leaves."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from bench.installation import Bed

TEAMS = 100
CADENCE_SECONDS = 60

# Ids grow in the order of creation, as ours do, so that rows made together lie together.
_ID = "('019b0000-0000-7000-8000-' || lpad(to_hex({}), 12, '0'))::uuid"
MONITOR_ID = _ID.format("i")
TEAM_ID = _ID.format("i %% %(teams)s + 1").replace("7000-8000", "7001-8000")
NAMESPACE_ID = TEAM_ID.replace("7001-8000", "7002-8000")
USER_ID = TEAM_ID.replace("7001-8000", "7003-8000")
MEMBER_ID = TEAM_ID.replace("7001-8000", "7004-8000")

# name: make_teams
# Teams with one owner each, whose address is verified.
MAKE_TEAMS = f"""
WITH n AS (SELECT generate_series(0, %(teams)s - 1) AS i), teams AS (
  INSERT INTO accounts_team (id, slug, name, created_at, delete_asked_by)
  SELECT {TEAM_ID}, 'bench-' || i, 'Bench ' || i, now(), '' FROM n
), namespaces AS (
  INSERT INTO accounts_namespace (team_id, id, name, created_at)
  SELECT {TEAM_ID}, {NAMESPACE_ID}, 'bench-' || i, now() FROM n
), users AS (
  INSERT INTO accounts_user
    (id, email, password, name, timezone, is_superuser, is_staff, is_active, date_joined)
  SELECT {USER_ID}, 'owner-' || i || '@bench.example', '!', '', 'UTC', false, false, true, now()
  FROM n
), addresses AS (
  INSERT INTO account_emailaddress (user_id, email, verified, "primary")
  SELECT {USER_ID}, 'owner-' || i || '@bench.example', true, true FROM n
)
INSERT INTO accounts_membership
  (team_id, id, user_id, role, given_name, created_at, accepted_at)
SELECT {TEAM_ID}, {MEMBER_ID}, {USER_ID}, 'owner', '', now(), now() FROM n
"""

# name: make_monitors
# Monitors of those teams, in turns.
MAKE_MONITORS = f"""
INSERT INTO monitors_monitor (team_id, id, namespace_id, name, description, "interval",
  silent_after, grace, cron, cron_timezone, failures_to_open, passes_to_close, severity, labels,
  require_token, arm_on_create, runbook_url, created_at, updated_at)
SELECT {TEAM_ID}, {MONITOR_ID}, {NAMESPACE_ID}, 'worker-' || i, '', {CADENCE_SECONDS},
  %(window)s, 0, '',
  '', 1, 1, 'critical',
  jsonb_build_object('region', 'region-' || i %% 7, 'service', 'service-' || i %% 50),
  false, false, '', now(), now()
FROM generate_series(1, %(monitors)s::bigint) AS i
"""

# name: make_heartbeats
# Their heartbeats, not armed yet.
MAKE_HEARTBEATS = """
INSERT INTO monitors_heartbeat (team_id, monitor_id, state, open_causes, consecutive_fails,
  consecutive_slow, consecutive_passes)
SELECT team_id, id, 'pending', 0, 0, 0, 0 FROM monitors_monitor ORDER BY id
"""

# name: make_keys
# Their push keys: the value is the twelve hexadecimal digits of the number.
MAKE_KEYS = """
INSERT INTO monitors_pushkey (team_id, value, monitor_id, is_current, created_at)
SELECT team_id, right(id::text, 12), id, true, now() FROM monitors_monitor
WHERE name LIKE 'worker-%'
"""

# name: settle
# Put all monitors where an hour of steady pushing leaves them: phases spread over the cadence and
# unrelated to the place on disk, alarms where some push before the last one set them. Every
# `every`-th monitor has stopped, and falls due at some moment in [calm, calm + spread) from now.
SETTLE = """
WITH placed AS (
  SELECT monitor_id, row_number() OVER (ORDER BY monitor_id) AS i FROM monitors_heartbeat
), phased AS (
  SELECT monitor_id, i, %(every)s > 0 AND i %% greatest(%(every)s, 1) = 0 AS stopped,
    (i * 7919 %% 1000003) / 1000003.0 AS phase, (i * 104729 %% 999983) / 999983.0 AS other
  FROM placed
), timed AS (
  SELECT *, CASE WHEN stopped THEN now() + make_interval(
      secs => %(calm)s + %(spread)s * phase - %(window)s)
    ELSE now() - make_interval(secs => %(cadence)s * phase) END AS pushed_at
  FROM phased
)
UPDATE monitors_heartbeat h SET state = 'up', cause = NULL, open_causes = 0, down_since = NULL,
  last_status = 'pass', consecutive_fails = 0, consecutive_slow = 0,
  consecutive_passes = CASE WHEN stopped THEN 59 ELSE 60 END,
  last_push_at = pushed_at, clock_from = pushed_at,
  check_at = CASE WHEN stopped THEN pushed_at + make_interval(secs => %(window)s)
    ELSE pushed_at + make_interval(secs => %(window)s - %(cadence)s * (
      floor((%(window)s - %(cadence)s * phase) / %(cadence)s)
      - floor(other * floor(%(window)s / %(cadence)s)))) END
FROM timed t WHERE t.monitor_id = h.monitor_id
"""


@dataclass(frozen=True)
class Population:
    """The monitors of a bed."""

    monitors: int

    def slugs(self, count: int) -> list[str]:
        """Return the slugs of some monitors, spread over all of them."""
        step = max(1, self.monitors // count)
        return [f"{number:012x}" for number in range(1, self.monitors + 1, step)][:count]


def populate(bed: Bed, *, monitors: int) -> Population:
    """Fill the empty database with this many monitors of a hundred teams."""
    with bed.connect() as connection:
        # Foreign keys are right by construction; checking a million of them row by row is slow.
        connection.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        connection.execute(MAKE_TEAMS, {"teams": TEAMS})
        _make_monitors(connection, monitors)
    return Population(monitors)


def grow(bed: Bed, population: Population, *, monitors: int) -> Population:
    """Replace the monitors by a larger number of them."""
    with bed.connect() as connection:
        connection.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        clear_history(connection)
        connection.execute("TRUNCATE monitors_monitor CASCADE")
        _make_monitors(connection, monitors)
    return Population(monitors)


def _make_monitors(connection: psycopg.Connection[tuple[object, ...]], monitors: int) -> None:
    values = {"teams": TEAMS, "monitors": monitors, "window": 90}
    connection.execute(MAKE_MONITORS, values)
    connection.execute(MAKE_HEARTBEATS)
    connection.execute(MAKE_KEYS)
    for table in ("monitors_monitor", "monitors_heartbeat", "monitors_pushkey"):
        connection.execute(f"VACUUM (ANALYZE) {table}")
    connection.execute("CHECKPOINT")


def clear_history(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Forget results, transitions, incidents and gaps: each measurement starts alike."""
    connection.execute(
        "TRUNCATE monitors_pushresult, monitors_transition, monitors_listeninggap, "
        "incidents_incident, incidents_timelineevent, incidents_delivery, incidents_notification, "
        "incidents_escalation, incidents_heldoutage, incidents_contactpace"
    )


def clear_console(bed: Bed) -> None:
    """Take the console's team out again: the other parts count every monitor that there is."""
    with bed.connect() as connection:
        clear_history(connection)
        connection.execute("TRUNCATE monitors_monitor CASCADE")


def settle(bed: Bed, *, window: int, every: int = 0, calm: float = 0, spread: float = 0) -> None:
    """Put all monitors into the steady state of a cadence of 60 s and the given window.

    Every `every`-th has stopped (0: none) and falls due, evenly spread, from `calm` to
    `calm + spread` seconds from now.
    """
    with bed.connect() as connection:
        clear_history(connection)
        changed = connection.execute(
            "UPDATE monitors_monitor SET silent_after = %s WHERE silent_after <> %s",
            [window, window],
        )
        if changed.rowcount:
            connection.execute("VACUUM (ANALYZE) monitors_monitor")
        values = {
            "window": float(window),
            "cadence": CADENCE_SECONDS,
            "every": every,
            "calm": calm,
            "spread": spread,
        }
        connection.execute(SETTLE, values)
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        connection.execute("CHECKPOINT")
