"""What tests of a status page's posts and subscribers make, post and look at."""

from __future__ import annotations

import re
from typing import Any

from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Monitor
from statuspages.models import Component, Post, PostNotice, StatusPage
from statuspages.services.components import create_component
from statuspages.services.pages import create_page


def make_page(team: Team, **fields: Any) -> StatusPage:
    """Return a published page in Berlin's time."""
    fields = {"name": "Acme", "slug": "acme", "published": True, "timezone": "Europe/Berlin"} | (
        fields
    )
    return create_page(team=team, **fields)


def make_component(page: StatusPage, name: str, *monitors: Monitor) -> Component:
    """Return a component of the page."""
    return create_component(page=page, name=name, monitors=list(monitors))


def base_of(page: StatusPage) -> str:
    """Return where the page's tabs are."""
    return f"/t/acme/status-pages/{page.pk}/"


def at_post(page: StatusPage, post: Post, then: str = "") -> str:
    """Return the address of a post, or of something below it."""
    return f"{base_of(page)}posts/{post.pk}/{then}"


def only_post() -> Post:
    """Return the one post there is."""
    with scopes_disabled():
        return Post.objects.get()


def said_of(post: Post) -> dict[str, str]:
    """Return what a post says of components, by name."""
    with scopes_disabled():
        return dict(post.component_links.values_list("component__name", "status"))


def bodies_of(post: Post) -> list[str]:
    """Return what the updates say, the earliest first."""
    with scopes_disabled():
        return list(post.updates.order_by("at", "id").values_list("body", flat=True))


def told_of(post: Post) -> int:
    """Return of how many updates subscribers are to be told."""
    with scopes_disabled():
        return PostNotice.objects.filter(post_update__post=post).count()


def main_of(answer: Any) -> str:
    """Return the main part of a page."""
    assert answer.status_code == 200, answer
    page = answer.content.decode()
    return str(page[page.index("<main") : page.index("</main")])


def text_of(answer: Any) -> str:
    """Return the words of the main part of a page."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", main_of(answer)))
