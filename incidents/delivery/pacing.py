"""How often one person is written to: a mass outage is a digest a minute, not a thousand messages.

Before messages are claimed, those that have become due are looked at by contact:

1. A contact of machines (a kind without digests, reached as a channel) gets everything, each.
2. Few messages go out one by one, while the contact has had few within the last minute.
3. Many at once become one digest: a delivery of its own that carries the others, if the contact has
   heard nothing for a minute; else all of them wait until that minute is over.
4. From then on everything waits until a minute has passed since the last message and goes out as
   one, until a minute goes by in which nothing had to wait.

The first page of a quiet hour is therefore never held back, and however many follow, at most one
message a minute does.

Only so many rows are rewritten at a time, so that nobody else's page waits for a flood of one. A
digest of more stays open for some seconds: it takes the next rows with each look, always says what
it carries, and goes out when it has them all or its time has come. What is left waits for the next.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from accounts.ids import uuid7
from incidents.channels.base import DIGEST
from incidents.channels.registry import KINDS, OURS
from incidents.notifications.holding import MINUTE

# So many due at once are sent one by one, and so many may follow each other within a minute.
MOST_AT_ONCE = 3
MOST_A_MINUTE = 10
# A digest of thousands names the first; the rest is behind its link.
MOST_NAMED = 200
MOST_CONTACTS = 500
# So many rows of one contact are rewritten in one look, and a look begins no other contact after so
# long. A digest of more is open to further rows until it is so old.
MOST_ROWS = 5000
LOOK_SECONDS = 1.0
OPEN = timedelta(seconds=10)
LOCK_KEY = 7_203_003

# What needs no pace: messages that are not about incidents, those to machines, those that were
# tried before, and those that lead nowhere any more.
_UNPACED = """(d.event NOT LIKE 'incident.%%' OR d.incident_id IS NULL OR d.attempt_count > 0
  OR (d.channel_id IS NOT NULL AND d.kind = ANY(%(machines)s))
  OR (d.channel_id IS NULL AND d.contact_method_id IS NULL AND NOT d.direct))"""

# What is due and needs one. Whatever has come since the release a moment ago is no part of it.
_PACED_DUE = f"""d.state = 'pending' AND NOT d.paced AND d.next_attempt_at <= now()
    AND NOT {_UNPACED}
    AND (d.after_id IS NULL OR EXISTS (
      SELECT FROM incidents_delivery a WHERE a.id = d.after_id AND a.state = 'delivered'))"""

# Rows are locked in the order of their ids, as everywhere, and what somebody else is changing is
# left to the next look.
_DUE_OF_CONTACT = f"""
  SELECT d.id FROM incidents_delivery d
  WHERE d.team_id = %(team)s AND d.contact = %(contact)s AND {_PACED_DUE}
  ORDER BY d.id LIMIT %(rows)s FOR NO KEY UPDATE OF d SKIP LOCKED
"""

# name: release
# Let go at once what needs no pace.
RELEASE = f"""
UPDATE incidents_delivery SET paced = true WHERE id = ANY(ARRAY(
  SELECT d.id FROM incidents_delivery d
  WHERE d.state = 'pending' AND NOT d.paced AND d.next_attempt_at <= now() AND {_UNPACED}
  ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED))
"""

# name: due_contacts
# The contacts for whom messages have become due, the longest waiting first but floods last, how
# many, and what they have had of late. What comes after another message waits until that one has
# gone out.
DUE = f"""
SELECT d.team_id, d.contact, count(*), clock_timestamp(), p.since, p.last_at, p.count, p.hold_until
FROM incidents_delivery d
LEFT JOIN incidents_contactpace p ON p.team_id = d.team_id AND p.contact = d.contact
WHERE {_PACED_DUE}
GROUP BY d.team_id, d.contact, p.since, p.last_at, p.count, p.hold_until
ORDER BY count(*) > %(rows)s, min(d.next_attempt_at) LIMIT %(contacts)s
"""

# name: hold
# Let a contact's messages wait until its minute is over.
HOLD = f"""
UPDATE incidents_delivery SET next_attempt_at = %(until)s WHERE id = ANY(ARRAY({_DUE_OF_CONTACT}))
"""

# name: hold_all
# Let the messages of all contacts wait whose minute is not over, those apart whose digest may still
# be open: many contacts' few rows cost less by one statement than by one each.
HOLD_ALL = f"""
UPDATE incidents_delivery m SET next_attempt_at = p.hold_until
FROM incidents_contactpace p
WHERE p.team_id = m.team_id AND p.contact = m.contact AND p.hold_until > now()
  AND m.id = ANY(ARRAY(
    SELECT d.id FROM incidents_delivery d
    JOIN incidents_contactpace h ON h.team_id = d.team_id AND h.contact = d.contact
    WHERE h.hold_until > now() AND h.hold_until <= now() + %(minute)s AND {_PACED_DUE}
    ORDER BY d.id LIMIT %(rows)s FOR NO KEY UPDATE OF d SKIP LOCKED))
