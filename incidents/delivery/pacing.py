"""How often one person is written to: a mass outage is a digest a minute, not a thousand messages.

Before messages are claimed, those that have become due are looked at by contact:

1. A contact of machines (a kind without digests, reached as a channel) gets everything, each.
2. Few messages go out one by one, while the contact has had few within the last minute.
3. Many at once become one digest: a delivery of its own that carries the others, if the contact has
   heard nothing for a minute; else all of them wait until that minute is over.

The first page of a quiet hour is therefore never held back, and however many follow, at most one
message a minute does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from accounts.ids import uuid7
from incidents.channels.registry import KINDS

DIGEST = "incident.digest"
# So many due at once are sent one by one, and so many may follow each other within a minute.
MOST_AT_ONCE = 3
MOST_A_MINUTE = 10
MINUTE = timedelta(seconds=60)
# A digest of thousands names the first; the rest is behind its link.
MOST_NAMED = 200
LOCK_KEY = 7_203_003

# name: release
# Let go at once what needs no pace: messages that are not about incidents, those to machines, and
# those that were tried before.
RELEASE = """
UPDATE incidents_delivery SET paced = true
WHERE state = 'pending' AND NOT paced AND next_attempt_at <= now()
  AND (event NOT LIKE 'incident.%%' OR incident_id IS NULL OR attempt_count > 0
    OR (channel_id IS NOT NULL AND kind = ANY(%(machines)s)))
"""

# name: due_contacts
# The contacts for whom messages have become due, how many, and what they have had of late. What
# comes after another message waits until that one has gone out.
DUE = """
SELECT d.team_id, d.contact, count(*), clock_timestamp(), p.since, p.last_at, p.count
FROM incidents_delivery d
LEFT JOIN incidents_contactpace p ON p.team_id = d.team_id AND p.contact = d.contact
WHERE d.state = 'pending' AND NOT d.paced AND d.next_attempt_at <= now()
  AND (d.after_id IS NULL OR EXISTS (
    SELECT FROM incidents_delivery a WHERE a.id = d.after_id AND a.state = 'delivered'))
GROUP BY d.team_id, d.contact, p.since, p.last_at, p.count
"""

# name: hold
# Let a contact's messages wait until its minute is over.
HOLD = """
UPDATE incidents_delivery SET next_attempt_at = %(until)s
WHERE team_id = %(team)s AND contact = %(contact)s AND state = 'pending' AND NOT paced
  AND next_attempt_at <= now()
"""

# name: let_go
# Send a contact's messages one by one.
LET_GO = """
UPDATE incidents_delivery d SET paced = true
WHERE d.team_id = %(team)s AND d.contact = %(contact)s AND d.state = 'pending' AND NOT d.paced
  AND d.next_attempt_at <= now()
  AND (d.after_id IS NULL OR EXISTS (
    SELECT FROM incidents_delivery a WHERE a.id = d.after_id AND a.state = 'delivered'))
"""

# name: bundle
# Put a contact's messages into one digest.
BUNDLE = """
UPDATE incidents_delivery d SET state = 'bundled', bundle_id = %(digest)s
WHERE d.team_id = %(team)s AND d.contact = %(contact)s AND d.state = 'pending' AND NOT d.paced
  AND d.next_attempt_at <= now()
  AND (d.after_id IS NULL OR EXISTS (
    SELECT FROM incidents_delivery a WHERE a.id = d.after_id AND a.state = 'delivered'))
"""

# name: insert_digest
# The message that carries the others: to the same place, of the same kind, due now.
INSERT_DIGEST = """
INSERT INTO incidents_delivery (id, team_id, channel_id, contact_method_id, contact, kind, event,
  payload, state, attempts, attempt_count, next_attempt_at, paced, created_at)
SELECT %(digest)s, d.team_id, d.channel_id, d.contact_method_id, d.contact, d.kind, %(event)s, '{}',
  'pending', '[]', 0, now(), true, now()
FROM incidents_delivery d
WHERE d.team_id = %(team)s AND d.contact = %(contact)s AND d.state = 'pending' AND NOT d.paced
  AND d.next_attempt_at <= now()
