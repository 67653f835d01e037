"""What all processes remember together: tries to log in, what was done a moment ago.

In Redis, as JSON: what is read there makes no objects. While Redis is away (or hangs: it gets a
tenth of a second) each process remembers for itself, as limits in one process are better than
nobody getting in.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_SECONDS = 0.1
AWAY_SECONDS = 2.0
log = logging.getLogger(__name__)


class JSONValues:
    """Values as JSON; numbers alone stay as they are, for Redis to count with."""

    def dumps(self, value: Any) -> Any:
        """Return what is stored. Raises TypeError for what JSON cannot hold."""
        return value if type(value) is int else json.dumps(value)

    def loads(self, data: bytes) -> Any:
        """Return the value."""
        return json.loads(data)


class SharedCache(RedisCache):
    """Django's cache in Redis; in this process alone while Redis is away."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        patience: dict[str, Any] = {
            "serializer": JSONValues(),
            "socket_timeout": PATIENCE_SECONDS,
            "socket_connect_timeout": PATIENCE_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(server, {**params, "OPTIONS": patience})
        self._local = LocMemCache(f"beside {server}", params)
        self._away_until = 0.0

    def _do(self, name: str, *args: Any, **options: Any) -> Any:
        shared: Callable[..., Any] = getattr(super(), name)
        if time.monotonic() >= self._away_until:
            try:
                return shared(*args, **options)
            except (redis.RedisError, OSError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("Redis is away, each process counts: %s", type(error).__name__)
        return getattr(self._local, name)(*args, **options)

    def add(self, *args: Any, **options: Any) -> Any:
        """Do what Django's caches do, as all of these."""
        return self._do("add", *args, **options)

    def get(self, *args: Any, **options: Any) -> Any:
        """Return a value."""
        return self._do("get", *args, **options)

    def set(self, *args: Any, **options: Any) -> Any:
        """Keep a value."""
        return self._do("set", *args, **options)

    def touch(self, *args: Any, **options: Any) -> Any:
        """Keep a value for longer."""
        return self._do("touch", *args, **options)

    def delete(self, *args: Any, **options: Any) -> Any:
        """Forget a value."""
        return self._do("delete", *args, **options)

    def get_many(self, *args: Any, **options: Any) -> Any:
        """Return values."""
        return self._do("get_many", *args, **options)

    def set_many(self, *args: Any, **options: Any) -> Any:
        """Keep values."""
        return self._do("set_many", *args, **options)

    def delete_many(self, *args: Any, **options: Any) -> Any:
        """Forget values."""
        return self._do("delete_many", *args, **options)

    def has_key(self, *args: Any, **options: Any) -> Any:
        """Return whether there is a value."""
        return self._do("has_key", *args, **options)

    def incr(self, *args: Any, **options: Any) -> Any:
        """Count up."""
        return self._do("incr", *args, **options)

    def clear(self) -> Any:
        """Forget what this process remembers; what is shared is not this cache's alone."""
        self._local.clear()
        return True