"""

# name: let_go
# Send a contact's messages one by one.
LET_GO = f"UPDATE incidents_delivery SET paced = true WHERE id = ANY(ARRAY({_DUE_OF_CONTACT}))"

# name: insert_digest
# The message that carries the others: to the same place, of the same kind, due now or when it is
# open no longer. Of several ways to one address the address itself is the surest.
INSERT_DIGEST = f"""
INSERT INTO incidents_delivery (id, team_id, channel_id, contact_method_id, contact, kind, event,
  payload, state, attempts, attempt_count, next_attempt_at, paced, direct, given_way, rescue,
  created_at)
SELECT %(digest)s, d.team_id, d.channel_id, d.contact_method_id, d.contact, d.kind, %(event)s,
  '{{}}', 'pending', '[]', 0, now() + %(open)s, true, d.direct, false, false, now()
FROM incidents_delivery d
WHERE d.team_id = %(team)s AND d.contact = %(contact)s AND {_PACED_DUE}
ORDER BY d.direct DESC, d.id LIMIT 1
"""

# name: open_digest
# A contact's digest that nobody may send yet. Under its lock nobody will before we have committed.
# One that something else holds back, such as the quiet time after a restore, is open no longer.
OPEN_DIGEST = """
SELECT id FROM incidents_delivery
WHERE team_id = %(team)s AND contact = %(contact)s AND event = %(event)s AND state = 'pending'
  AND attempt_count = 0 AND next_attempt_at > clock_timestamp()
  AND next_attempt_at <= created_at + %(open)s
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

# name: close_digest
# Let a digest go.
CLOSE_DIGEST = "UPDATE incidents_delivery SET next_attempt_at = now() WHERE id = %(digest)s"

# name: bundle
# Put a contact's messages into one digest.
BUNDLE = f"""
UPDATE incidents_delivery SET state = 'bundled', bundle_id = %(digest)s
WHERE id = ANY(ARRAY({_DUE_OF_CONTACT}))
"""

# name: drop_digest
# Take back a digest that came to carry nothing.
DROP_DIGEST = "DELETE FROM incidents_delivery WHERE id = %(digest)s"

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
# Note what a contact was sent, and until when it is left alone.
KEEP_PACE = """
INSERT INTO incidents_contactpace AS p (team_id, contact, since, last_at, count, hold_until)
VALUES (%(team)s, %(contact)s, now(), now(), %(count)s, %(hold_until)s)
ON CONFLICT (team_id, contact) DO UPDATE SET
  last_at = CASE WHEN excluded.count > 0 THEN now() ELSE p.last_at END,
  since = CASE WHEN p.since <= now() - %(minute)s THEN now() ELSE p.since END,
  count = CASE WHEN p.since <= now() - %(minute)s THEN 0 ELSE p.count END + excluded.count,
  hold_until = excluded.hold_until
"""


@dataclass(frozen=True, slots=True)
class _Pace:
    """What a contact has had of late."""

    now: datetime
    since: datetime | None
    last_at: datetime | None
    count: int | None
    hold_until: datetime | None

    @property
    def lately(self) -> int:
        """How many messages it has had within the present minute."""
        fresh = self.since is not None and self.since > self.now - MINUTE
        return (self.count or 0) if fresh else 0

    @property
    def is_held(self) -> bool:
        """Whether everything waits and nothing joins a digest: none that was open is so still."""
        until = self.hold_until
        return until is not None and self.now < until <= self.now + MINUTE

    @property
    def is_flooded(self) -> bool:
        """Whether something had to wait within the last minute, or still has to."""
        return self.hold_until is not None and self.hold_until > self.now - MINUTE


