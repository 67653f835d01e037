"""Daily partitions of the push results: made ahead, dropped when old.

There is no default partition: it would block detaching one concurrently. So partitions are made a
week ahead, at every start and every hour, and `/readyz` complains when fewer than three days are
left.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from accounts.database.standing import as_owner

DAYS_AHEAD = 7
DAYS_ALARM = 3
LOCK_KEY = 7_203_004
_NAME = re.compile(r"^monitors_pushresult_(\d{4})(\d{2})(\d{2})$")

# name: make_partition
# A table of its own first, then attached: unlike CREATE … PARTITION OF, that does not lock pushes
# out, and behind a long query it gives up instead of making pushes queue behind it.
MAKE = """
CREATE TABLE {name} (LIKE monitors_pushresult INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE monitors_pushresult ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')
"""

# name: patience
# Detaching waits for every reader (a dump may take hours), and what waits here must not keep the
# engine from its work: it gives up, and the next hour's round finishes what was begun.
PATIENCE = "SET lock_timeout = '2s'; SET statement_timeout = '3s'"
END_PATIENCE = "RESET lock_timeout; RESET statement_timeout"

# name: partitions
# Every partition, and whether an interrupted detaching has to be finished.
PARTITIONS = """
SELECT c.relname, i.inhdetachpending FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'monitors_pushresult'::regclass
"""


def ensure_partitions(*, now: datetime, days_ahead: int = DAYS_AHEAD) -> int:
    """Create the partitions from yesterday to `days_ahead` days on; return how many were new."""
    wanted = {now.date() + timedelta(days=offset) for offset in range(-1, days_ahead + 1)}
    return make_partitions(sorted(wanted))


def make_partitions(days: list[date]) -> int:
    """Create the partitions of these days where they are missing; return how many were new."""
    if set(days) <= set(partition_days()):
        return 0
    with as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        missing = [day for day in days if day not in set(partition_days())]
        for day in missing:
            start, end = f"{day} 00:00:00+00", f"{day + timedelta(days=1)} 00:00:00+00"
            cursor.execute(MAKE.format(name=partition_name(day), start=start, end=end))
    return len(missing)


def drop_old_partitions(*, now: datetime, keep_days: int) -> int:
    """Drop the partitions that lie wholly before `keep_days` days ago; return how many.

    Detached concurrently first, so that pushes and queries go on; within a transaction, where that
    cannot be, plainly.
    """
    first_kept = now.date() - timedelta(days=keep_days)
    old = [(day, pending) for day, pending in _partitions() if day < first_kept]
    how = "" if connection.in_atomic_block else "CONCURRENTLY"
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(PATIENCE)
        try:
            for day, is_pending in old:
                way = "FINALIZE" if is_pending else how
                name = partition_name(day)
                cursor.execute(f"ALTER TABLE monitors_pushresult DETACH PARTITION {name} {way}")
                cursor.execute(f"DROP TABLE {name}")
        finally:
            if not connection.needs_rollback and connection.is_usable():
                cursor.execute(END_PATIENCE)
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
    return [day for day, is_pending in _partitions() if not is_pending]


def _partitions() -> list[tuple[date, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS)
        rows = cursor.fetchall()
    found = [(_NAME.match(name), is_pending) for name, is_pending in rows]
    return sorted((date(int(m[1]), int(m[2]), int(m[3])), pending) for m, pending in found if m)


def partition_name(day: date) -> str:
    """Return the name of the table that holds a day's results."""
    return f"monitors_pushresult_{day:%Y%m%d}"
