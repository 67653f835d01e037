"""The kinds of documents that there are, and the one definition of each.

What checks a document also writes its JSON Schema.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import StrictChoice, StrictSerializer, StrictText
from accounts.models import validate_slug
from manifests.problems import Problems
from manifests.reading import specs
from manifests.reading.documents import Document
from monitors.api.fields import check_monitor_name

YUPTIME = "monitoring.yuptime.io/v1"
CORE = "v1"
OURS = "tocsin/v1"
MOST_SECRET_CHARACTERS = 10_000
MOST_SECRET_KEYS = 100
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


@dataclass(frozen=True)
class Kind:
    """One kind: what stands in its `spec`, or (`whole`) beside its metadata."""

    api_version: str
    name: str
    spec: type[serializers.Serializer[Any]] | None = None
    whole: type[serializers.Serializer[Any]] | None = None
    namespaced: bool = False
    longest_name: int = 120


@dataclass(frozen=True)
class Checked:
    """A document that is right in itself. `fields` are those of `spec`, or the whole's."""

    document: Document
    kind: Kind
    name: str
    namespace: str | None
    fields: dict[str, Any]

    @property
    def path(self) -> str:
        """Where its fields stand."""
        return self.document.path if self.kind.whole else f"{self.document.path}.spec"


def _check_slug(value: str) -> None:
    try:
        validate_slug(value)
    except InvalidValue as error:
        raise ValidationError(error.messages[0], code="invalid") from error


class SecretValues(serializers.DictField):
    """Texts by key."""

    def __init__(self, **options: Any) -> None:
        child = StrictText(max_length=MOST_SECRET_CHARACTERS * 2, trim_whitespace=False)
        super().__init__(child=child, required=False, **options)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return the texts. Raises ValidationError for too many, or a key without a name."""
        if isinstance(data, dict):
            if len(data) > MOST_SECRET_KEYS:
                text = f"Must have at most {MOST_SECRET_KEYS} keys."
                raise ValidationError(text, code="max_length")
            if not all(_SECRET_KEY.fullmatch(str(key)) for key in data):
                text = "Keys must have 1 to 253 letters, digits, dots, hyphens and underscores."
                raise ValidationError(text, code="invalid")
        values: dict[str, str] = super().to_internal_value(data)
        return values


class SecretFields(StrictSerializer):
    """The values of a Secret; only their hashes are kept."""

    type = StrictChoice(["Opaque"], required=False)
    stringData = SecretValues(help_text="Plain texts.")  # noqa: N815
    data: Any = SecretValues(help_text="Texts in base64; stringData wins.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return `values` by key, and in `places` where each was given. Raises ValidationError."""
        values, errors = {}, {}
        for key, text in attrs.get("data", {}).items():
            try:
                values[key] = base64.b64decode("".join(text.split()), validate=True).decode()
            except (binascii.Error, ValueError):
                errors[key] = [ErrorDetail("Must be base64 of UTF-8 text.", code="invalid")]
        if errors:
            raise ValidationError({"data": errors})
        values |= attrs.get("stringData", {})
        if not values:
            text = "Give at least one key, in stringData or data."
            raise ValidationError({"stringData": [ErrorDetail(text, code="required")]})
        plain = attrs.get("stringData", {})
        places = {key: "stringData" if key in plain else "data" for key in values}
        return attrs | {"values": values, "places": places}


KINDS: tuple[Kind, ...] = (
    Kind(YUPTIME, "Monitor", specs.YuptimeMonitorSpec, namespaced=True, longest_name=253),
    Kind(CORE, "Secret", whole=SecretFields, namespaced=True, longest_name=253),
    Kind(OURS, "Monitor", specs.MonitorSpec, namespaced=True, longest_name=253),
    Kind(OURS, "MonitorSet", specs.MonitorSetSpec, namespaced=True, longest_name=253),
    Kind(OURS, "Channel", specs.ChannelSpec),
    Kind(OURS, "Rotation", specs.RotationSpec),
    Kind(OURS, "EscalationPolicy", specs.PolicySpec),
    Kind(OURS, "AlertRule", specs.RuleSpec),
    Kind(OURS, "StatusPage", specs.PageSpec, longest_name=63),
    Kind(OURS, "Maintenance", specs.MaintenanceSpec),
)
_BY_NAME = {(kind.api_version, kind.name): kind for kind in KINDS}


@cache
def reader_of(kind: Kind) -> Any:
    """Return the serializer class of a kind's whole document."""
    name = StrictText(max_length=kind.longest_name)
    if kind.namespaced:
        name = StrictText(max_length=kind.longest_name, validators=[check_monitor_name])
    metadata: dict[str, Any] = {"name": name}
    if kind.namespaced:
        metadata["namespace"] = StrictText(
            max_length=63,
            required=False,
            validators=[_check_slug],
            help_text="The team's slug unless given; a free one is claimed.",
        )
    parts: dict[str, Any] = {
        "apiVersion": StrictChoice([kind.api_version]),
        "kind": StrictChoice([kind.name]),
        "metadata": type(f"{kind.name}Metadata", (StrictSerializer,), metadata)(),
    }
    if kind.spec is not None:
        parts["spec"] = kind.spec()
    base = kind.whole or StrictSerializer
    return type(f"{kind.name}Document", (base,), {**parts, "__doc__": (kind.spec or base).__doc__})


def check_documents(documents: Iterable[Document], problems: Problems) -> list[Checked]:
    """Return the documents that are right in themselves; what is wrong goes to `problems`."""
    readers: dict[Kind, Any] = {}
    found = []
    for document in documents:
        kind = _kind_of(document, problems)
        if kind is None:
            continue
        if kind not in readers:
            readers[kind] = reader_of(kind)()
        try:
            values = readers[kind].run_validation(document.value)
        except ValidationError as error:
            problems.add_details(document.path, error.detail)
            continue
        found.append(_checked(document, kind, values))
    return found


def _checked(document: Document, kind: Kind, values: dict[str, Any]) -> Checked:
    metadata = values["metadata"]
    fields = values["spec"] if kind.spec else values
    return Checked(document, kind, metadata["name"], metadata.get("namespace"), fields)


def _kind_of(document: Document, problems: Problems) -> Kind | None:
    if not isinstance(document.value, dict):
        text = "Must be an object with apiVersion, kind, metadata and the rest."
        problems.add(document.path, "invalid", text)
        return None
    version, name = (document.value.get(field) for field in ("apiVersion", "kind"))
    if isinstance(version, str) and isinstance(name, str) and (version, name) in _BY_NAME:
        return _BY_NAME[version, name]
    versions = list(dict.fromkeys(kind.api_version for kind in KINDS))
    if version not in versions:
        code = "required" if "apiVersion" not in document.value else "unknown"
        text = f"Must be one of: {', '.join(versions)}."
        problems.add(f"{document.path}.apiVersion", code, text)
    else:
        code = "required" if "kind" not in document.value else "unknown"
        known = ", ".join(kind.name for kind in KINDS if kind.api_version == version)
        problems.add(f"{document.path}.kind", code, f"Must be one of {version}: {known}.")
    return None
