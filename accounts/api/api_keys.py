"""`/api/v1/api-keys`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.timezone import now as clock
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import StrictChoice, StrictSerializer, StrictText, refuse_changes
from accounts.api.pagination import parse_instant
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from accounts.keys import KeyNameTaken, create_api_key, rename_api_key, revoke_api_key
from accounts.models import ApiKey, Membership, Scope

MOST_NAME = 120
_TAKEN = "The team has a live key of this name."


@extend_schema_field({"type": "string", "enum": Scope.values}, component_name="Scope")
class ScopeField(StrictChoice):
    """What a key may do: each word includes those before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=Scope.values, **options)


@extend_schema_field({"type": "string", "format": "date-time"})
class InstantField(serializers.Field[Any, Any, Any, Any]):
    """A time with an offset."""

    def to_internal_value(self, data: Any) -> datetime:
        """Return the instant. Raises ValidationError."""
        try:
            if isinstance(data, str) and len(data) <= 64:
                return parse_instant(data)
        except (ValueError, OverflowError):
            pass
        raise ValidationError("Must be an ISO 8601 time with an offset or Z.", code="invalid")

    def to_representation(self, value: datetime) -> Any:
        """Return the instant in UTC."""
        return serializers.DateTimeField().to_representation(value)


class ApiKeySerializer(StrictSerializer):
    """A key of the team's scripts; its text is kept as a hash alone."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=MOST_NAME)
    scope = ScopeField(required=False, help_text="`read` unless given; at most the caller's.")
    prefix = serializers.CharField(read_only=True, help_text="The key is `tk_<prefix>_…`.")
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True)
    expires_at = InstantField(
        required=False, allow_null=True, help_text="It opens nothing from then on; null for never."
    )
    created_at = serializers.DateTimeField(read_only=True)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Return the time. Raises ValidationError for one that has passed."""
        if value is not None and value <= clock():
            raise ValidationError([ErrorDetail("Must be in the future.", code="min_value")])
        return value


class NewApiKeySerializer(ApiKeySerializer):
    """A key with its text, which is shown at creation and never again."""

    key = serializers.CharField(read_only=True)


class ApiKeyChangeSerializer(StrictSerializer):
    """What can be changed of a key; the rest may be sent back as it was."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=MOST_NAME)
    scope = serializers.CharField(read_only=True)
    prefix = serializers.CharField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class ApiKeyViewSet(TenantViewSet):
    """The keys of the team's scripts."""

    resource = "api_keys"
    singular = "api_key"
    read_scope = Scope.ADMIN
    needed_scope = Scope.ADMIN
    conflicts = ("create", "partial_update")
    live_fields = ("last_used_at",)

    @extend_schema(responses=ApiKeySerializer(many=True))
    def list(self, request: Request) -> Response:
        """List the keys that are not revoked, newest first."""
        return self.get_paginated_response(ApiKeySerializer(self.page(_rows()), many=True).data)

    @extend_schema(request=ApiKeySerializer, responses={201: NewApiKeySerializer})
    def create(self, request: Request) -> Response:
        """Create a key; its text is in this answer and never shown again."""
        fields = self.read_body(ApiKeySerializer)
        scope = Scope(fields.get("scope", Scope.READ))
        if not self.access.allows(scope):
            raise PermissionDenied("A key cannot make one that may do more than itself.")
        user = self.access.user
        try:
            key, text = create_api_key(
                team=self.access.team,
                name=fields["name"],
                scope=scope,
                created_by=Membership.objects.filter(user=user).first() if user else None,
                expires_at=fields.get("expires_at"),
            )
        except KeyNameTaken as error:
            raise Conflict(_TAKEN) from error
        shown = {**ApiKeySerializer(key).data, "key": text}
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(responses=ApiKeySerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a key, without its text."""
        return Response(ApiKeySerializer(self.find(_rows())).data)

    @extend_schema(request=ApiKeyChangeSerializer, responses=ApiKeySerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Rename a key; one that may do more or less, or ends at another time, is another key."""
        key = self.find(_rows())
        fields = self.read_body(ApiKeyChangeSerializer, partial=True)
        refuse_changes(request.data, ApiKeySerializer(key).data, "scope", "expires_at")
        if "name" in fields:
            try:
                rename_api_key(key=key, name=fields["name"])
            except KeyNameTaken as error:
                raise Conflict(_TAKEN) from error
        return Response(ApiKeySerializer(key).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Revoke a key: it opens nothing from now on."""
        revoke_api_key(key=self.find(_rows()), now=clock())
        return Response(status=204)


def _rows() -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(revoked_at=None)
