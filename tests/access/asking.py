"""Asking without leaving a trace, and what of an answer a stranger can compare."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.conftest import Api

# Different for every request, and of nobody's things.
_BY_REQUEST = {"date", "x-request-id"}


class Said(NamedTuple):
    """Everything about an answer that could tell one from another, the database's work included."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    queries: int


def ask(api: Api, method: str, path: str, body: Any = None, **extra: Any) -> Said:
    """Return what is answered; what it changes is taken back."""
    with transaction.atomic():
        with CaptureQueriesContext(connection) as done:
            response = api(method, path, body, **extra)
            content = b"".join(response) if response.streaming else response.content
        transaction.set_rollback(True)
    headers = tuple(
        sorted((k.lower(), v) for k, v in response.items() if k.lower() not in _BY_REQUEST)
    )
    return Said(response.status_code, headers, content, len(done))
