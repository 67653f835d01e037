"""What a migration may not do while the release before it still runs.

During an upgrade old and new code work on one database. So a release only adds; what it no longer
uses is removed by the one after it. `reviewed` on a Migration lets an operation through, with the
reason in words:

    reviewed = {"RemoveField monitors.monitor.timeout": "unused since 1.4"}

A removal or renaming must name the release since which no code uses the thing ("unused since …");
any other reason is a sentence of ten characters or more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.state import ProjectState

# What is written to all day, or large: locking it for longer than a moment is an outage.
BIG = {
    ("accounts", "auditevent"),
    ("monitors", "heartbeat"),
    ("monitors", "monitor"),
    ("monitors", "pushkey"),
    ("monitors", "pushreceipt"),
    ("monitors", "pushresult"),
    ("monitors", "transition"),
    ("incidents", "incident"),
    ("incidents", "timelineevent"),
    ("incidents", "escalation"),
    ("incidents", "delivery"),
    ("incidents", "notification"),
    ("statuspages", "subscribermessage"),
}
REMOVALS = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)
UNUSED = re.compile(r"unused since \d+\.\d+")


def problems(migration: Migration, before: ProjectState) -> list[str]:
    """Return what is wrong with a migration that follows on the state `before`; it is moved on."""
    reviewed: dict[str, str] = dict(getattr(migration, "reviewed", {}))
    app = migration.app_label
    fresh: set[str] = set()
    found = []
    met = set()
    for operation in migration.operations:
        if isinstance(operation, operations.CreateModel):
            fresh.add(operation.name_lower)
        name = describe(app, operation)
        trouble = _trouble(app, operation, before, fresh)
        if trouble:
            met.add(name)
            reason = reviewed.get(name, "")
            removal = isinstance(operation, REMOVALS)
            good = UNUSED.search(reason) if removal else len(reason) >= 10
            if not good:
                wanted = '"unused since <release>"' if removal else "a reason"
                found.append(f"{name}: {trouble}, or `reviewed` names it with {wanted}")
        operation.state_forwards(app, before)
    found += [f"`reviewed` names {name}, which needs none" for name in reviewed.keys() - met]
    # Outside a transaction half of the operations may remain: those before must bear a second run.
    once = [each for each in migration.operations[:-1] if not _bears_repetition(each)]
    if not migration.atomic and once:
        found.append("outside a transaction: alone, or last, what cannot be run a second time")
    return found


def _bears_repetition(operation: Any) -> bool:
    """Whether an operation may be run again: Django drops indexes IF EXISTS; SQL is reviewed."""
    return isinstance(
        operation, RemoveIndexConcurrently | operations.SeparateDatabaseAndState | operations.RunSQL
    )


def describe(app: str, operation: Any) -> str:
    """Return the name by which `reviewed` lets an operation through."""
    model = getattr(operation, "model_name", "") or getattr(operation, "name", "")
    model = getattr(operation, "old_name", model) if _is_rename_model(operation) else model
    field = getattr(operation, "name", "") if hasattr(operation, "model_name") else ""
    if isinstance(operation, operations.RenameField):
        field = operation.old_name
    for part in ("index", "constraint"):
        field = getattr(getattr(operation, part, None), "name", field)
    thing = ".".join(part.lower() for part in (app, model, field) if part)
    kind = type(operation).__name__
    return kind if kind in ("RunSQL", "RunPython") else f"{kind} {thing}"


def _is_rename_model(operation: Any) -> bool:
    return isinstance(operation, operations.RenameModel)


def _trouble(app: str, operation: Any, before: ProjectState, fresh: set[str]) -> str:
    """Return what to do instead of an operation, "" where it is well."""
    if isinstance(operation, operations.SeparateDatabaseAndState):
        inner = (_trouble(app, each, before, fresh) for each in operation.database_operations)
        return next((trouble for trouble in inner if trouble), "")
    if isinstance(operation, operations.RunSQL | operations.RunPython):
        return "what it locks and for how long is known to its author alone"
    if getattr(operation, "model_name", "").lower() in fresh:
        return ""
    if isinstance(operation, REMOVALS):
        return "the release before still uses it; stop using it first, remove it in the next"
    return next(_field_or_index(app, operation, before), "")


def _field_or_index(app: str, operation: Any, before: ProjectState) -> Iterator[str]:
    big = (app, getattr(operation, "model_name", "").lower()) in BIG
    if isinstance(operation, AddIndexConcurrently | RemoveIndexConcurrently):
        return
    if isinstance(operation, operations.AddIndex) and big:
        yield "AddIndexConcurrently in a migration with atomic = False"
    if isinstance(operation, operations.RemoveIndex) and big:
        yield "RemoveIndexConcurrently in a migration with atomic = False"
    if isinstance(operation, operations.AddConstraint) and big:
        yield "add it NOT VALID, or its index concurrently, and validate it after"
    if isinstance(operation, operations.AddField):
        yield from _added(operation.field, big=big)
    if isinstance(operation, operations.AlterField):
        old = before.models[app, operation.model_name_lower].fields[operation.name]
        yield from _altered(old, operation.field, big=big)


def _added(field: Any, *, big: bool) -> Iterator[str]:
    if isinstance(field, models.ManyToManyField):
        return
    # Django drops a Python default again as soon as the column is there, and a row that the
    # release before inserts then has none.
    if not field.null and field.db_default is models.NOT_PROVIDED:
        yield "the release before inserts no value: null=True or db_default"
    if not _is_constant(field.db_default):
        yield "a volatile db_default rewrites the table under an exclusive lock"
    if callable(field.default) and not field.null:
        yield "one value is worked out for all rows: null=True, and fill it in batches"
    if big and (field.unique or _makes_index(field)):
        yield "its index is built under a lock: add it concurrently in a migration of its own"
    if big and field.remote_field is not None and field.db_constraint:
        yield "its key is checked under a lock: db_constraint=False, then NOT VALID and VALIDATE"


def _is_constant(default: Any) -> bool:
    plain = isinstance(default, models.Value | bool | int | float | str)
    return default is models.NOT_PROVIDED or default is None or plain


def _makes_index(field: Any) -> bool:
    return bool(field.db_index) and not field.primary_key


def _altered(old: Any, new: Any, *, big: bool) -> Iterator[str]:
    if old.null and not new.null:
        yield "the release before may still write NULL; add a check NOT VALID and validate it first"
    if big and new.unique and not old.unique:
        yield "its index is built under a lock: add it concurrently in a migration of its own"
    if big and _makes_index(new) != _makes_index(old):
        yield "indexes of this table come and go concurrently"
    if old.get_internal_type() != new.get_internal_type():
        yield "another type rewrites the table: add a second column, write both, then switch"
    shorter = (new.max_length or 0) < (old.max_length or 0) or (
        new.max_length and not old.max_length
    )
    if shorter and isinstance(new, models.CharField | models.BinaryField):
        yield "the release before may still write longer values"
    if old.db_column != new.db_column:
        yield "a column that is renamed is gone for the release before"