def pace_contacts() -> None:
    """Decide for every message that has become due whether it goes, waits or joins a digest.

    In short transactions of its own, before the claim's. One process at a time; any other takes
    what is decided already.
    """
    machines = {"machines": _machines()}
    with transaction.atomic(), connection.cursor() as cursor:
        if not _is_alone(cursor):
            return
        cursor.execute(RELEASE, machines)
    with transaction.atomic(), connection.cursor() as cursor:
        if not _is_alone(cursor):
            return
        until = time.monotonic() + LOOK_SECONDS
        values: dict[str, Any] = {"minute": MINUTE, "event": DIGEST, "rows": MOST_ROWS, **machines}
        cursor.execute(DUE, {**values, "contacts": MOST_CONTACTS})
        held = False
        for team, contact, due, *had in cursor.fetchall():
            pace = _Pace(*had)
            if pace.is_held:
                held = True
                continue
            _decide(cursor, {**values, "team": team, "contact": contact}, due, pace)
            if time.monotonic() > until:
                break
        while held:
            cursor.execute(HOLD_ALL, values)
            held = cursor.rowcount == MOST_ROWS and time.monotonic() < until


def _is_alone(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
    return bool(cursor.fetchone()[0])


def _machines() -> list[str]:
    return [name for name, kind in (KINDS | OURS).items() if not kind.digests]


def _decide(cursor: Any, named: dict[str, Any], due: int, pace: _Pace) -> None:
    now, hold_until = pace.now, pace.hold_until
    if pace.is_flooded:
        assert hold_until is not None
        if hold_until > now:
            if not _join(cursor, named, due):
                cursor.execute(HOLD, {**named, "until": hold_until})
            return
        if due > 1:
            _bundle(cursor, named, due, now)
        else:
            cursor.execute(LET_GO, named)
            cursor.execute(KEEP_PACE, {**named, "count": 1, "hold_until": now + MINUTE})
    elif due <= MOST_AT_ONCE and pace.lately + due <= MOST_A_MINUTE:
        cursor.execute(LET_GO, named)
        cursor.execute(KEEP_PACE, {**named, "count": due, "hold_until": None})
    elif pace.last_at is not None and pace.last_at > now - MINUTE:
        until = pace.last_at + MINUTE
        cursor.execute(HOLD, {**named, "until": until})
        cursor.execute(KEEP_PACE, {**named, "count": 0, "hold_until": until})
    else:
        _bundle(cursor, named, due, now)


def _bundle(cursor: Any, named: dict[str, Any], due: int, now: datetime) -> None:
    """Make one digest of what is due for a contact.

    The contact is left alone for a minute from the latest time at which the digest goes out.
    """
    stays_open = OPEN if due > MOST_ROWS else timedelta()
    named = {**named, "digest": uuid7(), "open": stays_open}
    cursor.execute(INSERT_DIGEST, named)
    if not cursor.rowcount:  # somebody acknowledged them all at this moment, or does so now
        return
    cursor.execute(BUNDLE, named)
    if not cursor.rowcount:
        cursor.execute(DROP_DIGEST, named)
        return
    _fill(cursor, named)
    hold_until = now + stays_open + MINUTE
    cursor.execute(KEEP_PACE, {**named, "count": 1, "hold_until": hold_until})


def _join(cursor: Any, named: dict[str, Any], due: int) -> bool:
    """Put what is due into the contact's open digest; False if there is none."""
    cursor.execute(OPEN_DIGEST, {**named, "open": OPEN})
    found = cursor.fetchone()
    if found is None:
        return False
    named = {**named, "digest": found[0]}
    cursor.execute(BUNDLE, named)
    _fill(cursor, named)
    if due <= MOST_ROWS:
        cursor.execute(CLOSE_DIGEST, named)
    return True


def _fill(cursor: Any, named: dict[str, Any]) -> None:
    """Write what a digest says: all that it carries by now."""
    named = {**named, "most": MOST_NAMED}
    cursor.execute(COUNT_BUNDLED, named)
    counted = cursor.fetchall()
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
    cursor.execute(FILL, {"digest": named["digest"], "payload": json.dumps(payload)})
