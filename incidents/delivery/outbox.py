"""The outbox's statements: claim under a lease, record under the same lease.

A claim is committed before anything is sent. If the sender dies, the lease runs out and the next
claim sends again with the same key: a duplicate is preferred to a loss, and the key lets the
receiver drop it.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from incidents.channels.base import DIGEST
from incidents.delivery.pacing import pace_contacts

LEASE_SECONDS = 30
# A send ends within 15 s: an older lease is one whose sender died, and holds no place of its team.
SENDING_SECONDS = 17
MOST_PER_TEAM = 8
MOST_ATTEMPTS = 20
FIRST_BACKOFF_SECONDS = 4.0
MOST_BACKOFF_SECONDS = 300.0
MOST_RETRY_AFTER_SECONDS = 3600.0

# Rows that a statement locks and then changes are handed on as an array: it is looked up by the
# key, whatever the planner believes of a table that was empty a minute ago.

# name: drop_orphans
# A recovery whose first message failed or was cancelled is told to nobody.
DROP_ORPHANS = """
UPDATE incidents_delivery SET state = 'cancelled', finished_at = now() WHERE id = ANY(ARRAY(
  SELECT d.id FROM incidents_delivery d JOIN incidents_delivery a ON a.id = d.after_id
  WHERE d.state = 'pending' AND d.next_attempt_at <= now() AND a.state IN ('failed', 'cancelled')
  FOR UPDATE OF d SKIP LOCKED))
"""

# name: drop_seen
# A page whose sender died may have gone out. It is not sent again once somebody has seen the
# incident; if the monitor has recovered by itself it is, so that the recovery finds its beginning.
DROP_SEEN = """
UPDATE incidents_delivery SET state = 'cancelled', lease_token = NULL, finished_at = now()
WHERE id = ANY(ARRAY(
  SELECT d.id FROM incidents_delivery d JOIN incidents_incident i ON i.id = d.incident_id
  WHERE d.state = 'sending' AND d.next_attempt_at <= now() AND d.event = 'incident.opened'
    AND (i.state = 'acknowledged' OR i.resolved_reason <> 'recovered')
  FOR UPDATE OF d SKIP LOCKED))
"""

# name: drop_stale_digests
# A digest that is to be tried again is not, once nobody waits for anything in it: all its pages are
# of incidents that were seen or are over.
DROP_STALE_DIGESTS = """
WITH stale AS (
  SELECT d.id FROM incidents_delivery d
  WHERE d.state = 'pending' AND d.event = 'incident.digest' AND d.attempt_count > 0
    AND d.next_attempt_at <= now()
    AND NOT EXISTS (
      SELECT FROM incidents_delivery m JOIN incidents_incident i ON i.id = m.incident_id
      WHERE m.bundle_id = d.id AND m.state = 'bundled'
        AND (m.event <> 'incident.opened' OR i.state = 'open'))
  FOR NO KEY UPDATE OF d SKIP LOCKED), members AS (
  SELECT m.id FROM incidents_delivery m JOIN stale ON m.bundle_id = stale.id
  WHERE m.state = 'bundled' ORDER BY m.id FOR NO KEY UPDATE OF m)
