"""`/api/v1/maintenances`: planned time in which no incident opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import ReferenceField, StrictSerializer, StrictText, no_such
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from incidents.api.fields import InstantField, ListField, show_instant
from incidents.maintenance import announcing, maintenances
from incidents.maintenance.reading import next_span, with_standing
from incidents.maintenance.recurrence import MOST_RULE, BadWindow
from incidents.models import Maintenance, MaintenanceMonitor
from monitors.api.fields import LabelsField
from monitors.models import Monitor
from monitors.queries import database_now

MOST_MONITORS = 1000
FILTERS = [
    OpenApiParameter("active", OpenApiTypes.BOOL, description="Whether it is on now."),
    OpenApiParameter(
        "monitor", OpenApiTypes.STR, description="The id of a monitor that it covers."
    ),
]


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "format": "uuid"},
        "maxItems": MOST_MONITORS,
    }
)
class MonitorsField(ListField):
    """Ids of monitors, each once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=ReferenceField(), most=MOST_MONITORS, **options)

    def to_internal_value(self, data: Any) -> list[Monitor]:
        """Return the monitors. Raises ValidationError for ids that are not the team's."""
        ids: list[UUID | None] = super().to_internal_value(data)
        found = Monitor.objects.in_bulk([pk for pk in ids if pk])
        errors = {index: [no_such("monitor")] for index, pk in enumerate(ids) if pk not in found}
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]
        return [found[pk] for pk in dict.fromkeys(ids) if pk]


@extend_schema_field({"type": "string", "format": "uuid"})
class StatusPageField(ReferenceField):
    """The id of a status page that announces the window."""

    def to_internal_value(self, data: Any) -> UUID | None:
        """Return the id. Raises ValidationError for one that is not the team's."""
        page_id = super().to_internal_value(data)
        if page_id is None or announcing.find_page(page_id) is None:
            raise ValidationError([no_such("status page")])
        return page_id


class SpanSerializer(serializers.Serializer[Any]):
    """One occurrence: [starts_at, ends_at)."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()


class MaintenanceSerializer(StrictSerializer):
    """A window, for the monitors named and for those that carry all the labels."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    monitors = MonitorsField(required=False)
    labels = LabelsField(required=False)
    starts_at = InstantField(help_text="The start of the first occurrence.")
    ends_at = InstantField(help_text="The end of the first; others last as long.")
    rrule = StrictText(
        max_length=MOST_RULE,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="RFC 5545: FREQ of DAILY, WEEKLY, MONTHLY or YEARLY with INTERVAL, COUNT, UNTIL, "
        "BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS, WKST. Empty: once.",
    )
    timezone = StrictText(
        max_length=64,
        required=False,
        help_text="On whose wall clock occurrences begin. UTC unless given.",
    )
    status_page = StatusPageField(
        required=False,
        allow_null=True,
        help_text="Where each occurrence of the next 14 days is announced.",
    )
    active = serializers.BooleanField(read_only=True, help_text="Whether it is on now.")
    next = SpanSerializer(
        read_only=True, allow_null=True, help_text="The next occurrence that has not begun."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as the services take them."""
        if "rrule" in attrs and attrs["rrule"] is None:
            attrs["rrule"] = ""
        return attrs

    def to_representation(self, maintenance: Any) -> dict[str, Any]:
        """Return the window, as `with_standing` reads it."""
        page_id = maintenance.status_page_id
        return {
            "id": str(maintenance.pk),
            "name": maintenance.name,
            "monitors": [str(link.monitor_id) for link in maintenance.monitor_links.all()],
            "labels": maintenance.labels,
            "starts_at": show_instant(maintenance.starts_at),
            "ends_at": show_instant(maintenance.ends_at),
            "rrule": maintenance.rrule,
            "timezone": maintenance.timezone,
            "status_page": str(page_id) if page_id else None,
            "active": maintenance.active,
            "next": _show_next(maintenance, self.context["now"]),
        }


class MaintenanceViewSet(TenantViewSet):
    """The team's maintenance windows."""

    resource = "maintenances"
    singular = "maintenance"
    live_fields = ("active", "next")
    conflicts = ("create", "partial_update")

    @extend_schema(parameters=FILTERS, responses=MaintenanceSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List windows, the newest first, whether they are over or not."""
        now = database_now()
        rows = self.page(_filtered(with_standing(now), request))
        shown = MaintenanceSerializer(rows, many=True, context={"now": now}).data
        return self.get_paginated_response(shown)

    @extend_schema(request=MaintenanceSerializer, responses={201: MaintenanceSerializer})
    def create(self, request: Request) -> Response:
        """Plan a window. It needs a monitor or a label."""
        fields = self.read_body(MaintenanceSerializer)
        with _refusals():
            made = maintenances.create_maintenance(team=self.access.team, **fields)
        return _answer(made.pk, status=201)

    @extend_schema(responses=MaintenanceSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a window."""
        return _answer(self.kwargs["id"])

    @extend_schema(request=MaintenanceSerializer, responses=MaintenanceSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a window. What is over stays; what goes on follows the new definition at once."""
        found = self.find(Maintenance.objects.all())
        fields = self.read_body(MaintenanceSerializer, partial=True)
        with _refusals():
            maintenances.update_maintenance(maintenance=found, **fields)
        return _answer(found.pk)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a window. A monitor that is down inside it opens its incident then."""
        maintenances.delete_maintenance(maintenance=self.find(Maintenance.objects.all()))
        return Response(status=204)


def _show_next(maintenance: Any, now: datetime) -> dict[str, str] | None:
    span = next_span(maintenance, now)
    if span is None:
        return None
    return {"starts_at": show_instant(span[0]), "ends_at": show_instant(span[1])}


def _filtered(rows: QuerySet[Maintenance], request: Request) -> QuerySet[Maintenance]:
    query = request.query_params
    if (active := query.get("active")) is not None:
        if active not in ("true", "false"):
            detail = ErrorDetail("Must be true or false.", code="invalid")
            raise ValidationError({"active": [detail]})
        rows = rows.filter(Q(active=active == "true"))
    if monitor_id := query.get("monitor"):
        try:
            monitor = Monitor.objects.filter(pk=UUID(monitor_id)).first()
        except ValueError:
            monitor = None
        if monitor is None:
            return rows.none()
        named = MaintenanceMonitor.objects.filter(maintenance=OuterRef("pk"), monitor=monitor)
        by_label = Q(labels__contained_by=monitor.labels) & ~Q(labels={})
        rows = rows.filter(Exists(named) | by_label)
    return rows


def _answer(pk: str | UUID, *, status: int = 200) -> Response:
    now = database_now()
    found = get_object(with_standing(now), pk)
    return Response(MaintenanceSerializer(found, context={"now": now}).data, status=status)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except maintenances.DuplicateName as error:
        raise Conflict("The team has a maintenance window of this name.") from error
    except maintenances.NothingChosen as error:
        text = "Name at least one monitor or one label."
        raise ValidationError({"monitors": [ErrorDetail(text, code="required")]}) from error
    except maintenances.MonitorGone as error:
        raise ValidationError({"monitors": [no_such("monitor")]}) from error
    except maintenances.PageGone as error:
        raise ValidationError({"status_page": [no_such("status page")]}) from error
    except BadWindow as error:
        detail = ErrorDetail(str(error), code="invalid")
        raise ValidationError({error.field: [detail]}) from error
