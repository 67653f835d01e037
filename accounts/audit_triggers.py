"""The triggers that write the audit log: certain, whatever statement a change is made by.

Each room declares what is watched in its `audited` module. From a declaration come one function
and three statement triggers per table; `migrate` installs them once they differ. They work on
whole statements, so a thousand rows cost one insert, and only in a transaction that says who acts:
the engine's own changes pass by.

A part of a thing (a policy's step) is recorded as a change of the thing, in a field that lists the
parts before and after. Several changes of one thing in one transaction are one event.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import AppConfig
from django.db import connection, transaction

from accounts.audit import SETTING
from accounts.database.standing import as_owner

HIDDEN = "(hidden)"
_BY_SOMEBODY = f"coalesce(current_setting('{SETTING}', true), '') <> ''"
_watched: dict[str, list[Watched | Noted]] = {}


@dataclass(frozen=True)
class Watched:
    """A table whose rows are things of `kind`, or parts of them.

    `name`, `thing` and `team` are SQL over `{r}`, a row. `hidden` columns are recorded as changed,
    their values never; `hidden_keys` are pairs of the row's kind and a name within a JSON column.
    `said` gives columns another name and an SQL expression for what is recorded. `part_of` is the
    field of the thing that lists these rows.
    """

    table: str
    kind: str
    name: str = "{r}.name"
    thing: str = "{r}.id"
    team: str = "{r}.team_id"
    part_of: str = ""
    ignored: Sequence[str] = ()
    hidden: Sequence[str] = ()
    hidden_keys: Mapping[str, Iterable[tuple[str, str]]] = field(default_factory=dict)
    said: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def sql(self) -> str:
        """Return the statements that install it."""
        body = self._part_body() if self.part_of else self._thing_body()
        # A team's own row takes its log along.
        words = ("INSERT", "UPDATE") if self.kind == "team" else ("INSERT", "UPDATE", "DELETE")
        triggers = "".join(
            f"CREATE OR REPLACE TRIGGER audit_{word.lower()} AFTER {word} ON {self.table} "
            f"REFERENCING {tables} FOR EACH STATEMENT WHEN ({_BY_SOMEBODY}) "
            f"EXECUTE FUNCTION {self.function}();\n"
            for word, tables in (
                ("INSERT", "NEW TABLE AS new_rows"),
                ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
                ("DELETE", "OLD TABLE AS old_rows"),
            )
            if word in words
        )
        return _function(self.function, body) + triggers

    @property
    def function(self) -> str:
        """The name of its function."""
        return f"audit_{self.table}"

    def _team(self, row: str) -> str:
        column = self.team.format(r=row)
        return column if column.endswith(".team_id") else f"{column} AS team_id"

    def _shown(self, row: str) -> str:
        """Return SQL for the row as it may be recorded, by its columns' own names."""
        parts = [f"'{column}', '\"{HIDDEN}\"'::jsonb" for column in self.hidden]
        for column, keys in self.hidden_keys.items():
            listed = ", ".join(f"('{kind}', '{key}')" for kind, key in sorted(keys))
            parts.append(
                f"'{column}', (SELECT coalesce(jsonb_object_agg(k, CASE WHEN ({row}.kind, k) IN "
                f"({listed}) "
                f"THEN '\"{HIDDEN}\"'::jsonb ELSE v END), '{{}}') "
                f"FROM jsonb_each({row}.{column}) AS e(k, v))"
            )
        parts += [
            f"'{column}', to_jsonb({expression.format(r=row)})"
            for column, (_, expression) in self.said.items()
        ]
        return f"to_jsonb({row}) || jsonb_build_object({', '.join(parts)})"

    def _whole(self, row: str) -> str:
        """Return SQL for everything of a row that is recorded."""
        return (
            f"(SELECT jsonb_object_agg({self._label('k')}, v) "
            f"FROM jsonb_each({self._shown(row)}) AS s(k, v) WHERE k NOT IN ({self._left_out()}))"
        )

    def _label(self, key: str) -> str:
        cases = "".join(
            f" WHEN '{column}' THEN '{label}'" for column, (label, _) in self.said.items()
        )
        return f"CASE {key}{cases} ELSE {key} END" if cases else key

    def _left_out(self) -> str:
        keyed = ("id", "team_id", "created_at", "updated_at")
        return ", ".join(f"'{column}'" for column in (*keyed, *self.ignored))

    def _thing_body(self) -> str:
        def whole(word: str, rows: str, before: str, after: str) -> str:
            return _insert(
                f"SELECT {self._team('r')}, '{self.kind}.{word}' AS action, "
                f"{self.thing.format(r='r')} AS thing, {self.name.format(r='r')} AS name, "
                f"{before} AS before, {after} AS after FROM {rows} r",
                self.kind,
                _MERGE,
            )

        old, new = self._shown("o"), self._shown("n")
        changed = _insert(
            f"""SELECT {self._team("n")}, '{self.kind}.updated' AS action,
              {self.thing.format(r="n")} AS thing, {self.name.format(r="n")} AS name, d.before,
              d.after
            FROM old_rows o JOIN new_rows n ON n.id = o.id CROSS JOIN LATERAL (
              SELECT jsonb_object_agg({self._label("e.k")}, s.old -> e.k) AS before,
                jsonb_object_agg({self._label("e.k")}, s.new -> e.k) AS after
              FROM jsonb_each(to_jsonb(o)) AS e(k, v),
                LATERAL (SELECT {old} AS old, {new} AS new) s
              WHERE e.k NOT IN ({self._left_out()}) AND e.v IS DISTINCT FROM to_jsonb(n) -> e.k
            ) d WHERE d.before IS NOT NULL""",
            self.kind,
            _MERGE,
        )
        return (
            f"IF TG_OP = 'INSERT' THEN {whole('created', 'new_rows', _NOTHING, self._whole('r'))}"
            f"ELSIF TG_OP = 'DELETE' THEN "
            f"{whole('deleted', 'old_rows', self._whole('r'), _NOTHING)}"
            f"ELSE {changed}END IF;"
        )

    def _part_body(self) -> str:
        def parts(rows: str, before: bool) -> str:
            listed = f"jsonb_build_object('{self.part_of}', jsonb_agg(r.part))"
            first, second = (listed, _NOTHING) if before else (_NOTHING, listed)
            return _insert(
                f"SELECT r.team_id, '{self.kind}.updated' AS action, r.thing, r.name, "
                f"{first} AS before, {second} AS after FROM (SELECT r.team_id, "
                f"{self.thing.format(r='r')} AS thing, {self.name.format(r='r')} AS name, "
                f"{self._whole('r')} AS part FROM {rows} r) r WHERE r.thing IS NOT NULL "
                "GROUP BY r.team_id, r.thing, r.name",
                self.kind,
                _merge_parts(self.part_of),
            )

        gone, come = parts("old_rows", before=True), parts("new_rows", before=False)
        return f"IF TG_OP <> 'INSERT' THEN {gone}END IF; IF TG_OP <> 'DELETE' THEN {come}END IF;"