UPDATE incidents_delivery SET state = 'cancelled', finished_at = now()
WHERE id = ANY(ARRAY(SELECT id FROM stale UNION ALL SELECT id FROM members))
"""

# name: claim
# Lease due messages, in turns over the teams, at most a quarter of the senders for one of them.
# A message waits for the one it comes after, and for its contact's pace. The oldest of each team
# goes first. A contact method that was changed and not proved again has no address to send to. The
# lease begins when its row is written, however long this transaction has gone on. The teams are
# found by skipping through the index: what one of them has waiting costs the others nothing.
CLAIM = """
WITH RECURSIVE teams AS (
  (SELECT team_id FROM incidents_delivery
    WHERE state IN ('pending', 'sending') ORDER BY team_id LIMIT 1)
  UNION ALL
  SELECT (SELECT n.team_id FROM incidents_delivery n
    WHERE n.state IN ('pending', 'sending') AND n.team_id > teams.team_id
    ORDER BY n.team_id LIMIT 1)
  FROM teams WHERE teams.team_id IS NOT NULL
), busy AS MATERIALIZED (
  SELECT team_id, count(*) AS senders FROM incidents_delivery
  WHERE state = 'sending'
    AND next_attempt_at > now() + make_interval(secs => %(lease)s - %(sending)s)
  GROUP BY team_id
), picked AS MATERIALIZED (
  SELECT due.id, due.state = 'sending' AS expired
  FROM teams CROSS JOIN LATERAL (
    SELECT d.id, d.state, row_number() OVER () AS turn FROM (
      SELECT d.id, d.state FROM incidents_delivery d
      WHERE d.team_id = teams.team_id AND d.state IN ('pending', 'sending')
        AND d.next_attempt_at <= now() AND (d.paced OR d.state = 'sending')
        AND (d.after_id IS NULL OR EXISTS (
          SELECT FROM incidents_delivery a WHERE a.id = d.after_id AND a.state = 'delivered'))
      ORDER BY d.next_attempt_at, d.id
      LIMIT greatest(0, %(per_team)s - coalesce(
        (SELECT senders FROM busy WHERE busy.team_id = teams.team_id), 0))
      FOR UPDATE OF d SKIP LOCKED) d
  ) due
  ORDER BY due.turn LIMIT %(limit)s
)
UPDATE incidents_delivery d SET
  state = 'sending', lease_token = gen_random_uuid(), attempt_count = d.attempt_count + 1,
  next_attempt_at = clock_timestamp() + make_interval(secs => %(lease)s),
  attempts = CASE WHEN picked.expired THEN d.attempts || jsonb_build_object(
      'at', now(), 'outcome', 'lost', 'detail', 'The sender died; trying again with the same key.')
    ELSE d.attempts END
FROM picked
WHERE d.id = picked.id
RETURNING d.id, d.team_id, d.incident_id, d.channel_id, d.contact_method_id, d.contact, d.kind,
  d.event, d.payload, d.attempt_count, d.lease_token, d.created_at, d.direct,
  (d.attempts -> 0 ->> 'at')::timestamptz AS first_tried_at,
  CASE WHEN d.channel_id IS NOT NULL
    THEN (SELECT config FROM incidents_channel c WHERE c.id = d.channel_id)
    ELSE (SELECT config FROM incidents_contactmethod m WHERE m.id = d.contact_method_id
      AND (m.verified_at IS NOT NULL OR d.event = 'contact.code')) END
  AS config
"""

# name: rearm
# A message that is repeated as long as its incident lasts has gone out: send it again after a
# while. Of its attempts only the latest are kept.
REARM = """
UPDATE incidents_delivery SET state = 'pending', lease_token = NULL, attempt_count = 0,
  attempts = CASE WHEN jsonb_array_length(attempts) > 9 THEN attempts - 0 ELSE attempts END
    || jsonb_build_object('at', now(), 'outcome', 'sent', 'detail', %(detail)s::text),
  next_attempt_at = now() + make_interval(secs => %(delay)s)
WHERE id = %(id)s AND lease_token = %(lease_token)s
"""

# name: record_bundled
# What became of a digest became of every message in it.
RECORD_BUNDLED = """
UPDATE incidents_delivery SET state = %(state)s, finished_at = now(),
  attempts = attempts || jsonb_build_object(
    'at', now(), 'outcome', %(outcome)s::text, 'detail', %(detail)s::text)
WHERE id = ANY(ARRAY(SELECT id FROM incidents_delivery
  WHERE bundle_id = %(id)s AND state = 'bundled' ORDER BY id FOR NO KEY UPDATE))
"""

# name: rescue_bundled
# The pages in a digest that does not get through: somebody else has to hear of each.
RESCUE_BUNDLED = """
UPDATE incidents_delivery SET rescue = true, given_way = true
WHERE id = ANY(ARRAY(SELECT id FROM incidents_delivery WHERE bundle_id = %(id)s
    AND state IN ('bundled', 'failed') AND event = 'incident.opened' AND NOT given_way
  ORDER BY id FOR NO KEY UPDATE))
