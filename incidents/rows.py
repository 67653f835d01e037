"""Writing many rows at once: a mass outage is thousands of incidents within a second.

Django's bulk_create takes about 0.2 ms a row, most of it in Python. Here a whole batch travels as
one JSON parameter, as on the push path, and apart from the statement: Django's own cursors write
parameters into it, where a megabyte is quoted here and read once more there (docs/adr/0007).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
import psycopg
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

_encode = msgspec.json.Encoder().encode

# name: insert_rows
# Insert a batch that arrives as one JSON array.
_INSERT = """
INSERT INTO {table} ({columns})
SELECT {columns} FROM {json}_to_recordset(%s::{json}) AS r({typed})
"""


Row = dict[str, Any]  # by column
M = TypeVar("M", bound=models.Model)


def new_object(model: type[M], **columns: Any) -> M:
    """Return an unsaved object with these columns and the others' defaults.

    In half the time of the model's own constructor with keywords. A key that the model makes must
    be given: of a default that is a function one value serves for all.
    """
    return model(*{**_defaults_of(model), **columns}.values())


@lru_cache(maxsize=16)
def _defaults_of(model: type[models.Model]) -> dict[str, Any]:
    fields: list[Any] = list(model._meta.concrete_fields)
    return {field.attname: field.get_default() for field in fields}


def insert_rows(model: type[models.Model], rows: Sequence[models.Model | Row]) -> None:
    """Insert unsaved rows of a model, given as objects or as complete dictionaries by column.

    Automatic keys are not read back, and no signal is sent. Dictionaries are for the tables that
    nothing here looks at again: making a model's object costs more than inserting its row.
    """
    if not rows:
        return
    statement, columns = _statement_for(model)
    values = [
        row if isinstance(row, dict) else {column: getattr(row, name) for column, name in columns}
        for row in rows
    ]
    with _binding_cursor() as cursor:
        cursor.execute(statement, [_encode(values).decode()])


@lru_cache(maxsize=16)
def _statement_for(model: type[models.Model]) -> tuple[str, list[tuple[str, str]]]:
    """Return the INSERT of a model, and which attribute goes into which column."""
    quote = connection.ops.quote_name
    fields: list[Any] = [
        field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)
    ]
    statement = _INSERT.format(
        table=quote(model._meta.db_table),
        columns=", ".join(quote(field.column) for field in fields),
        # As text it is read column by column, a column of JSON twice.
        json="jsonb" if any(isinstance(f, models.JSONField) for f in fields) else "json",
        typed=", ".join(f"{quote(field.column)} {field.db_type(connection)}" for field in fields),
    )
    return statement, [(field.column, field.attname) for field in fields]


def run_with_rows(statement: str, rows: Sequence[Row]) -> int:
    """Run a statement that reads a batch from one JSON parameter; return how many rows it changed.

    Nothing is run for no rows.
    """
    if not rows:
        return 0
    with _binding_cursor() as cursor:
        cursor.execute(statement, [_encode(rows).decode()])
        return int(cursor.rowcount)


def with_any(rows: QuerySet[M], column: str, values: Iterable[Any]) -> QuerySet[M]:
    """Return the rows whose column has one of the values.

    They travel as one array: thousands of placeholders cost more than the rows.
    """
    table = connection.ops.quote_name(rows.model._meta.db_table)
    condition = f"{table}.{column} = ANY(%s)"  # of names in our own source
    return rows.extra(where=[condition], params=[list(values)])  # noqa: S610


def _binding_cursor() -> CursorWrapper:
    """Return a cursor of Django's connection whose parameters travel beside the statement."""
    connection.ensure_connection()
    teller: Any = connection
    with connection.wrap_database_errors:
        teller.tell()  # as whom it asks: this cursor does not tell by itself
    cursor: Any = psycopg.Cursor(connection.connection)
    if connection.queries_logged:
        return connection.make_debug_cursor(cursor)
    return connection.make_cursor(cursor)
