"""Posts that monitors' incidents write by themselves, until a person takes them over.

An incident writes once it has lasted for as long as the page says, so that blips stay private, and
only while visitors see the component as down and no other open post names it. The post is resolved
when the incident is and its components are up. A word of a person makes the post theirs for good.

Every step looks again under the page's lock, so it may be taken twice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django_scopes import scopes_disabled

from statuspages.models import Component, Post, StatusPage
from statuspages.models.pages import AutoPost
from statuspages.models.posts import Impact, PostStatus
from statuspages.services.posts import add_update, create_post
from statuspages.services.words import names_of, title_of, words_of

BATCH = 50
IMPACT_OF_SEVERITY: dict[str, str] = {
    "critical": Impact.MAJOR,
    "warning": Impact.MINOR,
    "info": Impact.NONE,
}

# name: untold_incidents
# Incidents that have lasted long enough, with the components by which visitors notice them.
_UNTOLD = """
SELECT p.id, i.id, min(i.severity), min(i.down_since),
  array_agg(DISTINCT c.id), bool_or(c.status = 'major_outage')
FROM statuspages_statuspage p
JOIN statuspages_component c ON c.page_id = p.id AND c.manual_status = ''
  AND c.status IN ('major_outage', 'partial_outage')
JOIN statuspages_componentmonitor l ON l.component_id = c.id
JOIN incidents_incident i ON i.monitor_id = l.monitor_id AND i.state <> 'resolved'
WHERE p.auto_post <> 'off'
  AND i.opened_at <= clock_timestamp() - make_interval(secs => p.auto_post_delay)
  AND (%(page)s::uuid IS NULL OR (p.id = %(page)s AND i.id = %(incident)s))
  AND NOT EXISTS (
    SELECT FROM statuspages_post t WHERE t.page_id = p.id AND t.incident_id = i.id)
  AND NOT EXISTS (
    SELECT FROM statuspages_post o JOIN statuspages_postcomponent k ON k.post_id = o.id
    WHERE o.page_id = p.id AND o.resolved_at IS NULL AND NOT o.is_maintenance
      AND k.component_id = c.id AND (o.automatic OR o.published_at IS NOT NULL))
GROUP BY p.id, i.id ORDER BY min(i.opened_at), p.id LIMIT %(limit)s
"""

# name: settled_posts
# Automatic posts whose incident is over (or gone) and whose components are up again.
_SETTLED = """
SELECT t.id, t.page_id FROM statuspages_post t
WHERE t.resolved_at IS NULL AND t.automatic AND t.incident_id IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM incidents_incident i WHERE i.id = t.incident_id AND i.state <> 'resolved')
  AND NOT EXISTS (
    SELECT FROM statuspages_postcomponent k JOIN statuspages_component c ON c.id = k.component_id
    WHERE k.post_id = t.id AND c.status IN ('major_outage', 'partial_outage'))
LIMIT %s
"""

# name: acknowledged_posts
# Automatic posts that have not said yet that somebody has taken the incident on.
_ACKNOWLEDGED = """
SELECT t.id, t.page_id FROM statuspages_post t
JOIN incidents_incident i ON i.id = t.incident_id AND i.state = 'acknowledged'
WHERE t.resolved_at IS NULL AND t.automatic
  AND (SELECT count(*) FROM statuspages_postupdate u WHERE u.post_id = t.id) = 1
LIMIT %s
"""


class _Untold(NamedTuple):
    page: UUID
    incident: UUID
    severity: str
    down_since: Any
    components: list[UUID]
    is_major: bool


def write_posts() -> int:
    """Write, go on with and resolve posts about monitors' incidents; return how many changed."""
    with scopes_disabled():
        told = sum(_tell(row.page, row.incident) for row in _untold(limit=BATCH))
        followed = _follow(
            _ACKNOWLEDGED, PostStatus.INVESTIGATING, lambda words, _: words.acknowledged
        )
        resolved = _follow(
            _SETTLED,
            PostStatus.RESOLVED,
            lambda words, post: words.resolved.format(names=names_of(_names(post), words)),
        )
    return told + followed + resolved


def _untold(*, limit: int, page: UUID | None = None, incident: UUID | None = None) -> list[_Untold]:
    with connection.cursor() as cursor:
        cursor.execute(_UNTOLD, {"limit": limit, "page": page, "incident": incident})
        return [_Untold(*row) for row in cursor.fetchall()]


def _tell(page_id: UUID, incident_id: UUID) -> bool:
    with transaction.atomic():
        page = hold_page(page_id)
        # Another post may have told of it since.
        rows = _untold(limit=1, page=page_id, incident=incident_id)
        if page is None or not rows:
            return False
        row = rows[0]
        components = list(
            Component.objects.filter(pk__in=row.components).order_by("position", "name")
        )
        words = words_of(page.locale)
        names = [component.name for component in components]
        post = create_post(
            page=page,
            title=title_of(names, words, partly=not row.is_major),
            body=words.noticed.format(names=names_of(names, words)),
            status=PostStatus.INVESTIGATING,
            impact=IMPACT_OF_SEVERITY.get(row.severity, Impact.MINOR),
            # No claim: the components go on following their monitors.
            components=dict.fromkeys(components, ""),
            published=page.auto_post == AutoPost.PUBLISH,
            automatic=True,
            incident_id=incident_id,
        )
        Post.objects.filter(pk=post.pk).update(started_at=row.down_since)
    return True


def _follow(statement: str, status: str, body: Callable[[Any, Post], str]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, [BATCH])
        rows = cursor.fetchall()
    done = 0
    for post_id, page_id in rows:
        with transaction.atomic():
            page = hold_page(page_id)
            post = Post.objects.filter(pk=post_id, automatic=True, resolved_at=None).first()
            if page is None or post is None:
                continue
            if status != PostStatus.RESOLVED and post.updates.count() != 1:
                continue
            text = body(words_of(page.locale), post)
            add_update(post=post, status=status, body=text, automatic=True)
            done += 1
    return done


def hold_page(page_id: UUID) -> StatusPage | None:
    """Return a page under the lock that all changes of it take; None if it is gone."""
    return StatusPage.objects.select_for_update(no_key=True).filter(pk=page_id).first()


def _names(post: Post) -> Sequence[str]:
    rows = Component.objects.filter(post_links__post=post).order_by("position", "name")
    return list(rows.values_list("name", flat=True))
