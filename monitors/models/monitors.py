"""Monitors, the keys and tokens that push to them, and how they stand."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.timezone import now

from accounts.ids import random_base62, uuid7
from accounts.models import Namespace
from accounts.tenancy import TenantKey, TenantModel
from monitors.schedule import Cron, Window
from monitors.state import Cause, State

DAY_SECONDS = 86_400
SLUG_LENGTH = 12


class Severity(models.TextChoices):
    """How much a silence of this monitor matters."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Secret(TenantModel):
    """A token given by a manifest, by name; several monitors may share it. Only a hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    namespace = models.ForeignKey(
        Namespace, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    name = models.CharField(max_length=253)
    key = models.CharField(max_length=253)
    token_hash = models.BinaryField(max_length=32)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="secret_team_id"),
            models.UniqueConstraint("namespace", "name", "key", name="secret_name_once"),
            TenantKey(field="namespace", name="secret_namespace_team"),
        ]

    def __str__(self) -> str:
        return f"{self.name}/{self.key}"


class Monitor(TenantModel):
    """What a service promises: to push, and how often."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    namespace = models.ForeignKey(
        Namespace, on_delete=models.RESTRICT, db_constraint=False, related_name="+"
    )
    name = models.CharField(max_length=253)
    description = models.TextField(blank=True, default="", max_length=4000)
    interval = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(400 * DAY_SECONDS)],
        help_text="Expected cadence in seconds, for display and advice.",
    )
    silent_after = models.PositiveIntegerField(
        default=90,
        validators=[MinValueValidator(5), MaxValueValidator(400 * DAY_SECONDS)],
        help_text="Seconds without a push until the monitor is late.",
    )
    grace = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(30 * DAY_SECONDS)],
        help_text="Seconds from late to down.",
    )
    cron = models.CharField(max_length=100, blank=True, default="")
    cron_timezone = models.CharField(max_length=64, blank=True, default="")
    timeout = models.PositiveIntegerField(null=True, blank=True, help_text="Stored as given.")
    failures_to_open = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    passes_to_close = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    latency_limit_ms = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(1e9)]
    )
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.CRITICAL)
    labels = models.JSONField(default=dict, blank=True)
    require_token = models.BooleanField(default=False)
    arm_on_create = models.BooleanField(default=False)
    runbook_url = models.URLField(max_length=2000, blank=True, default="")
    token_hash = models.BinaryField(max_length=32, null=True)
    old_token_hash = models.BinaryField(max_length=32, null=True)
    old_token_expires_at = models.DateTimeField(null=True)
    secret = models.ForeignKey(
        Secret,
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="monitors",
    )
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("namespace", "name", name="monitor_name_once"),
            models.UniqueConstraint("team", "id", name="monitor_team_id"),
            TenantKey(field="namespace", name="monitor_namespace_team"),
            TenantKey(field="secret", name="monitor_secret_team"),
        ]
        indexes = [GinIndex(fields=["labels"], opclasses=["jsonb_path_ops"], name="monitor_labels")]

    def __str__(self) -> str:
        return self.name

    @property
    def schedule(self) -> Cron | None:
        """The cron schedule, if the monitor has one."""
        return Cron(self.cron, self.cron_timezone or "UTC") if self.cron else None

    @property
    def window(self) -> Window:
        """The deadlines of this monitor as plain values."""
        return Window(
            silent_after_seconds=self.silent_after,
            grace_seconds=self.grace,
            interval_seconds=self.interval,
            cron=self.schedule,
        )


class Heartbeat(TenantModel):
    """How a monitor stands: one narrow row that every push updates in place.

    A steady push changes no indexed column, so PostgreSQL updates it within its page (HOT); the
    table is created with a fillfactor of 50 to leave it the room. Never save whole rows here:
    the recorder and the sweep change it by statement, under its row lock.
    """

    monitor = models.OneToOneField(
        Monitor,
        on_delete=models.CASCADE,
        primary_key=True,
        db_constraint=False,
        related_name="heartbeat",
    )
    state = models.CharField(max_length=7, default=State.PENDING.value)
    cause = models.CharField(max_length=7, null=True)
    open_causes = models.PositiveSmallIntegerField(default=0)
    last_push_at = models.DateTimeField(null=True)
    last_status = models.CharField(max_length=4, null=True)
    consecutive_fails = models.PositiveIntegerField(default=0)
    consecutive_slow = models.PositiveIntegerField(default=0)
    consecutive_passes = models.PositiveIntegerField(default=0)
    down_since = models.DateTimeField(null=True)
    clock_from = models.DateTimeField(null=True)
    check_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [TenantKey(field="monitor", name="heartbeat_monitor_team")]
        indexes = [
            models.Index(
                "check_at", name="heartbeat_check_at", condition=models.Q(check_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.monitor_id} {self.state}"


# `open_causes` holds a set in one small integer, so that the recorder's statement can test it.
CAUSE_BITS: dict[Cause, int] = {Cause.SILENCE: 1, Cause.FAILURE: 2, Cause.LATENCY: 4}


def new_slug() -> str:
    """Return a fresh push slug: 12 base62 characters, 71 bits."""
    return random_base62(SLUG_LENGTH)


class PushKey(TenantModel):
    """What a push URL names its monitor by: the present slug, or an old one in its overlap."""

    value = models.CharField(max_length=64, primary_key=True, default=new_slug)
    monitor = models.ForeignKey(
        Monitor, on_delete=models.CASCADE, db_constraint=False, related_name="push_keys"
    )
    is_current = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            TenantKey(field="monitor", name="pushkey_monitor_team"),
            models.UniqueConstraint(
                "monitor", condition=models.Q(is_current=True), name="pushkey_one_current"
            ),
        ]

    def __str__(self) -> str:
        return f"key of {self.monitor_id}"
