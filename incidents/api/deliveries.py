"""`/api/v1/deliveries`: what went out, and every attempt at it."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import TenantViewSet
from incidents.api.filters import filter_by_id, filter_by_state
from incidents.api.serializers import DeliverySerializer
from incidents.models import Delivery, DeliveryState

_FILTERS = [
    OpenApiParameter("incident", OpenApiTypes.STR, description="The id of an incident."),
    OpenApiParameter("channel", OpenApiTypes.STR, description="The id of a channel."),
    OpenApiParameter("state", OpenApiTypes.STR, enum=list(DeliveryState.values)),
]


class DeliveryViewSet(TenantViewSet):
    """The delivery log."""

    resource = "deliveries"
    singular = "delivery"

    @extend_schema(parameters=_FILTERS, responses=DeliverySerializer(many=True))
    def list(self, request: Request) -> Response:
        """List deliveries, newest first."""
        query = request.query_params
        deliveries = filter_by_state(Delivery.objects.all(), query, DeliveryState.values)
        for name in ("incident", "channel"):
            deliveries = filter_by_id(deliveries, query, name)
        return self.get_paginated_response(
            DeliverySerializer(self.page(deliveries.defer("payload")), many=True).data
        )

    @extend_schema(responses=DeliverySerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a delivery with its attempts."""
        return Response(DeliverySerializer(self.find(Delivery.objects.all())).data)
