"""Reading all that a page shows, as plain values, in a handful of queries."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import F, Min, Q
from django.db.models.functions import Coalesce
from django_scopes import scopes_disabled

from statuspages.engine.latency import latency_points
from statuspages.models import (
    Asset,
    Component,
    ComponentGroup,
    ComponentSpan,
    Post,
    PostComponent,
    PostUpdate,
    StatusPage,
)
from statuspages.services.pages import page_url
from statuspages.uptime import NO_DATA, Measured, Span, first_instant, measure_days
from statuspages.view import (
    ComponentView,
    GroupView,
    LatencyPoint,
    PageView,
    PostView,
    UpdateView,
    worst_status,
)

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _Born(TypedDict):
        watched_from: datetime | None

    _Row = WithAnnotations[Component, _Born]

WINDOW_DAYS = 90
_MOST_POSTS = 500  # of each kind: what a page can show and a feed can carry


def load_page(page: StatusPage, *, now: datetime) -> PageView:
    """Return all that visitors may see of a page at `now`: eight queries, however big it is.

    Whether the page is published, and who may look, is the caller's to ask.
    """
    with scopes_disabled():
        return _load(page, now)


def zone_of(page: StatusPage) -> tzinfo:
    """Return the page's zone; UTC if it is not there any more."""
    try:
        return ZoneInfo(page.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _load(page: StatusPage, now: datetime) -> PageView:
    zone = zone_of(page)
    since = first_instant(zone=zone, until=now, days=WINDOW_DAYS)
    rows = list(
        Component.objects.filter(page=page)
        .annotate(watched_from=Min("monitor_links__monitor__created_at"))
        .order_by(F("group__position").asc(nulls_first=True), "position", "name")
    )
    spans = _spans(page, since)
    latency = latency_points([row.pk for row in rows if row.show_latency], now=now)
    groups = list(ComponentGroup.objects.filter(page=page).order_by("position", "name"))
    group_codes = {group.pk: group.code for group in groups}
    components = tuple(
        _component_view(
            row,
            group_codes.get(row.group_id) if row.group_id else None,
            measure_days(
                _known_spans(row, spans[row.pk], since),
                zone=zone,
                until=now,
                days=WINDOW_DAYS,
                weights=page.weights,
            )
            if row.show_uptime
            else Measured((), None),
            latency.get(row.pk, ()),
        )
        for row in rows
    )
    posts = _posts(page, now, {row.pk: row.code for row in rows})
    url = page_url(page)
    return PageView(
        id=str(page.pk),
        code=page.code,
        name=page.name,
        description=page.description,
        url=url,
        support_url=page.support_url,
        timezone=page.timezone,
        locale=page.locale,
        robots=page.robots,
        colours=page.colours,
        weights=page.weights,
        extras={"subscribe": True},
        assets={
            kind: f"{url}assets/{kind}-{sha256[:12]}"
            for kind, sha256 in Asset.objects.filter(page=page).values_list("kind", "sha256")
        },
        as_of=now,
        version=page.version,
        updated_at=page.updated_at,
        groups=tuple(_group_view(group, components) for group in groups),
        components=components,
        posts=tuple(post for post in posts if not post.is_maintenance)[:_MOST_POSTS],
        maintenances=tuple(post for post in posts if post.is_maintenance)[:_MOST_POSTS],
        window_days=WINDOW_DAYS,
    )


def _spans(page: StatusPage, since: datetime) -> dict[UUID, list[Span]]:
    found: dict[UUID, list[Span]] = defaultdict(list)
    lasting = Q(ended_at=None) | Q(ended_at__gt=since)
    rows = ComponentSpan.objects.filter(lasting, component__page=page)
    for component, kind, start, end in rows.values_list(
        "component_id", "kind", "started_at", "ended_at"
    ):
        found[component].append((kind, start, end))
    return found


def _known_spans(row: _Row, spans: list[Span], since: datetime) -> list[Span]:
    """Return the spans, and that nothing is known before the component and its monitors were."""
    born = min(row.created_at, row.watched_from or row.created_at)
    return [*spans, (NO_DATA, since, born)] if born > since else spans


def _component_view(
    row: _Row, group: str | None, measured: Measured, latency: tuple[LatencyPoint, ...]
) -> ComponentView:
    return ComponentView(
        id=str(row.pk),
        code=row.code,
        name=row.name,
        description=row.description,
        group_code=group,
        position=row.position,
        status=row.status,
        since=row.status_since,
        created_at=row.created_at,
        updated_at=max(row.updated_at, row.status_since),
        show_uptime=row.show_uptime,
        days=measured.days,
        uptime=measured.uptime,
        latency=latency,
    )


def _group_view(group: ComponentGroup, components: tuple[ComponentView, ...]) -> GroupView:
    inside = [component for component in components if component.group_code == group.code]
    return GroupView(
        code=group.code,
        name=group.name,
        position=group.position,
        status=worst_status(tuple(component.status for component in inside)),
        created_at=group.created_at,
        updated_at=group.updated_at,
        component_codes=tuple(component.code for component in inside),
    )


def _posts(page: StatusPage, now: datetime, codes: dict[UUID, str]) -> list[PostView]:
    since = now - timedelta(days=WINDOW_DAYS)
    recent = Q(resolved_at=None) | Q(resolved_at__gte=since) | Q(started_at__gte=since)
    published = Post.objects.filter(recent, page=page, published_at__isnull=False)
    newest = published.order_by(Coalesce("scheduled_for", "started_at").desc(), "-id")
    rows = list(newest[: 2 * _MOST_POSTS])
    ids = [row.pk for row in rows]
    about: dict[UUID, set[str]] = defaultdict(set)
    for post, component in PostComponent.objects.filter(post_id__in=ids).values_list(
        "post_id", "component_id"
    ):
        if component in codes:
            about[post].add(codes[component])
    updates: dict[UUID, list[UpdateView]] = defaultdict(list)
    for update in PostUpdate.objects.filter(post_id__in=ids).order_by("-at", "-id"):
        updates[update.post_id].append(
            UpdateView(
                code=update.code,
                status=update.status,
                body=update.body,
                at=update.at,
                created_at=update.created_at,
                updated_at=update.updated_at,
                affected=tuple(update.affected),
            )
        )
    return [
        PostView(
            code=row.code,
            title=row.title,
            impact=row.impact,
            status=row.status,
            is_maintenance=row.is_maintenance,
            started_at=row.started_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            monitoring_at=row.monitoring_at,
            resolved_at=row.resolved_at,
            scheduled_for=row.scheduled_for,
            scheduled_until=row.scheduled_until,
            component_codes=tuple(code for code in codes.values() if code in about[row.pk]),
            updates=tuple(updates[row.pk]),
        )
        for row in rows
    ]
