"""What a list of monitors can be narrowed to."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.pagination import parse_instant
from monitors.lateness import filter_late
from monitors.models import Monitor, PushResult
from monitors.queries import database_now
from monitors.state import LATE, State

_STATES = [*(state.value for state in State), LATE]
MONITOR_FILTERS = [
    OpenApiParameter("state", OpenApiTypes.STR, enum=_STATES, description="`up` leaves out late."),
    OpenApiParameter(
        "label", OpenApiTypes.STR, many=True, description="`key:value`; repeated, all must hold."
    ),
    OpenApiParameter("namespace", OpenApiTypes.STR),
    OpenApiParameter("name", OpenApiTypes.STR, description="The exact name."),
    OpenApiParameter("search", OpenApiTypes.STR, description="Part of a name or description."),
]
RESULT_FILTERS = [
    OpenApiParameter("status", OpenApiTypes.STR, enum=["pass", "fail"]),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="Received at this time or later."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Received before this time."),
]


def filter_monitors(monitors: QuerySet[Monitor], query: QueryDict) -> QuerySet[Monitor]:
    """Return the monitors that the query string asks for. Raises ValidationError."""
    for label in query.getlist("label"):
        key, colon, value = label.partition(":")
        if not (key and colon):
            raise refuse("label", "Must be key:value.")
        monitors = monitors.filter(labels__contains={key: value})
    if namespace := query.get("namespace"):
        monitors = monitors.filter(namespace__name=namespace)
    if name := query.get("name"):
        monitors = monitors.filter(name=name)
    if search := query.get("search"):
        monitors = monitors.filter(Q(name__icontains=search) | Q(description__icontains=search))
    if (state := query.get("state")) is not None:
        monitors = _in_state(monitors, state)
    return monitors


def _in_state(monitors: QuerySet[Monitor], state: str) -> QuerySet[Monitor]:
    if state not in _STATES:
        raise refuse("state", f"Must be one of: {', '.join(_STATES)}.", "invalid_choice")
    if state in (State.UP, LATE):
        return filter_late(monitors, now=database_now(), late=state == LATE)
    return monitors.filter(heartbeat__state=state)


def filter_results(results: QuerySet[PushResult], query: QueryDict) -> QuerySet[PushResult]:
    """Return the results that the query string asks for. Raises ValidationError."""
    if (status := query.get("status")) is not None:
        if status not in ("pass", "fail"):
            raise refuse("status", "Must be one of: pass, fail.", "invalid_choice")
        results = results.filter(status=status)
    for name, lookup in (("since", "received_at__gte"), ("until", "received_at__lt")):
        if (text := query.get(name)) is not None:
            try:
                results = results.filter(**{lookup: parse_instant(text)})
            except (ValueError, OverflowError) as error:
                raise refuse(name, "Must be an ISO 8601 time with an offset or Z.") from error
    return results


def read_days(query: QueryDict, *, default: int, most: int) -> int:
    """Return the number of days that the query string asks for. Raises ValidationError."""
    text: Any = query.get("days", str(default))
    days = int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0
    if not 1 <= days <= most:
        raise refuse("days", f"Must be an integer from 1 to {most}.")
    return days


def refuse(field: str, text: str, code: str = "invalid") -> ValidationError:
    """Return the error for a query parameter."""
    return ValidationError({field: [ErrorDetail(text, code=code)]})
