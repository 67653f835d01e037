"""`/api/v1/namespaces`."""

from __future__ import annotations

import django_filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import teams
from accounts.api.fields import SlugText, StrictSerializer
from accounts.api.filtering import narrow
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from accounts.models import Namespace


class NamespaceFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What the list can be narrowed to."""

    name = django_filters.CharFilter()


class NamespaceSerializer(StrictSerializer):
    """A name that the team's monitors live under; no other team has it."""

    id = serializers.UUIDField(read_only=True)
    name = SlugText()
    created_at = serializers.DateTimeField(read_only=True)


class NamespaceViewSet(TenantViewSet):
    """The team's namespaces. They cannot be renamed: pushes are addressed to them."""

    resource = "namespaces"
    singular = "namespace"
    conflicts = ("create", "destroy")

    @extend_schema(
        parameters=[OpenApiParameter("name", OpenApiTypes.STR, description="The exact name.")],
        responses=NamespaceSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """List the team's namespaces, newest first."""
        rows = narrow(NamespaceFilters, Namespace.objects.all(), request.query_params)
        return self.get_paginated_response(NamespaceSerializer(self.page(rows), many=True).data)

    @extend_schema(request=NamespaceSerializer, responses={201: NamespaceSerializer})
    def create(self, request: Request) -> Response:
        """Claim a free name. 409 for one that is taken, by whichever team."""
        fields = self.read_body(NamespaceSerializer)
        try:
            namespace = teams.create_namespace(team=self.access.team, name=fields["name"])
        except teams.NameTaken as error:
            raise Conflict("This name is taken.") from error
        return Response(NamespaceSerializer(namespace).data, status=201)

    @extend_schema(responses=NamespaceSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a namespace."""
        return Response(NamespaceSerializer(self.find(Namespace.objects.all())).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Give an empty namespace back. 409 while it holds anything, and for the team's own."""
        namespace = self.find(Namespace.objects.select_related("team"))
        try:
            teams.delete_namespace(namespace=namespace)
        except teams.InUse as error:
            raise Conflict(str(error)) from error
        return Response(status=204)
