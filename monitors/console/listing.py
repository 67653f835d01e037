"""Which monitors a list shows, and how many stand in each state. Call inside a team's scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, IntegerField, Q, QuerySet, When

from monitors.lateness import filter_late
from monitors.models import Heartbeat, Monitor
from monitors.queries import with_standing
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


def late_monitors(*, now: datetime) -> QuerySet[Monitor]:
    """Return the team's monitors that are late."""
    return filter_late(Monitor.objects.all(), now=now, late=True)


def count_states(*, late: QuerySet[Monitor]) -> dict[str, int]:
    """Return how many monitors stand in each state, worst first."""
    found = dict(Heartbeat.objects.order_by().values_list("state").annotate(Count("monitor_id")))
    found[LATE] = late.count()
    found[State.UP.value] = found.get(State.UP.value, 0) - found[LATE]
    return {state: max(0, found.get(state, 0)) for state in STATES}


def find_monitors(filters: Filters, *, late: QuerySet[Monitor]) -> QuerySet[Monitor]:
    """Return the monitors that the filters let through, worst first, then by name."""
    is_late = Q(pk__in=late.values("pk"))
    ranks = [When(heartbeat__state=state, then=rank) for rank, state in enumerate(STATES)]
    late_rank = When(is_late, then=STATES.index(LATE))
    found = with_standing(Monitor.objects.all()).alias(
        rank=Case(late_rank, *ranks, output_field=IntegerField())
    )
    if filters.state == LATE:
        found = found.filter(is_late)
    elif filters.state:
        found = found.filter(heartbeat__state=filters.state).exclude(is_late)
    if filters.search:
        found = found.filter(
            Q(name__icontains=filters.search)
            | Q(namespace__name__icontains=filters.search)
            | Q(description__icontains=filters.search)
        )
    if filters.label:
        key, _, value = filters.label.partition(":")
        found = found.filter(labels__contains={key: value})
    return found.order_by("rank", "name", "pk")
