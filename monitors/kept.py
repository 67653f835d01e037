"""Rows as plain values that JSON can hold, and back."""

from __future__ import annotations

import base64
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import BinaryField, Model

M = TypeVar("M", bound=Model)


def keep_row(row: Model) -> dict[str, Any]:
    """Return a row's columns as plain values, by name."""
    return {field.attname: _plain(getattr(row, field.attname)) for field in _columns(type(row))}


def make_row(model: type[M], kept: dict[str, Any]) -> M:
    """Return the row that was kept, not stored; what is kept of columns no longer there is left."""
    values = {}
    for field in _columns(model):
        if field.attname in kept:
            value = kept[field.attname]
            if isinstance(field, BinaryField):
                value = None if value is None else base64.b64decode(value)
            values[field.attname] = field.to_python(value)
    return model(**values)


def _columns(model: type[Model]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.column]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
