"""How posts are said in the console: their state in a word and a shape, and who is told of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString, mark_safe

from incidents.console.maintenance import say_span
from incidents.console.maintenance_form import WALL
from statuspages.models import Component, Post, PostComponent, StatusPage, Subscriber
from statuspages.models.posts import PostStatus
from statuspages.rendering.text import render_markdown
from statuspages.rendering.words import words_of
from statuspages.services.posts import OVER

WORDS = words_of("en")
COMPONENT_ICONS = {
    "operational": "up",
    "degraded_performance": "late",
    "partial_outage": "late",
    "major_outage": "down",
    "under_maintenance": "maintenance",
}
_IMPACT_ICONS = {"none": "pending", "minor": "late", "major": "down", "critical": "down"}


@dataclass(frozen=True, slots=True)
class Claim:
    """A component that a post is about, and what it says of it: "" for nothing of its own."""

    component: Component
    status: str

    @property
    def word(self) -> str:
        """Return what is said in words; "" for nothing."""
        return WORDS[self.status] if self.status else ""

    @property
    def icon(self) -> str:
        """Return the shape of what is said; "" for nothing."""
        return COMPONENT_ICONS.get(self.status, "")


@dataclass(frozen=True, slots=True)
class Row:
    """A post and how it stands."""

    post: Post
    word: str
    icon: str
    impact: str
    span: str  # of planned work, on the wall of the page's zone
    claims: tuple[Claim, ...]

    @property
    def is_draft(self) -> bool:
        """Return whether nobody but the team sees it."""
        return self.post.published_at is None


def zone_of(page: StatusPage) -> ZoneInfo:
    """Return the time zone that a page's times are read and shown in."""
    try:
        return ZoneInfo(page.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def read_wall(wall: datetime, zone: ZoneInfo, stored: datetime | None = None) -> datetime:
    """Return the instant at which a zone's clocks show a time; `stored` if they show it then.

    What was not changed keeps its seconds, and which of two equal hours of the wall it is.
    """
    if stored is not None and stored.astimezone(zone).strftime(WALL) == wall.strftime(WALL):
        return stored
    return wall.replace(tzinfo=zone).astimezone(UTC)


def show_wall(at: datetime, zone: ZoneInfo) -> datetime:
    """Return what a zone's clocks show at an instant."""
    return at.astimezone(zone).replace(tzinfo=None)


def icon_of(post: Post) -> str:
    """Return the shape of a post's state."""
    if post.published_at is None:
        return "paused"
    if post.is_maintenance:
        return "up" if post.resolved_at else "maintenance"
    return "up" if post.resolved_at else _IMPACT_ICONS.get(post.impact, "late")


def describe(post: Post, zone: ZoneInfo) -> Row:
    """Return a post, whose `component_links` are at hand, with how it stands."""
    links = sorted(
        post.component_links.all(), key=lambda link: (link.component.position, link.component.name)
    )
    span = ""
    if post.scheduled_for and post.scheduled_until:
        span = say_span((post.scheduled_for, post.scheduled_until), zone)
    return Row(
        post=post,
        word=WORDS[post.status],
        icon=icon_of(post),
        impact=WORDS[f"impact_{post.impact}"],
        span=span,
        claims=tuple(Claim(link.component, link.status) for link in links),
    )


def with_components(posts: QuerySet[Post]) -> QuerySet[Post]:
    """Return a query of posts that fetches their components as well."""
    return posts.prefetch_related("component_links__component")


def claims_of(post: Post) -> dict[Component, str]:
    """Return the components that a post is about, and what it says of each."""
    rows = PostComponent.objects.filter(post=post).select_related("component")
    return {row.component: row.status for row in rows}


def count_told(page: StatusPage, codes: Collection[str] | None = None) -> int:
    """Return how many subscribers a word about these components is sent to; None: all of them."""
    rows = Subscriber.objects.filter(
        page=page, confirmed_at__isnull=False, disabled_at__isnull=True
    )
    if codes is not None:
        # As messages are put in line: a choice of which nothing is left is the whole page.
        known = list(Component.objects.filter(page=page).values_list("code", flat=True))
        chosen = Q(components__has_any_keys=list(codes))
        rows = rows.filter(chosen | ~Q(components__has_any_keys=known))
    return rows.count()


def as_html(body: str) -> SafeString:
    """Return Markdown as visitors see it, made by the page's own renderer."""
    return mark_safe(render_markdown(body))  # noqa: S308 - it returns nothing that can act


def status_choices(statuses: Iterable[str]) -> list[tuple[str, str]]:
    """Return statuses of posts with their words."""
    return [(str(status), WORDS[str(status)]) for status in statuses]


def may_have_postmortem(post: Post) -> bool:
    """Return whether an incident is over, so that its story can be told."""
    return (
        not post.is_maintenance
        and post.resolved_at is not None
        and post.updates.filter(status=PostStatus.RESOLVED).exists()
    )


def is_over(status: str) -> bool:
    """Return whether a status says that it is over."""
    return status in OVER
