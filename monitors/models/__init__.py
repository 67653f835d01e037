"""The tables of this room, by what they hold."""

from monitors.models.console import Badge, SavedView, UndoStep, new_badge_key
from monitors.models.listening import (
    Canary,
    EngineStamp,
    GapCause,
    ListeningGap,
    ListeningStamp,
    MassGuard,
)
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
    "Canary",
    "EngineStamp",
    "GapCause",
    "Heartbeat",
    "ListeningGap",
    "ListeningStamp",
    "MassGuard",
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
