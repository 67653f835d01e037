"""The updates of posts: what each says, and how the post stands after all of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.timezone import now

from monitors.queries import database_now
from statuspages.models import Component, Post, PostComponent, PostNotice, PostUpdate
from statuspages.models.posts import PostStatus
from statuspages.services.errors import BadField, ComponentGone, check_texts
from statuspages.services.versions import changing_page
from statuspages.services.windows import drop_window

INCIDENT_STATUSES = (
    PostStatus.INVESTIGATING,
    PostStatus.IDENTIFIED,
    PostStatus.MONITORING,
    PostStatus.RESOLVED,
    PostStatus.POSTMORTEM,
)
MAINTENANCE_STATUSES = (
    PostStatus.SCHEDULED,
    PostStatus.IN_PROGRESS,
    PostStatus.VERIFYING,
    PostStatus.COMPLETED,
)
OVER = frozenset({PostStatus.RESOLVED, PostStatus.POSTMORTEM, PostStatus.COMPLETED})
MOST_UPDATES = 1000
# Clocks of people's machines run ahead a little.
CLOCKS_APART = timedelta(minutes=1)
_KEEP: Any = object()


class OnlyUpdate(Exception):  # noqa: N818 - it names what happened
    """A post has at least one update."""


class TooManyUpdates(Exception):  # noqa: N818
    """The post has as many updates as a post can have."""


def add_update(
    *,
    post: Post,
    status: str | None = None,
    body: str = "",
    at: datetime | None = None,
    components: Mapping[Component, str] | None = None,
    notify: bool = True,
    actor: str = "",
    automatic: bool = False,
) -> PostUpdate:
    """Say how it goes. The status stays unless given; `components` maps some to what they are now.

    A component that is new to the post joins it. The first that says resolved or completed ends
    it; a later word of another status opens it again; a post-mortem follows the end. A person's
    word takes an incident over from the monitors, `automatic` is the monitors' own. Raises
    BadField, ComponentGone, TooManyUpdates, Post.DoesNotExist.
    """
    with changing_page(post.page_id) as page:
        found = Post.objects.get(pk=post.pk, page=page)
        if PostUpdate.objects.filter(post=found).count() >= MOST_UPDATES:
            raise TooManyUpdates
        status = found.status if status is None else status
        check_status(found, status)
        at = check_moment(at)
        claims = components or {}
        if not (automatic or body.strip() or claims or status != found.status):
            raise BadField("body", "Say something, or how far it has come since.")
        found.status = status
        _join(found, claims)
        if not automatic:
            take_over(found, status)
        was_over = found.resolved_at is not None
        update = write_update(found, status=status, body=body, at=at, claims=claims, actor=actor)
        retell(found)
        if found.is_maintenance and found.resolved_at is not None and not was_over:
            drop_window(found)
        if found.published_at is not None and notify:
            PostNotice.objects.create(team_id=found.team_id, post_update=update)
    return update


def edit_update(
    *,
    update: PostUpdate,
    status: str = _KEEP,
    body: str = _KEEP,
    at: datetime = _KEEP,
    actor: str = "",
) -> PostUpdate:
    """Correct an update; subscribers are not told again. Raises BadField, DoesNotExist."""
    with changing_page(update.post.page_id) as page:
        found = PostUpdate.objects.select_related("post").get(pk=update.pk, post__page=page)
        if status is not _KEEP and status != found.status:
            check_status(found.post, status, but=found)
            found.status = status
        if body is not _KEEP:
            found.body = body
        if at is not _KEEP:
            found.at = check_moment(at)
        check_texts(PostUpdate, {"body": found.body})
        found.updated_at = now()
        found.save(update_fields=["status", "body", "at", "updated_at"])
        take_over(found.post, found.status)
        retell(found.post)
    return found


def delete_update(*, update: PostUpdate, actor: str = "") -> None:
    """Take an update back. Raises OnlyUpdate, BadField, PostUpdate.DoesNotExist."""
    with changing_page(update.post.page_id) as page:
        found = PostUpdate.objects.select_related("post").get(pk=update.pk, post__page=page)
        post = found.post
        if not PostUpdate.objects.filter(post=post).exclude(pk=found.pk).exists():
            raise OnlyUpdate
        found.delete()
        take_over(post, post.status)
        retell(post)


def write_update(
    post: Post,
    *,
    status: str,
    body: str,
    at: datetime,
    claims: Mapping[Component, str],
    actor: str,
) -> PostUpdate:
    """Store one update, with what it says of components, under the page's lock. Raises BadField."""
    check_texts(PostUpdate, {"body": body, "status": status})
    update = PostUpdate(
        team_id=post.team_id,
        post=post,
        status=status,
        body=body,
        at=at,
        affected=affected_by(post, status, claims),
        created_by=actor[:254],
    )
    update.save(force_insert=True)
    return update


