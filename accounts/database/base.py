"""Django's PostgreSQL backend, whose sessions are told as whom they ask (accounts.database).

In front of a statement the standing that is wanted is compared with what the session was told
last. Where they differ two SET statements go ahead, in one round trip, straight to psycopg. Within
a transaction they are part of it, so a rollback, even to a savepoint, undoes them: what was told is
forgotten then. So it is when a connection is taken from the pool.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base, creation, operations
from psycopg.pq import TransactionStatus

from accounts.database.standing import (
    MAY_TAKE,
    OWNER,
    Standing,
    as_owner,
    engine_role,
    wanted,
)

LOOK_SECONDS = 60.0  # between two looks for roles that are not there
log = logging.getLogger(__name__)

# name: roles
# Whether there are roles, and whether this login may take them on.
ROLES = f"""
SELECT count(*) FROM pg_roles
WHERE rolname = ANY(%s) AND {MAY_TAKE.format(login="session_user", role="oid")}
"""


class _Tells:
    """A cursor that has its session told in front of what it runs."""

    teller: DatabaseWrapper | None = None

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one statement."""
        if self.teller is None:
            return super().execute(query, *args, **kwargs)  # type: ignore[misc]
        word = query.lstrip()[:9].upper() if isinstance(query, str) else ""
        if word.startswith("ROLLBACK"):
            self.teller.told = None
        elif not word.startswith(("SAVEPOINT", "RELEASE")):
            self.teller.tell()
        return super().execute(query, *args, **kwargs)  # type: ignore[misc]

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        """Run one statement many times."""
        if self.teller is not None:
            self.teller.tell()
        return super().executemany(*args, **kwargs)  # type: ignore[misc]

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        """Begin a COPY."""
        if self.teller is not None:
            self.teller.tell()
        return super().copy(*args, **kwargs)  # type: ignore[misc]


class Cursor(_Tells, base.Cursor):
    """Django's cursor."""


class ServerSideCursor(_Tells, base.ServerSideCursor):
    """Django's cursor whose rows stay at the server."""


class DatabaseCreation(creation.DatabaseCreation):
    """Test databases are their owner's matter."""

    def serialize_db_to_string(self) -> str:
        """Return all rows as JSON."""
        with as_owner():
            return super().serialize_db_to_string()


class DatabaseOperations(operations.DatabaseOperations):
    """Emptying whole tables (`flush`) is their owner's matter."""

    def execute_sql_flush(self, sql_list: Any) -> None:
        """Run the TRUNCATE statements."""
        with as_owner():
            super().execute_sql_flush(sql_list)


class _Known:
    """Whether this process has found the roles; looked up anew now and then while it has not."""

    found: bool = False
    looked_at: float | None = None


def look_again() -> None:
    """Forget whether the roles are there: they were made, or dropped."""
    _Known.found, _Known.looked_at = False, None


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose session is told as whom it asks."""

    creation_class = DatabaseCreation
    ops_class = DatabaseOperations
    told: Standing | None = None

    def get_connection_params(self) -> dict[str, Any]:
        """Return the arguments of psycopg.connect."""
        return {**super().get_connection_params(), "cursor_factory": Cursor}

    def get_new_connection(self, conn_params: Any) -> Any:
        """Open a connection or take one from the pool; another user may have told it something."""
        self.told = None
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor that tells."""
        cursor: Any = super().create_cursor(name)
        if name is not None:
            cursor.__class__ = ServerSideCursor  # Django names its own class outright
        cursor.teller = self
        return cursor

    def tell(self) -> None:
        """Tell the session as whom it asks, unless it knows.

        Raises ImproperlyConfigured where roles that are required are not there.
        """
        standing = wanted()
        session = self.connection
        if standing == self.told or session is None or self.alias == NO_DB_ALIAS:
            return
        if session.info.transaction_status == TransactionStatus.INERROR:
            return  # whatever comes is refused
        if standing == OWNER or self._has_roles(session):
            psycopg.Cursor(session).execute(standing.sql().encode(), prepare=False)
            self.told = standing

    def _has_roles(self, session: Any) -> bool:
        if not settings.DATABASE_ROLE:
            return False
        if _Known.found:
            return True
        looked_at, must = _Known.looked_at, settings.DATABASE_ROLE_REQUIRED
        if not must and looked_at is not None and time.monotonic() - looked_at < LOOK_SECONDS:
            return False
        roles = [settings.DATABASE_ROLE, engine_role()]
        row = psycopg.Cursor(session).execute(ROLES, [roles]).fetchone()
        _Known.found, _Known.looked_at = row == (len(roles),), time.monotonic()
        if not _Known.found:
            missing = f"the database roles {' and '.join(roles)} are missing or not granted to us"
            if must:
                raise ImproperlyConfigured(f"DATABASE_ROLE: {missing} (docs/database-roles.md).")
            if looked_at is None:
                log.warning("%s: row-level security is off (docs/database-roles.md)", missing)
        return _Known.found

    def _rollback(self) -> None:
        self.told = None
        super()._rollback()  # type: ignore[misc]

    def _commit(self) -> None:
        session = self.connection
        if session is None or session.info.transaction_status == TransactionStatus.INERROR:
            self.told = None  # what has failed is rolled back by a COMMIT that raises nothing
        try:
            super()._commit()  # type: ignore[misc]
        except BaseException:
            self.told = None  # a constraint that waited for the commit undid it
            raise
