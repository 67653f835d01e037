"""How subscribers stand: who agreed, who was only asked, who is told nothing any more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.db.models import Q

from statuspages.models import Subscriber

STANDINGS: Mapping[str, Q] = MappingProxyType(
    {
        "confirmed": Q(confirmed_at__isnull=False, disabled_at=None),
        "waiting": Q(confirmed_at=None, disabled_at=None),
        "disabled": Q(disabled_at__isnull=False),
    }
)


def standing_of(subscriber: Subscriber) -> str:
    """Return how a subscriber stands: waiting, confirmed or disabled."""
    if subscriber.disabled_at is not None:
        return "disabled"
    return "waiting" if subscriber.confirmed_at is None else "confirmed"
