"""Who is acting: what the database's audit triggers write beside every change.

The triggers (accounts/audit_triggers.py) record a change only where a transaction says who makes
it. A request says so lazily, in front of its first write in each transaction, and only for that
transaction: what merely reads costs nothing, and no connection carries a name to its next user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from psycopg.pq import TransactionStatus

SETTING = "tocsin.actor"
MOST_ACTOR = 254
_READS = ("SELECT", "SAVEPOINT", "RELEASE", "EXPLAIN")


@contextmanager
def acting(actor: str, *, by: str = "member", address: str = "") -> Iterator[None]:
    """Have what is changed within recorded as done by `actor`.

    `by` is `member` or `key`; `address` is where the request came from, empty if unknown.
    """
    voice = _Voice(
        json.dumps(
            {
                "actor": actor[:MOST_ACTOR],
                "by": by,
                "address": address[:64],
                "request": str(uuid4()),
            }
        )
    )
    outer = [one for one in connection.execute_wrappers if isinstance(one, _Voice)]
    with connection.execute_wrapper(voice):
        try:
            yield
        finally:
            voice.fall_silent()
            for one in outer:
                one.forget()


class _Voice:
    """Says the name in front of a transaction's first write."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._has_said = False

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        """Run one statement."""
        word = sql.lstrip()[:9].upper() if isinstance(sql, str) else ""
        using = context["connection"]
        if word.startswith("ROLLBACK") or _is_idle(using):
            self._has_said = False  # what is said within a transaction ends with it
        if word.startswith(("ROLLBACK", *_READS)):
            return execute(sql, params, many, context)
        if using.in_atomic_block:
            self._say()
            return execute(sql, params, many, context)
        with transaction.atomic():
            self._say()
            try:
                return execute(sql, params, many, context)
            finally:
                self._has_said = False

    def _say(self) -> None:
        if not self._has_said:
            _set(self._name)
            self._has_said = True

    def forget(self) -> None:
        """Say the name anew in front of the next write: somebody else spoke meanwhile."""
        self._has_said = False

    def fall_silent(self) -> None:
        """Take the name back from a transaction that goes on after the request (a test's)."""
        if self._has_said and connection.in_atomic_block and not connection.needs_rollback:
            _set("")


def _set(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, name])


def _is_idle(using: Any) -> bool:
    session = using.connection
    return session is None or session.info.transaction_status == TransactionStatus.IDLE
