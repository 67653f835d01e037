"""The parts of a rotation as the REST API reads and shows them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from drf_spectacular.utils import (
    PolymorphicProxySerializer,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import (
    StrictChoice,
    StrictInteger,
    StrictSerializer,
    StrictText,
    WholeField,
    no_such,
)
from accounts.models import Membership
from incidents.api.fields import ClockField, ListField, ZoneField, find_members, show_instant
from incidents.models import Rotation
from incidents.models.oncall import ShiftUnit
from incidents.oncall.calendar import calendar_url
from incidents.oncall.limits import (
    FIRST_YEAR,
    LAST_YEAR,
    MOST_LAYERS,
    MOST_LENGTH,
    MOST_MEMBERS,
    MOST_RESTRICTIONS,
)
from incidents.oncall.rotations import LayerValues

_HANDOFF = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(?::00)?")
_FLAT = ("unit", "length", "handoff", "members", "restrictions")


@extend_schema_field(
    {
        "type": "string",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:00)?$",
        "example": "2027-03-01T09:00",
    }
)
class HandoffField(serializers.Field[Any, Any, Any, Any]):
    """A wall-clock time to the minute, of the rotation's zone."""

    def to_internal_value(self, data: Any) -> datetime:
        """Return the naive time. Raises ValidationError, for one with an offset too."""
        matched = _HANDOFF.fullmatch(data) if isinstance(data, str) else None
        text = "Must be a wall-clock time such as 2027-03-01T09:00, without an offset."
        try:
            at = datetime.fromisoformat(matched[1]) if matched else None
        except ValueError:
            at = None
        if at is None or not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise ValidationError(text, code="invalid")
        return at

    def to_representation(self, value: Any) -> str:
        """Return the time as it is stored."""
        return str(value)


@extend_schema_field(
    {"type": "array", "items": {"type": "string", "format": "email"}, "maxItems": MOST_MEMBERS}
)
class MembersField(ListField):
    """E-mail addresses of people in the team, in the order of their turns."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=StrictText(max_length=254), most=MOST_MEMBERS, **options)

    def to_internal_value(self, data: Any) -> list[Membership]:
        """Return the memberships. Raises ValidationError for addresses that are nobody's here."""
        addresses = [address.lower() for address in super().to_internal_value(data)]
        found = find_members(addresses)
        errors = {
            index: [no_such("member")]
            for index, address in enumerate(addresses)
            if address not in found
        }
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]
        return [found[address] for address in addresses]


