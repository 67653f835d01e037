"""What people, and the engine in their name, write on a page: incidents and planned maintenance.

How a post stands follows from its updates: every change works it out again from all of them. While
it is open it may claim a status for its components; once it is over they are automatic again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from monitors.queries import database_now
from statuspages.models import Component, Post, PostComponent, PostUpdate, StatusPage
from statuspages.models.posts import Impact, PostStatus
from statuspages.services.errors import BadField, check_texts, refuse_unknown
from statuspages.services.telling import (
    CLOCKS_APART,
    INCIDENT_STATUSES,
    MAINTENANCE_STATUSES,
    OVER,
    OnlyUpdate,
    TooManyUpdates,
    add_update,
    check_claims,
    check_moment,
    delete_update,
    edit_update,
    retell,
    take_over,
    tell,
    write_update,
)
from statuspages.services.versions import changing_page
from statuspages.services.windows import drop_window, is_announced, make_window, move_window
from statuspages.services.words import words_of

__all__ = [
    "INCIDENT_STATUSES",
    "MAINTENANCE_STATUSES",
    "OVER",
    "NotMaintenance",
    "OnlyUpdate",
    "TooManyUpdates",
    "WindowAnnounces",
    "add_update",
    "cancel_post",
    "create_maintenance_post",
    "create_post",
    "delete_post",
    "delete_update",
    "edit_update",
    "publish_draft",
    "update_post",
]
MOST_AHEAD = timedelta(days=400)
_FIELDS = frozenset({"title", "impact", "started_at", "scheduled_for", "scheduled_until"})
_IMPACT_OF = {
    "degraded_performance": Impact.MINOR,
    "partial_outage": Impact.MAJOR,
    "major_outage": Impact.CRITICAL,
}


class NotMaintenance(Exception):  # noqa: N818 - it names what happened
    """Only planned maintenance that is not over can be called off."""


class WindowAnnounces(Exception):  # noqa: N818
    """A maintenance window announces itself by this post, and would write it anew."""


def create_post(
    *,
    page: StatusPage,
    title: str,
    body: str = "",
    status: str = PostStatus.INVESTIGATING,
    impact: str | None = None,
    components: Mapping[Component, str] | None = None,
    published: bool = True,
    at: datetime | None = None,
    notify: bool = True,
    actor: str = "",
    automatic: bool = False,
    incident_id: UUID | None = None,
) -> Post:
    """Write an incident with its first update, which is of `at` (now unless given).

    `components` maps each to the status that it has while this is open, "" to claim none; the
    impact follows from these unless given. A draft (`published` False) is seen by nobody.
    Raises BadField, ComponentGone, StatusPage.DoesNotExist.
    """
    claims = components or {}
    post = Post(
        title=title,
        impact=impact or _impact(claims),
        status=status,
        automatic=automatic,
        incident_id=incident_id,
    )
    _check(post)
    if status not in INCIDENT_STATUSES or status == PostStatus.POSTMORTEM:
        raise BadField("status", "An incident begins as investigating, identified or monitoring.")
    with changing_page(page.pk) as found:
        at = check_moment(at)
        post.started_at = at
        _insert(post, found, claims, published=published, actor=actor)
        write_update(post, status=status, body=body, at=at, claims=claims, actor=actor)
        retell(post)
        if published and notify:
            tell(post)
    return post


def create_maintenance_post(
    *,
    page: StatusPage,
    title: str,
    scheduled_for: datetime,
    scheduled_until: datetime,
    body: str = "",
    components: Mapping[Component, str] | None = None,
    silence: bool = False,
    impact: str | None = None,
    published: bool = True,
    notify: bool = True,
    actor: str = "",
) -> Post:
    """Announce planned work, which begins and ends by itself.

    With `silence` a maintenance window of the components' monitors is made, so that no incident
    opens meanwhile. Raises BadField, ComponentGone, MonitorGone, StatusPage.DoesNotExist.
    """
    claims = components or {}
    post = Post(
        title=title,
        impact=impact or Impact.MAINTENANCE,
        status=PostStatus.SCHEDULED,
        is_maintenance=True,
        scheduled_for=scheduled_for,
        scheduled_until=scheduled_until,
        started_at=scheduled_for,
        automatic=True,
    )
    _check(post)
    with changing_page(page.pk) as found:
        at = database_now()
        if scheduled_until <= at:
            raise BadField("scheduled_until", "Must lie in the future.")
        _insert(post, found, claims, published=published, actor=actor)
        if silence:
            make_window(post, claims)
        write_update(
            post, status=PostStatus.SCHEDULED, body=body, at=at, claims=claims, actor=actor
        )
        retell(post)
        if published and notify:
            tell(post)
    return post


def update_post(
    *,
    post: Post,
    components: Mapping[Component, str] | None = None,
    published: bool | None = None,
    automatic: bool | None = None,
    notify: bool = True,
    actor: str = "",
    **fields: Any,
) -> Post:
    """Change `title`, `impact`, `started_at`, the schedule, the components (whole), or publish it.

    What the monitors wrote is the person's from then on, unless it is only published; with
    `automatic` false also if nothing else changes. What is published stays so. Raises BadField,
    ComponentGone, Post.DoesNotExist.
    """
    refuse_unknown(fields, _FIELDS)
    with changing_page(post.page_id) as page:
        found = Post.objects.get(pk=post.pk, page=page)
        if published is False and found.published_at is not None:
            raise BadField("published", "What visitors have read cannot become a draft again.")
        taken = automatic is False and found.automatic
        if taken and found.is_maintenance:
            raise BadField("automatic", "Planned work goes on by itself until it is cancelled.")
        # What was read may be sent back: only what differs is a change.
        fields = {name: value for name, value in fields.items() if getattr(found, name) != value}
        for name, value in fields.items():
            setattr(found, name, value)
        _check(found)
        if "started_at" in fields:
            _check_start(found)
        claimed = components is not None and _claim(found, components)
        if fields or claimed or taken:
            take_over(found, found.status)
        if claimed or {"scheduled_for", "scheduled_until"} & set(fields):
            move_window(found)
        if published and found.published_at is None:
            _publish(found, notify=notify)
        retell(found)
    return found


def publish_draft(*, post: Post, notify: bool = True, actor: str = "") -> Post:
    """Let visitors see a draft; what the monitors write goes on being theirs.

    Its last update is what subscribers are told. Raises Post.DoesNotExist.
    """
    return update_post(post=post, published=True, notify=notify, actor=actor)


def cancel_post(*, post: Post, body: str = "", notify: bool = True, actor: str = "") -> Post:
    """Call planned work off: it is completed at once, and a window that it made ends.

    Raises NotMaintenance, Post.DoesNotExist.
    """
    with changing_page(post.page_id) as page:
        found = Post.objects.get(pk=post.pk, page=page)
        if not found.is_maintenance or found.resolved_at is not None:
            raise NotMaintenance
        found.automatic = False
        write_update(
            found,
            status=PostStatus.COMPLETED,
            body=body or words_of(page.locale).cancelled,
            at=database_now(),
            claims={},
            actor=actor,
        )
        retell(found)
        if found.published_at is not None and notify:
            tell(found)
        drop_window(found)
    return found


def delete_post(*, post: Post) -> None:
    """Take a post away as if it had never been; a window that it made ends.

    Raises WindowAnnounces, Post.DoesNotExist.
    """
    with changing_page(post.page_id) as page:
        found = Post.objects.get(pk=post.pk, page=page)
        if found.resolved_at is None and is_announced(found):
            raise WindowAnnounces
        drop_window(found)
        found.delete()


def _check(post: Post) -> None:
    check_texts(Post, {"title": post.title, "impact": post.impact}, filled=("title",))
    if not post.is_maintenance:
        for name in ("scheduled_for", "scheduled_until"):
            if getattr(post, name) is not None:
                raise BadField(name, "Only maintenance is planned.")
        if post.started_at > database_now() + CLOCKS_APART:
            raise BadField("started_at", "Must not lie in the future.")
        return
    if post.scheduled_for is None:
        raise BadField("scheduled_for", "Planned maintenance needs a start.")
    if post.scheduled_until is None:
        raise BadField("scheduled_until", "Planned maintenance needs an end.")
    if post.scheduled_until <= post.scheduled_for:
        raise BadField("scheduled_until", "Must be later than scheduled_for.")
    if post.scheduled_until - post.scheduled_for > MOST_AHEAD:
        raise BadField("scheduled_until", f"Must be at most {MOST_AHEAD.days} days later.")


def _insert(
    post: Post,
    page: StatusPage,
    claims: Mapping[Component, str],
    *,
    published: bool,
    actor: str,
) -> None:
    post.team_id, post.page = page.team_id, page
    post.created_by = actor[:254]
    post.published_at = database_now() if published else None
    post.save(force_insert=True)
    _claim(post, claims)


def _check_start(post: Post) -> None:
    if post.is_maintenance:
        raise BadField("started_at", "Follows from scheduled_for and the updates.")
    if PostUpdate.objects.filter(post=post, at__lt=post.started_at - CLOCKS_APART).exists():
        raise BadField("started_at", "Must not be later than the first update.")


def _claim(post: Post, claims: Mapping[Component, str]) -> bool:
    """Make the post be about these components and no others; return whether that changed it."""
    wanted = {component.pk: status for component, status in claims.items()}
    rows = PostComponent.objects.filter(post=post)
    if dict(rows.values_list("component_id", "status")) == wanted:
        return False
    check_claims(post, claims)
    PostComponent.objects.filter(post=post).exclude(component_id__in=wanted).delete()
    PostComponent.objects.bulk_create(
        [
            PostComponent(team_id=post.team_id, post=post, component_id=pk, status=status)
            for pk, status in wanted.items()
        ],
        update_conflicts=True,
        unique_fields=["post", "component"],
        update_fields=["status"],
    )
    return True


def _publish(post: Post, *, notify: bool) -> None:
    post.published_at = database_now()
    if notify:
        tell(post)


def _impact(claims: Mapping[Component, str]) -> str:
    ranks = list(_IMPACT_OF)
    worst = max((ranks.index(s) for s in claims.values() if s in ranks), default=0)
    return _IMPACT_OF[ranks[worst]]