@dataclass(frozen=True)
class Noted:
    """Rows that tell of something done: each inserted one is an event. All parts are SQL."""

    table: str
    kind: str
    when: str
    thing: str
    name: str
    action: str
    before: str
    after: str

    @property
    def function(self) -> str:
        """The name of its function."""
        return f"audit_{self.table}"

    def sql(self) -> str:
        """Return the statements that install it."""
        body = _insert(
            f"SELECT NEW.team_id, {self.action} AS action, {self.thing} AS thing, "
            f"{self.name} AS name, {self.before} AS before, {self.after} AS after",
            self.kind,
            _MERGE,
        )
        return _function(self.function, body) + (
            f"CREATE OR REPLACE TRIGGER audit_note AFTER INSERT ON {self.table} FOR EACH ROW "
            f"WHEN (({self.when}) AND {_BY_SOMEBODY}) EXECUTE FUNCTION {self.function}();\n"
        )


_NOTHING = "'{}'::jsonb"
# Of an event so far (a) and what comes to it: the last deed counts, but for a mere update.
_ACTION = (
    "action = CASE WHEN EXCLUDED.action LIKE '%.deleted' OR a.action LIKE '%.updated' "
    "THEN EXCLUDED.action ELSE a.action END, "
    "thing_name = coalesce(nullif(EXCLUDED.thing_name, ''), a.thing_name)"
)
_MERGE = (
    f"{_ACTION}, before = CASE WHEN a.action LIKE '%.created' THEN a.before "
    "ELSE EXCLUDED.before || a.before END, after = CASE WHEN EXCLUDED.action LIKE '%.deleted' "
    "THEN '{}'::jsonb ELSE a.after || EXCLUDED.after END"
)


