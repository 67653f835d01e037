"""What a page shows at one moment, as plain values: what every representation is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of a component in the page's zone; the seconds of each kind add up to at most all.

    `length_seconds` is 82,800 to 90,000 where the clock changes, and less for today. `uptime` is a
    percentage floored to three decimals, None where there is nothing to judge.
    """

    date: date
    length_seconds: int
    major_seconds: int = 0
    partial_seconds: int = 0
    degraded_seconds: int = 0
    maintenance_seconds: int = 0
    no_data_seconds: int = 0
    uptime: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """The median and 95th percentile of an hour, in milliseconds; a gap is None."""

    at: datetime
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One component. `status` is a word of `ComponentStatus`; `days` end today."""

    id: str
    code: str
    name: str
    description: str
    group_code: str | None
    position: int
    status: str
    since: datetime
    created_at: datetime
    updated_at: datetime
    show_uptime: bool
    days: tuple[DayView, ...] = ()
    uptime: Decimal | None = None
    latency: tuple[LatencyPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupView:
    """A heading with the worst status below it; `component_codes` in order."""

    code: str
    name: str
    position: int
    status: str
    created_at: datetime
    updated_at: datetime
    component_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdateView:
    """One update; `body` is Markdown as it was written."""

    code: str
    status: str
    body: str
    at: datetime
    created_at: datetime
    updated_at: datetime
    affected: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PostView:
    """An incident or maintenance; `updates` newest first."""

    code: str
    title: str
    impact: str
    status: str
    is_maintenance: bool
    started_at: datetime
    created_at: datetime
    updated_at: datetime
    monitoring_at: datetime | None
    resolved_at: datetime | None
    scheduled_for: datetime | None
    scheduled_until: datetime | None
    component_codes: tuple[str, ...]
    updates: tuple[UpdateView, ...]

    @property
    def is_over(self) -> bool:
        """Return whether it is resolved or completed."""
        return self.resolved_at is not None


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything that visitors may see. `url` is the page's root, with a slash at its end.

    `posts` are the published incidents of the last 90 days, `maintenances` the published planned
    and past ones of as long, both newest first. `assets` maps "logo", "dark_logo", "favicon" to
    addresses. `weights` maps "major" and "partial" to what they count.
    """

    id: str
    code: str
    name: str
    description: str
    url: str
    support_url: str
    timezone: str
    locale: str
    robots: bool
    colours: Mapping[str, str]
    weights: Mapping[str, float]
    assets: Mapping[str, str]
    as_of: datetime
    version: int
    updated_at: datetime
    groups: tuple[GroupView, ...] = ()
    components: tuple[ComponentView, ...] = ()
    posts: tuple[PostView, ...] = ()
    maintenances: tuple[PostView, ...] = ()
    window_days: int = 90
    extras: Mapping[str, Any] = field(default_factory=dict)


# From best to worst, as the public representations order them.
SEVERITY = (
    "operational",
    "under_maintenance",
    "degraded_performance",
    "partial_outage",
    "major_outage",
)


def worst_status(statuses: tuple[str, ...]) -> str:
    """Return the worst of some components' statuses; operational for none."""
    return max(statuses, key=SEVERITY.index, default="operational")


def page_indicator(view: PageView) -> str:
    """Return none, minor, major, critical or maintenance for the whole page.

    Any major outage is major, and critical if more than half of the components are in one; partial
    outages and degraded components are minor; an open incident counts with its impact at least.
    """
    statuses = [component.status for component in view.components]
    major = statuses.count("major_outage")
    ranks = ("none", "maintenance", "minor", "major", "critical")
    found = ["none"]
    if major:
        found.append("critical" if 2 * major > len(statuses) else "major")
    if any(status in ("partial_outage", "degraded_performance") for status in statuses):
        found.append("minor")
    if "under_maintenance" in statuses:
        found.append("maintenance")
    found += [post.impact for post in view.posts if not post.is_over and post.impact in ranks]
    return max(found, key=ranks.index)
