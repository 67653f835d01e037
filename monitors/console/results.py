"""Pages of a monitor's results, newest first, narrowed by status, label and words.

Labels and words have no index. So that a page never reads millions of rows, a narrowed one looks at
a bounded number of results and says how far back that was; the next page goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Left, Length

from accounts.api.pagination import PageOrder, parse_instant
from accounts.models import Team
from monitors.console.timespan import Span
from monitors.history import shown_results
from monitors.models import Monitor, PushResult

PAGE_ROWS = 20
LOOKED_AT = 20_000  # results that a page narrowed by status or label looks at
SEARCHED = 5_000  # and one that looks into messages, which are up to 10,000 characters long
SHOWN_CHARACTERS = 200
SHOWN_LABELS = 6
LINKED_CHARACTERS = 80  # a longer label is shown cut, and leads nowhere
NEWEST_FIRST = PageOrder((("received_at", parse_instant), ("id", UUID)))
_EPOCH, _NEAR = datetime(1970, 1, 1, tzinfo=UTC), timedelta(hours=1)
_MOST_MILLISECONDS = 200_000_000_000_000  # the year 8307
_STATUSES = ("pass", "fail")
_SURROGATE = re.compile("[\ud800-\udfff\0]")

Key = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class ResultFilters:
    """What the address asks for; what cannot be read asks for nothing."""

    status: str = ""
    label: str = ""
    search: str = ""
    before: Key | None = None
    after: Key | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> ResultFilters:
        """Read the query string."""

        def text(name: str, most: int) -> str:
            return _SURROGATE.sub("", str(query.get(name, "")))[:most]

        status = text("status", 4)
        before = read_key(text("before", 80))
        return cls(
            status=status if status in _STATUSES else "",
            label=text("label", 400),
            search=text("q", 200).strip(),
            before=before,
            after=None if before else read_key(text("after", 80)),
        )

    @property
    def active(self) -> bool:
        """Whether anything is left out, besides by time."""
        return bool(self.status or self.label or self.search)

    @property
    def paged(self) -> bool:
        """Whether it is not the newest page."""
        return bool(self.before or self.after)

    @property
    def most(self) -> int:
        """How many results one page may look at."""
        return SEARCHED if self.search else LOOKED_AT

    def narrow(self, results: QuerySet[PushResult]) -> QuerySet[PushResult]:
        """Return the results that it lets through."""
        if self.status:
            results = results.filter(status=self.status)
        if self.label:
            key, _, value = self.label.partition(":")
            results = results.filter(labels__contains={key: value})
        if self.search:
            results = results.filter(message__icontains=self.search)
        return results


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result as a page shows it: the message cut, with its whole length."""

    id: UUID
    received_at: datetime
    status: str
    latency_ms: float | None
    message: str
    length: int
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_cut(self) -> bool:
        """Whether there is more of the message."""
        return self.length > SHOWN_CHARACTERS

    @property
    def shown_labels(self) -> list[tuple[str, str, str]]:
        """The first labels: key, value, and what the address calls it; "" for one too long."""
        return [chip(key, value) for key, value in list(self.labels.items())[:SHOWN_LABELS]]

    @property
    def more_labels(self) -> int:
        """How many labels are not shown."""
        return max(0, len(self.labels) - SHOWN_LABELS)


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Rows, where the pages beside begin, and how far a narrowed page looked."""

    rows: list[ResultRow]
    older: str = ""
    newer: str = ""
    looked_at: int = 0
    looked_to: datetime | None = None


def chip(key: str, value: str) -> tuple[str, str, str]:
    """Return a label as a chip: key and value, cut, and what the address calls it."""
    if len(key) + len(value) <= LINKED_CHARACTERS:
        return key, value, f"{key}:{value}"
    return key, f"{value[:40]}…" if len(value) > 40 else value, ""


def results_of(
    monitor: Monitor, *, team: Team, span: Span | None, now: datetime
) -> QuerySet[PushResult]:
    """Return the results that the team's plan shows, of a time if one is asked for."""
    results = shown_results(PushResult.objects.filter(monitor=monitor.pk), team=team, now=now)
    if span is not None:
        results = results.filter(received_at__gte=span.since)
        if not span.name:  # a range up to now has no end: what has just arrived is in it
            results = results.filter(received_at__lt=span.until)
    return results


def read_page(results: QuerySet[PushResult], filters: ResultFilters) -> ResultPage:
    """Return a page; two queries, whatever is asked."""
    backwards = filters.after is not None
    key = filters.before or filters.after
    if key is not None:
        results = results.filter(NEWEST_FIRST.beyond(key, backwards=backwards))
    edge: Key | None = None
    ordered = NEWEST_FIRST.sort(results, backwards=backwards)
    if filters.active:
        most = filters.most
        edge = next(iter(ordered.values_list("received_at", "id")[most - 1 : most]), None)
        if edge is not None:
            results = results.filter(_down_to(edge, backwards=backwards))
    found = _rows(NEWEST_FIRST.sort(filters.narrow(results), backwards=backwards))
    more, rows = len(found) > PAGE_ROWS, found[:PAGE_ROWS]
    end = _key_of(rows[-1]) if more else edge  # where the page beyond this one begins
    if backwards:
        rows.reverse()
    beyond = write_key(*end) if end else ""
    back = write_key(*(_key_of(rows[-1 if backwards else 0]) if rows else key)) if key else ""
    return ResultPage(
        rows=rows,
        older=back if backwards else beyond,
        newer=beyond if backwards else back,
        looked_at=filters.most if edge and not more else 0,
        looked_to=edge[0] if edge and not more else None,
    )


def _down_to(edge: Key, *, backwards: bool) -> Q:
    at, pk = edge
    return NEWEST_FIRST.beyond(edge, backwards=not backwards) | Q(received_at=at, id=pk)


def _rows(results: QuerySet[PushResult]) -> list[ResultRow]:
    cut, length = Left("message", SHOWN_CHARACTERS), Length("message")
    values = results.values_list(
        "id", "received_at", "status", "latency_ms", cut, length, "labels"
    )[: PAGE_ROWS + 1]
    return [
        ResultRow(pk, at, status, latency, message or "", size or 0, labels or {})
        for pk, at, status, latency, message, size, labels in values
    ]


def _key_of(row: ResultRow) -> Key:
    return row.received_at, row.id


def write_key(at: datetime, pk: UUID) -> str:
    """Return where a page begins, as the address has it."""
    return f"{at.isoformat().replace('+00:00', 'Z')}~{pk}"


def read_key(text: str) -> Key | None:
    """Return where a page begins; None for what is no such thing."""
    at, tilde, pk = text.partition("~")
    try:
        return (parse_instant(at), UUID(pk)) if tilde else None
    except (ValueError, OverflowError):
        return None


def find_result(results: QuerySet[PushResult], pk: UUID, at: Any) -> PushResult | None:
    """Return one result by its id; None if there is none.

    `at` is when it was received. Without it the id's own time says where to look.
    """
    try:
        received_at = parse_instant(str(at))
        results = results.filter(received_at=received_at)
    except (ValueError, OverflowError):
        if pk.version != 7 or at:
            return None
        made_at = _EPOCH + timedelta(milliseconds=min(pk.int >> 80, _MOST_MILLISECONDS))
        results = results.filter(received_at__range=(made_at - _NEAR, made_at + _NEAR))
    return results.filter(id=pk).first()


def result_query(row: ResultRow) -> str:
    """Return the query string of a result's own address."""
    return f"?at={quote(row.received_at.isoformat().replace('+00:00', 'Z'))}"