class RestrictionSerializer(StrictSerializer):
    """Hours of the week, of the rotation's zone. A `to` not after `from` is on the day after."""

    weekdays = ListField(
        child=StrictInteger(max_value=6),
        default=lambda: list(range(7)),
        allow_empty=False,
        help_text="0 is Monday.",
    )
    to = ClockField(midnight_ends=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` is no name that Python lets a class have."""
        fields = super().get_fields()
        return {"weekdays": fields.pop("weekdays"), "from": ClockField(), **fields}

    def validate_weekdays(self, value: list[int]) -> list[int]:
        """Return the days in order, each once."""
        return sorted(set(value))


@extend_schema_field(RestrictionSerializer)
class RestrictionField(WholeField):
    """Hours of the week in which a layer is active."""

    reader = RestrictionSerializer


class LayerSerializer(StrictSerializer):
    """One row of turns. Shifts of days and weeks begin at the wall clock of the hand-off."""

    unit = StrictChoice(choices=ShiftUnit.values)
    length = StrictInteger(min_value=1, max_value=max(MOST_LENGTH.values()), default=1)
    handoff = HandoffField()
    members = MembersField(default=list)
    restrictions = ListField(child=RestrictionField(), most=MOST_RESTRICTIONS, default=list)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields. Raises ValidationError for a shift that is too long."""
        most = MOST_LENGTH[attrs["unit"]]
        if attrs["length"] > most:
            text = f"Ensure this value is less than or equal to {most}."
            raise ValidationError({"length": [ErrorDetail(text, code="max_value")]})
        return attrs


@extend_schema_field(LayerSerializer)
class LayerField(WholeField):
    """A layer."""

    reader = LayerSerializer


class LayeredRotationSerializer(StrictSerializer):
    """A rotation of any number of layers; a later one wins where it has somebody."""

    name = StrictText(max_length=120)
    timezone = ZoneField(default="UTC")
    layers = ListField(child=LayerField(), most=MOST_LAYERS)


class FlatRotationSerializer(LayerSerializer):
    """A rotation of one layer, whose fields stand beside the name."""

    name = StrictText(max_length=120)
    timezone = ZoneField(default="UTC")


@extend_schema_serializer(component_name="Rotation")
class RotationChangeSerializer(FlatRotationSerializer):
    """What may be changed: either `layers`, or fields of the one layer."""

    layers = ListField(child=LayerField(), most=MOST_LAYERS)


# For the OpenAPI document; what reads both is below.
NEW_ROTATION = PolymorphicProxySerializer(
    component_name="Rotation",
    serializers=[LayeredRotationSerializer, FlatRotationSerializer],
    resource_type_field_name=None,
)


@extend_schema_serializer(component_name="Rotation")
class OnCallRotationSerializer(StrictSerializer):
    """People who take turns. Of several layers a later one wins where it has somebody.

    A rotation of one layer may give that layer's fields here instead of `layers`.
    """

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    timezone = ZoneField(default="UTC")
    layers = ListField(child=LayerField(), most=MOST_LAYERS, required=False)
    calendar_url = serializers.URLField(
        read_only=True, allow_null=True, help_text="A secret; null once it was revoked."
    )
    created_at = serializers.DateTimeField(read_only=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the fields with `layers`, however they were given. Raises ValidationError."""
        if not isinstance(data, dict) or not any(name in data for name in _FLAT):
            return super().to_internal_value(data)
        if "layers" in data:
            text = "Give the layers, or the fields of one layer; not both."
            raise ValidationError({"layers": [ErrorDetail(text, code="invalid")]})
        flat = {name: data[name] for name in _FLAT if name in data}
        rest = {name: value for name, value in data.items() if name not in _FLAT}
        errors: dict[str, Any] = {}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(rest)
        except ValidationError as error:
            errors.update(error.detail)  # type: ignore[arg-type]
        reader = LayerSerializer(data=self._stored_layer() | flat, context=self.context)
        if not reader.is_valid():
            errors.update(reader.errors)
        if errors:
            raise ValidationError(errors)
        return {**values, "layers": [reader.validated_data]}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as the services take them. Raises ValidationError without layers."""
        if "layers" in attrs:
            attrs["layers"] = [LayerValues(**layer) for layer in attrs["layers"]]
        elif not self.partial:
            text = "Give layers, or unit, length, handoff and members of one."
            raise ValidationError({"layers": [ErrorDetail(text, code="required")]})
        return attrs

    def to_representation(self, rotation: Rotation) -> dict[str, Any]:
        """Return the rotation."""
        return {
            "id": str(rotation.pk),
            "name": rotation.name,
            "timezone": rotation.timezone,
            "layers": show_layers(rotation),
            "calendar_url": calendar_url(rotation),
            "created_at": show_instant(rotation.created_at),
        }

    def _stored_layer(self) -> dict[str, Any]:
        """Return the one layer that a PATCH changes some fields of."""
        rotation = self.context.get("rotation")
        layers = show_layers(rotation) if rotation else []
        if len(layers) > 1:
            text = "This rotation has several layers: give them all."
            raise ValidationError({"layers": [ErrorDetail(text, code="required")]})
        return layers[0] if layers else {}


def show_layers(rotation: Rotation) -> list[dict[str, Any]]:
    """Return the layers from the lowest to the highest; people who left are not shown."""
    return [
        {
            "unit": layer.unit,
            "length": layer.length,
            "handoff": layer.handoff,
            "members": [
                slot.membership.user.email
                for slot in sorted(layer.slots.all(), key=lambda slot: slot.position)
                if slot.membership is not None
            ],
            "restrictions": layer.restrictions,
        }
        for layer in sorted(rotation.layers.all(), key=lambda layer: layer.position)
    ]
