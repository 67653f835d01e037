"""Who is to be told what (notifications), and every message that carries it (deliveries)."""

from __future__ import annotations

from django.db import models

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from incidents.models.channels import Channel
from incidents.models.contacts import ContactMethod
from incidents.models.incidents import Incident


class DeliveryState(models.TextChoices):
    """How far one outgoing message has come."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BUNDLED = "bundled"


class Delivery(TenantModel):
    """One outgoing message. Its id is the idempotency key of every attempt to send it.

    `next_attempt_at` is when it may be claimed: for a pending row the next try, for one that is
    being sent the end of its lease. `after` is an earlier message to the same contact about the
    same incident: it goes first, or fails first. `bundle` is the digest that carries a bundled
    one. `paced` says that its contact may get it now. A `direct` one goes to the address in
    `contact` itself; any other needs its channel or contact method. `given_way` says that somebody
    else is asked meanwhile, `rescue` that the engine has yet to turn to them.
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
        db_index=False,
        related_name="deliveries",
    )
    contact_method = models.ForeignKey(
        ContactMethod,
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        db_index=False,
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
        "self",
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    bundle = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="bundled",
    )
    paced = models.BooleanField(default=False)
    direct = models.BooleanField(default=False)
    given_way = models.BooleanField(default=False)
    rescue = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="delivery_team_id"),
            TenantKey(field="incident", name="delivery_incident_team"),
            TenantKey(field="channel", name="delivery_channel_team"),
            TenantKey(field="contact_method", name="delivery_contact_method_team"),
            TenantKey(field="after", name="delivery_after_team"),
            TenantKey(field="bundle", name="delivery_bundle_team"),
        ]
        indexes = [
            models.Index(
                "team",
                "next_attempt_at",
                name="delivery_outbox",
                condition=models.Q(state__in=["pending", "sending"]),
            ),
            # A few at a time, among however many wait.
            models.Index(
                "team",
                "next_attempt_at",
                name="delivery_sending",
                condition=models.Q(state="sending"),
            ),
            models.Index("id", name="delivery_rescue", condition=models.Q(rescue=True)),
            # Empty for most messages of a mass outage, so these cost it nothing.
            *(
                models.Index(
                    field,
                    models.F("id").desc(),
                    name=f"delivery_of_{field}",
                    condition=models.Q(**{f"{field}__isnull": False}),
                )
                for field in ("channel", "contact_method", "after", "bundle")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.contact}"


class ContactPace(TenantModel):
    """How many messages a contact has had of late: `count` since `since`, the last at `last_at`.

    While `hold_until` lies ahead, everything waits for it: there were too many.
    """

    contact = models.CharField(max_length=300)
    since = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)
    hold_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", "contact", name="contactpace_once")]

    def __str__(self) -> str:
        return f"{self.count} to {self.contact}"


class Notification(TenantModel):
    """The intent to tell one contact one thing, stored once, before any message is made of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(  # notification_once begins with it
        Incident,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="notifications",
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
