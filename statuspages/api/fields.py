"""The parts of pages, components and posts as the REST API reads them."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import ReferenceField, StrictChoice, no_such
from incidents.api.fields import ListField
from monitors.models import Monitor
from statuspages.models import Component
from statuspages.models.components import ComponentStatus
from statuspages.models.posts import Impact, PostStatus
from statuspages.services.assets import MOST_BYTES
from statuspages.services.components import MOST_COMPONENTS, MOST_MONITORS
from statuspages.services.page_values import COLOURS
from statuspages.services.pictures import BadPicture, read_picture

_IDS = {"type": "array", "items": {"type": "string", "format": "uuid"}}
_MOST_KEYS = 100


@extend_schema_field(
    {"type": "string", "enum": ComponentStatus.values}, component_name="ComponentStatus"
)
class ComponentStatusField(StrictChoice):
    """How a component is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=ComponentStatus.choices, **options)


@extend_schema_field({"type": "string", "enum": PostStatus.values}, component_name="PostStatus")
class PostStatusField(StrictChoice):
    """How far a post has come."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=PostStatus.choices, **options)


@extend_schema_field({"type": "string", "enum": Impact.values}, component_name="Impact")
class ImpactField(StrictChoice):
    """How bad it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=Impact.choices, **options)


class ReferencesField(ListField):
    """Ids of things that the team has, each once."""

    thing = ""

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(most=most, child=ReferenceField(), **options)

    def rows(self) -> Any:
        """Return what may be named."""
        raise NotImplementedError

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the things. Raises ValidationError for ids that are not among them."""
        ids: list[UUID | None] = super().to_internal_value(data)
        found = self.rows().in_bulk([pk for pk in ids if pk])
        errors = {index: [no_such(self.thing)] for index, pk in enumerate(ids) if pk not in found}
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]
        return [found[pk] for pk in dict.fromkeys(ids) if pk]


@extend_schema_field({**_IDS, "maxItems": MOST_MONITORS})
class MonitorsField(ReferencesField):
    """Ids of monitors."""

    thing = "monitor"

    def __init__(self, **options: Any) -> None:
        super().__init__(most=MOST_MONITORS, **options)

    def rows(self) -> Any:
        """Return the team's monitors."""
        return Monitor.objects.all()


@extend_schema_field({**_IDS, "maxItems": MOST_COMPONENTS})
class ComponentsField(ReferencesField):
    """Ids of components of the page in the path."""

    thing = "component"

    def __init__(self, **options: Any) -> None:
        super().__init__(most=MOST_COMPONENTS, **options)

    def rows(self) -> Any:
        """Return the page's components."""
        return Component.objects.filter(page=self.context["page"])


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"$ref": "#/components/schemas/ComponentStatus"},
        "description": "Ids of components and how each is while the post is open.",
    }
)
class ComponentStatusesField(serializers.Field[Any, Any, Any, Any]):
    """An object from ids of the page's components to their statuses."""

    def to_internal_value(self, data: Any) -> dict[Component, str]:
        """Return the statuses. Raises ValidationError."""
        entries = read_object(data, most=MOST_COMPONENTS)
        ids = {name: _read_id(name) for name in entries}
        rows = Component.objects.filter(page=self.context["page"])
        found = rows.in_bulk([pk for pk in ids.values() if pk])
        errors: dict[str, Any] = {}
        statuses = {}
        for name, status in entries.items():
            component = found.get(ids[name])
            if component is None:
                errors[name[:40]] = [no_such("component")]
            elif status is not None and status not in list(ComponentStatus.values):
                words = ", ".join(ComponentStatus.values)
                text = f"Must be one of: {words}."
                errors[name[:40]] = [ErrorDetail(text, code="invalid_choice")]
            else:
                statuses[component] = status or ""
        if errors:
            raise ValidationError(errors)
        return statuses

    def to_representation(self, value: Any) -> Any:
        """Return the object as it is."""
        return value


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            name: {
                "type": "string",
                "nullable": True,
                "pattern": "^(#[0-9a-fA-F]{6})?$",
                "example": "#1a7f37",
            }
            for name in COLOURS
        },
        "additionalProperties": False,
        "description": '#rrggbb each; null and "" are the usual ones. Without a dark_ one of its '
        "own the dark has the light one, but for background and text. On the page a colour is "
        "moved towards black or white as far as texts need to be read.",
    }
)
class ColoursField(serializers.Field[Any, Any, Any, Any]):
    """An object of colours, which the service judges."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object. Raises ValidationError for anything else."""
        return read_object(data)

    def to_representation(self, value: Any) -> Any:
        """Return the object as it is."""
        return value


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": "number", "minimum": 0, "maximum": 1, "nullable": True}
            for name in ("major", "partial")
        },
    }
)
class WeightsField(ColoursField):
    """How much each kind of outage counts against uptime, which the service judges."""


@extend_schema_field(
    {
        "type": "string",
        "description": "To be set: base64 of a PNG, JPEG, GIF, WebP or ICO of at most 2 MB. As "
        "read: its address, which changes nothing when it is sent back. null: none.",
    }
)
class PictureField(serializers.Field[Any, Any, Any, Any]):
    """A picture: bytes when it is set, an address when it is read."""

    def to_internal_value(self, data: Any) -> bytes | str:
        """Return the bytes, or an address as it is. Raises ValidationError."""
        if not isinstance(data, str):
            raise ValidationError("Must be base64 text.", code="invalid")
        if data.startswith(("http://", "https://")):
            return data
        if data.startswith("data:"):
            data = data.partition(",")[2]
        # The text is a third longer than what it stands for.
        if len(data) > MOST_BYTES * 3 // 2:
            raise ValidationError("Must be at most 2 MB.", code="too_large")
        try:
            content = base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValidationError("Must be base64 text.", code="invalid") from error
        if len(content) > MOST_BYTES:
            raise ValidationError("Must be at most 2 MB.", code="too_large")
        try:
            read_picture(content)
        except BadPicture as error:
            raise ValidationError(str(error), code="invalid") from error
        return content

    def to_representation(self, value: Any) -> Any:
        """Return the address."""
        return value


def read_object(data: Any, most: int = _MOST_KEYS) -> dict[str, Any]:
    """Return a JSON object of bounded size. Raises ValidationError."""
    if not isinstance(data, dict):
        raise ValidationError("Must be an object.", code="invalid")
    if len(data) > most:
        raise ValidationError(f"Must have at most {most} keys.", code="max_length")
    return data


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
