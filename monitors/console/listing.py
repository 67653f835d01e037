"""Which monitors a list shows, and how many stand in each state. Call inside a team's scope.

`late` is worked out when read, so the database alone cannot filter by it: the few monitors that
may be late are judged first, and states are the stored ones with these taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    Count,
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

from monitors.models import Heartbeat, Monitor
from monitors.queries import standings, with_standing
from monitors.state import LATE, State

# Worst first: how a list is read at 3 a.m.
STATES = (State.DOWN.value, LATE, State.PENDING.value, State.UP.value, State.PAUSED.value)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for."""

    search: str = ""
    state: str = ""
    label: str = ""

    @classmethod
    def of(cls, query: Any) -> Filters:
        """Read the query string; an unknown state counts as none."""
        state = query.get("state", "")
        return cls(
            search=query.get("search", "").strip().replace("\0", "")[:200],
            state=state if state in STATES else "",
            label=query.get("label", "").replace("\0", "")[:400],
        )

    @property
    def active(self) -> bool:
        """Whether anything is left out."""
        return bool(self.search or self.state or self.label)


def late_ids(*, now: datetime) -> list[UUID]:
    """Return the team's monitors that are late."""
    silent_for = ExpressionWrapper(
        F("silent_after") * Value(timedelta(seconds=1)), output_field=DurationField()
    )
    late_at = ExpressionWrapper(
        F("heartbeat__clock_from") + silent_for, output_field=DateTimeField()
    )
    may_be_late = (
        Monitor.objects.select_related("heartbeat")
        .annotate(late_at=late_at)
        .filter(heartbeat__state=State.UP.value)
        .filter(~Q(cron="") | Q(grace__gt=0, late_at__lte=now))
    )
    found = standings(may_be_late, now=now)
    return [pk for pk, standing in found.items() if standing.state == LATE]


def count_states(*, late: list[UUID]) -> dict[str, int]:
    """Return how many monitors stand in each state, worst first."""
    stored = dict(Heartbeat.objects.order_by().values_list("state").annotate(Count("monitor_id")))
    stored[State.UP.value] = stored.get(State.UP.value, 0) - len(late)
    stored[LATE] = len(late)
    return {state: max(0, stored.get(state, 0)) for state in STATES}


def find_monitors(filters: Filters, *, late: list[UUID]) -> QuerySet[Monitor]:
    """Return the monitors that the filters let through, worst first, then by name."""
    worst_first = Case(
        *[When(heartbeat__state=state, then=rank) for rank, state in enumerate(STATES)],
        default=len(STATES),
        output_field=IntegerField(),
    )
    if late:
        worst_first = Case(
            When(pk__in=late, then=1),
            default=worst_first,
            output_field=IntegerField(),
        )
    found = with_standing(Monitor.objects.all()).annotate(rank=worst_first)
    if filters.state == LATE:
        found = found.filter(pk__in=late)
    elif filters.state:
        found = found.filter(heartbeat__state=filters.state).exclude(pk__in=late)
    if filters.search:
        found = found.filter(
            Q(name__icontains=filters.search) | Q(namespace__name__icontains=filters.search)
        )
    if filters.label:
        key, _, value = filters.label.partition(":")
        found = found.filter(labels__contains={key: value})
    return found.order_by("rank", "name", "pk")
