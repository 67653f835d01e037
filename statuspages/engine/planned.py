"""Planned maintenance: posts that begin and end by themselves, and those of maintenance windows.

A window that is announced on a page has a post for each of its next occurrences. While such a post
is scheduled it follows its window's times; one whose occurrence is gone is called off, as all are
when the window is deleted or announced there no longer. A post that a person wrote, and that made
the window, stands for it where it is announced on the same page; it is never called off.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django_scopes import scopes_disabled

from monitors.queries import database_now
from statuspages.engine.automation import hold_page
from statuspages.models import Component, Post
from statuspages.models.posts import PostStatus
from statuspages.services.posts import (
    add_update,
    cancel_post,
    create_maintenance_post,
    update_post,
)
from statuspages.services.words import words_of

AHEAD = timedelta(days=14)
BATCH = 50

# name: due_posts
# Published maintenance that is to begin, or to end.
_DUE = """
SELECT id, page_id, status FROM statuspages_post
WHERE is_maintenance AND resolved_at IS NULL AND automatic AND published_at IS NOT NULL AND (
  (status = 'scheduled' AND scheduled_for <= clock_timestamp())
  OR (status = 'in_progress' AND scheduled_until <= clock_timestamp()))
ORDER BY scheduled_for, id LIMIT %s
"""

# name: occurrences
# What is announced and what should be: occurrences of windows with a page, and posts of windows,
# each with the other where it is there and says the same. A post that nobody wrote is a window's
# own. What is announced and then put off for longer stays announced. Of posts that are over only
# those are looked at that belong to a planned occurrence: this runs each second, and they are many.
_OCCURRENCES = """
WITH planned AS (
  SELECT w.status_page_id AS page_id, w.id AS maintenance_id, w.name, s.starts_at, s.ends_at
  FROM incidents_maintenance w
  JOIN statuspages_statuspage p ON p.id = w.status_page_id AND p.team_id = w.team_id
  JOIN incidents_maintenancespan s ON s.maintenance_id = w.id
  WHERE w.status_page_id IS NOT NULL AND s.ends_at > %(now)s
    AND (s.starts_at < %(until)s OR (w.rrule = '' AND EXISTS (
      SELECT FROM statuspages_post x
      WHERE x.maintenance_id = w.id AND x.page_id = p.id AND x.resolved_at IS NULL)))
), told AS (
  SELECT t.id, t.page_id, t.maintenance_id, t.span_start, t.scheduled_until, t.resolved_at
  FROM statuspages_post t
  LEFT JOIN incidents_maintenance w ON w.id = t.maintenance_id
  WHERE t.is_maintenance AND t.maintenance_id IS NOT NULL AND t.resolved_at IS NULL
    AND (t.created_by = '' OR w.status_page_id = t.page_id)
  UNION ALL
  SELECT t.id, t.page_id, t.maintenance_id, t.span_start, t.scheduled_until, t.resolved_at
  FROM planned l JOIN statuspages_post t ON t.page_id = l.page_id
    AND t.maintenance_id = l.maintenance_id AND t.span_start = l.starts_at
  WHERE t.is_maintenance AND t.resolved_at IS NOT NULL
)
SELECT coalesce(l.page_id, t.page_id), coalesce(l.maintenance_id, t.maintenance_id),
  l.name, l.starts_at, l.ends_at, t.id
FROM planned l FULL JOIN told t ON t.page_id = l.page_id AND t.maintenance_id = l.maintenance_id
  AND t.span_start = l.starts_at
WHERE t.id IS NULL OR (t.resolved_at IS NULL
  AND (l.page_id IS NULL OR t.scheduled_until <> l.ends_at))
ORDER BY l.starts_at LIMIT %(limit)s
"""

# name: covered_by
# The components of a page of which a window covers a monitor.
_COVERED_BY = """
SELECT DISTINCT c.id FROM statuspages_component c
JOIN statuspages_componentmonitor l ON l.component_id = c.id
JOIN monitors_monitor m ON m.id = l.monitor_id
JOIN incidents_maintenance w ON w.id = %(window)s AND w.team_id = c.team_id
WHERE c.page_id = %(page)s AND ((w.labels <> '{}' AND m.labels @> w.labels) OR EXISTS (
  SELECT FROM incidents_maintenancemonitor k
  WHERE k.maintenance_id = w.id AND k.monitor_id = m.id))
