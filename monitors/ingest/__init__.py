"""The push path: lane (ASGI), recorder (group commit), and the one door `record_push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitors.ingest.push import Answer, Push
    from monitors.ingest.recorder import Recorder

_recorder: Recorder | None = None


def use_recorder(recorder: Recorder | None) -> None:
    """Make `recorder` the one that this process's views store through."""
    global _recorder
    _recorder = recorder


def connection_parameters() -> dict[str, Any]:
    """Return how to connect to the database of the Django settings."""
    from django.db import connection

    parameters = connection.get_connection_params()
    return {
        name: value
        for name, value in parameters.items()
        if name not in {"cursor_factory", "context", "prepare_threshold"}
    }


def record_push(push: Push) -> Answer | None:
    """Store a push from a view and return its answer; None if no monitor takes it.

    Goes through this process's recorder, so that it shares commits with the lane. Where none runs
    (a command, a test client) it is committed on Django's own connection by the same statement.
    Raises NotStored or TooManyWaiting.
    """
    if _recorder is not None:
        return _recorder.record_from_thread(push)
    from monitors.ingest.direct import record_directly

    return record_directly(push)
