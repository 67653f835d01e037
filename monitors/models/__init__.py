"""The tables of this room, by what they hold."""

from monitors.models.console import Badge, SavedView, UndoStep, new_badge_key
from monitors.models.listening import EngineStamp, ListeningGap, ListeningStamp
from monitors.models.monitors import (
    CAUSE_BITS,
    DAY_SECONDS,
    SLUG_LENGTH,
    Heartbeat,
    Monitor,
    PushKey,
    Secret,
    Severity,
    new_slug,
)
from monitors.models.results import PushReceipt, PushResult, Transition
from monitors.models.usage import UsageDay

__all__ = [
    "CAUSE_BITS",
    "DAY_SECONDS",
    "SLUG_LENGTH",
    "Badge",
    "EngineStamp",
    "Heartbeat",
    "ListeningGap",
    "ListeningStamp",
    "Monitor",
    "PushKey",
    "PushReceipt",
    "PushResult",
    "SavedView",
    "Secret",
    "Severity",
    "Transition",
    "UndoStep",
    "UsageDay",
    "new_badge_key",
    "new_slug",
]
