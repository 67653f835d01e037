"""`/api/v1/status-pages/{id}/posts/{post}/updates`."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.pagination import PageOrder, parse_instant
from accounts.api.views import TenantViewSet
from statuspages.api.posts import POST, PostUpdateSerializer
from statuspages.api.refusals import refusals, refuse
from statuspages.models import Post, PostUpdate, StatusPage
from statuspages.services import posts

_ONE = OpenApiParameter("update", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
LATEST_FIRST = PageOrder((("at", parse_instant), ("pk", UUID)))


@extend_schema_view(
    list=extend_schema(parameters=[POST]),
    create=extend_schema(parameters=[POST]),
    retrieve=extend_schema(parameters=[POST, _ONE]),
    partial_update=extend_schema(parameters=[POST, _ONE]),
    destroy=extend_schema(parameters=[POST, _ONE]),
)
class PostUpdateViewSet(TenantViewSet):
    """The updates of a post, which say how it goes."""

    resource = "status_page_updates"
    singular = "status_page_update"
    conflicts = ("create", "destroy")
    lookup_url_kwarg = "update"
    page_order = LATEST_FIRST

    @extend_schema(responses=PostUpdateSerializer(many=True))
    def list(self, request: Request, **kwargs: str) -> Response:
        """List updates, the latest first."""
        rows = self.page(PostUpdate.objects.filter(post=self._post()))
        return self.get_paginated_response(PostUpdateSerializer(rows, many=True).data)

    @extend_schema(request=PostUpdateSerializer, responses={201: PostUpdateSerializer})
    def create(self, request: Request, **kwargs: str) -> Response:
        """Say how it goes. A person's word takes an automatic incident over."""
        post = self._post()
        fields = self.read_body(PostUpdateSerializer, page=post.page)
        fields["components"] = fields.pop("component_statuses", None)
        with refusals():
            update = posts.add_update(post=post, actor=self.access.actor, **fields)
        return Response(PostUpdateSerializer(update).data, status=201)

    @extend_schema(responses=PostUpdateSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read an update."""
        return Response(PostUpdateSerializer(self._find()).data)

    @extend_schema(request=PostUpdateSerializer, responses=PostUpdateSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Correct an update; subscribers are not told again."""
        update = self._find()
        fields = self.read_body(PostUpdateSerializer, partial=True, page=update.post.page)
        for name in ("component_statuses", "notify"):
            if name in fields:
                raise refuse(name, "Is said when an update is made.")
        with refusals():
            update = posts.edit_update(update=update, actor=self.access.actor, **fields)
        return Response(PostUpdateSerializer(update).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Take an update back. The only one stays: 409."""
        with refusals():
            posts.delete_update(update=self._find(), actor=self.access.actor)
        return Response(status=204)

    def _post(self) -> Post:
        page = self.find(StatusPage.objects.all())
        rows = Post.objects.select_related("page").filter(page=page)
        return get_object(rows, self.kwargs["post"])

    def _find(self) -> PostUpdate:
        rows = PostUpdate.objects.select_related("post__page").filter(post=self._post())
        return get_object(rows, self.kwargs["update"])
