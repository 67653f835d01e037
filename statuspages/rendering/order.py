"""The order in which a page shows its parts, and which posts are where."""

from __future__ import annotations

from datetime import datetime

from statuspages.view import ComponentView, GroupView, PageView, PostView

Shown = tuple[GroupView | None, tuple[ComponentView, ...]]


def ordered_parts(view: PageView) -> list[Shown]:
    """Return groups with their components, and lone components each by itself, as they stand.

    A group without components is there too; a component of an unknown group stands alone.
    """
    known = {component.code: component for component in view.components}
    parts: list[tuple[tuple[int, int, str], Shown]] = []
    placed: set[str] = set()
    for group in view.groups:
        below = tuple(known[code] for code in group.component_codes if code in known)
        placed.update(component.code for component in below)
        parts.append(((group.position, 1, group.name), (group, below)))
    parts += [
        ((component.position, 0, component.name), (None, (component,)))
        for component in view.components
        if component.code not in placed
    ]
    return [shown for _, shown in sorted(parts, key=lambda part: part[0])]


def unresolved_posts(view: PageView) -> list[PostView]:
    """Return the incidents that are open, newest first."""
    return [post for post in view.posts if not post.is_over]


def upcoming_maintenances(view: PageView) -> list[PostView]:
    """Return what is planned and has not begun."""
    return [m for m in view.maintenances if not m.is_over and m.status == "scheduled"]


def active_maintenances(view: PageView) -> list[PostView]:
    """Return what has begun and has not ended."""
    return [m for m in view.maintenances if not m.is_over and m.status != "scheduled"]


def last_change(view: PageView) -> datetime:
    """Return when something that feeds tell of changed last."""
    posts = (*view.posts, *view.maintenances)
    return max([view.updated_at, *(revised_at(post) for post in posts)])


def revised_at(post: PostView) -> datetime:
    """Return when the post or one of its updates changed last."""
    return max([post.updated_at, *(update.updated_at for update in post.updates)])


def find_component(view: PageView, name: str) -> ComponentView | None:
    """Return the component with this code or UUID, None if there is none."""
    wanted = name.lower()
    for component in view.components:
        if wanted in (component.code, component.id.lower()):
            return component
    return None


def find_post(view: PageView, code: str) -> PostView | None:
    """Return the incident or maintenance with this code, None if there is none."""
    for post in (*view.posts, *view.maintenances):
        if post.code == code:
            return post
    return None
