"""What several services refuse, and the checks that they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import CharField, Model


class BadField(Exception):  # noqa: N818 - it names what was given
    """A value cannot be taken: `field` is its name as the REST API has it, `text` says why."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
        self.text = text


class DuplicateName(Exception):  # noqa: N818
    """The page has a thing of this kind and name."""


class MonitorGone(Exception):  # noqa: N818
    """A monitor that was named has just been deleted."""


class ComponentGone(Exception):  # noqa: N818
    """A component that was named is not on this page, or has just been deleted."""


def refuse_unknown(fields: Iterable[str], known: frozenset[str]) -> None:
    """Raise TypeError if any of the names is not known: a mistake in the program."""
    if unknown := set(fields) - known:
        raise TypeError(f"not known here: {', '.join(sorted(unknown))}")


def check_texts(
    model: type[Model], fields: Mapping[str, Any], *, filled: Iterable[str] = ()
) -> None:
    """Raise BadField for a text that is too long, is no word of its choices, or must not be empty.

    Names that are no column of `model` are passed over.
    """
    columns = {column.name: column for column in model._meta.concrete_fields}
    for name, value in fields.items():
        column = columns.get(name)
        if not isinstance(column, CharField) or not isinstance(value, str):
            continue
        if name in filled and not value.strip():
            raise BadField(name, "Must not be empty.")
        if column.max_length is not None and len(value) > column.max_length:
            raise BadField(name, f"Must be at most {column.max_length} characters.")
        words = [word for word, _ in column.choices or ()]
        if words and value not in words and not (column.blank and value == ""):
            raise BadField(name, f"Must be one of: {', '.join(words)}.")