"""

# name: record
# Write what became of an attempt, if the lease is still ours. The latest fifty are kept.
RECORD = """
UPDATE incidents_delivery SET state = %(state)s, lease_token = NULL,
  attempts = CASE WHEN jsonb_array_length(attempts) > 49 THEN attempts - 0 ELSE attempts END
    || jsonb_build_object(
    'at', now(), 'outcome', %(outcome)s::text, 'detail', %(detail)s::text),
  next_attempt_at = now() + make_interval(secs => %(delay)s),
  rescue = rescue OR (%(rescue)s AND event = 'incident.opened' AND NOT given_way),
  given_way = given_way OR %(rescue)s,
  finished_at = CASE WHEN %(state)s <> 'pending' THEN now() END
WHERE id = %(id)s AND lease_token = %(lease_token)s
"""


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that this process may send until its lease runs out.

    `claimed_at` is a monotonic time in seconds, a little before the lease began.
    """

    id: UUID
    team_id: UUID
    incident_id: UUID | None
    channel_id: UUID | None
    contact_method_id: UUID | None
    contact: str
    kind: str
    event: str
    payload: dict[str, Any]
    attempt_count: int
    lease_token: UUID
    created_at: datetime
    direct: bool
    first_tried_at: datetime | None
    config: dict[str, Any] | None
    claimed_at: float

    def about(self) -> dict[str, object]:
        """Return what log lines about this message say that they are about."""
        # Nothing that a row holds may keep a message from being tried and recorded.
        payload: object = self.payload
        monitor = payload.get("monitor") if isinstance(payload, dict) else None
        return {
            "team_id": self.team_id,
            "monitor_id": monitor.get("id") if isinstance(monitor, dict) else None,
            "incident_id": self.incident_id,
            "delivery_id": self.id,
        }


def claim(*, limit: int, per_team: int = MOST_PER_TEAM) -> list[Leased]:
    """Lease up to `limit` due messages, fairly over the teams."""
    pace_contacts()
    values = {
        "limit": limit,
        "per_team": per_team,
        "lease": LEASE_SECONDS,
        "sending": SENDING_SECONDS,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DROP_SEEN)
        cursor.execute(DROP_ORPHANS)
        cursor.execute(DROP_STALE_DIGESTS)
        claimed_at = time.monotonic()
        cursor.execute(CLAIM, values)
        rows = cursor.fetchall()
    return [_leased(row, claimed_at) for row in rows]


def _leased(row: tuple[Any, ...], claimed_at: float) -> Leased:
    # Django's cursors hand JSON over as text.
    return Leased(
        *(
            json.loads(value) if index in (8, 14) and value else value
            for index, value in enumerate((*row, claimed_at))
        )
    )


def record(
    leased: Leased,
    *,
    state: str,
    outcome: str,
    detail: str,
    delay_seconds: float = 0,
    rescue: bool = False,
) -> bool:
    """Write the outcome of an attempt; False if the lease was lost meanwhile.

    With `rescue` somebody else is to be asked. It is part of the same commit: between a failure and
    its last resort nothing may get lost.
    """
    values: dict[str, Any] = {
        "id": leased.id,
        "lease_token": leased.lease_token,
        "state": state,
        "outcome": outcome,
        "detail": detail,
        "delay": delay_seconds,
        "rescue": rescue,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)
        recorded: bool = cursor.rowcount == 1
        if recorded and leased.event == DIGEST:
            if state in ("delivered", "failed"):
                cursor.execute(RECORD_BUNDLED, values)
            if rescue:
                cursor.execute(RESCUE_BUNDLED, values)
    return recorded


def rearm(leased: Leased, *, detail: str, delay_seconds: float) -> bool:
    """Send a message again after a while; False if the lease was lost meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            REARM,
            {
                "id": leased.id,
                "lease_token": leased.lease_token,
                "detail": detail,
                "delay": delay_seconds,
            },
        )
        return bool(cursor.rowcount)


def backoff_seconds(attempt: int, retry_after_seconds: float | None) -> float:
    """Return how long to wait after the given attempt (1, 2, …): doubling, capped, jittered.

    A provider's Retry-After is honoured up to an hour, and never shortened.
    """
    doubled = min(MOST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (attempt - 1))
    wait: float = doubled * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
    if retry_after_seconds is not None:
        wait = max(wait, min(retry_after_seconds, MOST_RETRY_AFTER_SECONDS))
    return wait
