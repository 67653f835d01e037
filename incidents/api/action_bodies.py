"""What is sent with an action on an incident."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.api.fields import StrictInteger, StrictSerializer, StrictText
from incidents.api.fields import MemberField, PolicyField
from incidents.lifecycle.actions import MOST_NOTE

MOST_SNOOZE_SECONDS = 30 * 86_400


class NoteSerializer(StrictSerializer):
    """A person's note on an incident."""

    text = StrictText(max_length=MOST_NOTE)


class SnoozeSerializer(StrictSerializer):
    """For how long an incident is somebody's before it opens again."""

    seconds = StrictInteger(min_value=1, max_value=MOST_SNOOZE_SECONDS)


class AssignSerializer(StrictSerializer):
    """Whom an incident is handed to: one member or one escalation policy."""

    member = MemberField(required=False)
    policy = PolicyField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that it is one of the two. Raises ValidationError."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Give either a member or a policy.", code="invalid")
        return attrs
