"""How far back a team sees its results: the one place that knows.

Results are kept by whole days for the longest plan (monitors/partitions.py), so a shorter plan's
older ones are still there, and only what reads them can leave them out.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.db.models import QuerySet

from accounts.models import Team
from accounts.plans import history_days
from monitors.models import PushResult


def history_start(team: Team, now: datetime) -> datetime:
    """Return the instant from which the team's results are shown: a midnight (UTC)."""
    day = now.astimezone(UTC).date() - timedelta(days=history_days(team))
    return datetime.combine(day, time(), tzinfo=UTC)


def shown_results(
    results: QuerySet[PushResult], *, team: Team, now: datetime
) -> QuerySet[PushResult]:
    """Return those results that the team's plan shows."""
    return results.filter(received_at__gte=history_start(team, now))
