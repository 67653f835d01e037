"""`/api/v1/status-pages/{id}/templates`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import StrictSerializer, StrictText
from accounts.api.views import TenantViewSet
from statuspages.api.fields import ImpactField, PostStatusField
from statuspages.api.posts import MOST_BODY
from statuspages.api.refusals import refusals
from statuspages.models import PostTemplate, StatusPage
from statuspages.services import templates

_ONE = OpenApiParameter("template", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)


class PostTemplateSerializer(StrictSerializer):
    """Words for a post or an update."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    title = StrictText(max_length=200, required=False, allow_blank=True)
    status = PostStatusField(required=False)
    impact = ImpactField(required=False)
    body = StrictText(max_length=MOST_BODY, required=False, allow_blank=True, help_text="Markdown.")

    def to_representation(self, template: PostTemplate) -> dict[str, Any]:
        """Return the template."""
        names = ("name", "title", "status", "impact", "body")
        return {"id": str(template.pk), **{name: getattr(template, name) for name in names}}


@extend_schema_view(
    retrieve=extend_schema(parameters=[_ONE]),
    partial_update=extend_schema(parameters=[_ONE]),
    destroy=extend_schema(parameters=[_ONE]),
)
class PostTemplateViewSet(TenantViewSet):
    """Words for posts that were found before they are needed."""

    resource = "status_page_templates"
    singular = "status_page_template"
    conflicts = ("create", "partial_update")
    lookup_url_kwarg = "template"

    @extend_schema(responses=PostTemplateSerializer(many=True))
    def list(self, request: Request, **kwargs: str) -> Response:
        """List templates, newest first."""
        rows = self.page(PostTemplate.objects.filter(page=self._page()))
        return self.get_paginated_response(PostTemplateSerializer(rows, many=True).data)

    @extend_schema(request=PostTemplateSerializer, responses={201: PostTemplateSerializer})
    def create(self, request: Request, **kwargs: str) -> Response:
        """Keep words for later."""
        page = self._page()
        fields = self.read_body(PostTemplateSerializer)
        with refusals("template"):
            template = templates.create_template(page=page, **fields)
        return Response(PostTemplateSerializer(template).data, status=201)

    @extend_schema(responses=PostTemplateSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a template."""
        return Response(PostTemplateSerializer(self._find()).data)

    @extend_schema(request=PostTemplateSerializer, responses=PostTemplateSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a template."""
        template = self._find()
        fields = self.read_body(PostTemplateSerializer, partial=True)
        with refusals("template"):
            template = templates.update_template(template=template, **fields)
        return Response(PostTemplateSerializer(template).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a template."""
        templates.delete_template(template=self._find())
        return Response(status=204)

    def _page(self) -> StatusPage:
        return self.find(StatusPage.objects.all())

    def _find(self) -> PostTemplate:
        return get_object(PostTemplate.objects.filter(page=self._page()), self.kwargs["template"])
