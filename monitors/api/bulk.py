"""Many monitors at once: made all or not at all, paused, resumed or deleted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import QueryDict
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.api.fields import StrictChoice, StrictSerializer, StrictText, WholeField, no_such
from accounts.api.problems import Conflict, QuotaReached
from accounts.api.views import TenantViewSet
from accounts.keys import hash_token
from accounts.models import Namespace
from accounts.teams import NameTaken, claim_namespace
from monitors import services
from monitors.api.filters import filter_monitors
from monitors.api.serializers import MonitorSerializer, MonitorWithTokenSerializer
from monitors.bulk import create_monitors, delete_monitors, pause_monitors, resume_monitors
from monitors.models import Monitor
from monitors.queries import database_now, standings, with_standing

MOST_CREATED = 1000
MOST_ACTED = 5000
MOST_LABEL = 400
_ACTIONS: dict[str, Callable[..., None]] = {
    "pause": pause_monitors,
    "resume": resume_monitors,
    "delete": delete_monitors,
}
_FILTERS = ("state", "label", "namespace", "name", "search")
Errors = dict[int, dict[str, list[ErrorDetail]]]


class DuplicateNames(ValidationError):  # noqa: N818 - it names what happened
    """Some of the names are taken (409); `errors` says which, by index."""

    status_code = 409


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "maxLength": MOST_LABEL},
            {"type": "array", "items": {"type": "string", "maxLength": MOST_LABEL}},
        ]
    }
)
class LabelsField(serializers.ListField):
    """One label or several, as the list takes `label` once or repeated."""

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the labels. Raises ValidationError."""
        read: list[str] = super().to_internal_value([data] if isinstance(data, str) else data)
        return read


class FilterSerializer(StrictSerializer):
    """What a list of monitors can be narrowed to; at least one of these."""

    state = StrictText(required=False, max_length=20)
    label = LabelsField(  # type: ignore[assignment]  # the base class has a `label`
        child=StrictText(max_length=MOST_LABEL),
        required=False,
        help_text="`key:value`; all must hold.",
    )
    namespace = StrictText(required=False, max_length=63)
    name = StrictText(required=False, max_length=253)
    search = StrictText(required=False, max_length=253)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the filters. Raises ValidationError for none at all."""
        if not any(attrs.values()):
            raise ValidationError(f"Give at least one of: {', '.join(_FILTERS)}.", code="required")
        return attrs


@extend_schema_field(FilterSerializer)
class FilterField(WholeField):
    """Filters as an object."""

    reader = FilterSerializer


class BulkActionSerializer(StrictSerializer):
    """What to do with which monitors: `ids` or `filter`, not both."""

    action = StrictChoice([*_ACTIONS])
    ids = serializers.ListField(
        child=serializers.CharField(max_length=100), required=False, max_length=MOST_CREATED
    )
    filter = FilterField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields. Raises ValidationError unless exactly one choice is made."""
        if ("ids" in attrs) == ("filter" in attrs):
            raise ValidationError({"ids": [ErrorDetail("Give ids or filter.", code="required")]})
        return attrs


