"""Paths of status pages below /api/v1/."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from statuspages.api.components import StatusPageComponentViewSet
from statuspages.api.domains import PageDomainViewSet
from statuspages.api.pages import StatusPageViewSet
from statuspages.api.posts import StatusPagePostViewSet
from statuspages.api.subscribers import StatusPageSubscriberViewSet
from statuspages.api.templates import PostTemplateViewSet
from statuspages.api.updates import PostUpdateViewSet

_PAGE = r"status-pages/(?P<id>[^/]+)"

router = SimpleRouter(trailing_slash=False)
router.register("status-pages", StatusPageViewSet, basename="status-page")
router.register(f"{_PAGE}/components", StatusPageComponentViewSet, basename="page-component")
router.register(f"{_PAGE}/posts", StatusPagePostViewSet, basename="page-post")
router.register(
    rf"{_PAGE}/posts/(?P<post>[^/]+)/updates", PostUpdateViewSet, basename="page-update"
)
router.register(f"{_PAGE}/subscribers", StatusPageSubscriberViewSet, basename="page-subscriber")
router.register(f"{_PAGE}/templates", PostTemplateViewSet, basename="page-template")
router.register("status-pages", PageDomainViewSet, basename="page-domain")
urlpatterns = router.urls
