"""`/api/v1/monitors`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.problems import Conflict, QuotaReached
from accounts.teams import NameTaken
from monitors import services
from monitors.api.bulk import BulkMonitors
from monitors.api.filters import MONITOR_FILTERS, filter_monitors
from monitors.api.history import MonitorHistory
from monitors.api.serializers import (
    CredentialRotationSerializer,
    MonitorSerializer,
    MonitorWithTokenSerializer,
)
from monitors.models import Monitor
from monitors.queries import database_now, standings, with_standing


class MonitorViewSet(BulkMonitors, MonitorHistory):
    """The team's monitors."""

    resource = "monitors"
    singular = "monitor"
    conflicts = ("create", "partial_update")
    quotas = ("create", "bulk")
    live_fields = ("state", "cause", "last_push_at", "due_at")

    @extend_schema(parameters=MONITOR_FILTERS, responses=MonitorSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List monitors, newest first."""
        monitors = filter_monitors(Monitor.objects.all(), request.query_params)
        page = self.page(with_standing(monitors))
        return self.get_paginated_response(self._show(page))

    @extend_schema(request=MonitorSerializer, responses={201: MonitorWithTokenSerializer})
    def create(self, request: Request) -> Response:
        """Create a monitor; its token is in this answer and never shown again."""
        fields = self.read_body(MonitorSerializer)
        with _refusals():
            monitor, token = services.create_monitor(team=self.access.team, **fields)
        return self._answer(monitor, status=201, token=token)

    @extend_schema(responses=MonitorSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a monitor as it stands."""
        return self._answer(self._find())

    @extend_schema(request=MonitorSerializer, responses=MonitorSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change some fields of a monitor; what is only read may be sent back and is ignored."""
        monitor = self._find()
        fields = self.read_body(MonitorSerializer, partial=True, monitor=monitor)
        if fields:
            with _refusals():
                services.update_monitor(monitor=monitor, **fields)
        return self._answer(monitor)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a monitor; its incident is resolved with that reason."""
        services.delete_monitor(monitor=self._find())
        return Response(status=204)

    @extend_schema(request=None, responses=MonitorSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, **kwargs: str) -> Response:
        """Stop judging a monitor. Its pushes are stored and change nothing."""
        monitor = self._find()
        services.pause_monitor(monitor=monitor)
        return self._answer(monitor)

    @extend_schema(request=None, responses=MonitorSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, **kwargs: str) -> Response:
        """Judge a paused monitor again, with clock and counters restarted."""
        monitor = self._find()
        services.resume_monitor(monitor=monitor)
        return self._answer(monitor)

    @extend_schema(
        operation_id="rotate_monitor_slug",
        request=CredentialRotationSerializer,
        responses=MonitorSerializer,
    )
    @action(detail=True, methods=["post"], url_path="rotate-slug")
    def rotate_slug(self, request: Request, **kwargs: str) -> Response:
        """Give a monitor a new push URL."""
        monitor, body = self._find(), self.read_body(CredentialRotationSerializer)
        services.rotate_slug(monitor=monitor, keep_old_for_seconds=body["keep_old_for"])
        return self._answer(monitor)

    @extend_schema(
        operation_id="rotate_monitor_token",
        request=CredentialRotationSerializer,
        responses=MonitorWithTokenSerializer,
    )
    @action(detail=True, methods=["post"], url_path="rotate-token")
    def rotate_token(self, request: Request, **kwargs: str) -> Response:
        """Give a monitor a new token, which is in this answer and never shown again."""
        monitor, body = self._find(), self.read_body(CredentialRotationSerializer)
        token = services.rotate_token(monitor=monitor, keep_old_for_seconds=body["keep_old_for"])
        return self._answer(monitor, token=token)

    def _find(self) -> Monitor:
        return self.find(Monitor.objects.select_related("team"))

    def _answer(self, monitor: Monitor, *, status: int = 200, **context: Any) -> Response:
        """Return the monitor as it is in the database by now."""
        fresh = get_object(with_standing(Monitor.objects.all()), monitor.pk)
        return Response(self._show([fresh], **context)[0], status=status)

    def _show(self, monitors: Sequence[Monitor], **context: Any) -> Any:
        standing = standings(monitors, now=database_now())
        return MonitorSerializer(
            monitors, many=True, context={"standings": standing, **context}
        ).data


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except NameTaken as error:
        taken = ErrorDetail("This namespace belongs to another team.", code="taken")
        raise ValidationError({"namespace": [taken]}) from error
    except services.DuplicateName as error:
        raise Conflict("A monitor of this name exists in the namespace.") from error
    except services.QuotaExceeded as error:
        raise QuotaReached(
            f"The plan allows {error.quota} monitors, and all of them are used."
        ) from error
