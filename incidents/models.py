"""Incidents, who is told of them, and every attempt to tell them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel


class Channel(TenantModel):
    """A place of a team's that messages go to; its kind is one file in incidents/channels/."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    config = models.JSONField(default=dict)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="channel_name_once"),
            models.UniqueConstraint("team", "id", name="channel_team_id"),
        ]

    def __str__(self) -> str:
        return self.name


def empty_match() -> dict[str, Any]:
    """Return matchers that match every incident."""
    return {
        "labels": {},
        "namespaces": [],
        "names": [],
        "severities": [],
        "causes": [],
        "hours": [],
    }


class AlertRule(TenantModel):
    """Which incidents go where. Rules are tried by position; the catch-all is always last."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField(null=True, help_text="Empty for the catch-all.")
    match = models.JSONField(default=empty_match)
    channels = models.ManyToManyField(Channel, through="AlertRuleChannel", related_name="rules")
    continue_matching = models.BooleanField(default=False)
    is_catch_all = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="alertrule_name_once"),
            models.UniqueConstraint("team", "id", name="alertrule_team_id"),
            models.UniqueConstraint(
                fields=["team", "position"],
                name="alertrule_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                "team", condition=models.Q(is_catch_all=True), name="alertrule_one_catch_all"
            ),
            models.CheckConstraint(
                condition=models.Q(is_catch_all=True) ^ models.Q(position__isnull=False),
                name="alertrule_catch_all_unnumbered",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AlertRuleChannel(TenantModel):
    """A channel that a rule sends to."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, db_constraint=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_constraint=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("rule", "channel", name="alertrulechannel_once"),
            TenantKey(field="rule", name="alertrulechannel_rule_team"),
            TenantKey(field="channel", name="alertrulechannel_channel_team"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} → {self.channel_id}"


class IncidentState(models.TextChoices):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Incident(TenantModel):
    """One outage of one monitor. The monitor is held by value: history outlives it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    monitor_id = models.UUIDField(db_index=True)
    monitor_name = models.CharField(max_length=253)
    namespace = models.CharField(max_length=63)
    state = models.CharField(
        max_length=12, choices=IncidentState.choices, default=IncidentState.OPEN
    )
    cause = models.CharField(max_length=7)
    severity = models.CharField(max_length=8)
    summary = models.CharField(max_length=500)
    down_since = models.DateTimeField()
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=254, null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_reason = models.CharField(max_length=120, null=True)
    flapping = models.BooleanField(default=False)
    snoozed_until = models.DateTimeField(null=True)
    previous = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="incident_team_id"),
            models.UniqueConstraint(
                "monitor_id", condition=~models.Q(state="resolved"), name="incident_one_open"
            ),
            TenantKey(field="previous", name="incident_previous_team"),
        ]
        indexes = [models.Index(fields=["team", "-id"], name="incident_of_team")]

    def __str__(self) -> str:
        return self.summary


class TimelineEvent(TenantModel):
    """One line of an incident's history: append-only."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, db_constraint=False, related_name="timeline"
    )
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    actor = models.CharField(max_length=254, default="tocsin")
    text = models.TextField(default="")

    class Meta:
        constraints = [TenantKey(field="incident", name="timelineevent_incident_team")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class DeliveryState(models.TextChoices):
    """How far one outgoing message has come."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Delivery(TenantModel):
    """One outgoing message. Its id is the idempotency key of every attempt to send it.

    `next_attempt_at` is when it may be claimed: for a pending row the next try, for one that is
    being sent the end of its lease. `after` is an earlier message to the same contact about the
    same incident: it goes first, or fails first.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(
        Incident,
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        related_name="deliveries",
    )
    channel = models.ForeignKey(
        Channel,
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        related_name="deliveries",
    )
    contact = models.CharField(max_length=300)
    kind = models.CharField(max_length=20)
    event = models.CharField(max_length=30)
    payload = models.JSONField()
    state = models.CharField(
        max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts = models.JSONField(default=list)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    lease_token = models.UUIDField(null=True)
    after = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="delivery_team_id"),
            TenantKey(field="incident", name="delivery_incident_team"),
            TenantKey(field="channel", name="delivery_channel_team"),
            TenantKey(field="after", name="delivery_after_team"),
        ]
        indexes = [
            models.Index(
                "team",
                "next_attempt_at",
                name="delivery_outbox",
                condition=models.Q(state__in=["pending", "sending"]),
            ),
            models.Index(fields=["team", "-id"], name="delivery_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.contact}"


class Notification(TenantModel):
    """The intent to tell one contact one thing, stored once, before any message is made of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, db_constraint=False, related_name="notifications"
    )
    kind = models.CharField(max_length=12)
    step_seq = models.PositiveIntegerField(default=0)
    contact = models.CharField(max_length=300)
    delivery = models.ForeignKey(
        Delivery,
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        related_name="notifications",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "incident", "kind", "step_seq", "contact", name="notification_once"
            ),
            TenantKey(field="incident", name="notification_incident_team"),
            TenantKey(field="delivery", name="notification_delivery_team"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.contact}"
