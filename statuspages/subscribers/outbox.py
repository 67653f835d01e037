"""The statements of the subscribers' outbox: put in line, claim under a lease, record.

As with pages to people on call a claim is committed before anything is sent, so that whoever dies
sends twice rather than never, with the same key. The tables are others: these may wait.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.database.standing import unscoped

LEASE_SECONDS = 30
SENDERS = 8
# One team leaves two senders to the others, whatever its subscribers' servers do.
MOST_PER_TEAM = 6
MOST_REFUSED = 3

# name: look
_LOOK = """
SELECT EXISTS (SELECT FROM statuspages_postnotice WHERE handled_at IS NULL),
  EXISTS (SELECT FROM statuspages_subscribermessage
    WHERE state IN ('pending', 'sending') AND next_attempt_at <= now())
"""

# name: pick_notice
# A notice waits while its post is a draft or its page is hidden, for a day. The page's lock keeps
# the update from being deleted meanwhile; what somebody changes just now comes with the next look.
_PICK_NOTICE = """
SELECT n.id, n.team_id, n.post_update_id, u.post_id, p.id,
  t.published_at IS NOT NULL AND p.published
FROM statuspages_postnotice n
JOIN statuspages_postupdate u ON u.id = n.post_update_id
JOIN statuspages_post t ON t.id = u.post_id
JOIN statuspages_statuspage p ON p.id = t.page_id
WHERE n.handled_at IS NULL AND ((t.published_at IS NOT NULL AND p.published)
  OR n.created_at < now() - interval '1 day')
ORDER BY n.id LIMIT 1 FOR UPDATE OF n SKIP LOCKED FOR SHARE OF p SKIP LOCKED
"""

# name: put_in_line
# Whoever unsubscribes at this moment waits, or is not told. Of a choice of components those count
# that the page still has: where none is left it is the whole page, as it is without a choice.
_PUT_IN_LINE = """
INSERT INTO statuspages_subscribermessage (id, team_id, subscriber_id, post_update_id, event, state,
  attempt_count, next_attempt_at, outcome, created_at)
SELECT gen_random_uuid(), s.team_id, s.id, %(update)s, 'page.update', 'pending', 0, now(), '', now()
FROM statuspages_subscriber s
WHERE s.page_id = %(page)s AND s.confirmed_at IS NOT NULL AND s.disabled_at IS NULL
  AND (s.components ?| ARRAY(
      SELECT c.code::text FROM statuspages_postcomponent l JOIN statuspages_component c
        ON c.id = l.component_id WHERE l.post_id = %(post)s)
    OR NOT s.components ?| ARRAY(
      SELECT c.code::text FROM statuspages_component c WHERE c.page_id = %(page)s))
FOR KEY SHARE OF s
ON CONFLICT DO NOTHING
"""

# name: claim
# In turns over the teams, each one's oldest first. The teams are found by skipping through the
# index: however many messages one team has in line, it costs the others nothing.
_CLAIM = """
WITH RECURSIVE teams AS (
  (SELECT team_id FROM statuspages_subscribermessage
    WHERE state IN ('pending', 'sending') ORDER BY team_id LIMIT 1)
  UNION ALL
  SELECT (SELECT n.team_id FROM statuspages_subscribermessage n
    WHERE n.state IN ('pending', 'sending') AND n.team_id > teams.team_id
    ORDER BY n.team_id LIMIT 1)
  FROM teams WHERE teams.team_id IS NOT NULL
), picked AS MATERIALIZED (
  SELECT due.id FROM teams CROSS JOIN LATERAL (
    SELECT d.id, d.next_attempt_at, row_number() OVER () AS turn FROM (
      SELECT m.id, m.next_attempt_at FROM statuspages_subscribermessage m
      WHERE m.team_id = teams.team_id AND m.state IN ('pending', 'sending')
        AND m.next_attempt_at <= now()
      ORDER BY m.next_attempt_at
      LIMIT greatest(0, least(%(limit)s, %(per_team)s - (
        SELECT count(*) FROM statuspages_subscribermessage b
        WHERE b.team_id = teams.team_id AND b.state = 'sending' AND b.next_attempt_at > now())))
      FOR UPDATE OF m SKIP LOCKED) d
  ) due
  WHERE teams.team_id IS NOT NULL
  ORDER BY due.turn, due.next_attempt_at LIMIT %(limit)s
)
UPDATE statuspages_subscribermessage m SET
  state = 'sending', lease_token = gen_random_uuid(), attempt_count = m.attempt_count + 1,
  next_attempt_at = now() + make_interval(secs => %(lease)s)
