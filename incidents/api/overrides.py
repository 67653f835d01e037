"""`/api/v1/rotations/{id}/overrides`: who takes over for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import StrictSerializer, no_such
from accounts.api.pagination import PageOrder, parse_instant
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from accounts.models import Membership
from incidents.api.fields import InstantField, MemberField, show_instant
from incidents.api.rotations import SPAN_PARAMETERS, read_instant
from incidents.models import Rotation, RotationOverride
from incidents.oncall import overrides

_ONE = OpenApiParameter("override", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
IN_TIME = PageOrder((("start", parse_instant), ("pk", UUID)), descending=False)


class RotationOverrideSerializer(StrictSerializer):
    """Somebody who takes over for [start, end). Two of one rotation never overlap."""

    id = serializers.UUIDField(read_only=True)
    start = InstantField()
    end = InstantField()
    member = MemberField(source="membership")

    def to_representation(self, override: RotationOverride) -> dict[str, Any]:
        """Return the override."""
        return {
            "id": str(override.pk),
            "start": show_instant(override.start),
            "end": show_instant(override.end),
            "member": override.membership.user.email,
        }


@extend_schema_view(
    retrieve=extend_schema(parameters=[_ONE]),
    partial_update=extend_schema(parameters=[_ONE]),
    destroy=extend_schema(parameters=[_ONE]),
)
class OverrideViewSet(TenantViewSet):
    """The overrides of a rotation."""

    resource = "rotation_overrides"
    singular = "rotation_override"
    conflicts = ("create", "partial_update")
    lookup_url_kwarg = "override"
    page_order = IN_TIME

    @extend_schema(parameters=SPAN_PARAMETERS, responses=RotationOverrideSerializer(many=True))
    def list(self, request: Request, **kwargs: str) -> Response:
        """List overrides by their start."""
        rows = _rows().filter(rotation=self._rotation())
        if since := read_instant(request, "since"):
            rows = rows.filter(end__gt=since)
        if until := read_instant(request, "until"):
            rows = rows.filter(start__lt=until)
        shown = RotationOverrideSerializer(self.page(rows), many=True)
        return self.get_paginated_response(shown.data)

    @extend_schema(request=RotationOverrideSerializer, responses={201: RotationOverrideSerializer})
    def create(self, request: Request, **kwargs: str) -> Response:
        """Let somebody take over, above all layers."""
        rotation = self._rotation()
        fields = self.read_body(RotationOverrideSerializer)
        with _refusals():
            override = overrides.create_override(
                rotation=rotation, actor=self.access.actor, **fields
            )
        return _answer(override, status=201)

    @extend_schema(responses=RotationOverrideSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read an override."""
        return _answer(self._find())

    @extend_schema(request=RotationOverrideSerializer, responses=RotationOverrideSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change an override."""
        override = self._find()
        fields = self.read_body(RotationOverrideSerializer, partial=True)
        with _refusals():
            override = overrides.update_override(override=override, **fields)
        return _answer(override)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete an override; its time goes back to the layers."""
        overrides.delete_override(override=self._find())
        return Response(status=204)

    def _rotation(self) -> Rotation:
        return self.find(Rotation.objects.all())

    def _find(self) -> RotationOverride:
        return get_object(_rows().filter(rotation=self._rotation()), self.kwargs["override"])


def _rows() -> QuerySet[RotationOverride]:
    return RotationOverride.objects.select_related("rotation", "membership__user")


def _answer(override: RotationOverride, *, status: int = 200) -> Response:
    shown = RotationOverrideSerializer(get_object(_rows(), override.pk))
    return Response(shown.data, status=status)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except overrides.Overlap as error:
        raise Conflict("The rotation has an override that overlaps these times.") from error
    except overrides.EndsTooEarly as error:
        text = "Must be later than start."
        raise ValidationError({"end": [ErrorDetail(text, code="invalid")]}) from error
    except Membership.DoesNotExist as error:
        raise ValidationError({"member": [no_such("member")]}) from error
