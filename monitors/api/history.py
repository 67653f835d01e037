"""What a monitor was sent and how it stood: results, transitions, uptime."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PageOrder, parse_instant, parse_integer
from accounts.api.views import TenantViewSet
from monitors.api.export import export_results
from monitors.api.filters import RESULT_FILTERS, filter_results, read_days
from monitors.api.serializers import ResultSerializer, TransitionSerializer, UptimeSerializer
from monitors.history import shown_results
from monitors.models import Monitor, PushResult, Transition
from monitors.queries import current_gaps, database_now
from monitors.uptime import Change, measure_uptime

DEFAULT_DAYS = 30
MOST_DAYS = 90
MOST_GAPS = 100
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
    def results(self, request: Request, **kwargs: str) -> HttpResponseBase:
        """List the pushes of a monitor, newest first; `format=csv` gives all of them as a file."""
        if request.query_params.get("format") == "csv":
            return self._export(request, "csv")
        page = self.page(self._results(request, self.find(Monitor.objects.all())))
        return self.get_paginated_response(ResultSerializer(page, many=True).data)

    @extend_schema(
        operation_id="export_monitor_results_csv",
        parameters=RESULT_FILTERS,
        responses={(200, "text/csv"): str},
    )
    @action(detail=True, url_path=r"results\.csv")
    def results_csv(self, request: Request, **kwargs: str) -> HttpResponseBase:
        """Export the pushes of a monitor as CSV, newest first, in one answer.

        A text that a spreadsheet would take for a formula has an apostrophe in front.
        """
        return self._export(request, "csv")

    @extend_schema(
        operation_id="export_monitor_results_json",
        parameters=RESULT_FILTERS,
        responses=ResultSerializer(many=True),
    )
    @action(detail=True, url_path=r"results\.json", pagination_class=None)
    def results_json(self, request: Request, **kwargs: str) -> HttpResponseBase:
        """Export the pushes of a monitor as one JSON list, newest first."""
        return self._export(request, "json")

    def _results(self, request: Request, monitor: Monitor) -> QuerySet[PushResult]:
        results = PushResult.objects.filter(monitor=monitor)
        shown = shown_results(results, team=self.access.team, now=database_now())
        return filter_results(shown, request.query_params)

    def _export(self, request: Request, form: str) -> HttpResponseBase:
        monitor = self.find(Monitor.objects.all())
        return export_results(
            monitor,
            self._results(request, monitor),
            form=form,
            order=BY_RECEIPT,
            until=database_now(),
        )

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer what the path or `format` asks for: a download asks for no type of ours."""
        exports = self.action in ("results_csv", "results_json")
        as_csv = self.action == "results" and request.query_params.get("format") == "csv"
        if exports or as_csv:
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)

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
                "days",
                {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": DEFAULT_DAYS},
                description="How far back.",
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
            "not_listening": [
                {"from": max(gap.started_at, start), "to": gap.ended_at}
                for gap in reversed(current_gaps(now=now, since=start)[-MOST_GAPS:])
            ],
        }
        return Response(UptimeSerializer(body).data)


def _changes_since(monitor: Monitor, start: datetime) -> list[Change]:
    rows = Transition.objects.filter(monitor=monitor, at__gt=start).order_by("id")
    return [Change(*row) for row in rows.values_list("at", "from_state", "to_state")]
