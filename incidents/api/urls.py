"""Paths of incidents and what tells of them below /api/v1/."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from incidents.api.alert_rules import AlertRuleViewSet
from incidents.api.channels import ChannelViewSet
from incidents.api.contact_methods import ContactMethodViewSet
from incidents.api.deliveries import DeliveryViewSet
from incidents.api.dry_run import DryRunViewSet
from incidents.api.incidents import IncidentViewSet
from incidents.api.maintenances import MaintenanceViewSet
from incidents.api.overrides import OverrideViewSet
from incidents.api.policies import PolicyViewSet
from incidents.api.rotations import RotationViewSet, calendar

router = SimpleRouter(trailing_slash=False)
router.register("incidents", IncidentViewSet, basename="incident")
router.register("channels", ChannelViewSet, basename="channel")
router.register("alert-rules/dry-run", DryRunViewSet, basename="dry-run")
router.register("contact-methods", ContactMethodViewSet, basename="contact-method")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("escalation-policies", PolicyViewSet, basename="escalation-policy")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("maintenances", MaintenanceViewSet, basename="maintenance")
router.register("rotations", RotationViewSet, basename="rotation")
router.register(r"rotations/(?P<id>[^/]+)/overrides", OverrideViewSet, basename="override")
urlpatterns = [path("rotations/<str:rotation_id>/calendar.ics", calendar), *router.urls]
