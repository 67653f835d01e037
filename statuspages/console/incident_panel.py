"""What status pages put on the pages of the room below: posts of an incident, open ones at home."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Case, Exists, IntegerField, OuterRef, Value, When
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.access import Access
from accounts.models import Scope
from incidents.models import Incident
from statuspages.console.post_words import WORDS, icon_of
from statuspages.models import ComponentMonitor, Post, StatusPage

MOST_POSTS = 20
MOST_PAGES = 20


def show_posts(access: Access, incident: Incident) -> SafeString | str:
    """Return the posts that tell of an incident, and where one can be written: two queries.

    Pages that show the incident's monitor come first. A team without a page gets no panel.
    """
    links = ComponentMonitor.objects.filter(monitor_id=incident.monitor_id)
    pages = list(
        StatusPage.objects.annotate(
            shows=Exists(links.filter(component__page=OuterRef("pk"))),
            rank=Case(When(shows=True, then=Value(0)), default=1, output_field=IntegerField()),
        ).order_by("rank", "name", "pk")[:MOST_PAGES]
    )
    if not pages:
        return ""
    posts = _describe(Post.objects.filter(incident_id=incident.pk))
    told = {row["post"].page_id for row in posts}
    context = {
        "team": access.team,
        "incident": incident,
        "posts": posts,
        "pages": [page for page in pages if page.pk not in told],
        "shown": any(page.shows for page in pages),
        "can_write": access.allows(Scope.WRITE),
        "now": None,
    }
    return render_to_string("statuspages/console/incident_panel.html", context)


def show_open_posts(access: Access, now: datetime) -> SafeString | str:
    """Return what visitors read now: posts that are published and not over. One query."""
    posts = _describe(Post.objects.filter(resolved_at=None, published_at__lte=now))
    if not posts:
        return ""
    context = {"team": access.team, "posts": posts, "now": now}
    return render_to_string("statuspages/console/home_panel.html", context)


def _describe(found: Any) -> list[dict[str, Any]]:
    rows = found.select_related("page").order_by("-started_at", "-pk")[:MOST_POSTS]
    return [{"post": post, "word": WORDS[post.status], "icon": icon_of(post)} for post in rows]
