"""How the tables would lie on many PostgreSQL nodes (Citus), worked out from the database itself.

Citus distributes a table by one column, here `team_id`: all rows of a team live on one node, joins
and foreign keys within a team stay there. In return every unique constraint of such a table, its
primary key included, contains `team_id`. What must be unique over the whole installation, or is
looked up before the team is known, is a reference table: small, and whole on every node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from accounts.tenancy import TenantModel

FIRST = "monitors_monitor"  # what all other distributed tables lie beside

# Table: why it is whole on every node.
REFERENCE = {
    "accounts_plan": "of the operator, a few rows",
    "accounts_user": "people belong to many teams",
    "accounts_team": "what all keys lead to; its slug is unique in the installation",
    "accounts_membership": "a person's teams are asked for before the team is known",
    "accounts_namespace": "names are unique in the installation",
    "accounts_apikey": "found by prefix, before the team is known",
    "accounts_invitation": "found by token, before the team is known",
    "monitors_pushkey": "found by slug, before the team is known",
    "monitors_badge": "found by key, before the team is known",
    "statuspages_statuspage": "found by slug or domain, before the team is known",
}
# Unique by something random or hashed that no other team can come by: `team_id` may join them.
RANDOM = {"code", "digest"}

# name: tables
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname
"""

# name: uniques
# Unique indexes and exclusion constraints with the columns that they compare for equality.
UNIQUES = """
SELECT t.relname, i.relname, c.conname IS NOT NULL,
  coalesce(pg_get_constraintdef(c.oid), pg_get_indexdef(x.indexrelid)),
  ARRAY(SELECT a.attname::text FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(number, at)
    JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number
    LEFT JOIN pg_operator o ON o.oid = c.conexclop[k.at]
    WHERE k.at <= x.indnkeyatts AND (o.oid IS NULL OR o.oprname = '='))
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x')
WHERE t.relnamespace = current_schema()::regnamespace AND NOT t.relispartition
  AND (x.indisunique OR x.indisexclusion)
ORDER BY t.relname, i.relname
"""

# name: keys
KEYS = """
SELECT c.conrelid::regclass::text, c.conname, c.confrelid::regclass::text,
  ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(number, at)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.at),
  ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(number, at)
    JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.at),
  (SELECT i.relname FROM pg_class i WHERE i.oid = c.conindid)
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
WHERE c.contype = 'f' AND t.relnamespace = current_schema()::regnamespace AND NOT t.relispartition
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Unique:
    """A unique index, or an exclusion constraint; `definition` as PostgreSQL writes it."""

    table: str
    name: str
    is_constraint: bool
    definition: str
    columns: list[str]

    def widened(self) -> list[str]:
        """Return the statements that add `team_id` in front; what it means stays the same.

        A row's own id and the id of another of the team's rows name the team already.
        """
        equals = " WITH =" if self.definition.startswith("EXCLUDE") else ""
        head, _, tail = self.definition.partition("(")
        definition = f"{head}(team_id{equals}, {tail}"
        if self.is_constraint:
            drop = f"ALTER TABLE {self.table} DROP CONSTRAINT {self.name}"
            return [f"{drop}, ADD CONSTRAINT {self.name} {definition}"]
        return [f"DROP INDEX {self.name}", definition]


@dataclass(frozen=True)
class Key:
    """A foreign key."""

    table: str
    name: str
    target: str
    columns: list[str]
    target_columns: list[str]
    index: str  # of the target, which it depends on

    @property
    def is_by_team(self) -> bool:
        """Whether `team_id` leads to `team_id`."""
        pairs = zip(self.columns, self.target_columns, strict=True)
        return ("team_id", "team_id") in pairs


@dataclass(frozen=True)
class Distribution:
    """Where each table would lie, and what stands in the way."""

    distributed: list[str]
    reference: list[str]
    local: list[str]
    uniques: list[Unique]
    keys: list[Key]

    def narrow(self) -> list[Unique]:
        """Return the unique constraints of distributed tables that lack `team_id`."""
        tables = set(self.distributed)
        return [u for u in self.uniques if u.table in tables and "team_id" not in u.columns]

    def outward(self) -> list[Key]:
        """Return the keys from tables that are everywhere to rows that are on one node."""
        tables = set(self.distributed)
        return [k for k in self.keys if k.target in tables and k.table not in tables]

    def crossing(self) -> list[Key]:
        """Return the keys between distributed tables that could cross nodes."""
        tables = set(self.distributed)
        return [
            k for k in self.keys if k.target in tables and k.table in tables and not k.is_by_team
        ]

    def preparation(self) -> list[str]:
        """Return what makes the schema fit: statements that any PostgreSQL runs."""
        dropped = [f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}" for key in self.outward()]
        return dropped + [statement for unique in self.narrow() for statement in unique.widened()]

    def placement(self) -> list[str]:
        """Return the calls that put each table in its place, targets of keys first."""
        return [
            *(f"SELECT create_reference_table('{t}')" for t in self._in_order(self.reference)),
            *(
                f"SELECT create_distributed_table('{table}', 'team_id'"
                + ("" if table == FIRST else f", colocate_with => '{FIRST}'")
                + ")"
                for table in self._in_order([FIRST, *self.distributed])
            ),
        ]

    def _in_order(self, tables: Iterable[str]) -> Iterator[str]:
        left = list(dict.fromkeys(tables))
        leads_to = {
            table: {k.target for k in self.keys if k.table == table and k.target != table}
            for table in left
        }
        while left:
            ready = [table for table in left if not leads_to[table] & set(left)]
            if not ready:
                raise ValueError(f"keys in a circle: {', '.join(left)}")
            yield from ready
            left = [table for table in left if table not in ready]


def read_distribution() -> Distribution:
    """Return how the tables of this database would lie; it must be migrated."""
    tenants = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if issubclass(model, TenantModel)
    }
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(UNIQUES)
        uniques = [Unique(*row) for row in cursor.fetchall()]
        cursor.execute(KEYS)
        keys = [Key(*row) for row in cursor.fetchall()]
    return Distribution(
        distributed=[t for t in tables if t in tenants and t not in REFERENCE],
        reference=[t for t in tables if t in REFERENCE],
        local=[t for t in tables if t not in tenants and t not in REFERENCE],
        uniques=uniques,
        keys=keys,
    )