class BulkMonitors(TenantViewSet):
    """The actions on many monitors."""

    @extend_schema(
        operation_id="create_monitors",
        request=MonitorSerializer(many=True),
        responses={
            201: inline_serializer(
                "CreatedMonitors", {"results": MonitorWithTokenSerializer(many=True)}
            )
        },
    )
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Create up to 1,000 monitors from a list, all or none.

        What is wrong is named by index: `[3].name`. Their tokens are in this answer alone.
        """
        wanted = _read_list(request.data, self.get_serializer_context())
        try:
            made = create_all(self.access, wanted)
        except services.DuplicateName as error:
            raise Conflict("A monitor of one of these names exists in its namespace.") from error
        except services.QuotaExceeded as error:
            raise QuotaReached(
                f"The plan allows {error.quota} monitors, which is too few for all of these."
            ) from error
        tokens = dict(made)
        rows = {m.pk: m for m in with_standing(Monitor.objects.filter(pk__in=tokens))}
        monitors = [rows[pk] for pk, _ in made if pk in rows]
        context = {"standings": standings(monitors, now=database_now())}
        shown = MonitorSerializer(monitors, many=True, context=context).data
        results = [{**row, "token": tokens[UUID(row["id"])]} for row in shown]
        return Response({"results": results}, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(
        operation_id="act_on_monitors",
        request=BulkActionSerializer,
        responses={
            200: inline_serializer(
                "MonitorsActedOn",
                {
                    "action": serializers.CharField(),
                    "count": serializers.IntegerField(),
                    "ids": serializers.ListField(child=serializers.UUIDField()),
                },
            )
        },
    )
    @action(detail=False, methods=["post"], url_path="bulk-action")
    def bulk_action(self, request: Request) -> Response:
        """Pause, resume or delete up to 1,000 monitors by id, or up to 5,000 by a filter.

        An id that is none of yours is refused by index (`ids[3]`), and nothing is changed. Changes
        are made in slices, so that pushes go on meanwhile: after a 503 ask again.
        """
        body = self.read_body(BulkActionSerializer)
        monitors = _by_id(body["ids"]) if "ids" in body else _by_filter(body["filter"])
        _ACTIONS[body["action"]](team=self.access.team, monitors=monitors)
        ids = [str(monitor.pk) for monitor in monitors]
        return Response({"action": body["action"], "count": len(ids), "ids": ids})


def create_all(access: Access, wanted: Sequence[dict[str, Any]]) -> list[tuple[UUID, str | None]]:
    """Create monitors in one transaction and return id and token of each, in order.

    Raises ValidationError by index, DuplicateName, QuotaExceeded.
    """
    with transaction.atomic():
        namespaces = _claim(access, wanted)
        rows = []
        for fields in wanted:
            name = fields.get("namespace") or access.team.slug
            rows.append((namespaces[name], {k: v for k, v in fields.items() if k != "namespace"}))
        _refuse_duplicates(rows)
        tokens = [services.new_token() for _ in rows]
        hashes = [hash_token(token) for token in tokens]
        monitors = create_monitors(team=access.team, monitors=rows, token_hashes=hashes)
    return [(monitor.pk, token) for monitor, token in zip(monitors, tokens, strict=True)]


def _read_list(data: Any, context: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(data, list):
        raise ValidationError([ErrorDetail("Send a list of monitors.", code="not_a_list")])
    if not 1 <= len(data) <= MOST_CREATED:
        text = f"Send 1 to {MOST_CREATED} monitors."
        raise ValidationError([ErrorDetail(text, code="max_length")])
    reader = MonitorSerializer(data=data, many=True, context={**context})
    if not reader.is_valid():
        found: Any = reader.errors
        numbered = found.items() if isinstance(found, dict) else enumerate(found)
        raise ValidationError({f"[{n}]": errors for n, errors in numbered if errors})
    read: list[dict[str, Any]] = reader.validated_data
    return read


def _claim(access: Access, wanted: Sequence[dict[str, Any]]) -> dict[str, Namespace]:
    named = [fields.get("namespace") or access.team.slug for fields in wanted]
    claimed: dict[str, Namespace] = {}
    foreign = set()
    for name in sorted({*named}):  # in one order, so that two callers cannot block each other
        try:
            claimed[name] = claim_namespace(team=access.team, name=name)
        except NameTaken:
            foreign.add(name)
    if foreign:
        taken = ErrorDetail("This namespace belongs to another team.", code="taken")
        _refuse({n: {"namespace": [taken]} for n, name in enumerate(named) if name in foreign})
    return claimed


def _refuse_duplicates(rows: Sequence[tuple[Namespace, dict[str, Any]]]) -> None:
    names = [(namespace.pk, fields["name"]) for namespace, fields in rows]
    times = Counter(names)
    present = Monitor.objects.filter(
        namespace__in={pk for pk, _ in names}, name__in={name for _, name in names}
    )
    taken = set(present.values_list("namespace_id", "name"))
    errors: Errors = {}
    for n, name in enumerate(names):
        if name in taken:
            text = "A monitor of this name exists in the namespace."
        elif times[name] > 1:
            text = "This name is in the list more than once."
        else:
            continue
        errors[n] = {"name": [ErrorDetail(text, code="duplicate")]}
    _refuse(errors, DuplicateNames)


def _refuse(errors: Errors, kind: type[ValidationError] = ValidationError) -> None:
    if errors:
        raise kind({f"[{n}]": fields for n, fields in errors.items()})


def _by_id(texts: Sequence[str]) -> list[Monitor]:
    ids: list[UUID | None] = []
    for text in texts:
        try:
            ids.append(UUID(text))
        except ValueError:
            ids.append(None)
    found = {
        m.pk: m for m in Monitor.objects.select_related("team").filter(pk__in=filter(None, ids))
    }
    missing = [n for n, pk in enumerate(ids) if pk not in found]
    if missing:
        error = no_such("monitor")
        raise ValidationError({f"ids[{n}]": [error] for n in missing})
    return [found[pk] for pk in sorted(found)]


def _by_filter(filters: dict[str, Any]) -> list[Monitor]:
    query = QueryDict(mutable=True)
    for name, value in filters.items():
        query.setlist(name, value if isinstance(value, list) else [value])
    try:
        rows = filter_monitors(Monitor.objects.select_related("team"), query)
    except ValidationError as error:
        raise ValidationError({"filter": error.detail}) from error
    monitors = list(rows.order_by("pk")[: MOST_ACTED + 1])
    if len(monitors) > MOST_ACTED:
        text = f"More than {MOST_ACTED} monitors match; narrow it down."
        raise ValidationError({"filter": [ErrorDetail(text, code="max_length")]})
    return monitors
