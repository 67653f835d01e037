"""Identifiers made by the application, not by the database (PostgreSQL 15 is the floor)."""

from __future__ import annotations

import os
import secrets
import string
import time
import uuid

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def uuid7() -> uuid.UUID:
    """Return a time-ordered UUID (RFC 9562, version 7): rows made together lie together."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def random_base62(length: int) -> str:
    """Return `length` random characters out of 0-9, A-Z and a-z (5.95 bits each)."""
    return "".join(secrets.choice(BASE62) for _ in range(length))