FROM picked WHERE m.id = picked.id
RETURNING m.id, m.lease_token
"""

# name: keep_payload
_KEEP_PAYLOAD = """
UPDATE statuspages_subscribermessage SET payload = %(payload)s::jsonb
WHERE id = %(id)s AND lease_token = %(lease)s
"""

# name: record
_RECORD = """
UPDATE statuspages_subscribermessage SET state = %(state)s, lease_token = NULL,
  outcome = %(outcome)s, next_attempt_at = now() + make_interval(secs => %(delay)s),
  payload = CASE WHEN %(state)s = 'pending' THEN payload END,
  finished_at = CASE WHEN %(state)s <> 'pending' THEN now() END
WHERE id = %(id)s AND lease_token = %(lease)s
"""

# name: count_refused
_COUNT_REFUSED = """
UPDATE statuspages_subscriber SET refused_count = refused_count + 1,
  disabled_at = CASE WHEN refused_count + 1 >= %(most)s THEN now() ELSE disabled_at END
WHERE id = %(subscriber)s RETURNING disabled_at IS NOT NULL
"""

# name: cancel_others
_CANCEL_OTHERS = """
UPDATE statuspages_subscribermessage SET state = 'cancelled', finished_at = now(),
  outcome = 'The subscriber has been given up.', payload = NULL
WHERE subscriber_id = %(subscriber)s AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that this process may send until its lease runs out."""

    id: UUID
    lease_token: UUID


def look_for_work() -> tuple[bool, bool]:
    """Return whether there are notices to put in line, and messages to send."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK)
        notices, messages = cursor.fetchone()
    return bool(notices), bool(messages)


def put_in_line() -> int | None:
    """Make a message of the oldest notice for everybody who follows what it is about.

    Return how many, None if there was no notice. All of them are committed, or none.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PICK_NOTICE)
        row = cursor.fetchone()
        if row is None:
            return None
        notice, _, update, post, page, told = row
        if not told:
            # Not marked as handled: publishing the post leaves word of it again.
            cursor.execute("DELETE FROM statuspages_postnotice WHERE id = %s", [notice])
            return 0
        cursor.execute(_PUT_IN_LINE, {"update": update, "post": post, "page": page})
        count = cursor.rowcount
        cursor.execute(
            "UPDATE statuspages_postnotice SET handled_at = now() WHERE id = %s", [notice]
        )
    return int(count)


@unscoped
def claim(*, limit: int, per_team: int = MOST_PER_TEAM) -> list[Leased]:
    """Lease up to `limit` due messages, fairly over the teams."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"limit": limit, "per_team": per_team, "lease": LEASE_SECONDS})
        return [Leased(*row) for row in cursor.fetchall()]


def keep_payload(leased: Leased, payload: dict[str, Any]) -> bool:
    """Store what is sent, for every later attempt; False if the lease was lost meanwhile."""
    values: dict[str, Any] = {
        "id": leased.id,
        "lease": leased.lease_token,
        "payload": json.dumps(payload, default=str),
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_PAYLOAD, values)
        return bool(cursor.rowcount)


def record(leased: Leased, *, state: str, outcome: str, delay_seconds: float = 0) -> bool:
    """Write what became of an attempt; False if the lease was lost meanwhile."""
    values: dict[str, Any] = {
        "id": leased.id,
        "lease": leased.lease_token,
        "state": state,
        "outcome": outcome[:500],
        "delay": delay_seconds,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, values)
        return bool(cursor.rowcount)


def lock_subscriber(subscriber_id: UUID) -> None:
    """Take the subscriber's lock, which comes before its messages' as in unsubscribing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM statuspages_subscriber WHERE id = %s FOR NO KEY UPDATE", [subscriber_id]
        )


def accept(subscriber_id: UUID) -> None:
    """Forget that mails were refused: one was taken."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE statuspages_subscriber SET refused_count = 0 WHERE id = %s", [subscriber_id]
        )


def refuse(subscriber_id: UUID, *, for_good: bool) -> None:
    """Count a refusal by the address, and give the subscriber up at the third or `for_good`."""
    values: dict[str, Any] = {"subscriber": subscriber_id, "most": 1 if for_good else MOST_REFUSED}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_REFUSED, values)
        row = cursor.fetchone()
        if row is not None and row[0]:
            cursor.execute(_CANCEL_OTHERS, values)
