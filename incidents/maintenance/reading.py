"""Reading a team's windows together with how they stand at an instant; call it in a scope."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery

from incidents.maintenance.maintenances import window_of
from incidents.maintenance.recurrence import BadWindow
from incidents.maintenance.windows import Span, next_spans
from incidents.models import Maintenance, MaintenanceMonitor, MaintenanceSpan


def with_standing(now: datetime) -> QuerySet[Maintenance]:
    """Return the windows with `active`, `active_until` and the stored `next_start`, and links."""
    spans = MaintenanceSpan.objects.filter(maintenance=OuterRef("pk"))
    current = spans.filter(starts_at__lte=now, ends_at__gt=now)
    later = spans.filter(starts_at__gt=now).order_by("starts_at")
    links = MaintenanceMonitor.objects.order_by("id")
    return Maintenance.objects.annotate(
        active=Exists(current),
        active_until=Subquery(current.order_by("-ends_at").values("ends_at")[:1]),
        next_start=Subquery(later.values("starts_at")[:1]),
    ).prefetch_related(Prefetch("monitor_links", links))


def next_span(maintenance: Any, now: datetime) -> Span | None:
    """Return the next occurrence that has not begun, of a window read by `with_standing`."""
    start = maintenance.next_start
    if start is not None:
        return start, start + (maintenance.ends_at - maintenance.starts_at)
    if not maintenance.rrule:
        return None
    try:  # rarer than spans are written ahead
        window = window_of(maintenance)
        ahead = next_spans(window, now + window.lasts, most=1)
    except BadWindow:
        return None
    return ahead[0] if ahead else None
