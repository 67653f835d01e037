"""Which monitors a list shows, and how many stand in each state. Call inside a team's scope."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, When
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitors.lateness import filter_late
from monitors.models import Heartbeat, Monitor, Severity
from monitors.state import LATE, Cause, State

# Worst first: how a list is read at 3 a.m.
STATES = (State.DOWN.value, LATE, State.PENDING.value, State.UP.value, State.PAUSED.value)
SEVERITIES = tuple(str(value) for value in Severity.values)
CAUSES = tuple(cause.value for cause in Cause)
MOST_LABELS = 5
MOST_LABEL = 400
FACETS = 12
# What is behind each order; the first is the one that no address needs to name.
ORDERS: dict[str, tuple[Any, ...]] = {
    "state": ("rank", "name", "pk"),
    "name": ("name", "pk"),
    "-name": ("-name", "-pk"),
    "push": (F("heartbeat__last_push_at").desc(nulls_last=True), "name", "pk"),
    "-push": (F("heartbeat__last_push_at").asc(nulls_first=True), "name", "pk"),
}
ORDER_WORDS: dict[str, str | Promise] = {
    "state": _("Worst first"),
    "name": _("Name, A to Z"),
    "-name": _("Name, Z to A"),
    "push": _("Last push, newest first"),
    "-push": _("Last push, oldest first"),
}

# name: facets
# The commonest labels of some monitors, and how many of these carry each.
_FACETS = """
SELECT e.key, e.value, count(*) FROM monitors_monitor m, jsonb_each_text(m.labels) e
WHERE m.id IN ({found}) GROUP BY e.key, e.value
ORDER BY count(*) DESC, e.key, e.value LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; what it cannot mean counts as not said."""

    search: str = ""
    state: str = ""
    labels: tuple[str, ...] = ()
    namespace: str = ""
    severity: str = ""
    cause: str = ""
    sort: str = "state"

    @classmethod
    def of(cls, query: QueryDict) -> Filters:
        """Read the query string."""
        labels = dict.fromkeys(_clean(text, MOST_LABEL) for text in query.getlist("label"))
        return cls(
            search=_clean(query.get("search"), 200),
            state=_one_of(query.get("state"), STATES),
            labels=tuple(label for label in labels if label)[:MOST_LABELS],
            namespace=_clean(query.get("namespace"), 63),
            severity=_one_of(query.get("severity"), SEVERITIES),
            cause=_one_of(query.get("cause"), CAUSES),
            sort=_one_of(query.get("sort"), ORDERS) or "state",
        )

    @property
    def active(self) -> bool:
        """Whether anything is left out."""
        return replace(self, sort="state") != Filters()

    @property
    def folded(self) -> int:
        """How many filters are set, as a narrow page says above those that it folds away."""
        said = (self.search, self.state, self.namespace, self.severity, self.cause)
        return sum(bool(one) for one in said) + len(self.labels)

    @property
    def query(self) -> str:
        """The query string that asks for this, without the page; empty for everything."""
        said = QueryDict(mutable=True)
        for name in ("search", "state", "namespace", "severity", "cause"):
            if value := getattr(self, name):
                said[name] = value
        if self.labels:
            said.setlist("label", list(self.labels))
        if self.sort != "state":
            said["sort"] = self.sort
        return str(said.urlencode())

    @property
    def chosen_labels(self) -> list[tuple[str, str, str]]:
        """The labels asked for: as the address says them, as chips do, and the query without."""
        return [
            (label, label.replace(":", "=", 1), self.without_label(label)) for label in self.labels
        ]

    def without_label(self, label: str) -> str:
        """Return the query string without one of the labels."""
        return replace(self, labels=tuple(one for one in self.labels if one != label)).query

    def with_label(self, label: str) -> str:
        """Return the query string with one more label; with this one alone if there are many."""
        if label in self.labels:
            return self.query
        kept = self.labels if len(self.labels) < MOST_LABELS else ()
        return replace(self, labels=(*kept, label)).query


def _clean(text: str | None, most: int) -> str:
    kept = (text or "").replace("\0", "").strip()[:most]
    return kept.encode(errors="ignore").decode()  # a lone surrogate is no character


def _one_of(text: str | None, known: Any) -> str:
    return text if text in known and text is not None else ""


def late_monitors(*, now: datetime) -> QuerySet[Monitor]:
    """Return the team's monitors that are late."""
    return filter_late(Monitor.objects.all(), now=now, late=True)


