"""`/api/v1/rotations`: who takes turns, and who is on call when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django_scopes import scope, scopes_disabled
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import StrictSerializer, no_such
from accounts.api.pagination import parse_instant
from accounts.api.problems import Conflict, problem_response
from accounts.api.views import TenantViewSet
from accounts.models import Membership
from incidents.api.fields import show_instant
from incidents.api.rotation_fields import (
    NEW_ROTATION,
    OnCallRotationSerializer,
    RotationChangeSerializer,
)
from incidents.models import Rotation
from incidents.oncall import rotations
from incidents.oncall.calendar import calendar_feed, key_opens
from incidents.oncall.loading import load_schedule
from incidents.oncall.schedule import Shift, on_call, shifts
from monitors.queries import database_now

USUAL_SPAN = timedelta(days=30)
LONGEST_SPAN = timedelta(days=400)
_INSTANT = {"type": "string", "format": "date-time"}
SPAN_PARAMETERS = [
    OpenApiParameter("since", _INSTANT, description="Only what ends after this time."),
    OpenApiParameter("until", _INSTANT, description="Only what begins before this time."),
]


class ShiftSerializer(StrictSerializer):
    """A time on call, [start, end)."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    member = serializers.EmailField()


class ShiftsSerializer(StrictSerializer):
    """Shifts in order."""

    results = ShiftSerializer(many=True)


class OnCallSerializer(StrictSerializer):
    """Who is on call at a time, and why; all null for nobody."""

    at = serializers.DateTimeField()
    member = serializers.EmailField(allow_null=True)
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    layer = serializers.IntegerField(allow_null=True, help_text="Its place in `layers`, from 0.")
    override = serializers.UUIDField(allow_null=True)
    results = ShiftSerializer(many=True)


