"""When a monitor flaps: arithmetic on its changes between up and down.

The fourth change within a quarter of an hour marks the incident. From then it stays open until ten
minutes have passed without a change, so that nobody is paged by each of fifty outages.
"""

from __future__ import annotations

from datetime import datetime, timedelta

CHANGES_TO_FLAP = 4
WITHIN = timedelta(minutes=15)
QUIET = timedelta(minutes=10)


def is_flapping(changes: int) -> bool:
    """Return whether so many changes within `WITHIN`, the present one included, are flapping."""
    return changes >= CHANGES_TO_FLAP


def quiet_at(changed_at: datetime) -> datetime:
    """Return when it has been quiet for long enough after a change."""
    return changed_at + QUIET
