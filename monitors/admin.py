"""What the operator's staff see of this installation's engine; no row here is a tenant's."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.admin import AdminSite

from accounts.admin import StaffAdmin
from monitors.models import EngineStamp, ListeningGap


class GapAdmin(StaffAdmin[ListeningGap]):
    """Times in which no push could be accepted."""

    list_display = ("started_at", "ended_at", "lasted", "cause")
    ordering = ("-started_at",)
    date_hierarchy = "started_at"
    fields = readonly_fields = ("started_at", "ended_at", "lasted", "cause")

    def lasted(self, obj: ListeningGap) -> timedelta:
        """Return how long the gap was."""
        return obj.ended_at - obj.started_at


class StampAdmin(StaffAdmin[EngineStamp]):
    """When each part of the engine last completed a round."""

    list_display = ("name", "at")
    ordering = ("name",)
    fields = readonly_fields = ("name", "at")


def register(site: AdminSite) -> None:
    """Put these tables on a site."""
    site.register(ListeningGap, GapAdmin)
    site.register(EngineStamp, StampAdmin)