def _merge_parts(part_of: str) -> str:
    def joined(side: str) -> str:
        return (
            f"CASE WHEN EXCLUDED.{side} ? '{part_of}' THEN a.{side} || jsonb_build_object("
            f"'{part_of}', coalesce(a.{side} -> '{part_of}', '[]') || "
            f"(EXCLUDED.{side} -> '{part_of}')) ELSE a.{side} END"
        )

    return (
        f"{_ACTION}, before = CASE WHEN a.action LIKE '%.created' THEN a.before "
        f"ELSE {joined('before')} END, after = CASE WHEN a.action LIKE '%.deleted' "
        f"THEN a.after ELSE {joined('after')} END"
    )


def _insert(rows: str, kind: str, merge: str) -> str:
    return f"""
      INSERT INTO accounts_auditevent AS a (id, team_id, at, transaction, request, actor, by,
        address, action, kind, thing_id, thing_name, before, after)
      SELECT gen_random_uuid(), c.team_id, clock_timestamp(),
        pg_current_xact_id()::text::bigint, (who ->> 'request')::uuid, who ->> 'actor',
        who ->> 'by', who ->> 'address', c.action, '{kind}', c.thing,
        left(coalesce(c.name, ''), 253), c.before, c.after
      FROM ({rows}) c
      ON CONFLICT (transaction, request, kind, thing_id) DO UPDATE SET {merge};
    """


def _function(name: str, body: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $audit$\n"
        f"DECLARE who jsonb := current_setting('{SETTING}')::jsonb;\n"
        f"BEGIN\n{body}\nRETURN NULL;\nEND $audit$;\n"
    )


def hidden_of(table: str) -> tuple[frozenset[str], Mapping[str, Iterable[tuple[str, str]]]]:
    """Return the columns of a table that are hidden, and the keys hidden within JSON columns."""
    for things in _watched.values():
        for thing in things:
            if isinstance(thing, Watched) and thing.table == table:
                return frozenset(thing.hidden), thing.hidden_keys
    return frozenset(), {}


def watch(room: str, *things: Watched | Noted) -> None:
    """Declare what is watched of a room (its application's label)."""
    _watched[room] = [*things]


def install(sender: AppConfig, **_: Any) -> None:
    """Install the triggers of a room after its migrations, those alone that differ.

    Each table by itself: a trigger's lock must not be held while another is waited for.
    """
    things = _watched.get(sender.label, [])
    if not things or connection.vendor != "postgresql":
        return
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname, obj_description(p.oid, 'pg_proc') FROM pg_proc p "
            "WHERE p.proname LIKE 'audit\\_%%' AND p.pronamespace = current_schema()::regnamespace",
            [],
        )
        present = dict(cursor.fetchall())
        _drop_forgotten(cursor, present)
        for thing in things:
            text = thing.sql()
            digest = hashlib.sha256(text.encode()).hexdigest()[:32]
            if present.get(thing.function) == digest or not _is_migrated(cursor, thing.table):
                continue
            with transaction.atomic():
                cursor.execute(text)
                cursor.execute(f"COMMENT ON FUNCTION {thing.function}() IS '{digest}'")


def _drop_forgotten(cursor: Any, present: Mapping[str, str | None]) -> None:
    """Drop the functions of ours that no room declares any more, and their triggers with them."""
    declared = {thing.function for things in _watched.values() for thing in things}
    for name, digest in present.items():
        if name not in declared and re.fullmatch("[0-9a-f]{32}", digest or ""):
            cursor.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")


def _is_migrated(cursor: Any, table: str) -> bool:
    """Return whether the tables are there: one may migrate back to before them."""
    cursor.execute("SELECT to_regclass(%s), to_regclass('accounts_auditevent')", [table])
    return None not in cursor.fetchone()
