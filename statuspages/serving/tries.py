"""Counting what must not be done too often, for all processes together.

The count is in Redis, where every process sees it. While Redis does not answer, each process counts
by itself: guessing then is slowed down less, and nobody who has the password is kept out.
"""

from __future__ import annotations

import contextlib
import logging
import time
from functools import lru_cache

import redis
from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 0.3
PAUSE_SECONDS = 10.0  # so long after Redis gave no answer it is not asked again
_PREFIX = "tocsin:tries:"
_paused_until = 0.0


def count_try(name: str, *, seconds: int) -> int:
    """Return how many tries there were in the `seconds` since the first, this one included."""
    found = _ask_redis(name, seconds, 1)
    if found is not None:
        return found
    key = _PREFIX + name
    cache.add(key, 0, seconds)
    try:
        return cache.incr(key)
    except ValueError:  # it has run out in between
        return 1


def forget_try(name: str, *, seconds: int) -> None:
    """Take one try back."""
    if _ask_redis(name, seconds, -1) is None:
        with contextlib.suppress(ValueError):
            cache.decr(_PREFIX + name)


def _ask_redis(name: str, seconds: int, step: int) -> int | None:
    """Return the count after the step; None if Redis gives no answer."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return None
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=True) as pipe:
            # Before the count and not after it: what has no end would stay for ever.
            pipe.set(_PREFIX + name, 0, ex=seconds, nx=True)
            pipe.incrby(_PREFIX + name, step)
            return int(pipe.execute()[1])
    except (redis.RedisError, OSError, ValueError) as error:
        logger.warning("Tries are counted by each process alone: %s", type(error).__name__)
        _paused_until = time.monotonic() + PAUSE_SECONDS
        return None


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
    )
