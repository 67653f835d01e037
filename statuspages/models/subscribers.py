"""Who follows a page, and what they are sent."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from statuspages.models.pages import StatusPage
from statuspages.models.posts import PostUpdate


class SubscriberKind(models.TextChoices):
    """How a subscriber is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class Subscriber(TenantModel):
    """An address, or a URL, that is told of a page's posts once it has agreed.

    `components` are codes of components; empty, or none of them left, for the whole page.
    Addresses agree by a link in a mail (`confirmed_at`); `asked_at` is when that mail was last
    asked for. A URL is confirmed by the team that adds it or by a link too, and what it gets is
    signed with `secret`. `disabled_at` is when it wanted nothing more, or its mail server had
    refused `refused_count` mails in a row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="subscribers"
    )
    kind = models.CharField(max_length=7, choices=SubscriberKind.choices)
    address = models.CharField(max_length=2048)
    secret = models.CharField(max_length=100, blank=True, default="")
    components = models.JSONField(default=list)
    locale = models.CharField(max_length=5, default="en")
    asked_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    refused_count = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "kind", Lower("address"), name="subscriber_once"),
            models.UniqueConstraint("team", "id", name="subscriber_team_id"),
            TenantKey(field="page", name="subscriber_page_team"),
        ]
        indexes = [
            models.Index("page", name="subscriber_told", condition=Q(confirmed_at__isnull=False)),
            models.Index(
                "created_at", name="subscriber_waiting", condition=Q(confirmed_at__isnull=True)
            ),
            models.Index(Lower("address"), name="subscriber_address"),
        ]

    def __str__(self) -> str:
        return self.address


class MessageEvent(models.TextChoices):
    """What a message is about."""

    CONFIRM = "subscription.confirm"
    MANAGE = "subscription.manage"
    UPDATE = "page.update"


class MessageState(models.TextChoices):
    """How far a message has come."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SubscriberMessage(TenantModel):
    """One message to one subscriber: a row of the outbox, and for 30 days what became of it.

    `id` is the key that every attempt carries. While it is being sent `next_attempt_at` is when
    its lease ends. `payload` is what a webhook was sent first, so that it is sent the same again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, db_constraint=False, related_name="messages"
    )
    post_update = models.ForeignKey(
        PostUpdate,
        on_delete=models.CASCADE,
        db_constraint=False,
        null=True,
        related_name="messages",
    )
    event = models.CharField(max_length=20, choices=MessageEvent.choices)
    state = models.CharField(
        max_length=9, choices=MessageState.choices, default=MessageState.PENDING
    )
    payload = models.JSONField(null=True)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=now)
    lease_token = models.UUIDField(null=True)
    outcome = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Nobody is told of the same update twice, whoever puts it in line.
            models.UniqueConstraint("subscriber", "post_update", name="subscribermessage_once"),
            TenantKey(field="subscriber", name="subscribermessage_subscriber_team"),
            TenantKey(field="post_update", name="subscribermessage_update_team"),
        ]
        indexes = [
            models.Index(
                fields=["team", "next_attempt_at"],
                name="subscribermessage_due",
                condition=Q(state__in=["pending", "sending"]),
            ),
            models.Index("team", name="subscribermessage_busy", condition=Q(state="sending")),
            models.Index(
                "finished_at",
                name="subscribermessage_old",
                condition=Q(finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.subscriber_id}"


class AskingNetwork(models.Model):
    """How often a network has asked, or an address was sent a link, since `since`: by a digest."""

    network = models.CharField(primary_key=True, max_length=32)
    since = models.DateTimeField(default=now)
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.count} since {self.since}"
