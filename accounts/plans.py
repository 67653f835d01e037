"""What a team's plan allows: how many monitors, and how far back its results are shown."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Max

from accounts.models import Plan, Team

_MOST_DAYS = 36_500  # beyond a century a date cannot be reckoned with


def monitor_quota(team: Team) -> int | None:
    """Return how many monitors the team may have: its own quota, else its plan's; None: any."""
    if team.monitor_quota is not None:
        return team.monitor_quota
    return team.plan.monitor_quota if team.plan is not None else None


def history_days(team: Team) -> int:
    """Return for how many days back the team's results are shown.

    Without a plan that is as long as the installation keeps them at least (`RESULT_DAYS`).
    """
    days: int = settings.RESULT_DAYS
    return min(team.plan.history_days, _MOST_DAYS) if team.plan is not None else days


def kept_days() -> int:
    """Return for how many days results are kept: for the longest plan, at least `RESULT_DAYS`."""
    longest: int = Plan.objects.aggregate(days=Max("history_days"))["days"] or 0
    least: int = settings.RESULT_DAYS
    return max(least, min(longest, _MOST_DAYS))


def default_plan() -> Plan | None:
    """Return the plan of new teams, if there is one."""
    return Plan.objects.filter(is_default=True).first()
