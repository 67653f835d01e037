"""What makes a table a tenant's: its team, queries that must name it, keys that cannot leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement, Table
from django_scopes import ScopedManager

if TYPE_CHECKING:
    from django.db.models.base import Model


class TenantModel(models.Model):
    """A row that belongs to one team for ever.

    `objects` raises `django_scopes.exceptions.ScopeError` unless a scope is active: either
    `scope(team=team)` (what a request runs in) or `scopes_disabled()` (what the engine, which
    serves all teams in one statement, says out loud).
    """

    team = models.ForeignKey(
        "accounts.Team", on_delete=models.CASCADE, editable=False, db_index=False, related_name="+"
    )

    objects: ClassVar[models.Manager[Self]] = ScopedManager(team="team")

    class Meta:
        abstract = True


class TenantKey(models.BaseConstraint):
    """A composite foreign key (team_id, field_id) → (team_id, id), deferred to the commit.

    Django writes no multi-column foreign key. The field itself is declared with
    `db_constraint=False`; the target carries a unique constraint on (team, id). So a row that
    points into another team cannot be stored, whatever the code above it does.
    """

    def __init__(self, *, field: str, name: str) -> None:
        super().__init__(name=name)
        self.field = field

    def _parts(self, model: type[Model]) -> tuple[str, str, str, str]:
        field = model._meta.get_field(self.field)
        target = field.related_model
        assert isinstance(target, type)
        column, pk = getattr(field, "column", None), target._meta.pk
        assert column is not None
        assert pk is not None
        assert pk.column is not None
        return model._meta.db_table, column, target._meta.db_table, pk.column

    def constraint_sql(
        self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> str:
        """Return no clause for CREATE TABLE: the key is added once both tables exist."""
        assert schema_editor is not None
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))
        return ""

    def create_sql(  # type: ignore[override]  # the schema editor takes statements as well
        self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> Statement:
        """Return the statement that adds the key."""
        assert model is not None
        assert schema_editor is not None
        table, column, target, pk = self._parts(model)
        quote = schema_editor.quote_name
        return Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (team_id, %(column)s) "
            "REFERENCES %(target)s (team_id, %(pk)s) DEFERRABLE INITIALLY DEFERRED",
            table=Table(table, quote),
            name=quote(self.name),
            column=quote(column),
            target=quote(target),
            pk=quote(pk),
        )

    def remove_sql(  # type: ignore[override]
        self, model: type[Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> Statement:
        """Return the statement that drops the key."""
        assert model is not None
        assert schema_editor is not None
        quote = schema_editor.quote_name
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=Table(model._meta.db_table, quote),
            name=quote(self.name),
        )

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Leave the check to the database."""

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the parts for a migration."""
        path, _, kwargs = super().deconstruct()
        return path, (), {**kwargs, "field": self.field}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TenantKey):
            return self.name == other.name and self.field == other.field
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.field))
