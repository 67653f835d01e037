"""Locks of others that one waited for in vain: said as one thing, after which one may try again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import OperationalError
from psycopg import errors

_WAITED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled)


class Busy(Exception):  # noqa: N818 - it names what happened
    """Another change of the same things is under way; this transaction changed nothing."""


@contextlib.contextmanager
def busy_if_waited() -> Iterator[None]:
    """Raise Busy where the database gave up waiting for a lock; put around a transaction."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, _WAITED):
            raise Busy from error
        raise
