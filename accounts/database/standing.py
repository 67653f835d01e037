"""As whom a statement is to be run: within one team, across all of them, or as the owner.

It follows django-scopes, so that the policies of the database stand behind the scoped managers:

* within `scope(team=…)`: that team, by the application's role. A `scopes_disabled()` further in
  lifts the check of the managers and not this one: a service that a request calls, which names
  the team by hand, is kept to it by the database;
* within `scopes_disabled()` that is in no scope, or within `across_teams()`: every team, by the
  engine's role;
* outside of both: none. As the managers do, the database then refuses, and answers no emptiness;
* within `as_owner()`: as the owner of the tables, whom no policy concerns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django_scopes import scope, scopes_disabled
from django_scopes.state import get_scope

# Whether a login may take a role on. Since PostgreSQL 16 being a member is not enough: whoever has
# made a role is one, and may give it to themselves first.
MAY_TAKE = (
    "pg_has_role({login}, {role}, CASE WHEN current_setting('server_version_num')::int >= 160000 "
    "THEN 'SET' ELSE 'MEMBER' END)"
)
P = ParamSpec("P")
R = TypeVar("R")
SETTING = "tocsin.team"
# What is no team's id is refused by name: the message of the error says what is wrong.
NO_SCOPE = "no scope is active"
_is_owner: ContextVar[bool] = ContextVar("is_owner", default=False)


class Standing(NamedTuple):
    """A role of the database and what `tocsin.team` says."""

    role: str
    team: str = NO_SCOPE

    def sql(self) -> str:
        """Return the statements that tell a session; they take no snapshot."""
        team = f"SET {SETTING} = '{self.team}'"
        return f"SET ROLE {quoted(self.role) if self.role else 'NONE'}; {team}"


OWNER = Standing("")


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def engine_role() -> str:
    """Return the role that sees every team; empty if there are to be no roles."""
    role: str = settings.DATABASE_ROLE
    return f"{role}_engine" if role else ""


def wanted() -> Standing:
    """Return as whom the next statement is to be run."""
    if _is_owner.get():
        return OWNER
    state = get_scope()
    team: Any = state.get("team")
    if team is not None:
        return Standing(settings.DATABASE_ROLE, str(UUID(str(getattr(team, "pk", team)))))
    if state.get("_enabled", True):
        return Standing(settings.DATABASE_ROLE)
    return Standing(engine_role())


def across_teams() -> AbstractContextManager[None]:
    """See every team even within a team's scope: for what a page tells of a person's other teams.

    Say it where it is needed, and name what is asked for in the query itself.
    """
    manager: AbstractContextManager[None] = scope(team=None, _enabled=False)
    return manager


def unscoped(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function of the engine's, which serves all teams at once, run in no scope."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with scopes_disabled():
            return function(*args, **kwargs)

    return run


@contextmanager
def as_owner() -> Iterator[None]:
    """Run what only the owner of the tables may: DDL, partitions, TRUNCATE.

    On the same connection, or on one of its own where MIGRATION_DATABASE_URL names another login.
    """
    if _is_owner.get():
        yield
        return
    token = _is_owner.set(True)
    try:
        if settings.OWNER_DATABASE is None:
            yield
        else:
            with _connection_of_its_own():
                yield
    finally:
        _is_owner.reset(token)


@contextmanager
def _connection_of_its_own() -> Iterator[None]:
    ours = connections[DEFAULT_DB_ALIAS]
    login: Any = settings.OWNER_DATABASE
    theirs = type(ours)({**ours.settings_dict, **login}, DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS] = theirs
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = ours
        theirs.close()


def engine_sql() -> str:
    """Return the statement that makes a connection outside of Django the engine's.

    It changes nothing where the roles are not there and need not be.
    """
    role = engine_role()
    if not role:
        return "SELECT 1"
    if settings.DATABASE_ROLE_REQUIRED:
        return f"SET ROLE {quoted(role)}"
    literal = "'" + role.replace("'", "''") + "'"
    return (
        "SELECT set_config('role', rolname, false) FROM pg_roles "
        f"WHERE rolname = {literal} AND {MAY_TAKE.format(login='session_user', role='oid')}"
    )
