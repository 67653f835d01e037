"""Roles, grants and policies: `migrate` brings them about, as the owner of the tables.

Two roles, which own nothing and log in nowhere. The application's sees the rows of the team that
the session names and may write those alone; the engine's sees all. Each table of teams has one
policy for each. The engine's says `true`, which the planner drops, so its statements are planned as
without row-level security (docs/adr/0008).

Partitions have no policies, which hold for what is reached through their parent, and nothing is
granted on them to the application's role.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from psycopg import errors

from accounts.database.base import look_again
from accounts.database.standing import MAY_TAKE, SETTING, as_owner, engine_role, quoted
from accounts.tenancy import TenantModel

POLICIES = ("tocsin_of_team", "tocsin_of_engine")
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
log = logging.getLogger(__name__)

# name: policies
# Two policies of a table: rows of the named team, and all rows. Without a team the cast fails.
ENABLE = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS tocsin_of_team ON {table};
DROP POLICY IF EXISTS tocsin_of_engine ON {table};
CREATE POLICY tocsin_of_team ON {table} TO {role}
  USING (team_id = current_setting('{setting}')::uuid)
  WITH CHECK (team_id = current_setting('{setting}')::uuid);
CREATE POLICY tocsin_of_engine ON {table} TO {engine} USING (true) WITH CHECK (true);
"""

# name: members
# Whether a login (ours if none is named) may take all roles on.
MEMBERS = f"""
SELECT bool_and({MAY_TAKE.format(login="u.rolname", role="r.oid")}), u.rolname
FROM pg_roles r, pg_roles u
WHERE r.rolname = ANY(%s) AND u.rolname = coalesce(nullif(%s, ''), session_user)
GROUP BY u.rolname
"""

# name: state
# Our tables: whether a partition, whether secured, by which policies, and what is granted.
STATE = """
WITH rights AS (SELECT unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS word)
SELECT c.relname, c.relispartition, c.relrowsecurity,
  ARRAY(SELECT p.policyname || ' ' || p.roles::text FROM pg_policies p
        WHERE p.schemaname = current_schema() AND p.tablename = c.relname ORDER BY 1),
  (SELECT bool_and(has_table_privilege(%(role)s, c.oid, word)) FROM rights),
  (SELECT bool_and(has_table_privilege(%(engine)s, c.oid, word)) FROM rights)
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND pg_has_role(c.relowner, 'MEMBER')
"""

# name: grants
# What both roles need besides tables; tables to come (partitions) are for the engine alone.
GRANTS = """
GRANT USAGE ON SCHEMA {schema} TO {role}, {engine};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}, {engine};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES
  TO {engine};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}, {engine}
"""


def tenant_tables() -> set[str]:
    """Return the tables whose rows are teams'."""
    return {model._meta.db_table for model in apps.get_models() if issubclass(model, TenantModel)}


def manual() -> str:
    """Return the statements by which an administrator of the database makes the roles."""
    roles = [quoted(settings.DATABASE_ROLE), quoted(engine_role())]
    login = quoted(str(connection.settings_dict["USER"] or "tocsin"))
    return "; ".join(
        [f"CREATE ROLE {role} NOLOGIN" for role in roles] + [f"GRANT {', '.join(roles)} TO {login}"]
    )


def install(**_: Any) -> None:
    """Bring roles, grants and policies about where they differ, after `migrate`.

    Where the roles are not there and cannot be made it says what to do and goes on without, or
    raises ImproperlyConfigured if DATABASE_ROLE asks for them.
    """
    if not settings.DATABASE_ROLE or connection.vendor != "postgresql":
        return
    with as_owner():
        if _make_roles():
            _secure_tables()
            return
    text = f"the database roles cannot be made; let an administrator run: {manual()}"
    if settings.DATABASE_ROLE_REQUIRED:
        raise ImproperlyConfigured(f"DATABASE_ROLE: {text}")
    log.warning("%s. Until then row-level security is off.", text)


def _make_roles() -> bool:
    """Make the roles that are missing and give them to our logins; return whether all is there."""
    roles = [settings.DATABASE_ROLE, engine_role()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [roles])
        present = {name for (name,) in cursor.fetchall()}
        for role in roles:
            if role not in present and not _try(f"CREATE ROLE {quoted(role)} NOLOGIN", role=role):
                return False
        for login in {"", str(settings.DATABASES["default"].get("USER") or "")}:
            cursor.execute(MEMBERS, [roles, login])
            is_member, name = cursor.fetchone() or (True, login)
            both = ", ".join(quoted(role) for role in roles)
            if not is_member and not _try(f"GRANT {both} TO {quoted(name)}"):
                return False
    look_again()
    return True


def _try(statement: str, *, role: str = "") -> bool:
    """Run a statement that we may not be allowed; another start may have made the role."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        made = isinstance(error.__cause__, errors.DuplicateObject | errors.UniqueViolation)
        if not (role and made):
            log.info("%s: %s", statement.split(" TO ")[0], error)
            return False
    return True


def _secure_tables() -> None:
    names = {"role": settings.DATABASE_ROLE, "engine": engine_role()}
    with connection.cursor() as cursor:
        cursor.execute(STATE, names)
        state = cursor.fetchall()
        wanted = sorted(
            f"{policy} {{{name}}}" for policy, name in zip(POLICIES, names.values(), strict=True)
        )
        tenants = tenant_tables()
        bare = [
            table
            for table, is_partition, is_on, policies, _, _ in state
            if table in tenants and not (is_on and policies == wanted and not is_partition)
        ]
        closed = [row for row in state if not (row[5] and (row[4] or row[1]))]
        quoted_names = {key: quoted(name) for key, name in names.items()}
        for table in bare:  # each by itself: it waits for whoever reads the table
            with transaction.atomic():
                cursor.execute(ENABLE.format(table=quoted(table), setting=SETTING, **quoted_names))
        if closed:
            cursor.execute("SELECT current_schema()")
            schema = quoted(cursor.fetchone()[0])
            with transaction.atomic():
                cursor.execute(GRANTS.format(schema=schema, **quoted_names))
                _grant(cursor, [row[0] for row in state if not row[1]], names.values())
                _grant(cursor, [row[0] for row in state if row[1]], [names["engine"]])


def _grant(cursor: Any, tables: Sequence[str], roles: Any) -> None:
    if tables:
        cursor.execute(
            f"GRANT {RIGHTS} ON {', '.join(map(quoted, tables))} TO {', '.join(map(quoted, roles))}"
        )
