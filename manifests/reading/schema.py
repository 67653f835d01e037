"""The JSON Schema (draft 2020-12) of documents, out of the serializers that check them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api.fields import WholeField
from incidents.api.matchers import WordsField
from manifests.reading.kinds import KINDS, Kind, reader_of
from manifests.reading.specs import MOST_SET_MONITORS, NamedMonitorSpec, SetMonitors
from monitors.api.fields import LabelsField
from monitors.ingest.fields import MOST_LABELS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def manifest_schema() -> dict[str, Any]:
    """Return the schema of one document: one definition for each kind."""
    names = {kind: f"{kind.api_version.replace('/', '.')}.{kind.name}" for kind in KINDS}
    return {
        "$schema": DIALECT,
        "title": "Tocsin manifest",
        "description": "One document of a manifest, as POST /api/v1/apply takes it.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in names.values()],
        "$defs": {name: _definition(kind) for kind, name in names.items()},
    }


def _definition(kind: Kind) -> dict[str, Any]:
    schema = _object(reader_of(kind)())
    schema["title"] = f"{kind.name} of {kind.api_version}"
    for field, value in (("apiVersion", kind.api_version), ("kind", kind.name)):
        schema["properties"][field] = {"const": value}
    return schema


def _object(serializer: Any) -> dict[str, Any]:
    properties = {}
    required = []
    for name, field in serializer.fields.items():
        if field.read_only:
            continue
        properties[name] = _field(field)
        if field.required and not (name == "config" and "secrets" in serializer.fields):
            required.append(name)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    if text := (type(serializer).__doc__ or "").strip().partition("\n")[0]:
        schema["description"] = text
    return schema


def _field(field: Any) -> dict[str, Any]:
    schema = _typed(field)
    if field.help_text:
        schema = {**schema, "description": str(field.help_text)}
    default = field.default
    if default is not empty and not callable(default) and default is not None:
        schema = {**schema, "default": default}
    if field.allow_null:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return schema


def _typed(field: Any) -> dict[str, Any]:
    for kind, write in _WRITERS:
        if isinstance(field, kind):
            return write(field)
    told = getattr(field, "_spectacular_annotation", {}).get("field")
    return dict(told) if isinstance(told, dict) else {}


def _monitors(field: Any) -> dict[str, Any]:
    entry = _object(NamedMonitorSpec())
    return {"type": "array", "items": entry, "maxItems": MOST_SET_MONITORS}


def _text(field: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if not field.allow_blank:
        schema["minLength"] = 1
    if field.max_length is not None:
        schema["maxLength"] = field.max_length
    return schema


def _list(field: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"}
    least = field.min_length or (0 if field.allow_empty else 1)
    if least:
        schema["minItems"] = least
    if field.max_length is not None:
        schema["maxItems"] = field.max_length
    return schema


def _bounds(field: Any) -> dict[str, Any]:
    found = {"minimum": field.min_value, "maximum": field.max_value}
    return {name: value for name, value in found.items() if value is not None}


# What labels may be: all of these become texts.
_SCALARS = {"additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
# The first that fits: what is special comes before what it is made from.
_WRITERS: tuple[tuple[Any, Callable[[Any], dict[str, Any]]], ...] = (
    (SetMonitors, _monitors),
    (LabelsField, lambda field: {"type": "object", "maxProperties": MOST_LABELS, **_SCALARS}),
    (WholeField, lambda field: _object(field.reader())),
    (serializers.ListSerializer, lambda field: {"type": "array", "items": _field(field.child)}),
    (serializers.BaseSerializer, lambda field: _object(field)),
    (WordsField, lambda field: _list(field) | {"items": {"type": "string", "enum": field.words}}),
    (serializers.ListField, lambda field: _list(field) | {"items": _field(field.child)}),
    (
        serializers.DictField,
        lambda field: {"type": "object", "additionalProperties": _field(field.child)},
    ),
    (serializers.ChoiceField, lambda field: {"type": "string", "enum": list(field.choices)}),
    (serializers.BooleanField, lambda field: {"type": "boolean"}),
    (serializers.IntegerField, lambda field: {"type": "integer"} | _bounds(field)),
    (serializers.FloatField, lambda field: {"type": "number"} | _bounds(field)),
    (serializers.CharField, _text),
)
