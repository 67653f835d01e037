"""What a page shows the state of, and how that has been."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from monitors.models import Monitor
from statuspages.codes import new_code
from statuspages.models.pages import StatusPage


class ComponentStatus(models.TextChoices):
    """How a component is, in the words of the public representations."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded_performance"
    PARTIAL = "partial_outage"
    MAJOR = "major_outage"
    MAINTENANCE = "under_maintenance"


class Rule(models.TextChoices):
    """How many of a component's monitors must be down for it to be in a major outage."""

    ANY = "any"
    MAJORITY = "majority"
    ALL = "all"


class ComponentGroup(TenantModel):
    """A heading that components stand under."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=12, default=new_code, unique=True, editable=False)
    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="groups"
    )
    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "name", name="componentgroup_name_once"),
            models.UniqueConstraint("team", "id", name="componentgroup_team_id"),
            TenantKey(field="page", name="componentgroup_page_team"),
        ]

    def __str__(self) -> str:
        return self.name


class Component(TenantModel):
    """One line of a page: one monitor, several under a rule, or set by hand.

    `manual_status` wins over the monitors; empty for automatic. `status` is what is shown, since
    `status_since`: the engine writes it when the monitors or posts change. `history_stale_at` is
    set when its monitors or rule changed, until the engine has worked its history out again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=12, default=new_code, unique=True, editable=False)
    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="components"
    )
    group = models.ForeignKey(
        ComponentGroup,
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        related_name="components",
    )
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True, default="")
    position = models.PositiveIntegerField(default=0)
    rule = models.CharField(max_length=8, choices=Rule.choices, default=Rule.ANY)
    manual_status = models.CharField(
        max_length=20, choices=ComponentStatus.choices, blank=True, default=""
    )
    status = models.CharField(
        max_length=20, choices=ComponentStatus.choices, default=ComponentStatus.OPERATIONAL
    )
    status_since = models.DateTimeField(default=now)
    show_uptime = models.BooleanField(default=True)
    show_latency = models.BooleanField(default=False)
    history_stale_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "name", name="component_name_once"),
            models.UniqueConstraint("team", "id", name="component_team_id"),
            TenantKey(field="page", name="component_page_team"),
            TenantKey(field="group", name="component_group_team"),
        ]
        indexes = [
            models.Index(
                "history_stale_at",
                name="component_stale",
                condition=Q(history_stale_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ComponentMonitor(TenantModel):
    """A monitor that a component stands for."""

    component = models.ForeignKey(
        Component, on_delete=models.CASCADE, db_constraint=False, related_name="monitor_links"
    )
    monitor = models.ForeignKey(
        Monitor, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("component", "monitor", name="componentmonitor_once"),
            TenantKey(field="component", name="componentmonitor_component_team"),
            TenantKey(field="monitor", name="componentmonitor_monitor_team"),
        ]

    def __str__(self) -> str:
        return f"{self.component_id}: {self.monitor_id}"


class SpanKind(models.TextChoices):
    """What a time that was not plainly good was."""

    MAJOR = "major"
    PARTIAL = "partial"
    DEGRADED = "degraded"
    MAINTENANCE = "maintenance"
    NO_DATA = "no_data"


class ComponentSpan(TenantModel):
    """A time in which a component was not plainly operational: a sparse history.

    [started_at, ended_at), open while `ended_at` is empty. What no span covers was good. Spans
    never overlap; a `derived` one follows from the monitors' changes and can be worked out again,
    the others tell what people set or announced.
    """

    component = models.ForeignKey(
        Component, on_delete=models.CASCADE, db_constraint=False, related_name="spans"
    )
    kind = models.CharField(max_length=11, choices=SpanKind.choices)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    derived = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "component", condition=Q(ended_at=None), name="componentspan_one_open"
            ),
            TenantKey(field="component", name="componentspan_component_team"),
        ]
        indexes = [models.Index(fields=["component", "started_at"], name="componentspan_history")]

    def __str__(self) -> str:
        return f"{self.kind} from {self.started_at}"
