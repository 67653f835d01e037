"""Erasing whole teams whose time has come: every row of every room, and what rooms keep besides.

All tables of teams are walked, those that refer to others first, a bounded number of rows in each
transaction, so nobody else waits. A crash leaves a team half gone and closed to everybody; the
next round goes on where it was. The team's own row goes last: as long as anything still refers to
it the database keeps it, and the walk is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models.functions import Now

from accounts.database.standing import unscoped
from accounts.models import Team
from accounts.tenancy import TenantModel

BATCH = 2000
PARENTS = 500
MOST_WALKS = 3
log = logging.getLogger(__name__)

# name: erase
# Erase some rows of one team. Rows that somebody else holds are left for the next walk.
_ERASE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM {table} WHERE team_id = %s LIMIT %s FOR UPDATE SKIP LOCKED))
"""

# name: erase_through
# The same of some of their parents, which are found by an index.
_ERASE_THROUGH = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM {table} WHERE team_id = %s AND {column} = ANY(%s)
  LIMIT %s FOR UPDATE SKIP LOCKED))
"""

# name: untie
# Take references within one table out first: a batch could cut one that the next still holds.
_UNTIE = """
UPDATE {table} SET {column} = NULL WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM {table} WHERE team_id = %s AND {column} IS NOT NULL
  LIMIT %s FOR UPDATE SKIP LOCKED))
"""

# name: erase_team
_ERASE_TEAM = "DELETE FROM accounts_team WHERE id = %s AND delete_at <= statement_timestamp()"

Eraser = Callable[[UUID], None]
_first: list[Eraser] = []
_last: list[Callable[[], None]] = []
_special: set[type[models.Model]] = set()
_paths: dict[type[TenantModel], str] = {}


def register_path(model: type[TenantModel], *, through: str) -> None:
    """Have a big table's rows found through a foreign key of its, which has an index.

    The rest goes in the walk of all tables, which looks at every row of every team.
    """
    _paths[model] = through


def path_of(model: type[TenantModel]) -> tuple[str, type[TenantModel]] | None:
    """Return the column by which a big table's rows are found, and the table that it names."""
    if (through := _paths.get(model)) is None:
        return None
    field = model._meta.get_field(through)
    assert isinstance(field, models.ForeignKey)
    parent = field.related_model
    assert isinstance(parent, type)
    assert issubclass(parent, TenantModel)
    return field.attname, parent


def read_ids(model: type[TenantModel], team_id: UUID) -> Iterator[list[Any]]:
    """Return the primary keys of a team's rows in order, page by page; each is a query."""
    rows = model._base_manager.filter(team_id=team_id).order_by("pk").values_list("pk", flat=True)
    page: list[Any] = list(rows[:PARENTS])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1])[:PARENTS])


def register_eraser(eraser: Eraser, *, instead_of: type[models.Model]) -> None:
    """Have `eraser` called with a team's id before the walk, which leaves that table out.

    It must be possible to call it again.
    """
    if eraser not in _first:
        _first.append(eraser)
    _special.add(instead_of)


def register_cleaner(cleaner: Callable[[], None]) -> None:
    """Have `cleaner` called after teams were erased, for what is kept outside the database."""
    if cleaner not in _last:
        _last.append(cleaner)


@unscoped
def erase_due_teams() -> int:
    """Erase the teams whose time has come, by the database's clock; return how many are gone.

    A team that cannot be erased now is logged, and is tried again in the next round.
    """
    due = Team.objects.filter(delete_at__lte=Now()).order_by("delete_at")
    gone = 0
    for team_id, slug in list(due.values_list("pk", "slug")):
        try:
            erased = erase_team(team_id)
        except DatabaseError:
            log.exception("the team %s could not be erased", slug)
            erased = False
        if erased:
            log.info("the team %s is erased", slug)
        gone += erased
    if gone:
        for cleaner in _last:
            try:
                cleaner()
            except Exception:
                log.exception("what was kept of an erased team could not be removed")
    return gone


@unscoped
def erase_team(team_id: UUID) -> bool:
    """Erase a team whose time has come; return whether nothing of it is left.

    Nothing is touched of a team that is to be kept, or whose time has not come.
    """
    for _ in range(MOST_WALKS):
        if not _is_due(team_id):
            return False
        for eraser in _first:
            eraser(team_id)
        for model in tenant_models():
            for column in _own_references(model):
                _repeat(_UNTIE, model, team_id, column=column)
            erase_through(model, team_id)
            _repeat(_ERASE, model, team_id)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_ERASE_TEAM, [team_id])
                gone = bool(cursor.rowcount)
                # Within a transaction of somebody's, what still refers to it is to be seen now.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        except IntegrityError:
            continue  # something was written meanwhile
        return gone
    return False


def erase_through(model: type[TenantModel], team_id: UUID) -> None:
    """Erase a big table's rows by its registered path, some at a time; nothing of other tables."""
    if (path := path_of(model)) is None:
        return
    column, parent = path
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    statement = _ERASE_THROUGH.format(table=table, column=quote(column))
    for some in read_ids(parent, team_id):
        while erase_rows(statement, [team_id, some, BATCH]) >= BATCH:
            pass


def _is_due(team_id: UUID) -> bool:
    """Return whether a team's time has come for good.

    Whoever was calling the deletion off holds the team's row: we wait for them, and believe what
    they leave. Whoever comes later finds that the time is over, for it never comes back.
    """
    with transaction.atomic():
        due = Team.objects.filter(pk=team_id, delete_at__lte=Now())
        return due.select_for_update(no_key=True).first() is not None


def erase_rows(statement: str, values: list[Any]) -> int:
    """Run a statement that erases some rows, in a short transaction of its own; return how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL tocsin.audit_purge = on")
        cursor.execute(statement, values)
        count: int = cursor.rowcount
        cursor.execute("SET LOCAL tocsin.audit_purge = off")
    return count


@lru_cache(maxsize=1)
def tenant_models() -> tuple[type[TenantModel], ...]:
    """Return every table of teams' rows, each before those it refers to."""
    every = [model for model in apps.get_models() if issubclass(model, TenantModel)]
    graph: TopologicalSorter[type[TenantModel]] = TopologicalSorter()
    for model in every:
        if model in _special:
            continue
        graph.add(model)
        for target in _targets(model):
            if target is not model and target not in _special:
                graph.add(target, model)
    return tuple(graph.static_order())


def _targets(model: type[TenantModel]) -> list[type[TenantModel]]:
    found = (field.related_model for field in model._meta.concrete_fields if field.is_relation)
    return [to for to in found if isinstance(to, type) and issubclass(to, TenantModel)]


def _own_references(model: type[TenantModel]) -> list[str]:
    return [
        str(field.column)
        for field in model._meta.concrete_fields
        if field.is_relation and field.related_model is model
    ]


def _repeat(statement: str, model: type[TenantModel], team_id: UUID, column: str = "") -> None:
    quote = connection.ops.quote_name
    text = statement.format(
        table=quote(model._meta.db_table), column=quote(column) if column else ""
    )
    while erase_rows(text, [team_id, BATCH]) >= BATCH:
        pass
