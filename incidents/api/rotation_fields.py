"""The parts of a rotation as the REST API reads and shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django.db.models.functions import Lower
from drf_spectacular.utils import extend_schema_field
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
from incidents.api.matchers import ClockField
from incidents.models import Rotation
from incidents.models.oncall import ShiftUnit
from incidents.oncall.calendar import calendar_url
from incidents.oncall.rotations import LayerValues

MOST_LAYERS = 20
MOST_MEMBERS = 100
MOST_RESTRICTIONS = 50
# A year, so that a shift stays something that a person can see the end of.
MOST_LENGTH = {"hour": 8760, "day": 366, "week": 53}
_HANDOFF = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(?::00)?")
_FLAT = ("unit", "length", "handoff", "members", "restrictions")


def show_instant(at: datetime) -> str:
    """Return an instant as the API writes it: ISO 8601, UTC, with Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@extend_schema_field({"type": "string", "format": "date-time"})
class InstantField(serializers.Field[Any, Any, Any, Any]):
    """An instant: ISO 8601 with an offset or Z."""

    def to_internal_value(self, data: Any) -> datetime:
        """Return the instant in UTC. Raises ValidationError."""
        if not isinstance(data, str) or len(data) > 40:
            raise ValidationError("Must be a time such as 2027-03-01T09:00:00Z.", code="invalid")
        try:
            at = datetime.fromisoformat(data)
        except ValueError as error:
            text = "Must be a time such as 2027-03-01T09:00:00Z."
            raise ValidationError(text, code="invalid") from error
        if at.tzinfo is None or not 1970 <= at.year <= 9000:
            text = "Must have an offset or Z, and lie in the years 1970 to 9000."
            raise ValidationError(text, code="invalid")
        return at.astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        """Return the instant as text."""
        return show_instant(value)


@extend_schema_field({"type": "string", "example": "2027-03-01T09:00"})
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
        if at is None or not 1970 <= at.year <= 9000:
            raise ValidationError(text, code="invalid")
        return at

    def to_representation(self, value: Any) -> str:
        """Return the time as it is stored."""
        return str(value)


class MemberField(StrictText):
    """The e-mail address of somebody in the team."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, **options)

    def to_internal_value(self, data: Any) -> Membership:  # type: ignore[override]
        """Return the membership. Raises ValidationError for an address that is nobody's here."""
        address = super().to_internal_value(data)
        found = find_members([address])
        if address.lower() not in found:
            raise ValidationError([no_such("member")])
        return found[address.lower()]

    def run_validators(self, value: Any) -> None:
        """Leave the membership alone: the address was judged before it was looked up."""


class BoundedListField(serializers.ListField):
    """A JSON list that is counted before its entries are read, each of which costs something."""

    def __init__(self, *, most: int, **options: Any) -> None:
        self.most = most
        super().__init__(max_length=most, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the entries. Raises ValidationError for what is no list, or too long."""
        if isinstance(data, list) and len(data) > self.most:
            text = f"Ensure this field has no more than {self.most} elements."
            raise ValidationError([ErrorDetail(text, code="max_length")])
        return super().to_internal_value(data)


@extend_schema_field(
    {"type": "array", "items": {"type": "string", "format": "email"}, "maxItems": MOST_MEMBERS}
)
class MembersField(BoundedListField):
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


def find_members(addresses: Sequence[str]) -> dict[str, Membership]:
    """Return the people of the team by their address in lower case, invited ones too."""
    lowered = {address.lower() for address in addresses}
    rows = Membership.objects.annotate(address=Lower("user__email"))
    rows = rows.filter(address__in=lowered)
    return {row.address: row for row in rows} if lowered else {}


class RestrictionSerializer(StrictSerializer):
    """Hours of the week, of the rotation's zone. A `to` not after `from` is on the day after."""

    weekdays = BoundedListField(
        child=StrictInteger(max_value=6),
        default=lambda: list(range(7)),
        allow_empty=False,
        most=100,
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
    restrictions = BoundedListField(child=RestrictionField(), most=MOST_RESTRICTIONS, default=list)

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


class OnCallRotationSerializer(StrictSerializer):
    """People who take turns. Of several layers a later one wins where it has somebody.

    A rotation of one layer may give that layer's fields here instead of `layers`.
    """

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    timezone = StrictText(max_length=64, default="UTC")
    layers = BoundedListField(child=LayerField(), most=MOST_LAYERS, required=False)
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

    def validate_timezone(self, value: str) -> str:
        """Return the zone's name. Raises ValidationError for an unknown one."""
        if value not in _zone_names():
            raise ValidationError("This is not a known IANA time zone.", code="invalid")
        return value

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


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})