LIMIT 1
"""

# name: count_bundled
# What a digest carries, by event, and its team.
COUNT_BUNDLED = """
SELECT d.event, count(*), t.slug, t.name FROM incidents_delivery d
JOIN accounts_team t ON t.id = d.team_id
WHERE d.bundle_id = %(digest)s GROUP BY d.event, t.slug, t.name
"""

# name: list_bundled
# The first entries of a digest: what went down before what is over, the oldest first.
LIST_BUNDLED = """
SELECT d.event, i.id, i.monitor_name, i.namespace, i.cause, i.severity, i.down_since
FROM incidents_delivery d JOIN incidents_incident i ON i.id = d.incident_id
WHERE d.bundle_id = %(digest)s ORDER BY d.event, i.down_since, i.id LIMIT %(most)s
"""

# name: fill_digest
# Write what a digest says.
FILL = "UPDATE incidents_delivery SET payload = %(payload)s::jsonb WHERE id = %(digest)s"

# name: keep_pace
# Note that a contact has been written to.
KEEP_PACE = """
INSERT INTO incidents_contactpace (team_id, contact, since, last_at, count)
VALUES (%(team)s, %(contact)s, now(), now(), %(count)s)
ON CONFLICT (team_id, contact) DO UPDATE SET last_at = now(),
  since = CASE WHEN incidents_contactpace.since <= now() - %(minute)s
    THEN now() ELSE incidents_contactpace.since END,
  count = CASE WHEN incidents_contactpace.since <= now() - %(minute)s
    THEN 0 ELSE incidents_contactpace.count END + excluded.count
"""


def pace_contacts() -> None:
    """Decide for every message that has become due whether it goes, waits or joins a digest.

    Inside the claim's transaction; one process at a time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        cursor.execute(RELEASE, {"machines": _machines()})
        cursor.execute(DUE)
        for team, contact, count, now, since, last_at, sent in cursor.fetchall():
            _pace(cursor, team, contact, count, now=now, since=since, last_at=last_at, sent=sent)


def _machines() -> list[str]:
    return [name for name, kind in KINDS.items() if not kind.digests]


def _pace(
    cursor: Any,
    team: UUID,
    contact: str,
    count: int,
    *,
    now: datetime,
    since: datetime | None,
    last_at: datetime | None,
    sent: int | None,
) -> None:
    named: dict[str, Any] = {"team": team, "contact": contact, "minute": MINUTE}
    lately = sent or 0 if since is not None and since > now - MINUTE else 0
    if count <= MOST_AT_ONCE and lately + count <= MOST_A_MINUTE:
        cursor.execute(LET_GO, named)
        cursor.execute(KEEP_PACE, {**named, "count": count})
    elif last_at is not None and last_at > now - MINUTE:
        cursor.execute(HOLD, {**named, "until": last_at + MINUTE})
    else:
        _bundle(cursor, named)
        cursor.execute(KEEP_PACE, {**named, "count": 1})


def _bundle(cursor: Any, named: dict[str, Any]) -> None:
    """Make one digest of everything that is due for a contact."""
    digest = uuid7()
    named = {**named, "digest": digest, "event": DIGEST, "most": MOST_NAMED}
    cursor.execute(INSERT_DIGEST, named)
    cursor.execute(BUNDLE, named)
    cursor.execute(COUNT_BUNDLED, named)
    counted: Sequence[tuple[Any, ...]] = cursor.fetchall()
    cursor.execute(LIST_BUNDLED, named)
    incidents = [
        {
            "event": event,
            "id": str(pk),
            "monitor": name,
            "namespace": namespace,
            "cause": cause,
            "severity": severity,
            "down_since": since.isoformat().replace("+00:00", "Z"),
        }
        for event, pk, name, namespace, cause, severity, since in cursor.fetchall()
    ]
    slug, team_name = counted[0][2:]
    counts = {event.removeprefix("incident."): number for event, number, *_ in counted}
    payload = {
        "team": {"slug": slug, "name": team_name},
        "counts": {**counts, "total": sum(counts.values())},
        "incidents": incidents,
        "url": f"{settings.BASE_URL}/t/{slug}/incidents/",
        "reason": "More came at once than one message each would help with.",
    }
    cursor.execute(FILL, {"digest": digest, "payload": json.dumps(payload)})
