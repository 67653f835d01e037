"""What is counted, and said in the log, of the engine, incidents and deliveries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial, wraps
from time import perf_counter
from typing import ParamSpec, TypeVar

from django.db import transaction

from accounts.measures import Counter, Histogram
from accounts.observing import working
from incidents.channels.registry import KINDS
from incidents.models import Incident

P = ParamSpec("P")
R = TypeVar("R")
MOST_LINES = 20  # of one batch: a mass outage is no log of a hundred thousand lines

ROUNDS = Histogram(
    "tocsin_engine_round_seconds",
    "How long a round took: of the engine (sweep, incidents, steps) or of handing out deliveries.",
    part=("engine", "deliver"),
)
OPENED = Counter(
    "tocsin_incidents_opened_total", "Incidents opened.", severity=("critical", "warning", "info")
)
RESOLVED = Counter("tocsin_incidents_resolved_total", "Incidents resolved by their monitors.")
ATTEMPTS = Counter(
    "tocsin_delivery_attempts_total",
    "Tries to send a message, by kind of channel and outcome: sent, retry or failed.",
    kind=sorted(KINDS),
    outcome=("sent", "retry", "failed"),
)
SENDING = Histogram(
    "tocsin_delivery_attempt_seconds",
    "How long a try to send a message took, the provider's answer included.",
    kind=sorted(KINDS),
)

log = logging.getLogger("tocsin.incidents")


def measured_round(part: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Measure and trace the rounds of a part of the engine."""

    def measure(run: Callable[P, R]) -> Callable[P, R]:
        @wraps(run)
        def run_measured(*args: P.args, **kwargs: P.kwargs) -> R:
            started = perf_counter()
            try:
                with working(f"{part} round"):
                    return run(*args, **kwargs)
            finally:
                ROUNDS.observe(perf_counter() - started, part)

        return run_measured

    return measure


def note_changes(opened: Iterable[Incident], resolved: Iterable[Incident]) -> None:
    """Count and log the incidents of a batch, as soon as it has committed."""
    lists = (list(opened), list(resolved))
    if any(lists):
        transaction.on_commit(partial(_note_changes, *lists), robust=True)


def _note_changes(opened: list[Incident], resolved: list[Incident]) -> None:
    for incident in opened:
        OPENED.inc(incident.severity)
    RESOLVED.inc(by=len(resolved))
    for what, incidents in (("opened", opened), ("resolved", resolved)):
        for incident in incidents[:MOST_LINES]:
            with working(
                f"incident {what}",
                team_id=incident.team_id,
                monitor_id=incident.monitor_id,
                incident_id=incident.pk,
            ):
                log.info("incident %s: %s, %s", what, incident.cause, incident.severity)
        if len(incidents) > MOST_LINES:
            log.info("and %d more incidents %s", len(incidents) - MOST_LINES, what)