def count_states(*, late: QuerySet[Monitor], filters: Filters | None = None) -> dict[str, int]:
    """Return how many monitors stand in each state, worst first.

    With filters, only of those that these let through; which state they ask for plays no part.
    """
    hearts, lates = Heartbeat.objects.order_by(), late
    if filters is not None and (others := replace(filters, state="")).active:
        within = match_monitors(others, late=late).order_by().values("pk")
        hearts, lates = hearts.filter(monitor__in=within), late.filter(pk__in=within)
    found = dict(hearts.values_list("state").annotate(Count("monitor_id")))
    found[LATE] = lates.count()
    found[State.UP.value] = found.get(State.UP.value, 0) - found[LATE]
    return {state: max(0, found.get(state, 0)) for state in STATES}


def match_monitors(filters: Filters, *, late: QuerySet[Monitor]) -> QuerySet[Monitor]:
    """Return the monitors that the filters let through, in no order."""
    is_late = Q(pk__in=late.values("pk"))
    found = Monitor.objects.all()
    if filters.state == LATE:
        found = found.filter(is_late)
    elif filters.state:
        found = found.filter(heartbeat__state=filters.state)
        if filters.state == State.UP:
            found = found.exclude(is_late)
    if filters.search:
        found = found.filter(
            Q(name__icontains=filters.search)
            | Q(namespace__name__icontains=filters.search)
            | Q(description__icontains=filters.search)
        )
    for label in filters.labels:
        key, colon, value = label.partition(":")
        named = Q(labels__contains={key: value}) if colon else Q(labels__has_key=key)
        found = found.filter(named)
    if filters.namespace:
        found = found.filter(namespace__name=filters.namespace)
    if filters.severity:
        found = found.filter(severity=filters.severity)
    if filters.cause:
        found = found.filter(heartbeat__cause=filters.cause)
    return found


def find_monitors(filters: Filters, *, late: QuerySet[Monitor]) -> QuerySet[Monitor]:
    """Return the monitors that the filters let through, in the order that they ask for."""
    found = match_monitors(filters, late=late).select_related("heartbeat", "namespace")
    if filters.sort == "state":
        ranks = [When(heartbeat__state=state, then=rank) for rank, state in enumerate(STATES)]
        late_rank = When(pk__in=late.values("pk"), then=STATES.index(LATE))
        found = found.alias(rank=Case(late_rank, *ranks, output_field=IntegerField()))
    return found.order_by(*ORDERS[filters.sort])


@dataclass(frozen=True, slots=True)
class Facet:
    """A label and how many of the monitors shown carry it."""

    text: str
    count: int
    query: str


def count_labels(filters: Filters, *, late: QuerySet[Monitor]) -> list[Facet]:
    """Return the commonest labels of what the filters let through, those asked for left out."""
    ids = match_monitors(filters, late=late).order_by().values("pk")
    sql, values = ids.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_FACETS.format(found=sql), [*values, FACETS + MOST_LABELS])
        rows = cursor.fetchall()
    return [
        Facet(f"{key}={value}", count, filters.with_label(f"{key}:{value}"))
        for key, value, count in rows
        if f"{key}:{value}" not in filters.labels and is_short(key, value)
    ][:FACETS]


def is_short(key: str, value: str) -> bool:
    """Return whether a label fits on a chip, and its address within a page of many."""
    return len(f"{key}={value}".encode()) <= 80
