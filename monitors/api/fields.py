"""The fields of a monitor that need more than a type: names, labels, schedules."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import StrictChoice, StrictSerializer, StrictText, WholeField
from monitors.ingest.fields import LABELS_SCHEMA, MOST_LABEL_KEY, MOST_LABEL_VALUE, MOST_LABELS
from monitors.models import Severity
from monitors.schedule import InvalidSchedule, parse_cron
from monitors.state import LATE, Cause, State

MOST_NAME = 253
MOST_URL = 2000
RESERVED_NAMES = frozenset({"results", ".", ".."})
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_monitor_name(name: str) -> None:
    """Raise ValidationError for a name that no push could be addressed to."""
    if name in RESERVED_NAMES:
        raise ValidationError(f"“{name}” is reserved; choose another name.", code="reserved")
    if "/" in name or any(unicodedata.category(c) in _UNPRINTABLE for c in name):
        raise ValidationError("Must hold no slash and no control character.", code="invalid")


def check_web_address(url: str) -> None:
    """Raise ValidationError for anything but an http or https URL."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    if url and (not is_web or not url.isprintable() or " " in url):
        raise ValidationError("Must be an http:// or https:// URL.", code="invalid")


@extend_schema_field({"type": "string", "pattern": r"^https?://\S+$", "maxLength": MOST_URL})
class WebAddressField(StrictText):
    """An http or https URL."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MOST_URL, validators=[check_web_address], **options)


class LabelsField(serializers.Field[Any, Any, Any, Any]):
    """An object of names to scalars, kept as texts: true, false and null as those words."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return the labels. Raises ValidationError."""
        if not isinstance(data, dict):
            raise ValidationError("Must be an object of names to texts.", code="invalid")
        if len(data) > MOST_LABELS:
            raise ValidationError(f"Must hold at most {MOST_LABELS} labels.", code="max_length")
        labels = {}
        for name, value in data.items():
            if not 1 <= len(name) <= MOST_LABEL_KEY:
                raise ValidationError(
                    f"Names must have 1 to {MOST_LABEL_KEY} characters.", code="invalid"
                )
            text = _label_text(value)
            if len(text) > MOST_LABEL_VALUE:
                raise ValidationError(
                    f"Values must have at most {MOST_LABEL_VALUE} characters.", code="max_length"
                )
            labels[name] = text
        return labels

    def to_representation(self, value: Any) -> Any:
        """Return the labels as they are."""
        return value


class LabelsFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Labels in the OpenAPI document: sent as scalars, read as texts."""

    target_class = "monitors.api.fields.LabelsField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """Return the schema of a request's or an answer's labels."""
        if direction == "request":
            return dict(LABELS_SCHEMA)
        return {"type": "object", "additionalProperties": {"type": "string"}}


def _label_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    is_finite = not isinstance(value, float) or math.isfinite(value)
    if isinstance(value, dict | list) or not is_finite:
        raise ValidationError("Values must be texts, numbers, booleans or null.", code="invalid")
    return json.dumps(value)


class ScheduleSerializer(StrictSerializer):
    """When runs are expected: five fields of cron, on the wall clock of an IANA zone."""

    cron = StrictText(max_length=200)
    timezone = StrictText(max_length=64, default="UTC")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the schedule, its white space normalised. Raises ValidationError."""
        try:
            cron = parse_cron(attrs["cron"], attrs["timezone"])
        except InvalidSchedule as error:
            detail = ErrorDetail(f"This {error.message}.", code="invalid")
            raise ValidationError({error.field: [detail]}) from error
        return {"cron": cron.expression, "timezone": cron.timezone}


@extend_schema_field(ScheduleSerializer)
class ScheduleField(WholeField):
    """A schedule, or null."""

    reader = ScheduleSerializer


@extend_schema_field({"type": "string", "enum": [*Severity.values]}, component_name="Severity")
class SeverityField(StrictChoice):
    """How much an incident matters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=Severity.choices, **options)


@extend_schema_field(
    {"type": "string", "enum": [*(s.value for s in State), LATE]}, component_name="MonitorState"
)
class MonitorStateField(serializers.ReadOnlyField):
    """A state as it is shown, late included."""


@extend_schema_field(
    {"type": "string", "enum": [*(s.value for s in State), "deleted"]},
    component_name="TransitionState",
)
class TransitionStateField(serializers.ReadOnlyField):
    """A state that a change began or ended in; `deleted` of a monitor that was brought back."""


@extend_schema_field({"type": "string", "enum": [c.value for c in Cause]}, component_name="Cause")
class CauseField(serializers.ReadOnlyField):
    """Why a monitor is down."""


@extend_schema_field({"type": "string", "enum": ["pass", "fail"]}, component_name="ResultStatus")
class ResultStatusField(serializers.ReadOnlyField):
    """What a push said."""
