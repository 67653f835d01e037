"""Two things at once: threads with connections of their own, sessions beside Django's, exact races.

A race is arranged, not hoped for: `before_sql` stops a thread in front of a statement until the
other side has done its part.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

import psycopg
from django.db import connection
from django_scopes import scopes_disabled

from monitors.ingest import connection_parameters

PATIENCE_SECONDS = 15


@contextlib.contextmanager
def session(**options: Any) -> Iterator[psycopg.Connection[Any]]:
    """Give a database session that is not Django's, in autocommit."""
    parameters = {**connection_parameters(), **options}
    with psycopg.connect(**parameters, autocommit=True) as other:
        yield other


def _apart(function: Callable[[], Any]) -> Any:
    try:
        with scopes_disabled():
            return function()
    finally:
        connection.close()


def start(function: Callable[[], Any]) -> Future[Any]:
    """Run `function` in a thread with a connection of its own; return the future of its result."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(_apart(function))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run the functions in threads that start together; return their results in order."""
    barrier = threading.Barrier(len(functions))

    def together(function: Callable[[], Any]) -> Any:
        barrier.wait(PATIENCE_SECONDS)
        return function()

    futures = [start(partial(together, function)) for function in functions]
    return [future.result(PATIENCE_SECONDS) for future in futures]


@contextlib.contextmanager
def before_sql(part: str, action: Callable[[], Any]) -> Iterator[list[str]]:
    """Run `action` once, right before this thread's first statement that contains `part`.

    Yields the list of the statements that were met, so that a test can tell that it was there.
    """
    met: list[str] = []

    def watch(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if part in sql and not met:
            met.append(sql)
            action()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield met


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the first true value of `what`; raise AssertionError if none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := what():
            return value
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def wait_for_lock(
    other: psycopg.Connection[Any], *, waiting: int = 1, seconds: float = PATIENCE_SECONDS
) -> None:
    """Return once `waiting` sessions of this database wait for a lock."""
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    wait_for(lambda: other.execute(count).fetchone()[0] >= waiting, seconds)  # type: ignore[index]
