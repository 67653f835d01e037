"""Finding the late monitors of a list in the database, though `late` is stored nowhere.

A monitor is late from the end of its `silent_after` (or its cron run) to its due time, on the
database's clock. Fixed windows that no listening gap touches are a comparison in SQL. Cron
schedules, and windows that began before the end of a gap, need `monitors.schedule`: SQL narrows
them to those that may be late, and those alone are worked out here.

What narrows cron schedules: `check_at` is never later than the due time, and while no gap
stretches the grace, a late monitor is due within its grace. So only those are worked out whose
`check_at` lies at most that far ahead.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    IntegerField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Greatest

from monitors.models import ListeningGap, Monitor
from monitors.queries import current_gaps, standings, with_standing
from monitors.schedule import CRON_GRACE_DEFAULT_SECONDS, CRON_GRACE_LEAST_SECONDS
from monitors.state import LATE, State

_SECOND = Value(timedelta(seconds=1), output_field=DurationField())


def filter_late(monitors: QuerySet[Monitor], *, now: datetime, late: bool) -> QuerySet[Monitor]:
    """Return those of the monitors that are up, and late at `now` (or, if not `late`, are not)."""
    up = monitors.filter(heartbeat__state=State.UP.value)
    quiet_since = _last_gap_end(now)
    silence_ends = _after(F("heartbeat__clock_from"), F("silent_after"))
    due = _after(F("heartbeat__clock_from"), F("silent_after") + F("grace"))
    up = up.alias(silence_ends=silence_ends, due=due)
    in_grace = Q(cron="", grace__gt=0, silence_ends__lte=now)
    untouched = Q(heartbeat__clock_from__gte=quiet_since) if quiet_since else Q()
    is_late = in_grace & untouched & Q(due__gt=now)
    worked_out = _late_ids(up, in_grace=in_grace, quiet_since=quiet_since, now=now)
    if worked_out:
        is_late |= Q(pk__in=worked_out)
    return up.filter(is_late) if late else up.exclude(is_late)


def _late_ids(
    up: QuerySet[Monitor], *, in_grace: Q, quiet_since: datetime | None, now: datetime
) -> list[UUID]:
    cron_grace = Case(
        When(grace=0, then=Value(CRON_GRACE_DEFAULT_SECONDS)),
        default=Greatest("grace", Value(CRON_GRACE_LEAST_SECONDS), output_field=IntegerField()),
        output_field=IntegerField(),
    )
    latest_check = _after(Value(now), cron_grace)
    may_be = ~Q(cron="") & Q(heartbeat__check_at__lte=F("latest_check"))
    if quiet_since:
        touched = Q(heartbeat__clock_from__lt=quiet_since)
        may_be |= touched & (~Q(cron="") | in_grace)
    candidates = with_standing(up.alias(latest_check=latest_check).filter(may_be))
    found = list(candidates)
    shown = standings(found, now=now)
    return [monitor.pk for monitor in found if shown[monitor.pk].state == LATE]


def _last_gap_end(now: datetime) -> datetime | None:
    """Return until when we last did not listen; now, if we do not; None if we always did."""
    if current_gaps(now=now, since=now):
        return now
    return ListeningGap.objects.order_by("-ended_at").values_list("ended_at", flat=True).first()


def _after(instant: Any, seconds: Any) -> ExpressionWrapper[Any]:
    length = ExpressionWrapper(seconds * _SECOND, output_field=DurationField())
    return ExpressionWrapper(instant + length, output_field=DateTimeField())
