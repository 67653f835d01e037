"""All results of a monitor as a file, CSV or JSON, streamed page by page."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django_scopes import scopes_disabled

from accounts.api.pagination import PageOrder
from monitors.api.serializers import ResultSerializer
from monitors.models import Monitor, PushResult

PAGE_ROWS = 1000
COLUMNS = ("id", "received_at", "status", "latency_ms", "message", "labels")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def export_results(
    monitor: Monitor, results: QuerySet[PushResult], *, form: str, order: PageOrder, until: datetime
) -> StreamingHttpResponse:
    """Return the results until a time, newest first, as a download; `form` is csv or json."""
    pages = _pages(results.filter(received_at__lte=until), order)
    lines, content_type = (
        (_as_csv(pages), "text/csv; charset=utf-8; header=present")
        if form == "csv"
        else (_as_json(pages), "application/json")
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", monitor.name).strip(".-")[:80] or "monitor"
    return StreamingHttpResponse(
        lines,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}-results.{form}"',
            "Cache-Control": "no-store",
        },
    )


def safe_cell(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _pages(results: QuerySet[PushResult], order: PageOrder) -> Iterator[list[PushResult]]:
    """Give page after page, each by a query of its own.

    What is streamed is read in whichever thread is free: nothing of a connection may stay open
    between two pages.
    """
    rows = results
    while True:
        with scopes_disabled():
            page = list(order.sort(rows, backwards=False)[:PAGE_ROWS])
        if not connection.in_atomic_block:
            connection.close()
        if page:
            yield page
        if len(page) < PAGE_ROWS:
            return
        last = page[-1]
        values = [getattr(last, name) for name, _ in order.keys]
        rows = results.filter(order.beyond(values, backwards=False))


def _as_csv(pages: Iterator[list[PushResult]]) -> Iterator[str]:
    yield _csv_lines([COLUMNS])
    for page in pages:
        yield _csv_lines(
            [
                (
                    str(row.id),
                    row.received_at.isoformat().replace("+00:00", "Z"),
                    row.status,
                    "" if row.latency_ms is None else repr(row.latency_ms),
                    safe_cell(row.message or ""),
                    json.dumps(row.labels, ensure_ascii=False) if row.labels else "",
                )
                for row in page
            ]
        )


def _csv_lines(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _as_json(pages: Iterator[list[PushResult]]) -> Iterator[str]:
    start = "[\n"
    for page in pages:
        shown = ResultSerializer(page, many=True).data
        yield start + ",\n".join(json.dumps(row, ensure_ascii=False, default=str) for row in shown)
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"
