"""Who follows a page."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from statuspages.models.pages import StatusPage


class SubscriberKind(models.TextChoices):
    """How a subscriber is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class Subscriber(TenantModel):
    """An address, or a URL, that is told of a page's posts once it has agreed.

    `components` are codes of components; empty for the whole page. Addresses agree by a link in a
    mail (`confirmed_at`); `asked_at` is when that mail was last sent. A URL is confirmed by whoever
    adds it, and signed with `secret`.
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
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "kind", Lower("address"), name="subscriber_once"),
            models.UniqueConstraint("team", "id", name="subscriber_team_id"),
            TenantKey(field="page", name="subscriber_page_team"),
        ]
        indexes = [
            models.Index("page", name="subscriber_told", condition=Q(confirmed_at__isnull=False))
        ]

    def __str__(self) -> str:
        return self.address
