"""What is counted of pushes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import wraps
from time import perf_counter
from typing import Any

from accounts.measures import Counter, Histogram
from accounts.observing import tracing

PUSHES = Counter(
    "tocsin_pushes_total",
    "Pushes by what became of them: kept, repeat (of an Idempotency-Key), refused (503), limited "
    "(429), unknown (401 or 404) or invalid.",
    outcome=("kept", "repeat", "refused", "limited", "unknown", "invalid"),
)
ANSWERS = Histogram(
    "tocsin_push_answer_seconds",
    "From a push whose body has arrived to its answer, of pushes that the lane stored.",
)
BATCHES = Histogram("tocsin_push_batch_seconds", "How long committing one batch of pushes took.")
BATCH_PUSHES = Histogram(
    "tocsin_push_batch_pushes",
    "How many pushes one batch held.",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
FAILED_BATCHES = Counter(
    "tocsin_push_batch_failures_total", "Batches of pushes that could not be committed."
)
_OUTCOMES = {429: "limited", 503: "refused", 401: "unknown", 404: "unknown"}
_FIRST_ERROR = 400


def count_refusal(status: int) -> None:
    """Count the answer to a push that was not stored; what was stored, the recorder counts."""
    if status >= _FIRST_ERROR:
        PUSHES.inc(_OUTCOMES.get(status, "invalid"))


def measured(
    commit: Callable[[Any, list[Any]], Awaitable[list[Any]]],
) -> Callable[[Any, list[Any]], Awaitable[list[Any]]]:
    """Count what a session's `record` commits, and how long it takes."""

    @wraps(commit)
    async def record(session: Any, pushes: list[Any]) -> list[Any]:
        tracer = tracing()
        span = tracer("push batch", {"pushes": len(pushes)}) if tracer else nullcontext()
        started = perf_counter()
        try:
            with span:
                rows = await commit(session, pushes)
        except BaseException:
            FAILED_BATCHES.inc()
            raise
        BATCHES.observe(perf_counter() - started)
        BATCH_PUSHES.observe(len(pushes))
        kept = sum([row[1] == "kept" for row in rows])
        PUSHES.inc("kept", by=kept)
        if kept != len(rows):
            PUSHES.inc("repeat", by=sum([row[1] == "repeat" for row in rows]))
        return rows

    return record
