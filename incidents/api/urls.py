"""Paths of incidents and what tells of them below /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from incidents.api.alert_rules import AlertRuleViewSet
from incidents.api.channels import ChannelViewSet
from incidents.api.deliveries import DeliveryViewSet
from incidents.api.incidents import IncidentViewSet

router = SimpleRouter(trailing_slash=False)
router.register("incidents", IncidentViewSet, basename="incident")
router.register("channels", ChannelViewSet, basename="channel")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("deliveries", DeliveryViewSet, basename="delivery")
urlpatterns = router.urls
