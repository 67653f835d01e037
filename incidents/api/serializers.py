"""Incidents and deliveries as the API shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from incidents.channels.wording import read_time
from incidents.models import (
    Delivery,
    DeliveryState,
    Incident,
    IncidentState,
    Notification,
    TimelineEvent,
)
from monitors.api.fields import CauseField, SeverityField


@extend_schema_field(
    {"type": "string", "enum": list(IncidentState.values)}, component_name="IncidentState"
)
class IncidentStateField(serializers.ReadOnlyField):
    """Where an incident stands."""


@extend_schema_field(
    {"type": "string", "enum": list(DeliveryState.values)}, component_name="DeliveryState"
)
class DeliveryStateField(serializers.ReadOnlyField):
    """How far a message has come."""


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    """An incident without what it went through."""

    monitor = serializers.UUIDField(source="monitor_id", read_only=True)
    state = IncidentStateField()
    cause = CauseField()
    severity = SeverityField(read_only=True)
    previous = serializers.UUIDField(source="previous_id", read_only=True, allow_null=True)

    class Meta:
        model = Incident
        fields = [
            "id",
            "monitor",
            "monitor_name",
            "namespace",
            "state",
            "cause",
            "severity",
            "summary",
            "down_since",
            "opened_at",
            "acknowledged_at",
            "acknowledged_by",
            "resolved_at",
            "resolved_reason",
            "flapping",
            "snoozed_until",
            "previous",
        ]
        read_only_fields = fields


class TimelineEventSerializer(serializers.ModelSerializer[TimelineEvent]):
    """One line of an incident's history."""

    class Meta:
        model = TimelineEvent
        fields = ["at", "kind", "actor", "text"]
        read_only_fields = fields


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """One thing that one contact was told, or is to be told."""

    delivery = serializers.UUIDField(source="delivery_id", read_only=True, allow_null=True)
    state = DeliveryStateField(source="delivery.state", default=None, allow_null=True)

    class Meta:
        model = Notification
        fields = ["id", "kind", "contact", "delivery", "state", "created_at"]
        read_only_fields = fields


class IncidentDetailSerializer(IncidentSerializer):
    """An incident with its timeline and who was told."""

    timeline = TimelineEventSerializer(many=True, read_only=True)
    notifications = NotificationSerializer(many=True, read_only=True)

    class Meta(IncidentSerializer.Meta):
        fields = [*IncidentSerializer.Meta.fields, "timeline", "notifications"]
        read_only_fields = fields


class AttemptSerializer(serializers.Serializer[Any]):
    """One attempt to send a message."""

    at = serializers.DateTimeField()
    outcome = serializers.CharField()
    detail = serializers.CharField()


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One outgoing message; its id is the idempotency key of every attempt."""

    incident = serializers.UUIDField(source="incident_id", read_only=True, allow_null=True)
    channel = serializers.UUIDField(source="channel_id", read_only=True, allow_null=True)
    contact_method = serializers.UUIDField(
        source="contact_method_id", read_only=True, allow_null=True
    )
    state = DeliveryStateField()
    bundle = serializers.UUIDField(source="bundle_id", read_only=True, allow_null=True)
    attempts = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields = [
            "id",
            "incident",
            "channel",
            "contact_method",
            "kind",
            "event",
            "state",
            "bundle",
            "created_at",
            "attempts",
        ]
        read_only_fields = fields

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, delivery: Delivery) -> list[dict[str, Any]]:
        """Return the log of attempts, oldest first."""
        # The database writes these times, in its own form: read, and written as all others are.
        write = serializers.DateTimeField().to_representation
        return [
            {
                "at": write(at) if (at := read_time(attempt.get("at"))) else attempt.get("at"),
                "outcome": attempt.get("outcome"),
                "detail": attempt.get("detail"),
            }
            for attempt in delivery.attempts
        ]
