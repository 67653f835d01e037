"""How many pushes are taken, where an operator wants a limit: by monitor, address and team.

Each process counts for itself, in token buckets: a limit of 60/min lets 60 through at once and one
a second after that, in every process. A refused push is stored nowhere and takes nothing from
anybody else. Without a limit none of this is asked.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar
from uuid import UUID

from accounts.limits import Limit

MOST_BUCKETS = 100_000
KNOWN_SECONDS = 300.0
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Refusal:
    """Why a push is not taken, and in how many seconds it may come again."""

    text: str
    wait: int


class Buckets(Generic[K]):
    """A token bucket for each key. The ones touched least recently are forgotten first."""

    def __init__(self, limit: Limit, *, most: int = MOST_BUCKETS) -> None:
        self._size = float(limit.count)
        self._per_second = limit.count / limit.seconds
        self._most = most
        self._levels: dict[K, tuple[float, float]] = {}

    def take(self, key: K, *, now: float) -> float:
        """Take one token; return 0, or after how many seconds there will be one."""
        level, at = self._levels.pop(key, (self._size, now))
        level = min(self._size, level + max(now - at, 0.0) * self._per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self._per_second
        self._levels[key] = (level - 1 if wait == 0 else level, now)
        if len(self._levels) > self._most:
            del self._levels[next(iter(self._levels))]
        return wait


class PushLimits:
    """The limits of a process. Safe from any thread."""

    def __init__(
        self,
        *,
        slug: Limit | None,
        address: Limit | None,
        team: Limit | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`slug` counts the pushes of one monitor, by whichever of its addresses."""
        self._monitors = Buckets[UUID](slug) if slug else None
        self._addresses = Buckets[str](address) if address else None
        self._teams = Buckets[UUID](team) if team else None
        self._known: dict[str, tuple[UUID, UUID, float]] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def check_address(self, address: str) -> Refusal | None:
        """Count a push from an address; return why it is refused, if it is.

        Of an IPv6 address the network (/64) counts: whoever has one has them all.
        """
        if self._addresses is None:
            return None
        network = network_of(address)
        with self._lock:
            wait = self._addresses.take(network, now=self._clock())
        return _refusal("Too many pushes from this address.", wait)

    def check_monitor(self, monitor: UUID, team: UUID) -> Refusal | None:
        """Count a push of a monitor and its team; return why it is refused, if it is.

        What the monitor's own limit refuses takes nothing from its team.
        """
        now = self._clock()
        with self._lock:
            wait = self._monitors.take(monitor, now=now) if self._monitors else 0.0
            if wait:
                return _refusal("Too many pushes of this monitor.", wait)
            wait = self._teams.take(team, now=now) if self._teams else 0.0
        return _refusal("Too many pushes of this team.", wait)

    @property
    def needs_monitor(self) -> bool:
        """Whether a slug is not enough to know what to count."""
        return self._monitors is not None or self._teams is not None

    def learn(self, slug: str, monitor: UUID, team: UUID) -> None:
        """Remember for a while whose a slug is, so that the lane need not ask."""
        if self.needs_monitor:
            with self._lock:
                self._known.pop(slug, None)
                self._known[slug] = (monitor, team, self._clock() + KNOWN_SECONDS)
                if len(self._known) > MOST_BUCKETS:
                    del self._known[next(iter(self._known))]

    def whose(self, slug: str) -> tuple[UUID, UUID] | None:
        """Return the monitor and the team of a slug, if they are known."""
        known = self._known.get(slug)
        if known is None or known[2] < self._clock():
            return None
        return known[0], known[1]


def push_limits() -> PushLimits | None:
    """Return this process's limits, None where the settings have none."""
    from django.conf import settings

    return limits_of(
        settings.PUSH_LIMIT_SLUG, settings.PUSH_LIMIT_ADDRESS, settings.PUSH_LIMIT_TEAM
    )


@lru_cache(maxsize=1)
def limits_of(slug: Limit | None, address: Limit | None, team: Limit | None) -> PushLimits | None:
    """Return the one set of buckets for these limits."""
    if slug is None and address is None and team is None:
        return None
    return PushLimits(slug=slug, address=address, team=team)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return an IPv4 address as it is, of an IPv6 address its /64, of anything else nothing new."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def _refusal(text: str, wait: float) -> Refusal | None:
    if not wait:
        return None
    seconds = max(-int(-wait // 1), 1)
    return Refusal(f"{text} Try again in {seconds} s.", seconds)
