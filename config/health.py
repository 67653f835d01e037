"""Is it ready: `/readyz`, and the readings that `/metrics` and the staff's health page share."""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django_scopes import scopes_disabled

from incidents.engine import stamp_ages
from monitors.partitions import DAYS_ALARM, days_left

FRESH_SECONDS = 10.0
LISTENING_SECONDS = 3.0
OUTBOX_SECONDS = 30.0
SWEEP_SECONDS = 15.0

# name: readiness
# Seconds since the listening stamp, and the age of the oldest thing that should be done by now. A
# message that waits for an earlier one to arrive is not late, nor is silence that is held back.
# And since when our own pushes, and the watchdog's rounds, went well.
READINESS = """
SELECT
  (SELECT extract(epoch FROM clock_timestamp() - at) FROM monitors_listeningstamp WHERE id = 1),
  (SELECT extract(epoch FROM clock_timestamp() - min(next_attempt_at)) FROM incidents_delivery
    WHERE state IN ('pending', 'sending') AND (paced OR after_id IS NULL)),
  (SELECT extract(epoch FROM clock_timestamp() - min(at)) FROM monitors_transition
    WHERE handled_at IS NULL),
  (SELECT greatest(0, extract(epoch FROM least(clock_timestamp(),
      (SELECT deaf_from FROM monitors_canary WHERE held_until > clock_timestamp()),
      (SELECT held_from FROM monitors_massguard WHERE held_until > clock_timestamp()))
    - min(check_at))) FROM monitors_heartbeat WHERE check_at IS NOT NULL HAVING count(*) > 0),
  (SELECT extract(epoch FROM clock_timestamp() - good_at) FROM monitors_canary),
  (SELECT extract(epoch FROM clock_timestamp() - max(ended_at)) FROM incidents_watchround
    WHERE result = 'well')
"""


def _age(value: Any) -> float | None:
    return None if value is None else float(value)


def read_engine() -> dict[str, float | None]:
    """Return what `/readyz`, `/metrics` and the staff's health page go by; ages in seconds."""
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(READINESS)
        listening, outbox, transitions, due, canary, watchdog = cursor.fetchone()
    ages = stamp_ages()

    def freshest(part: str) -> float | None:
        found = [age for name, age in ages.items() if name.split(":")[0] == part]
        return min(found) if found else None

    return {
        "listening_seconds": _age(listening),
        "outbox_seconds": _age(outbox),
        "transition_seconds": _age(transitions),
        "sweep_lag_seconds": _age(due),
        "engine_seconds": freshest("engine"),
        "deliver_seconds": freshest("deliver"),
        "canary_seconds": _age(canary),
        "watchdog_seconds": _age(watchdog),
        "partition_days": float(days_left(now=now())),
    }


def _broker_answers() -> bool:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def is_older(value: float | None, limit: float) -> bool:
    """Return whether an age is above its limit, or unknown."""
    return value is None or value > limit


def stale_parts(readings: dict[str, float | None]) -> dict[str, str]:
    """Return what is not as it should be, and why."""
    stale: dict[str, str] = {}
    if is_older(readings["listening_seconds"], LISTENING_SECONDS):
        stale["listening"] = "pushes cannot be stored"
    if is_older(readings["engine_seconds"], FRESH_SECONDS):
        stale["sweep"] = "no round has completed lately"
    elif (readings["sweep_lag_seconds"] or 0) > SWEEP_SECONDS:
        stale["sweep"] = f"{readings['sweep_lag_seconds']:.0f} s behind"
    if is_older(readings["deliver_seconds"], FRESH_SECONDS):
        stale["outbox"] = "no delivery round has completed lately"
    elif (readings["outbox_seconds"] or 0) > OUTBOX_SECONDS:
        stale["outbox"] = f"a message is {readings['outbox_seconds']:.0f} s overdue"
    if (readings["transition_seconds"] or 0) > OUTBOX_SECONDS:
        stale["incidents"] = f"a change waits for {readings['transition_seconds']:.0f} s"
    if (readings["partition_days"] or 0) < DAYS_ALARM:
        stale["partitions"] = f"made for {readings['partition_days']:.0f} days ahead only"
    return stale


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if database, broker, sweep and outbox are fresh, else 503 and what is not."""
    try:
        stale = stale_parts(read_engine())
    except (DatabaseError, InterfaceError) as error:
        stale = {"database": f"does not answer ({type(error).__name__})"}
    if not _broker_answers():
        stale["broker"] = "does not answer"
    answer = JsonResponse({"ready": not stale, "stale": stale}, status=503 if stale else 200)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # whoever asks is told; no log line
    return answer
