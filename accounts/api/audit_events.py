"""`/api/v1/audit-events`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.filtering import InstantFilter, narrow
from accounts.api.pagination import PageOrder, parse_instant
from accounts.api.views import TenantViewSet
from accounts.audit_log import changed_fields
from accounts.models import AuditEvent, Scope

BY_TIME = PageOrder((("at", parse_instant), ("id", UUID)))
AUDIT_FILTERS = [
    OpenApiParameter("actor", OpenApiTypes.STR, description="An address, or `key ` and its name."),
    OpenApiParameter("action", OpenApiTypes.STR, description="For example `monitor.updated`."),
    OpenApiParameter("kind", OpenApiTypes.STR, description="For example `monitor`."),
    OpenApiParameter("thing", OpenApiTypes.STR, description="The id of what was changed."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="Done at this time or later."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Done before this time."),
]


class AuditEventFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What the list can be narrowed to."""

    actor = django_filters.CharFilter(lookup_expr="iexact")
    action = django_filters.CharFilter()
    kind = django_filters.CharFilter()
    thing = django_filters.CharFilter(method="of_thing")
    since = InstantFilter(field_name="at", lookup_expr="gte")
    until = InstantFilter(field_name="at", lookup_expr="lt")

    def of_thing(self, rows: Any, name: str, value: str) -> Any:
        """Return the events of one thing; none for what is no id."""
        try:
            return rows.filter(thing_id=UUID(value))
        except ValueError:
            return rows.none()


class AuditEventSerializer(serializers.Serializer[Any]):
    """What somebody did to one thing: the fields that changed, secrets as `(hidden)`."""

    id = serializers.UUIDField(read_only=True)
    at = serializers.DateTimeField(read_only=True)
    actor = serializers.CharField(read_only=True)
    by = serializers.ChoiceField(["member", "key", "staff"], read_only=True)
    address = serializers.CharField(read_only=True, help_text="Where from; empty if unknown.")
    request = serializers.UUIDField(read_only=True, help_text="One for all that a request did.")
    action = serializers.CharField(read_only=True)
    kind = serializers.CharField(read_only=True)
    thing = serializers.UUIDField(source="thing_id", read_only=True)
    name = serializers.CharField(source="thing_name", read_only=True)
    before = serializers.DictField(read_only=True, help_text="Empty for what was created.")
    after = serializers.DictField(read_only=True, help_text="Empty for what was deleted.")

    def to_representation(self, event: AuditEvent) -> dict[str, Any]:
        """Return the event, without what was written again as it was."""
        shown: dict[str, Any] = super().to_representation(event)
        shown["before"], shown["after"] = changed_fields(event)
        return shown


class AuditEventViewSet(TenantViewSet):
    """Who did what."""

    resource = "audit_events"
    singular = "audit_event"
    read_scope = Scope.ADMIN

    @extend_schema(parameters=AUDIT_FILTERS, responses=AuditEventSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List what people and keys did, newest first. Nothing can change it."""
        self.page_order = BY_TIME
        rows = narrow(AuditEventFilters, AuditEvent.objects.all(), request.query_params)
        return self.get_paginated_response(AuditEventSerializer(self.page(rows), many=True).data)
