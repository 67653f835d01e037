"""`/api/v1/status-pages/{id}/components`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import (
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictSerializer,
    StrictText,
)
from accounts.api.pagination import PageOrder, parse_integer
from accounts.api.views import TenantViewSet
from statuspages.api.fields import ComponentStatusField, MonitorsField
from statuspages.api.refusals import refusals
from statuspages.models import Component, StatusPage
from statuspages.models.components import Rule
from statuspages.services import components

_ONE = OpenApiParameter("component", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
# Those without a group come first, as on the page.
IN_ORDER = PageOrder(
    (("place", parse_integer), ("position", parse_integer), ("pk", UUID)), descending=False
)


class StatusPageComponentSerializer(StrictSerializer):
    """One line of a page."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    description = StrictText(max_length=500, required=False, allow_blank=True)
    group = StrictText(
        max_length=120,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="The heading that it stands under; made when it is first named.",
    )
    position = StrictInteger(
        required=False,
        help_text="Insertion index within its group; later ones shift. The end unless given.",
    )
    monitors = MonitorsField(required=False)
    rule = StrictChoice(
        Rule.choices,
        required=False,
        help_text="How many monitors must be down for a major outage; fewer are a partial one.",
    )
    status = ComponentStatusField(
        required=False,
        allow_null=True,
        help_text="Set by hand; null: automatic.",
    )
    current_status = ComponentStatusField(read_only=True)
    show_uptime = StrictBoolean(required=False)
    show_latency = StrictBoolean(required=False)

    def to_representation(self, component: Component) -> dict[str, Any]:
        """Return the component."""
        links = sorted(component.monitor_links.all(), key=lambda link: link.pk)
        return {
            "id": str(component.pk),
            "name": component.name,
            "description": component.description,
            "group": component.group.name if component.group else None,
            "position": component.position,
            "monitors": [str(link.monitor_id) for link in links],
            "rule": component.rule,
            "status": component.manual_status or None,
            "current_status": component.status,
            "show_uptime": component.show_uptime,
            "show_latency": component.show_latency,
        }


@extend_schema_view(
    retrieve=extend_schema(parameters=[_ONE]),
    partial_update=extend_schema(parameters=[_ONE]),
    destroy=extend_schema(parameters=[_ONE]),
)
class StatusPageComponentViewSet(TenantViewSet):
    """The components of a page."""

    resource = "status_page_components"
    singular = "status_page_component"
    live_fields = ("current_status",)
    conflicts = ("create", "partial_update")
    lookup_url_kwarg = "component"
    page_order = IN_ORDER

    @extend_schema(responses=StatusPageComponentSerializer(many=True))
    def list(self, request: Request, **kwargs: str) -> Response:
        """List components as they stand: first those without a group."""
        rows = (
            _rows()
            .filter(page=self._page())
            .annotate(place=Coalesce(F("group__position"), Value(-1)))
        )
        shown = StatusPageComponentSerializer(self.page(rows), many=True)
        return self.get_paginated_response(shown.data)

    @extend_schema(
        request=StatusPageComponentSerializer, responses={201: StatusPageComponentSerializer}
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        """Add a component."""
        page = self._page()
        fields = self.read_body(StatusPageComponentSerializer)
        with refusals("component"):
            made = components.create_component(page=page, **fields)
        return _answer(made, status=201)

    @extend_schema(responses=StatusPageComponentSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a component."""
        return _answer(self._find())

    @extend_schema(request=StatusPageComponentSerializer, responses=StatusPageComponentSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a component, or move it."""
        component = self._find()
        fields = self.read_body(StatusPageComponentSerializer, partial=True)
        with refusals("component"):
            component = components.update_component(component=component, **fields)
        return _answer(component)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a component and its history."""
        components.delete_component(component=self._find())
        return Response(status=204)

    def _page(self) -> StatusPage:
        return self.find(StatusPage.objects.all())

    def _find(self) -> Component:
        return get_object(_rows().filter(page=self._page()), self.kwargs["component"])


def _rows() -> QuerySet[Component]:
    return Component.objects.select_related("group").prefetch_related("monitor_links")


def _answer(component: Component, *, status: int = 200) -> Response:
    shown = StatusPageComponentSerializer(get_object(_rows(), component.pk))
    return Response(shown.data, status=status)
