"""Daily partitions of the push results: made ahead, dropped when old.

There is no default partition: it would block detaching one concurrently. So partitions are made a
week ahead, at every start and every hour, and `/readyz` complains when fewer than three days are
left.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from django.db import connection

DAYS_AHEAD = 7
DAYS_ALARM = 3
_NAME = re.compile(r"^monitors_pushresult_(\d{4})(\d{2})(\d{2})$")


def ensure_partitions(*, now: datetime, days_ahead: int = DAYS_AHEAD) -> int:
    """Create the partitions from yesterday to `days_ahead` days on; return how many were new."""
    wanted = {now.date() + timedelta(days=offset) for offset in range(-1, days_ahead + 1)}
    missing = sorted(wanted - set(partition_days()))
    with connection.cursor() as cursor:
        for day in missing:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS monitors_pushresult_{day:%Y%m%d} "
                f"PARTITION OF monitors_pushresult FOR VALUES "
                f"FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
            )
    return len(missing)


def drop_old_partitions(*, now: datetime, keep_days: int) -> int:
    """Drop the partitions that lie wholly before `keep_days` days ago; return how many."""
    first_kept = now.date() - timedelta(days=keep_days)
    old = [day for day in partition_days() if day < first_kept]
    with connection.cursor() as cursor:
        for day in old:
            cursor.execute(f"DROP TABLE IF EXISTS monitors_pushresult_{day:%Y%m%d}")
    return len(old)


def days_left(*, now: datetime) -> int:
    """Return for how many days after today partitions exist without a hole."""
    days = set(partition_days())
    left = 0
    while now.date() + timedelta(days=left + 1) in days:
        left += 1
    return left if now.date() in days else -1


def partition_days() -> list[date]:
    """Return the days that have a partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'monitors_pushresult'::regclass"
        )
        names = [row[0] for row in cursor.fetchall()]
    matches = [_NAME.match(name) for name in names]
    return sorted(date(int(m[1]), int(m[2]), int(m[3])) for m in matches if m)
