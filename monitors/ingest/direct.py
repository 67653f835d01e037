"""Storing a push where no recorder runs: the same statement on Django's connection."""

from __future__ import annotations

import json

import msgspec
from django.db import DatabaseError, connection, transaction

from accounts.database.standing import unscoped
from monitors.ingest import statement
from monitors.ingest.push import Answer, NotStored, Push, kept_answer, repeated_answer


@unscoped
def record_directly(push: Push) -> Answer | None:
    """Store one push in a transaction of its own. Raises NotStored."""
    push.n = 0
    parameters = {"batch": msgspec.json.encode([push]).decode()}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if push.receipt is not None:
                cursor.execute(statement.LOCK, parameters)
                cursor.execute(statement.RECORD_ONCE, parameters)
            else:
                cursor.execute(statement.RECORD, parameters)
            rows = cursor.fetchall()
    except DatabaseError as error:
        raise NotStored from error
    if not rows:
        return None
    if rows[0][1] == "repeat":
        receipt = rows[0][10]
        return repeated_answer(json.loads(receipt) if isinstance(receipt, str) else receipt)
    return kept_answer(push, rows[0])
