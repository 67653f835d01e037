"""Identifiers made by the application, not by the database (PostgreSQL 15 is the floor)."""

from __future__ import annotations

import os
import random
import secrets
import string
import time
import uuid

# Seeded by the system, and again in every child process: a fork must not repeat its parent's ids.
_random = random.Random()  # noqa: S311 - ids are no secrets
os.register_at_fork(after_in_child=_random.seed)
_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def uuid7() -> uuid.UUID:
    """Return a time-ordered UUID (RFC 9562, version 7): rows made together lie together.

    The 12 bits after the milliseconds count 1/4096 ms, so what one process makes is in order. The
    62 random bits make it unique, not secret: it names things and opens none.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    return uuid.UUID(
        int=(milliseconds << 80)
        | _VERSION_7
        | (fraction << 64)
        | _VARIANT
        | _random.getrandbits(62)
    )


def random_base62(length: int) -> str:
    """Return `length` random characters out of 0-9, A-Z and a-z (5.95 bits each)."""
    return "".join(secrets.choice(BASE62) for _ in range(length))
