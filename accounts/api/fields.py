"""Fields that take what they say and nothing else: JSON has types, so `"5"` is not 5.

DRF's own fields are made for forms: they read `"yes"` as true and 1 as text, and a serializer
drops what it does not know, so that a misspelt name would silently do nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError as InvalidValue
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import SLUG_PATTERN, validate_slug

MOST_INTEGER = 2**31 - 1


class StrictInteger(serializers.IntegerField):
    """A JSON number without a fraction."""

    def __init__(self, *, min_value: int = 0, max_value: int = MOST_INTEGER, **options: Any):
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        """Return the integer. Raises ValidationError for anything else, true and "5" included."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(data)


class StrictNumber(serializers.FloatField):
    """A finite JSON number."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises ValidationError for texts, booleans and 1e999."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        try:
            number = float(data)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail("invalid")
        return number


class StrictBoolean(serializers.BooleanField):
    """true or false."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean. Raises ValidationError for "yes", 1 and the like."""
        if not isinstance(data, bool):
            # The base class would print the value, which may be nested or huge.
            raise ValidationError("Must be true or false.", code="invalid")
        return data


class StrictText(serializers.CharField):
    """A JSON string."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text, trimmed. Raises ValidationError for a number."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": SLUG_PATTERN, "maxLength": 63})
class SlugText(StrictText):
    """A name that stands in addresses."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=63, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the name. Raises ValidationError for what cannot be one."""
        name = super().to_internal_value(data)
        try:
            validate_slug(name)
        except InvalidValue as error:
            raise ValidationError([ErrorDetail(error.messages[0], code="invalid")]) from error
        return name


class StrictChoice(serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the word. Raises ValidationError, naming the words."""
        if not isinstance(data, str) or data not in self.choices:
            words = ", ".join(self.choices)
            raise ValidationError(f"Must be one of: {words}.", code="invalid_choice")
        return data


class StrictSerializer(serializers.Serializer[Any]):
    """An object whose fields are all known.

    Names that are only read may be sent back, so that what was read can be sent as it is; they
    change nothing. Any other name is refused.
    """

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the validated fields. Raises ValidationError, unknown names included."""
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            for name in data:
                if name not in self.fields:
                    errors[_printable(name)] = [
                        ErrorDetail("There is no such field.", code="unknown")
                    ]
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except ValidationError as error:
            if errors and isinstance(error.detail, dict):
                raise ValidationError(error.detail | errors) from error
            raise
        if errors:
            raise ValidationError(errors)
        return values


def refuse_changes(sent: Any, shown: Mapping[str, Any], *names: str) -> None:
    """Raise ValidationError for each of these fields that is sent as something else than it is.

    For what never changes: to be told 200 and find it as it was would be worse.
    """
    changed = [name for name in names if name in sent and sent[name] != shown[name]]
    if changed:
        error = ErrorDetail("This cannot change.", code="immutable")
        raise ValidationError({name: [error] for name in changed})


class WholeField(serializers.Field[Any, Any, Any, Any]):
    """An object within an object, read whole by its `reader`.

    A nested serializer would take part in a PATCH: what is left out of it would be neither
    required nor have its default.
    """

    reader: type[serializers.Serializer[Any]]

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated object. Raises ValidationError."""
        reader = self.reader(data=data, context=self.context)
        reader.is_valid(raise_exception=True)
        return reader.validated_data

    def to_representation(self, value: Any) -> Any:
        """Return the object as it is."""
        return value


@extend_schema_field({"type": "string", "format": "uuid"})
class ReferenceField(serializers.Field[Any, Any, Any, Any]):
    """The id of another object of the team; what it names is looked up by the serializer.

    A malformed id is None here: it is refused with the same words as a missing one.
    """

    def to_internal_value(self, data: Any) -> UUID | None:
        """Return the id, None if it is malformed. Raises ValidationError for a number."""
        if not isinstance(data, str):
            raise ValidationError("Must be an id.", code="invalid")
        try:
            return UUID(data)
        except ValueError:
            return None

    def to_representation(self, value: Any) -> str:
        """Return the id as text."""
        return str(value)


def no_such(thing: str) -> ErrorDetail:
    """Return the one wording for an id in a body that is missing, foreign or malformed."""
    return ErrorDetail(f"There is no such {thing}.", code="not_found")


def _printable(name: object) -> str:
    text = str(name)
    return text if len(text) <= 80 else text[:79] + "…"
