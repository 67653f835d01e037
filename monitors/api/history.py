"""What a monitor was sent and how it stood: results, transitions, uptime."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PageOrder, parse_instant, parse_integer
from accounts.api.views import TenantViewSet
from monitors.api.filters import RESULT_FILTERS, filter_results, read_days
from monitors.api.serializers import ResultSerializer, TransitionSerializer, UptimeSerializer
from monitors.models import Monitor, PushResult, Transition
from monitors.queries import database_now
from monitors.uptime import Change, measure_uptime

DEFAULT_DAYS = 30
MOST_DAYS = 90
BY_RECEIPT = PageOrder((("received_at", parse_instant), ("id", UUID)))
BY_SEQUENCE = PageOrder((("id", parse_integer),))


class MonitorHistory(TenantViewSet):
    """The lists below a monitor."""

    @extend_schema(
        operation_id="list_monitor_results",
        parameters=RESULT_FILTERS,
        responses=ResultSerializer(many=True),
    )
    @action(detail=True, page_order=BY_RECEIPT)
    def results(self, request: Request, **kwargs: str) -> Response:
        """List the pushes of a monitor, newest first."""
        monitor = self.find(Monitor.objects.all())
        results = PushResult.objects.filter(monitor=monitor)
        page = self.page(filter_results(results, request.query_params))
        return self.get_paginated_response(ResultSerializer(page, many=True).data)

    @extend_schema(
        operation_id="list_monitor_transitions", responses=TransitionSerializer(many=True)
    )
    @action(detail=True, page_order=BY_SEQUENCE)
    def transitions(self, request: Request, **kwargs: str) -> Response:
        """List the changes of a monitor's state, newest first."""
        monitor = self.find(Monitor.objects.all())
        page = self.page(Transition.objects.filter(monitor=monitor))
        return self.get_paginated_response(TransitionSerializer(page, many=True).data)

    @extend_schema(
        operation_id="read_monitor_uptime",
        parameters=[
            OpenApiParameter(
                "days", OpenApiTypes.INT, description=f"1 to {MOST_DAYS}, default {DEFAULT_DAYS}."
            )
        ],
        responses=UptimeSerializer,
    )
    @action(detail=True)
    def uptime(self, request: Request, **kwargs: str) -> Response:
        """Measure how much of the last days a monitor was up, since its creation at most."""
        monitor = self.find(Monitor.objects.select_related("heartbeat"))
        days = read_days(request.query_params, default=DEFAULT_DAYS, most=MOST_DAYS)
        now = database_now()
        start = min(max(now - timedelta(days=days), monitor.created_at), now)
        found = measure_uptime(
            _changes_since(monitor, start), start=start, end=now, state=monitor.heartbeat.state
        )
        body = {
            "days": days,
            "from": start,
            "to": now,
            "uptime": None if found.ratio is None else round(found.ratio, 6),
            "down_seconds": round(found.down_seconds),
            "known_seconds": round(found.known_seconds),
        }
        return Response(UptimeSerializer(body).data)


def _changes_since(monitor: Monitor, start: datetime) -> list[Change]:
    rows = Transition.objects.filter(monitor=monitor, at__gt=start).order_by("id")
    return [Change(*row) for row in rows.values_list("at", "from_state", "to_state")]
