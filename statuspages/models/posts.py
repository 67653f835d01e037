"""What people write on a page: incidents, planned maintenance, and the updates of both."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from statuspages.codes import new_code
from statuspages.models.components import Component, ComponentStatus
from statuspages.models.pages import StatusPage


class Impact(models.TextChoices):
    """How bad it is."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"


class PostStatus(models.TextChoices):
    """How far it has come: the first five for incidents, the others for maintenance."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    POSTMORTEM = "postmortem"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    COMPLETED = "completed"


class Post(TenantModel):
    """An incident or a planned maintenance as visitors read it.

    A draft has no `published_at`. A maintenance has `scheduled_for` and `scheduled_until` and,
    unless somebody has taken over, begins and ends by itself. `automatic` says that the monitors'
    incident (`incident_id`) still writes it; a person's first word takes it over.
    `maintenance_id` and `span_start` name the occurrence of a maintenance window that it tells of.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=12, default=new_code, unique=True, editable=False)
    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="posts"
    )
    title = models.CharField(max_length=200)
    impact = models.CharField(max_length=11, choices=Impact.choices, default=Impact.MINOR)
    status = models.CharField(max_length=13, choices=PostStatus.choices)
    is_maintenance = models.BooleanField(default=False)
    scheduled_for = models.DateTimeField(null=True)
    scheduled_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(default=now)
    monitoring_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True)
    automatic = models.BooleanField(default=False)
    incident_id = models.UUIDField(null=True)
    maintenance_id = models.UUIDField(null=True)
    span_start = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="post_team_id"),
            models.UniqueConstraint(
                "page",
                "incident_id",
                condition=Q(incident_id__isnull=False),
                name="post_once_for_incident",
            ),
            models.UniqueConstraint(
                "page",
                "maintenance_id",
                "span_start",
                condition=Q(maintenance_id__isnull=False),
                name="post_once_for_span",
            ),
            TenantKey(field="page", name="post_page_team"),
        ]
        indexes = [
            models.Index(fields=["page", "-started_at"], name="post_of_page"),
            models.Index("page", name="post_open", condition=Q(resolved_at=None)),
            models.Index(
                "scheduled_for",
                name="post_planned",
                condition=Q(is_maintenance=True, resolved_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class PostComponent(TenantModel):
    """A component that a post is about, and what the post says of it while it is open."""

    post = models.ForeignKey(
        Post, on_delete=models.CASCADE, db_constraint=False, related_name="component_links"
    )
    component = models.ForeignKey(
        Component, on_delete=models.CASCADE, db_constraint=False, related_name="post_links"
    )
    status = models.CharField(
        max_length=20, choices=ComponentStatus.choices, blank=True, default=""
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("post", "component", name="postcomponent_once"),
            TenantKey(field="post", name="postcomponent_post_team"),
            TenantKey(field="component", name="postcomponent_component_team"),
        ]

    def __str__(self) -> str:
        return f"{self.post_id}: {self.component_id}"


class PostUpdate(TenantModel):
    """One word on how it goes; `body` is Markdown.

    `affected` lists `{"code", "name", "old_status", "new_status"}` of the components it changed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=12, default=new_code, unique=True, editable=False)
    post = models.ForeignKey(
        Post, on_delete=models.CASCADE, db_constraint=False, related_name="updates"
    )
    status = models.CharField(max_length=13, choices=PostStatus.choices)
    body = models.CharField(max_length=20_000, blank=True, default="")
    at = models.DateTimeField(default=now)
    affected = models.JSONField(default=list)
    created_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="postupdate_team_id"),
            TenantKey(field="post", name="postupdate_post_team"),
        ]
        indexes = [models.Index(fields=["post", "at"], name="postupdate_of_post")]

    def __str__(self) -> str:
        return f"{self.status} at {self.at}"


class PostNotice(TenantModel):
    """An update that subscribers are to be told of; `handled_at` is when they were put in line."""

    post_update = models.OneToOneField(
        PostUpdate, on_delete=models.CASCADE, db_constraint=False, related_name="notice"
    )
    created_at = models.DateTimeField(default=now, editable=False)
    handled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [TenantKey(field="post_update", name="postnotice_update_team")]
        indexes = [models.Index("id", name="postnotice_open", condition=Q(handled_at__isnull=True))]

    def __str__(self) -> str:
        return f"notice of {self.post_update_id}"


class PostTemplate(TenantModel):
    """Words that were found before they are needed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="templates"
    )
    name = models.CharField(max_length=120)
    title = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=13, choices=PostStatus.choices)
    impact = models.CharField(max_length=11, choices=Impact.choices, default=Impact.MINOR)
    body = models.CharField(max_length=20_000, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "name", name="posttemplate_name_once"),
            TenantKey(field="page", name="posttemplate_page_team"),
        ]

    def __str__(self) -> str:
        return self.name
