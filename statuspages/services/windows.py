"""Maintenance windows that posts make, so that planned work wakes nobody.

A window that announces itself on a page (`status_page_id`) owns its post, which nobody wrote; one
that does not was made by the person's post that names it, and follows that.
"""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import Team
from incidents.maintenance import maintenances
from incidents.maintenance.windows import BadWindow
from incidents.models import Maintenance, MaintenanceSpan
from monitors.models import Monitor
from monitors.queries import database_now
from statuspages.models import Component, Post
from statuspages.services.errors import BadField, MonitorGone

_FIELDS = {"starts_at": "scheduled_for", "ends_at": "scheduled_until"}
_NAME_LENGTH = 120


def make_window(post: Post, components: Iterable[Component]) -> None:
    """Silence the components' monitors for the time of a post. Raises BadField, MonitorGone."""
    assert post.scheduled_for is not None
    assert post.scheduled_until is not None
    team = Team.objects.get(pk=post.team_id)
    # Posts may share a title, windows of a team share no name.
    suffix = f" ({post.code})"
    name = post.title[: _NAME_LENGTH - len(suffix)] + suffix
    try:
        made = maintenances.create_maintenance(
            team=team,
            name=name,
            monitors=_monitors(components),
            starts_at=post.scheduled_for,
            ends_at=post.scheduled_until,
        )
    except maintenances.NothingChosen as error:
        raise BadField("silence", "None of the components has a monitor to silence.") from error
    except maintenances.MonitorGone as error:
        raise MonitorGone from error
    except BadWindow as error:
        raise BadField(_FIELDS.get(error.field, error.field), str(error)) from error
    post.maintenance_id = made.pk
    post.span_start = post.scheduled_for


def move_window(post: Post) -> None:
    """Let the window that a post made follow its times and components. Raises BadField."""
    window = own_window(post)
    if window is None or post.scheduled_for is None or post.scheduled_until is None:
        return
    components = Component.objects.filter(post_links__post=post)
    try:
        maintenances.update_maintenance(
            maintenance=window,
            monitors=_monitors(components),
            starts_at=post.scheduled_for,
            ends_at=post.scheduled_until,
        )
    except maintenances.NothingChosen as error:
        text = "None of these has a monitor to silence; delete the maintenance window instead."
        raise BadField("components", text) from error
    except BadWindow as error:
        raise BadField(_FIELDS.get(error.field, error.field), str(error)) from error
    post.span_start = post.scheduled_for


def drop_window(post: Post) -> None:
    """End the window that a post made at this moment, or delete it if it has not begun."""
    window = own_window(post)
    if window is None:
        return
    now = database_now()
    if window.starts_at >= now:
        maintenances.delete_maintenance(maintenance=window)
    elif window.ends_at > now:
        maintenances.end_maintenance(maintenance=window)


def own_window(post: Post) -> Maintenance | None:
    """Return the window that a post made; None if there is none, or it announces itself."""
    if post.maintenance_id is None or not post.created_by:
        return None
    return Maintenance.objects.filter(pk=post.maintenance_id, status_page_id=None).first()


def is_announced(post: Post) -> bool:
    """Return whether a post tells of a window that announces itself, and still would."""
    if post.maintenance_id is None or post.span_start is None:
        return False
    return MaintenanceSpan.objects.filter(
        maintenance_id=post.maintenance_id,
        maintenance__status_page_id=post.page_id,
        starts_at=post.span_start,
    ).exists()


def _monitors(components: Iterable[Component]) -> list[Monitor]:
    ids = [component.pk for component in components]
    linked = Component.objects.filter(pk__in=ids, monitor_links__isnull=False)
    found = linked.values_list("monitor_links__monitor_id", flat=True)
    return list(Monitor.objects.filter(pk__in=list(found)))
