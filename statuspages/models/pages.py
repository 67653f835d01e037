"""A status page, its pictures, and the bytes that are served for it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.models import validate_slug
from accounts.tenancy import TenantKey, TenantModel
from statuspages.codes import new_code


def default_weights() -> dict[str, Any]:
    """Return how much each kind of trouble counts against uptime."""
    return {"major": 1.0, "partial": 0.3}


class Visibility(models.TextChoices):
    """Who may look at a published page."""

    PUBLIC = "public"
    PASSWORD = "password"  # noqa: S105
    MEMBERS = "members"


class AutoPost(models.TextChoices):
    """What a monitor's incident does on the page by itself."""

    OFF = "off"
    DRAFT = "draft"
    PUBLISH = "publish"


class StatusPage(TenantModel):
    """One hosted page.

    `version` grows with every change that can be seen; snapshots carry the version that they show.
    A `domain` is served once `domain_verified_at` is set. `password_hash` is Django's.
    `auto_post_delay` is in seconds.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=12, default=new_code, unique=True, editable=False)
    name = models.CharField(max_length=120)
    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    description = models.CharField(max_length=1000, blank=True, default="")
    support_url = models.CharField(max_length=500, blank=True, default="")
    domain = models.CharField(max_length=253, null=True)
    domain_token = models.CharField(max_length=43, blank=True, default="")
    domain_verified_at = models.DateTimeField(null=True)
    domain_checked_at = models.DateTimeField(null=True)
    domain_problem = models.CharField(max_length=300, blank=True, default="")
    published = models.BooleanField(default=False)
    visibility = models.CharField(
        max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    password_hash = models.CharField(max_length=200, blank=True, default="")
    robots = models.BooleanField(default=True)
    timezone = models.CharField(max_length=64, default="UTC")
    locale = models.CharField(max_length=5, default="en")
    colours = models.JSONField(default=dict)
    weights = models.JSONField(default=default_weights)
    auto_post = models.CharField(max_length=7, choices=AutoPost.choices, default=AutoPost.OFF)
    auto_post_delay = models.PositiveIntegerField(default=120)
    version = models.BigIntegerField(default=1)
    rendered_version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "id", name="statuspage_team_id"),
            # Several may claim a domain; whoever proves it has it.
            models.UniqueConstraint(
                "domain",
                condition=Q(domain_verified_at__isnull=False),
                name="statuspage_domain_once",
            ),
        ]
        indexes = [
            models.Index(
                "id",
                name="statuspage_stale",
                condition=Q(rendered_version__lt=models.F("version")),
            )
        ]

    def __str__(self) -> str:
        return self.name


class AssetKind(models.TextChoices):
    """Which picture it is."""

    LOGO = "logo"
    DARK_LOGO = "dark_logo"
    FAVICON = "favicon"


class Asset(TenantModel):
    """A picture of a page, of a checked type, at most 2 MB; kept here, outside any web root."""

    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="assets"
    )
    kind = models.CharField(max_length=9, choices=AssetKind.choices)
    content_type = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "kind", name="asset_once"),
            TenantKey(field="page", name="asset_page_team"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.page_id}"


class PageSnapshot(TenantModel):
    """The bytes of one representation of a page at one version: what visitors get.

    `path` is below the page's root: "" is the page, "history.rss", "api/v2/summary.json", "de/".
    """

    page = models.ForeignKey(
        StatusPage, on_delete=models.CASCADE, db_constraint=False, related_name="snapshots"
    )
    path = models.CharField(max_length=200)
    version = models.BigIntegerField()
    content_type = models.CharField(max_length=80)
    etag = models.CharField(max_length=70)
    body = models.BinaryField()
    gzipped = models.BinaryField()
    rendered_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint("page", "path", name="snapshot_once"),
            TenantKey(field="page", name="snapshot_page_team"),
        ]

    def __str__(self) -> str:
        return f"{self.page_id}/{self.path} at {self.version}"