def affected_by(post: Post, status: str, claims: Mapping[Component, str]) -> list[dict[str, str]]:
    """Return what an update changes of components: those it names, at the end all of the post."""
    rows = PostComponent.objects.filter(post=post).select_related("component")
    named = {component.pk: said for component, said in claims.items()}
    found = []
    for row in rows.order_by("component__position", "component_id"):
        component = row.component
        if status in OVER:
            fallback = component.manual_status or "operational"
        elif component.pk in named:
            fallback = component.status
        else:
            continue
        found.append(
            {
                "code": component.code,
                "name": component.name,
                "old_status": component.status,
                "new_status": named.get(component.pk) or fallback,
            }
        )
    return found


def retell(post: Post) -> None:
    """Work out how a post stands after all its updates, and store the post."""
    updates = list(PostUpdate.objects.filter(post=post).order_by("at", "id"))
    monitoring_at = resolved_at = begun_at = None
    for update in updates:
        if update.status in OVER:
            resolved_at = resolved_at or update.at
            continue
        resolved_at = None
        if update.status == PostStatus.MONITORING:
            monitoring_at = monitoring_at or update.at
        if update.status in (PostStatus.IN_PROGRESS, PostStatus.VERIFYING):
            begun_at = begun_at or update.at
    post.status = updates[-1].status
    post.monitoring_at = monitoring_at
    post.resolved_at = resolved_at
    if post.is_maintenance:
        post.started_at = begun_at or post.scheduled_for or post.started_at
    else:
        post.started_at = min(post.started_at, updates[0].at)
    post.updated_at = now()
    post.save()
    if resolved_at is not None:
        PostComponent.objects.filter(post=post).exclude(status="").update(status="")


def tell(post: Post) -> None:
    """Leave word that subscribers are to be told a post's last update."""
    last = PostUpdate.objects.filter(post=post).order_by("-at", "-id").first()
    if last is not None:
        PostNotice.objects.get_or_create(team_id=post.team_id, post_update=last)


def take_over(post: Post, status: str) -> None:
    """Make a post the person's who changes it. Planned work is until it is being verified."""
    if not post.is_maintenance or status == PostStatus.VERIFYING:
        post.automatic = False


def check_status(post: Post, status: str, *, but: PostUpdate | None = None) -> None:
    """Raise BadField for a status that the post cannot have now."""
    words = MAINTENANCE_STATUSES if post.is_maintenance else INCIDENT_STATUSES
    if status not in words:
        raise BadField("status", f"Must be one of: {', '.join(words)}.")
    if status == PostStatus.POSTMORTEM:
        earlier = PostUpdate.objects.filter(post=post, status=PostStatus.RESOLVED)
        if but is not None:
            earlier = earlier.exclude(pk=but.pk)
        if post.resolved_at is None or not earlier.exists():
            raise BadField("status", "A post-mortem is written once the incident is resolved.")


def check_moment(at: datetime | None) -> datetime:
    """Return the time of an update, now unless given. Raises BadField for one in the future."""
    present = database_now()
    if at is None:
        return present
    if at > present + CLOCKS_APART:
        raise BadField("at", "Must not lie in the future.")
    return at


def check_claims(post: Post, claims: Mapping[Component, str]) -> None:
    """Raise BadField or ComponentGone for what a post cannot say of components."""
    for status in claims.values():
        try:
            check_texts(PostComponent, {"status": status})
        except BadField as error:
            raise BadField("component_statuses", error.text) from error
        if status and post.status == PostStatus.SCHEDULED:
            text = "Planned maintenance says nothing of its components until it has begun."
            raise BadField("component_statuses", text)
    ids = {component.pk for component in claims}
    if Component.objects.filter(pk__in=ids, page_id=post.page_id).count() != len(ids):
        raise ComponentGone


def _join(post: Post, claims: Mapping[Component, str]) -> None:
    check_claims(post, claims)
    for component, status in claims.items():
        PostComponent.objects.update_or_create(
            team_id=post.team_id,
            post=post,
            component_id=component.pk,
            defaults={"status": status},
        )
