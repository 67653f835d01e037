"""Paths of the monitors below /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from monitors.api.monitors import MonitorViewSet

router = SimpleRouter(trailing_slash=False)
router.register("monitors", MonitorViewSet, basename="monitor")
urlpatterns = router.urls
