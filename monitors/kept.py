"""Rows as plain values that JSON can hold, and back; what rooms keep of monitors beside rows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import BinaryField, Model

from accounts.models import Team

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Keeper:
    """How a room brings back what it had of monitors that no row of theirs leads to.

    `keep` returns plain values for monitors that are about to be deleted, by their ids; `restore`
    is given those of monitors that are back, in the same transaction, which holds the team's lock.
    """

    keep: Callable[[Team, Collection[UUID]], list[Any]]
    restore: Callable[[Team, list[Any]], None]


keepers: dict[str, Keeper] = {}


def register_keeper(name: str, keeper: Keeper) -> None:
    """Have a room keep something of monitors that are deleted, until that can't be undone."""
    keepers[name] = keeper


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
