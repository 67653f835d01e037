"""What nobody needs any more: requests that were never confirmed, and messages of long ago."""

from __future__ import annotations

from django.db import connection, transaction
from django_scopes import scopes_disabled

BATCH = 1_000

# name: forget_unconfirmed
# Its lock comes first: who confirms at this moment is not forgotten.
_FORGET_UNCONFIRMED = """
WITH old AS MATERIALIZED (
  SELECT id FROM statuspages_subscriber
  WHERE confirmed_at IS NULL AND created_at < now() - interval '14 days'
    AND (asked_at IS NULL OR asked_at < now() - interval '14 days')
  LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), messages AS (
  DELETE FROM statuspages_subscribermessage WHERE subscriber_id IN (SELECT id FROM old)
)
DELETE FROM statuspages_subscriber WHERE id IN (SELECT id FROM old)
"""

# name: forget_messages
_FORGET_MESSAGES = """
DELETE FROM statuspages_subscribermessage WHERE id IN (
  SELECT id FROM statuspages_subscribermessage
  WHERE finished_at < now() - interval '30 days' LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""

# name: forget_networks
_FORGET_NETWORKS = """
DELETE FROM statuspages_askingnetwork WHERE network IN (
  SELECT network FROM statuspages_askingnetwork
  WHERE since < now() - interval '2 days' LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""


def tidy_subscribers() -> int:
    """Take out requests unconfirmed for 14 days and messages over for 30; return how many rows."""
    gone = 0
    with scopes_disabled():
        for statement in (_FORGET_UNCONFIRMED, _FORGET_MESSAGES, _FORGET_NETWORKS):
            while True:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(statement, {"batch": BATCH})
                    count = cursor.rowcount
                gone += count
                if count < BATCH:
                    break
    return gone