"""


class _Difference(NamedTuple):
    page: UUID
    maintenance: UUID
    name: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    post: UUID | None


def run_plans() -> int:
    """Announce windows, begin and end what is planned; return how many posts changed."""
    with scopes_disabled():
        return follow_windows() + run_due(PostStatus.SCHEDULED) + run_due(PostStatus.IN_PROGRESS)


def run_due(status: str) -> int:
    """Begin the published maintenance that is scheduled, or end what is in progress."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [BATCH])
        rows = [row for row in cursor.fetchall() if row[2] == status]
    done = 0
    for post_id, page_id, _ in rows:
        with transaction.atomic():
            page = hold_page(page_id)
            open_posts = Post.objects.filter(pk=post_id, status=status, resolved_at=None)
            post = open_posts.filter(automatic=True).first()
            if page is None or post is None:
                continue
            words = words_of(page.locale)
            begins = status == PostStatus.SCHEDULED
            add_update(
                post=post,
                status=PostStatus.IN_PROGRESS if begins else PostStatus.COMPLETED,
                body=words.begun if begins else words.completed,
                automatic=True,
            )
            done += 1
    return done


def follow_windows() -> int:
    """Let the posts of windows be as their occurrences in the next 14 days are."""
    by_window: dict[tuple[UUID, UUID], list[_Difference]] = defaultdict(list)
    for row in _differences():
        by_window[row.page, row.maintenance].append(row)
    for page_id, maintenance_id in by_window:
        with transaction.atomic():
            if hold_page(page_id) is not None:
                _follow(page_id, maintenance_id)
    return len(by_window)


def _differences() -> list[_Difference]:
    now = database_now()
    with connection.cursor() as cursor:
        cursor.execute(_OCCURRENCES, {"now": now, "until": now + AHEAD, "limit": 20 * BATCH})
        return [_Difference(*row) for row in cursor.fetchall()]


def _follow(page_id: UUID, maintenance_id: UUID) -> None:
    rows = [r for r in _differences() if (r.page, r.maintenance) == (page_id, maintenance_id)]
    now = database_now()
    lost = [row.post for row in rows if row.starts_at is None and row.post is not None]
    gone = list(Post.objects.filter(pk__in=lost).order_by("span_start"))
    movable = [post for post in gone if post.scheduled_until and post.scheduled_until > now]
    for row in rows:
        if row.starts_at is None or row.ends_at is None:
            continue
        post = Post.objects.filter(pk=row.post).first() if row.post else None
        if post is None and (post := _moved(movable, begun=row.starts_at <= now)) is not None:
            gone.remove(post)
        if post is None:
            # Of many occurrences at once subscribers are told the next.
            _announce(row, row.starts_at, row.ends_at, notify=row is rows[0])
            continue
        if post.status == PostStatus.SCHEDULED:
            update_post(post=post, scheduled_for=row.starts_at, scheduled_until=row.ends_at)
        else:
            update_post(post=post, scheduled_until=row.ends_at)
        Post.objects.filter(pk=post.pk).update(span_start=row.starts_at)
    for post in gone:
        _call_off(post, now)


def _moved(movable: list[Post], *, begun: bool) -> Post | None:
    """Take the post of an occurrence that moved: what has begun is not to begin once more."""
    for post in movable:
        if begun or post.status == PostStatus.SCHEDULED:
            movable.remove(post)
            return post
    return None


def _call_off(post: Post, now: datetime) -> None:
    """End a post that has lost its occurrence, of which it may be told anew some day."""
    Post.objects.filter(pk=post.pk).update(maintenance_id=None, span_start=None)
    if post.scheduled_until is not None and post.scheduled_until <= now:
        return  # its time has come: it ends as all do
    if post.status == PostStatus.SCHEDULED:
        if not post.created_by:
            cancel_post(post=post)
    elif post.automatic:
        words = words_of(post.page.locale)
        add_update(post=post, status=PostStatus.COMPLETED, body=words.completed, automatic=True)


def _announce(row: _Difference, starts_at: datetime, ends_at: datetime, *, notify: bool) -> None:
    page = hold_page(row.page)
    assert page is not None
    with connection.cursor() as cursor:
        cursor.execute(_COVERED_BY, {"window": row.maintenance, "page": row.page})
        covered = [found[0] for found in cursor.fetchall()]
    post = create_maintenance_post(
        page=page,
        title=row.name or "",
        scheduled_for=starts_at,
        scheduled_until=ends_at,
        components=dict.fromkeys(Component.objects.filter(pk__in=covered), ""),
        notify=notify,
    )
    Post.objects.filter(pk=post.pk).update(maintenance_id=row.maintenance, span_start=starts_at)
