"""A push on its way into the database, and the answer on its way back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from accounts.ids import uuid7
from monitors.schedule import Cron, Window, due_at

log = logging.getLogger(__name__)


class Push(msgspec.Struct, omit_defaults=True):
    """One accepted push as the statement reads it: by slug, or by a monitor already identified."""

    fail: bool
    id: UUID = msgspec.field(default_factory=uuid7)
    n: int = -1
    slug: str | None = None
    monitor: UUID | None = None
    latency_ms: float | None = None
    message: str | None = None
    labels: dict[str, str] | None = None
    receipt: str | None = None


class Answer(msgspec.Struct):
    """The body of a 201."""

    id: UUID
    monitor: str
    status: str
    state: str
    received_at: str
    due_at: str | None
    ok: bool = True


class NotStored(Exception):  # noqa: N818 - it names what happened
    """The push was not stored, or is not known to be: the caller should come again (503)."""


class TooManyWaiting(Exception):  # noqa: N818
    """More pushes of one monitor wait than are kept waiting (429)."""


@lru_cache(maxsize=64)  # the pushes of a batch share their instant
def iso(at: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@lru_cache(maxsize=256)
def due_text(
    at: datetime, silent_after: int, grace: int, interval: int, cron: str, cron_timezone: str
) -> str | None:
    """Return when the silence after a push at `at` becomes an incident, as ISO 8601."""
    if not cron:
        return iso(at + timedelta(seconds=silent_after + grace))
    window = Window(silent_after, grace, interval, Cron(cron, cron_timezone))
    try:
        return iso(due_at(window, at, ()))
    except (ValueError, KeyError):
        # A schedule that was good once and is no longer (a zone that is gone): the push is stored
        # all the same, and its answer must not fail with those of its batch.
        log.exception("cannot work out the due time of a stored schedule")
        return None


def kept_answer(push: Push, row: tuple[Any, ...]) -> Answer:
    """Return the answer for a row of RECORD whose outcome is `kept`."""
    _, _, name, state, at, silent_after, grace, interval, cron, cron_timezone, _, _ = row
    return Answer(
        id=push.id,
        monitor=name,
        status="fail" if push.fail else "pass",
        state=state,
        received_at=iso(at),
        due_at=None
        if state == "paused"
        else due_text(at, silent_after, grace, interval, cron, cron_timezone),
    )


def repeated_answer(receipt: dict[str, Any]) -> Answer:
    """Return the first answer again, from the receipt that was stored with it."""
    at = datetime.fromisoformat(receipt["at"])
    return Answer(
        id=UUID(receipt["id"]),
        monitor=receipt["name"],
        status=receipt["status"],
        state=receipt["state"],
        received_at=iso(at),
        due_at=None
        if receipt["state"] == "paused"
        else due_text(
            at,
            receipt["silent_after"],
            receipt["grace"],
            receipt["interval"],
            receipt["cron"],
            receipt["cron_timezone"],
        ),
    )
