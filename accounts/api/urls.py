"""Paths of a team's people below /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from accounts.api.invitations import InvitationViewSet
from accounts.api.members import MemberViewSet

router = SimpleRouter(trailing_slash=False)
router.register("members", MemberViewSet, basename="member")
router.register("invitations", InvitationViewSet, basename="invitation")
urlpatterns = router.urls
