"""What lists of incidents and deliveries can be narrowed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

M = TypeVar("M", bound=Model)


def filter_by_state(rows: QuerySet[M], query: QueryDict, states: Sequence[str]) -> QuerySet[M]:
    """Return the rows in the state that the query string asks for. Raises ValidationError."""
    state = query.get("state")
    if state is None:
        return rows
    if state not in states:
        text = f"Must be one of: {', '.join(states)}."
        raise ValidationError({"state": [ErrorDetail(text, code="invalid_choice")]})
    return rows.filter(state=state)


def filter_by_id(rows: QuerySet[M], query: QueryDict, name: str) -> QuerySet[M]:
    """Return the rows whose `<name>_id` the query string gives; a malformed id is nobody's."""
    text = query.get(name)
    if not text:
        return rows
    try:
        return rows.filter(**{f"{name}_id": UUID(text)})
    except ValueError:
        return rows.none()
