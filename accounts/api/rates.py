"""How many requests a key may make: counted in Redis, for all processes together.

A limit that cannot be counted is not enforced: while Redis is away every request passes, and only
one request in two seconds waits (a tenth of a second) to see whether it is back.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.limits import Limit
from accounts.models import ApiKey

PATIENCE_SECONDS = 0.1
AWAY_SECONDS = 2.0
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}
"""

log = logging.getLogger(__name__)
_away_until = 0.0


@dataclass(frozen=True)
class Usage:
    """How a key stands within its present window; `reset` is in seconds."""

    limit: Limit
    used: int
    reset: int

    @property
    def is_over(self) -> bool:
        """Return whether this request is one too many."""
        return self.used > self.limit.count

    @property
    def headers(self) -> dict[str, str]:
        """Return what tells the client: the IETF draft's fields, and those it knows of old."""
        left = max(self.limit.count - self.used, 0)
        return {
            "RateLimit-Policy": f'"api";q={self.limit.count};w={self.limit.seconds}',
            "RateLimit": f'"api";r={left};t={self.reset}',
            "RateLimit-Limit": str(self.limit.count),
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": str(self.reset),
        }


def count_request(key: ApiKey) -> Usage | None:
    """Count a request of the key; None where nothing limits it, or Redis is away."""
    global _away_until
    limit: Limit | None = settings.API_LIMIT
    if limit is None or time.monotonic() < _away_until:
        return None
    try:
        used, left = _client(settings.REDIS_URL).eval(
            _COUNT, 1, f"tocsin:api-limit:{key.pk}", str(limit.seconds * 1000)
        )
    except (redis.RedisError, OSError) as error:
        _away_until = time.monotonic() + AWAY_SECONDS
        log.warning("requests are not counted while Redis is away: %s", type(error).__name__)
        return None
    return Usage(limit, int(used), max(-(-int(left) // 1000), 1))


@lru_cache(maxsize=4)
def _client(url: str) -> Any:
    return redis.Redis.from_url(
        url,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
