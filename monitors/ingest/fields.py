"""The fields of a push as the contract has them: names, aliases, limits, and what is stored."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

MOST_MESSAGE = 10_000
CUT_MARK = " … [cut]"
MOST_LABELS = 32
MOST_LABEL_KEY = 63
MOST_LABEL_VALUE = 255
MOST_LATENCY_MS = 1e9
STATUSES = {"pass": "pass", "up": "pass", "fail": "fail", "down": "fail"}
ALIASES = {
    "status": ("state",),
    "latency_ms": ("latency", "latencyMs"),
    "message": ("msg",),
}
# A number as a form may carry it: float() alone would also take `1_000` and digits of any script.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class JSONNumber(float):
    """A number that remembers how it was written: labels keep a number's JSON text."""

    text: str

    def __new__(cls, text: str) -> JSONNumber:
        """Read the number; one out of range becomes an infinity, which its field refuses."""
        try:
            number = super().__new__(cls, text)
        except (OverflowError, ValueError):
            number = super().__new__(cls, "inf")
        number.text = text
        return number


def invalid(field: str, message: str, code: str = "invalid") -> ValidationError:
    """Return the validation error of one field."""
    return ValidationError({field: [ErrorDetail(message, code=code)]})


def read_fields(data: Any, *, typed: bool) -> dict[str, Any]:
    """Return what to store of a push: status, latency_ms, message, labels.

    `typed` says that the data is JSON; a form and a query string carry text only. Unknown names
    are ignored. Raises ValidationError, which names the field.
    """
    if not isinstance(data, Mapping):
        raise invalid("non_field_errors", "The body must be a JSON object.")
    values = {name: _pick(data, name) for name in ("status", "latency_ms", "message")}
    return {
        "status": _status(values["status"], present=_given(data, "status")),
        "latency_ms": _latency(values["latency_ms"], typed=typed),
        "message": _message(values["message"]),
        "labels": _labels(data.get("labels")) if typed else None,
    }


def _given(data: Mapping[str, Any], name: str) -> bool:
    return any(alias in data for alias in (name, *ALIASES[name]))


def _pick(data: Mapping[str, Any], name: str) -> Any:
    """Return the value under the canonical name, else under its first alias that is there.

    null equals absent, so a null canonical name leaves its aliases a chance, but for status,
    where a null is an answer (a wrong one).
    """
    for candidate in (name, *ALIASES[name]):
        if candidate in data and (data[candidate] is not None or name == "status"):
            return data[candidate]
    return None


def _status(value: Any, *, present: bool) -> str:
    if not present:
        raise invalid("status", "This field is required: pass or fail.", "required")
    status = STATUSES.get(value.lower()) if isinstance(value, str) else None
    if status is None:
        raise invalid("status", "Must be pass, up, fail or down.", "invalid_choice")
    return status


def _latency(value: Any, *, typed: bool) -> float | None:
    if value is None or (not typed and value == ""):
        return None
    message = f"Must be a finite number from 0 to {MOST_LATENCY_MS:.0f}."
    if isinstance(value, bool) or not isinstance(value, (int, float) if typed else str):
        raise invalid("latency_ms", message)
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise invalid("latency_ms", message)
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise invalid("latency_ms", message) from error
    if not (math.isfinite(number) and 0 <= number <= MOST_LATENCY_MS):
        raise invalid("latency_ms", message)
    return number + 0.0  # -0 is 0


def _check_text(field: str, text: str) -> None:
    if "\x00" in text:
        raise invalid(field, "Must not hold a NUL character.", "nul")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise invalid(field, "Must not hold a lone surrogate.", "surrogate") from error


def _message(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid("message", "Must be text.")
    _check_text("message", value)
    if len(value) > MOST_MESSAGE:
        return value[: MOST_MESSAGE - len(CUT_MARK)] + CUT_MARK
    return value


def _labels(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid("labels", "Must be an object of names to texts, numbers or booleans.")
    if len(value) > MOST_LABELS:
        raise invalid("labels", f"Must hold at most {MOST_LABELS} labels.", "max_length")
    labels = {}
    for key, scalar in value.items():
        _check_text("labels", key)
        if not 1 <= len(key) <= MOST_LABEL_KEY:
            raise invalid("labels", f"Names must have 1 to {MOST_LABEL_KEY} characters.")
        text = _label_text(scalar)
        _check_text("labels", text)
        if len(text) > MOST_LABEL_VALUE:
            raise invalid("labels", f"Values must have at most {MOST_LABEL_VALUE} characters.")
        labels[key] = text
    return labels


def _label_text(scalar: Any) -> str:
    if isinstance(scalar, str):
        return scalar
    if scalar is None:
        return "null"
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    if isinstance(scalar, JSONNumber):
        return scalar.text
    raise invalid("labels", "Values must be texts, numbers, booleans or null.")


LABELS_SCHEMA = {
    "type": "object",
    "maxProperties": MOST_LABELS,
    "additionalProperties": {
        "nullable": True,
        "anyOf": [
            {"type": "string", "maxLength": MOST_LABEL_VALUE},
            {"type": "number"},
            {"type": "boolean"},
        ],
    },
}


@extend_schema_field(LABELS_SCHEMA)
class _LabelsField(serializers.DictField):
    """Names to scalars."""


class PushSerializer(serializers.Serializer[Any]):
    """The body of a push, for the OpenAPI schema; `read_fields` is what reads it."""

    status = serializers.ChoiceField(
        choices=["pass", "fail", "up", "down"], help_text="Any case; alias `state`."
    )
    latency_ms = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MOST_LATENCY_MS,
        help_text="Milliseconds; aliases `latency`, `latencyMs`.",
    )
    message = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Longer than 10,000 characters is cut and marked; alias `msg`.",
    )
    labels = _LabelsField(
        required=False,
        allow_null=True,
        help_text="Up to 32 names (1 to 63 characters) to texts, numbers, booleans or null.",
    )


class PushFormSerializer(serializers.Serializer[Any]):
    """The same as a form, which has no labels."""

    status = serializers.ChoiceField(choices=["pass", "fail", "up", "down"])
    latency_ms = serializers.FloatField(required=False, min_value=0, max_value=MOST_LATENCY_MS)
    message = serializers.CharField(required=False, allow_blank=True)


class PushAnswerSerializer(serializers.Serializer[Any]):
    """The body of a 201."""

    ok = serializers.BooleanField()
    id = serializers.UUIDField()
    monitor = serializers.CharField()
    status = serializers.ChoiceField(choices=["pass", "fail"])
    state = serializers.ChoiceField(choices=["up", "down", "paused"])
    received_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
