"""Fields that several resources read: instants, clocks, zones, lists, and things of the team."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db.models.functions import Lower
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import ReferenceField, StrictText, no_such
from accounts.models import Membership
from accounts.zones import zone_names
from incidents.models import EscalationPolicy
from incidents.oncall.limits import FIRST_YEAR, LAST_YEAR

MOST_ENTRIES = 100
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


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
        if at.tzinfo is None or not FIRST_YEAR <= at.year <= LAST_YEAR:
            text = f"Must have an offset or Z, and lie in the years {FIRST_YEAR} to {LAST_YEAR}."
            raise ValidationError(text, code="invalid")
        return at.astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        """Return the instant as text."""
        return show_instant(value)


class ClockField(StrictText):
    """A wall-clock time, HH:MM."""

    def __init__(self, *, midnight_ends: bool = False, **options: Any) -> None:
        self.midnight_ends = midnight_ends
        super().__init__(max_length=5, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the time. Raises ValidationError."""
        text = super().to_internal_value(data)
        if not (_CLOCK.fullmatch(text) or (self.midnight_ends and text == "24:00")):
            raise ValidationError("Must be a time from 00:00 to 23:59.", code="invalid")
        return text


class ZoneField(StrictText):
    """The name of an IANA time zone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the name. Raises ValidationError for one of no known zone."""
        name = super().run_validation(data)
        if name not in zone_names():
            raise ValidationError("This is not a known IANA time zone.", code="invalid")
        return name


class ListField(serializers.ListField):
    """A JSON list that is counted before its entries are read, each of which costs something."""

    def __init__(self, *, most: int = MOST_ENTRIES, **options: Any) -> None:
        self.most = most
        super().__init__(max_length=most, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the entries. Raises ValidationError for what is no list, or too long."""
        if isinstance(data, list) and len(data) > self.most:
            text = f"Ensure this field has no more than {self.most} elements."
            raise ValidationError([ErrorDetail(text, code="max_length")])
        return super().to_internal_value(data)


class MemberField(StrictText):
    """The e-mail address of somebody in the team; invited people too, unless `accepted` is set."""

    def __init__(self, *, accepted: bool = False, **options: Any) -> None:
        self.accepted = accepted
        super().__init__(max_length=254, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the membership. Raises ValidationError for an address that is nobody's here."""
        # Only a text that has passed all checks is fit to be asked for.
        address = super().run_validation(data).lower()
        member = find_members([address]).get(address)
        if member is None or (self.accepted and member.accepted_at is None):
            raise ValidationError([no_such("member")])
        return member

    def to_representation(self, value: Any) -> str:
        """Return the member's address."""
        return str(value.user.email)


@extend_schema_field({"type": "string", "format": "uuid"})
class PolicyField(ReferenceField):
    """The id of an escalation policy."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the policy. Raises ValidationError for an id that is not the team's."""
        policy_id = super().to_internal_value(data)
        policy = EscalationPolicy.objects.filter(pk=policy_id).first() if policy_id else None
        if policy is None:
            raise ValidationError([no_such("escalation policy")])
        return policy


def find_members(addresses: Iterable[str]) -> dict[str, Membership]:
    """Return the people of the team by their address in lower case, invited ones too."""
    lowered = {address.lower() for address in addresses}
    rows = Membership.objects.select_related("user").annotate(address=Lower("user__email"))
    rows = rows.filter(address__in=lowered)
    return {row.address: row for row in rows} if lowered else {}
