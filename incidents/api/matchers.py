"""The matchers of an alert rule: which incidents it takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from accounts.api.fields import StrictInteger, StrictSerializer, StrictText, WholeField
from incidents.api.fields import MOST_ENTRIES, ClockField, ListField, ZoneField
from monitors.ingest.fields import MOST_LABEL_KEY, MOST_LABEL_VALUE, MOST_LABELS
from monitors.models import Severity
from monitors.state import Cause


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MOST_LABELS,
        "additionalProperties": {"type": "string", "maxLength": MOST_LABEL_VALUE},
    }
)
class LabelMatchField(serializers.Field[Any, Any, Any, Any]):
    """Labels that must all be there with these values."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return the labels. Raises ValidationError for values that are not text."""
        if not isinstance(data, dict):
            raise ValidationError("Must be an object of names to texts.", code="invalid")
        if len(data) > MOST_LABELS:
            raise ValidationError(f"Must hold at most {MOST_LABELS} labels.", code="max_length")
        for name, value in data.items():
            if not 1 <= len(name) <= MOST_LABEL_KEY:
                text = f"Names must have 1 to {MOST_LABEL_KEY} characters."
                raise ValidationError(text, code="invalid")
            if not isinstance(value, str) or len(value) > MOST_LABEL_VALUE:
                text = f"Values must be texts of at most {MOST_LABEL_VALUE} characters."
                raise ValidationError(text, code="invalid")
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        """Return the labels as they are."""
        return value


class WordsField(ListField):
    """A list of words out of a few."""

    def __init__(self, words: list[str], **options: Any) -> None:
        self.words = words
        super().__init__(child=StrictText(max_length=20), **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the words. Raises ValidationError for one that is none of them."""
        found = super().to_internal_value(data)
        if set(found) - set(self.words):
            text = f"Must be of: {', '.join(self.words)}."
            raise ValidationError(text, code="invalid_choice")
        return found


@extend_schema_field(
    {"type": "array", "items": {"$ref": "#/components/schemas/Severity"}, "maxItems": MOST_ENTRIES}
)
class SeveritiesField(WordsField):
    """Severities, of which the incident's must be one."""


@extend_schema_field(
    {"type": "array", "items": {"$ref": "#/components/schemas/Cause"}, "maxItems": MOST_ENTRIES}
)
class CausesField(WordsField):
    """Causes, of which the incident's must be one."""


class HoursSerializer(StrictSerializer):
    """Hours of the week. A `to` that is not after `from` belongs to the day after."""

    weekdays = ListField(
        child=StrictInteger(max_value=6),
        default=lambda: list(range(7)),
        allow_empty=False,
        help_text="0 is Monday.",
    )
    to = ClockField(midnight_ends=True)
    timezone = ZoneField(default="UTC")

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` is no name that Python lets a class have."""
        fields = super().get_fields()
        weekdays = {"weekdays": fields.pop("weekdays")}
        return {**weekdays, "from": ClockField(), **fields}

    def validate_weekdays(self, value: list[int]) -> list[int]:
        """Return the days in order, each once."""
        return sorted(set(value))


class MatchSerializer(StrictSerializer):
    """Which incidents a rule takes: every matcher that is set must hold; an empty one does."""

    labels = LabelMatchField(default=dict)
    namespaces = ListField(child=StrictText(max_length=63), default=list)
    names = ListField(
        child=StrictText(max_length=253), default=list, help_text="Globs of monitor names."
    )
    severities = SeveritiesField(Severity.values, default=list)
    causes = CausesField([cause.value for cause in Cause], default=list)
    hours = ListField(child=HoursSerializer(), default=list)


@extend_schema_field(MatchSerializer)
class MatchField(WholeField):
    """The matchers of a rule."""

    reader = MatchSerializer
