"""The short ids that the public representations carry."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
LENGTH = 12


def new_code() -> str:
    """Return a random id of 12 lower-case letters and digits, as clients of such pages expect."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
