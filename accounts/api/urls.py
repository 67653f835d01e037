"""Paths of a team's people, keys and names below /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from accounts.api.api_keys import ApiKeyViewSet
from accounts.api.audit_events import AuditEventViewSet
from accounts.api.invitations import InvitationViewSet
from accounts.api.members import MemberViewSet
from accounts.api.namespaces import NamespaceViewSet

router = SimpleRouter(trailing_slash=False)
router.register("members", MemberViewSet, basename="member")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("namespaces", NamespaceViewSet, basename="namespace")
router.register("audit-events", AuditEventViewSet, basename="audit-event")
urlpatterns = router.urls
