"""Pages that grow old without any change: the day goes on, and an outage grows longer.

A page says as of when it is. It is made anew each hour, at its own midnight, and every five minutes
while some component is not plainly good.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection
from django.db.models import F
from django_scopes import scopes_disabled

from statuspages.models import StatusPage

TROUBLED = timedelta(minutes=5)
LIMIT = 50

# name: ageing_pages
# Published pages that were rendered a while ago, the oldest first, and whether there is trouble.
_AGEING = """
SELECT p.id, p.timezone, n.rendered_at, clock_timestamp(), EXISTS (
  SELECT FROM statuspages_component c JOIN statuspages_componentspan s ON s.component_id = c.id
  WHERE c.page_id = p.id AND s.ended_at IS NULL AND s.kind <> 'no_data')
FROM statuspages_statuspage p
JOIN statuspages_pagesnapshot n ON n.page_id = p.id AND n.path = ''
WHERE p.published AND p.rendered_version >= p.version
  AND n.rendered_at < clock_timestamp() - interval '1 minute'
ORDER BY n.rendered_at
"""


def renew_pages(*, limit: int = LIMIT) -> int:
    """Let up to `limit` pages that have grown old be rendered again; return how many."""
    with scopes_disabled():
        with connection.cursor() as cursor:
            cursor.execute(_AGEING)
            rows = cursor.fetchall()
        old = [pk for pk, zone, *times in rows if is_old(zone, *times)][:limit]
        if old:
            # Nothing was edited: the page's own `updated_at` stays.
            StatusPage.objects.filter(pk__in=old).update(version=F("version") + 1)
    return len(old)


def is_old(timezone: str, rendered_at: datetime, now: datetime, troubled: bool) -> bool:
    """Return whether a page that was rendered then is to be rendered again."""
    if troubled and now - rendered_at >= TROUBLED:
        return True
    zone = _zone(timezone)
    here, then = now.astimezone(zone), rendered_at.astimezone(zone)
    return (here.date(), here.hour) != (then.date(), then.hour)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
