"""What each kind of channel wants to know, as OpenAPI schemas.

They are made from the same fields as the console's forms, so that a new kind is described as soon
as it exists.
"""

from __future__ import annotations

from typing import Any

from incidents.channels.base import Field
from incidents.channels.mail import MAX_RECIPIENTS
from incidents.channels.registry import KINDS

_ADDRESS = {"type": "string", "format": "email", "maxLength": 254}
_REFERENCE = "#/components/schemas/"
# What the two kinds without a form of their own take.
_CONFIGS: dict[str, dict[str, Any]] = {
    "email": {
        "properties": {
            "to": {"type": "array", "items": _ADDRESS, "minItems": 1, "maxItems": MAX_RECIPIENTS}
        },
        "required": ["to"],
    },
    "webhook": {
        "properties": {
            "url": {"type": "string", "format": "uri"},
            "secret": {
                "type": "string",
                "nullable": True,
                "writeOnly": True,
                "description": "What requests are signed with: `whsec_` and the base64 of 24 to "
                "64 bytes. One is made unless given.",
            },
        },
        "required": ["url"],
    },
}


def channel_schemas(requests: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return schemas by name: each kind's `config`, and each request once for each kind.

    `requests` are the schemas of things that have a `kind` and a `config`, by name.
    """
    schemas = {f"{_title(kind)}Config": _config(kind) for kind in KINDS}
    for name, request in requests.items():
        variants = {kind: f"{_title(kind)}{name}" for kind in sorted(KINDS)}
        for kind, variant in variants.items():
            chosen = {
                "kind": {"type": "string", "enum": [kind]},
                "config": {"$ref": f"{_REFERENCE}{_title(kind)}Config"},
            }
            schemas[variant] = {**request, "properties": request["properties"] | chosen}
        schemas[name] = {
            "oneOf": [{"$ref": _REFERENCE + variant} for variant in variants.values()],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {kind: _REFERENCE + variant for kind, variant in variants.items()},
            },
        }
    return schemas


def _title(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("_"))


def _config(kind: str) -> dict[str, Any]:
    fields, secrets = KINDS[kind].fields, KINDS[kind].secret_fields
    described = _CONFIGS.get(kind) or {
        "properties": {field.name: _property(field, field.name in secrets) for field in fields},
        "required": [field.name for field in fields if field.required],
    }
    if not described["required"]:
        described = {"properties": described["properties"]}
    return {"type": "object", "additionalProperties": False, **described}


def _property(field: Field, is_secret: bool) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if field.name == "labels":
        # As an object; the text that a form has for it is taken, too.
        schema = {"type": "object", "additionalProperties": {"type": "string"}}
    elif field.choices:
        schema["enum"] = list(field.choices)
    elif field.input_type != "url":
        # Ids are written as numbers as often as not.
        schema = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    if not field.required:
        schema["nullable"] = True
    elif field.input_type == "url":
        schema["pattern"] = r"\S"  # nothing but white space is nothing
    if is_secret:
        schema["writeOnly"] = True
    text = " ".join(part for part in (f"{field.label}.", field.help) if part)
    return schema | {"description": text}
