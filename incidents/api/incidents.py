"""`/api/v1/incidents`."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from incidents.api.action_bodies import AssignSerializer, NoteSerializer, SnoozeSerializer
from incidents.api.filters import filter_by_id, filter_by_state
from incidents.api.serializers import IncidentDetailSerializer, IncidentSerializer
from incidents.lifecycle import actions
from incidents.models import Incident, IncidentState, Notification, TimelineEvent

_FILTERS = [
    OpenApiParameter("state", OpenApiTypes.STR, enum=list(IncidentState.values)),
    OpenApiParameter("monitor", OpenApiTypes.STR, description="The id of a monitor."),
    OpenApiParameter("search", OpenApiTypes.STR, description="Part of a name or summary."),
]


class IncidentViewSet(TenantViewSet):
    """The team's incidents: opened by monitors, acknowledged and resolved by people or recovery."""

    resource = "incidents"
    singular = "incident"
    conflicts = ("acknowledge", "resolve", "snooze", "assign")

    @extend_schema(parameters=_FILTERS, responses=IncidentSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List incidents, newest first."""
        query = request.query_params
        incidents = filter_by_state(Incident.objects.all(), query, IncidentState.values)
        if text := query.get("search"):
            named = Q(monitor_name__icontains=text) | Q(summary__icontains=text)
            incidents = incidents.filter(named)
        page = self.page(filter_by_id(incidents, query, "monitor"))
        return self.get_paginated_response(IncidentSerializer(page, many=True).data)

    @extend_schema(responses=IncidentDetailSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read an incident with its timeline and who was told."""
        return self._answer()

    @extend_schema(request=None, responses=IncidentDetailSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, **kwargs: str) -> Response:
        """Say that somebody is on it: no further page. Doing it twice changes nothing."""
        return self._act(actions.acknowledge_incident)

    @extend_schema(request=None, responses=IncidentDetailSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, **kwargs: str) -> Response:
        """End an incident by hand."""
        return self._act(actions.resolve_incident)

    @extend_schema(request=SnoozeSerializer, responses=IncidentDetailSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, **kwargs: str) -> Response:
        """Acknowledge an incident for a time; if it lasts, paging starts anew after it."""
        self.find(Incident.objects.all())
        return self._act(actions.snooze_incident, **self.read_body(SnoozeSerializer))

    @extend_schema(request=AssignSerializer, responses=IncidentDetailSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, **kwargs: str) -> Response:
        """Hand an incident to a member or a policy, which is paged now instead of the others."""
        self.find(Incident.objects.all())
        return self._act(actions.assign_incident, **self.read_body(AssignSerializer))

    @extend_schema(
        operation_id="add_incident_note", request=NoteSerializer, responses=IncidentDetailSerializer
    )
    @action(detail=True, methods=["post"])
    def notes(self, request: Request, **kwargs: str) -> Response:
        """Add a note to the timeline, of a resolved incident too."""
        incident = self.find(Incident.objects.all())
        body = self.read_body(NoteSerializer)
        actions.add_note(incident=incident, actor=self.access.actor, text=body["text"])
        return self._answer()

    def _act(self, act: Any, **fields: Any) -> Response:
        incident = self.find(Incident.objects.all())
        try:
            act(incident=incident, actor=self.access.actor, **fields)
        except actions.AlreadyResolved as error:
            raise Conflict("This incident is resolved already.") from error
        return self._answer()

    def _answer(self) -> Response:
        notifications = Notification.objects.select_related("delivery").order_by("created_at", "id")
        incidents = Incident.objects.prefetch_related(
            Prefetch("timeline", TimelineEvent.objects.order_by("at", "id")),
            Prefetch("notifications", notifications),
        )
        return Response(IncidentDetailSerializer(self.find(incidents)).data)
