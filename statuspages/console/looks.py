"""How the console shows how a component or a page is: a shape and a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from statuspages.models import Component, Post, StatusPage
from statuspages.models.components import ComponentStatus, Rule
from statuspages.rendering.atlassian import state_of
from statuspages.rendering.words import LOCALES
from statuspages.view import ComponentView, PageView, PostView, worst_status


@dataclass(frozen=True, slots=True)
class Look:
    """A shape of `_shapes.html` and the word that stands beside it."""

    shape: str
    word: str


LOOKS: Mapping[str, Look] = {
    ComponentStatus.OPERATIONAL: Look("up", "Operational"),
    ComponentStatus.DEGRADED: Look("late", "Degraded performance"),
    ComponentStatus.PARTIAL: Look("late", "Partial outage"),
    ComponentStatus.MAJOR: Look("down", "Major outage"),
    ComponentStatus.MAINTENANCE: Look("maintenance", "Under maintenance"),
}
_HEADLINE_SHAPES: Mapping[str, str] = {
    "none": "up",
    "degraded": "late",
    "minor": "late",
    "major": "down",
    "critical": "down",
    "maintenance": "maintenance",
}
NOTHING = Look("pending", "Nothing to show yet")
STATUS_CHOICES = [(status, look.word) for status, look in LOOKS.items()]
RULE_CHOICES = [
    (Rule.ANY.value, "Any of its monitors is down"),
    (Rule.MAJORITY.value, "More than half of its monitors are down"),
    (Rule.ALL.value, "All of its monitors are down"),
]
RULE_WORDS = {
    Rule.ANY.value: "any down is a major outage",
    Rule.MAJORITY.value: "more than half down is a major outage",
    Rule.ALL.value: "all down is a major outage",
}


def look_of(statuses: Sequence[str]) -> Look:
    """Return the look of the worst of some components' statuses."""
    return LOOKS[worst_status(tuple(statuses))] if statuses else NOTHING


def headlines(pages: Sequence[StatusPage]) -> dict[UUID, Look]:
    """Return what is at the top of each page now, in English, by two queries."""
    statuses: dict[UUID, list[str]] = defaultdict(list)
    impacts: dict[UUID, list[str]] = defaultdict(list)
    components = Component.objects.filter(page__in=pages)
    for page_id, status in components.values_list("page_id", "status"):
        statuses[page_id].append(status)
    for page_id, impact in open_incidents(pages).values_list("page_id", "impact"):
        impacts[page_id].append(impact)
    return {page.pk: _headline(page, statuses[page.pk], impacts[page.pk]) for page in pages}


def open_incidents(pages: Sequence[StatusPage]) -> QuerySet[Post]:
    """Return the incidents that visitors of some pages see as open."""
    published = Post.objects.filter(published_at__isnull=False, is_maintenance=False)
    return published.filter(page__in=pages, resolved_at=None)


def _headline(page: StatusPage, statuses: Sequence[str], impacts: Sequence[str]) -> Look:
    if not statuses and not impacts:
        return NOTHING
    state = state_of(_glance(page, statuses, impacts))
    word = LOCALES["en"]["all_up" if state == "none" else state]
    return Look(_HEADLINE_SHAPES[state], word)


def _glance(page: StatusPage, statuses: Sequence[str], impacts: Sequence[str]) -> PageView:
    """Return as much of a page as its headline follows from."""
    at = page.updated_at
    return PageView(
        id=str(page.pk),
        code=page.code,
        name=page.name,
        description="",
        url="",
        support_url="",
        timezone=page.timezone,
        locale="en",
        robots=False,
        colours={},
        weights={},
        assets={},
        as_of=at,
        version=page.version,
        updated_at=at,
        components=tuple(
            ComponentView("", "", "", "", None, place, status, at, at, at, show_uptime=False)
            for place, status in enumerate(statuses)
        ),
        posts=tuple(
            PostView("", "", impact, "", False, at, at, at, None, None, None, None, (), ())
            for impact in impacts
        ),
    )
