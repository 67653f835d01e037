"""After the database went back in time: subscribers were told of what was due then."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

# name: handle_notices
# Updates of published posts on published pages that nobody had put in line yet.
HANDLE_NOTICES = """
UPDATE statuspages_postnotice n SET handled_at = now()
FROM statuspages_postupdate u
JOIN statuspages_post t ON t.id = u.post_id
JOIN statuspages_statuspage p ON p.id = t.page_id
WHERE u.id = n.post_update_id AND n.handled_at IS NULL
  AND t.published_at IS NOT NULL AND p.published
"""

# name: take_as_sent
TAKE_AS_SENT = """
UPDATE statuspages_subscribermessage SET state = 'delivered', lease_token = NULL,
  finished_at = now(), outcome = %(detail)s
WHERE state = 'sending' OR state = 'pending' AND (attempt_count > 0 OR next_attempt_at <= %(until)s)
"""


def take_as_sent(*, until: datetime, detail: str) -> int:
    """Take messages that were due at `until` as sent, with `detail`; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(HANDLE_NOTICES)
        cursor.execute(TAKE_AS_SENT, {"until": until, "detail": detail})
        taken: int = cursor.rowcount
    return taken
