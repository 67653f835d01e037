"""Pages by cursor: where a page begins is the key of a row, never a count of rows.

A cursor holds the whole sort key of the row that the page borders on, so rows with equal times can
neither be skipped nor come twice, and page 1,000 costs what page 1 costs. It is sealed: some keys
are numbers that are counted for all teams together, which would tell how busy the others are.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

DEFAULT_LIMIT = 100
MOST_LIMIT = 1000
MOST_CURSOR_CHARACTERS = 500
_BIGINT = 2**63

M = TypeVar("M", bound=Model)


def parse_integer(text: str) -> int:
    """Return the integer. Raises ValueError, also for one that no column holds."""
    number = int(text) if len(text) <= 20 else _BIGINT
    if not -_BIGINT <= number < _BIGINT:
        raise ValueError("out of range")
    return number


def parse_instant(text: str) -> datetime:
    """Return the instant of an ISO 8601 text with an offset, in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text.replace(" ", "+"))
    if at.tzinfo is None or not 1970 <= at.year <= 9000:
        raise ValueError("no offset, or out of range")
    return at.astimezone(UTC)


@dataclass(frozen=True)
class PageOrder:
    """What a list is sorted by: field names with how each is read back; together unique."""

    keys: tuple[tuple[str, Callable[[str], Any]], ...]
    descending: bool = True

    def key_of(self, row: Model) -> list[str]:
        """Return the sort key of a row as texts."""
        values = [getattr(row, name) for name, _ in self.keys]
        return [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]

    def read(self, texts: Sequence[Any]) -> list[Any]:
        """Return the key's values. Raises ValueError."""
        if len(texts) != len(self.keys) or not all(isinstance(text, str) for text in texts):
            raise ValueError("not a key")
        return [parse(text) for (_, parse), text in zip(self.keys, texts, strict=True)]

    def sort(self, rows: QuerySet[M], *, backwards: bool) -> QuerySet[M]:
        """Return the rows in order, or in the reverse of it."""
        sign = "-" if self.descending != backwards else ""
        return rows.order_by(*(f"{sign}{name}" for name, _ in self.keys))

    def beyond(self, values: Sequence[Any], *, backwards: bool) -> Q:
        """Return the condition for rows beyond a key.

        The bound on the first field stands alone in front, so that an index (and the partitions
        of a table that is split by it) can serve it.
        """
        word = "lt" if self.descending != backwards else "gt"
        condition = Q()
        for (name, _), value in zip(reversed(self.keys), reversed(values), strict=True):
            strictly = Q(**{f"{name}__{word}": value})
            condition = (
                Q(**{f"{name}__{word}e": value}) & (strictly | condition) if condition else strictly
            )
        return condition


NEWEST_FIRST = PageOrder((("pk", UUID),))


class CursorPages(BasePagination):
    """`{"next","previous","results"}` with absolute URLs; the view's `page_order` sorts."""

    _next: str | None = None
    _previous: str | None = None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Return the rows of the page that the query string asks for. Raises ValidationError."""
        order: PageOrder = getattr(view, "page_order", NEWEST_FIRST)
        limit = _read_limit(request)
        cursor = request.query_params.get("cursor")
        backwards, key = _read_cursor(cursor, order) if cursor else (False, None)
        if key is not None:
            queryset = queryset.filter(order.beyond(key, backwards=backwards))
        rows = list(order.sort(queryset, backwards=backwards)[: limit + 1])
        more = len(rows) > limit
        page = rows[:limit]
        if backwards:
            page.reverse()
        if page and (backwards or more):
            self._next = _link(request, "n", order.key_of(page[-1]))
        if page and (more if backwards else key is not None):
            self._previous = _link(request, "p", order.key_of(page[0]))
        return page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page around `data`."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the OpenAPI schema of a page of `schema`."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the query parameters of every list."""
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "From a page's `next` or `previous`; not made by hand.",
                "schema": {"type": "string"},
            },
            {
                "name": "limit",
                "in": "query",
                "description": "Rows in a page; more than 1,000 gives 1,000.",
                "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_LIMIT},
            },
        ]


def _refuse(field: str, text: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(text, code="invalid")]})


def _read_limit(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal()) or not text.strip("0"):
        raise _refuse("limit", f"Must be an integer from 1 to {MOST_LIMIT}.")
    return min(int(text), MOST_LIMIT) if len(text) <= 9 else MOST_LIMIT


def _read_cursor(text: str, order: PageOrder) -> tuple[bool, list[Any]]:
    try:
        padded = text[:MOST_CURSOR_CHARACTERS] + "=" * (-len(text) % 4)
        direction, *key = json.loads(_box(settings.SECRET_KEY).decrypt(padded.encode()))
        return {"n": False, "p": True}[direction], order.read(key)
    except (InvalidToken, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise _refuse("cursor", "This cursor is not one of this list's.") from error


def _link(request: Request, direction: str, key: list[str]) -> str:
    data = json.dumps([direction, *key], separators=(",", ":")).encode()
    cursor = _box(settings.SECRET_KEY).encrypt(data).decode().rstrip("=")
    # Behind a proxy the Host header is anybody's; BASE_URL is ours.
    return replace_query_param(settings.BASE_URL + request.get_full_path(), "cursor", cursor)


@lru_cache(maxsize=4)
def _box(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"cursor\n{secret}".encode()).digest()))