class RotationViewSet(TenantViewSet):
    """The team's rotations."""

    resource = "rotations"
    singular = "rotation"
    conflicts = ("create", "partial_update", "destroy")

    @extend_schema(responses=OnCallRotationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List rotations, newest first."""
        page = self.page(_whole())
        return self.get_paginated_response(OnCallRotationSerializer(page, many=True).data)

    @extend_schema(request=NEW_ROTATION, responses={201: OnCallRotationSerializer})
    def create(self, request: Request) -> Response:
        """Create a rotation. Slot 0 of each layer begins at its hand-off."""
        fields = self.read_body(OnCallRotationSerializer)
        with _refusals():
            rotation = rotations.create_rotation(team=self.access.team, **fields)
        return _answer(rotation, status=201)

    @extend_schema(responses=OnCallRotationSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a rotation."""
        return _answer(self._find())

    @extend_schema(request=RotationChangeSerializer, responses=OnCallRotationSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a rotation. Whoever is on call stays it when only the members change."""
        rotation = self.find(_whole())
        fields = self.read_body(OnCallRotationSerializer, partial=True, rotation=rotation)
        with _refusals():
            rotation = rotations.update_rotation(rotation=rotation, **fields)
        return _answer(rotation)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a rotation. One that a policy pages stays: 409."""
        with _refusals():
            rotations.delete_rotation(rotation=self._find())
        return Response(status=204)

    @extend_schema(
        operation_id="read_rotation_on_call",
        parameters=[OpenApiParameter("at", _INSTANT, description="Now unless given.")],
        responses=OnCallSerializer,
    )
    @action(detail=True, methods=["get"], url_path="on-call")
    def on_call(self, request: Request, **kwargs: str) -> Response:
        """Tell who is on call; at a hand-off it is the one who comes."""
        rotation = self._find()
        at = read_instant(request, "at") or database_now()
        shift = on_call(load_schedule(rotation, since=at, until=at), at)
        shown = _show_shifts([shift] if shift else [])
        present = shown[0] if shown else dict.fromkeys(("start", "end", "member"))
        given_by = {"layer": None, "override": None}
        if shift and shown:
            override = str(shift.override) if shift.override else None
            given_by = {"layer": shift.layer, "override": override}  # type: ignore[dict-item]
        return Response({"at": show_instant(at), **present, **given_by, "results": shown})

    @extend_schema(
        operation_id="list_rotation_shifts",
        parameters=SPAN_PARAMETERS,
        responses=ShiftsSerializer,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def shifts(self, request: Request, **kwargs: str) -> Response:
        """List shifts, whole ones, of now and the next 30 days unless asked otherwise."""
        rotation = self._find()
        since = read_instant(request, "since") or database_now()
        until = read_instant(request, "until") or since + USUAL_SPAN
        if until <= since:
            raise _refuse("until", "Must be later than since.")
        if until - since > LONGEST_SPAN:
            raise _refuse("until", f"Must be at most {LONGEST_SPAN.days} days after since.")
        found = shifts(load_schedule(rotation, since=since, until=until), since, until)
        return Response({"results": _show_shifts(found)})

    @extend_schema(
        operation_id="rotate_rotation_calendar_key",
        request=None,
        responses=OnCallRotationSerializer,
    )
    @action(detail=True, methods=["post"], url_path="rotate-calendar-key")
    def rotate_calendar_key(self, request: Request, **kwargs: str) -> Response:
        """Give the calendar feed a new address; the old one is dead at once."""
        return _answer(rotations.renew_calendar(rotation=self._find()))

    @extend_schema(
        operation_id="revoke_rotation_calendar_key",
        request=None,
        responses=OnCallRotationSerializer,
    )
    @action(detail=True, methods=["post"], url_path="revoke-calendar-key")
    def revoke_calendar_key(self, request: Request, **kwargs: str) -> Response:
        """Switch the calendar feed off; a new key switches it on again."""
        return _answer(rotations.revoke_calendar(rotation=self._find()))

    def _find(self) -> Rotation:
        return self.find(Rotation.objects.all())


@csrf_exempt  # it changes nothing; a POST is told so by a problem document
def calendar(request: HttpRequest, rotation_id: str) -> HttpResponse:
    """Answer the iCalendar feed to whoever has its key; anything else is the same 404."""
    if request.method not in ("GET", "HEAD"):
        return problem_response(405, "Only GET is allowed here.", {"Allow": "GET, HEAD"})
    with scopes_disabled():
        try:
            rotation = get_object(Rotation.objects.select_related("team"), rotation_id)
        except Http404:
            rotation = None
    if not key_opens(rotation, request.GET.get("key", "")) or rotation is None:
        return problem_response(404, "Not found.")
    try:
        with scope(team=rotation.team):
            body = calendar_feed(rotation, at=database_now())
    except Rotation.DoesNotExist:  # deleted just now
        return problem_response(404, "Not found.")
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Disposition": 'inline; filename="on-call.ics"',
        "Referrer-Policy": "no-referrer",
    }
    return HttpResponse(body, content_type="text/calendar; charset=utf-8", headers=headers)


def read_instant(request: Request, name: str) -> datetime | None:
    """Return the time that the query string gives, None without it. Raises ValidationError."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return parse_instant(text)
    except (ValueError, OverflowError) as error:
        raise _refuse(name, "Must be a time with an offset or Z.") from error


def _show_shifts(found: Iterable[Shift]) -> list[dict[str, Any]]:
    found = list(found)
    people = Membership.objects.filter(pk__in={shift.member for shift in found})
    addresses: dict[Any, str] = dict(people.values_list("pk", "user__email"))
    return [
        {
            "start": show_instant(shift.start),
            "end": show_instant(shift.end),
            "member": addresses[shift.member],
        }
        for shift in found
        if shift.member in addresses
    ]


def _whole() -> QuerySet[Rotation]:
    return Rotation.objects.prefetch_related("layers__slots__membership__user")


def _answer(rotation: Rotation, *, status: int = 200) -> Response:
    whole = get_object(_whole(), rotation.pk)
    return Response(OnCallRotationSerializer(whole).data, status=status)


def _refuse(field: str, text: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(text, code="invalid")]})


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except rotations.DuplicateName as error:
        raise Conflict("The team has a rotation of this name.") from error
    except rotations.RotationInUse as error:
        names = ", ".join(error.policies) or "an escalation policy"
        raise Conflict(f"This rotation is paged by: {names}. Take it out there first.") from error
    except Membership.DoesNotExist as error:
        raise ValidationError({"members": [no_such("member")]}) from error
