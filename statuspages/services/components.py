"""What a page shows the state of: making, changing and ordering components and their groups.

Places are 0, 1, 2 … without a hole, among the components of one group, among those without a group,
and among the groups. A place given is an insertion index: later ones move along, and one beyond the
end is the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils.timezone import now
from django_scopes import scopes_disabled

from monitors.models import Monitor
from statuspages.models import Component, ComponentGroup, ComponentMonitor, StatusPage
from statuspages.models.components import Rule
from statuspages.services.errors import (
    BadField,
    DuplicateName,
    MonitorGone,
    check_texts,
    refuse_unknown,
)
from statuspages.services.versions import changing_page

MOST_COMPONENTS = 500
MOST_MONITORS = 100
_COLUMNS = frozenset({"name", "description", "rule", "show_uptime", "show_latency"})
_KEEP: Any = object()


class TooMany(Exception):  # noqa: N818
    """The page has as many components as a page can have."""


def create_component(
    *,
    page: StatusPage,
    name: str,
    group: str | None = None,
    position: int | None = None,
    monitors: Sequence[Monitor] = (),
    status: str | None = None,
    rule: str = Rule.ANY,
    **fields: Any,
) -> Component:
    """Insert a component at `position` of its group, or at the end.

    `fields` are `description`, `show_uptime`, `show_latency`; `group` is a name, made when first
    used; `status` is set by hand, None or "" for automatic. Raises DuplicateName, MonitorGone,
    BadField, TooMany, StatusPage.DoesNotExist.
    """
    values = {"name": name, "rule": rule, **fields}
    with _changing(page.pk) as found:
        if Component.objects.filter(page=found).count() >= MOST_COMPONENTS:
            raise TooMany
        component = Component(team_id=found.team_id, page=found)
        _apply(component, values, status)
        component.group = _group(found, group)
        component.history_stale_at = now()
        component.save(force_insert=True)
        _watch(component, monitors)
        _place(_siblings(component), component, position)
    return component


def update_component(
    *,
    component: Component,
    group: str | None = _KEEP,
    position: int | None = None,
    monitors: Sequence[Monitor] | None = None,
    status: str | None = _KEEP,
    **fields: Any,
) -> Component:
    """Change a component, or move it; what is not given stays. A group left empty goes.

    Moved to another group without a place it stands last. Raises as `create_component` does, and
    Component.DoesNotExist.
    """
    with _changing(component.page_id) as page:
        found = Component.objects.select_related("group").get(pk=component.pk, page=page)
        rule_before, group_before = found.rule, found.group
        _apply(found, fields, found.manual_status if status is _KEEP else status)
        if group is not _KEEP:
            found.group = _group(page, group)
        written = ["manual_status", "group", "updated_at", *fields]
        watched = monitors is not None and _watch(found, monitors)
        if watched or found.rule != rule_before:
            found.history_stale_at = now()
            written.append("history_stale_at")
        found.updated_at = now()
        # Not the rest: what is shown is the engine's to write.
        found.save(update_fields=written)
        moved = found.group_id != (group_before.pk if group_before else None)
        if moved or position is not None:
            _place(_siblings(found), found, position)
        if moved:
            _close_up(page, group_before)
    return found


def delete_component(*, component: Component) -> None:
    """Delete a component and its history; its group too if it was the last.

    Raises Component.DoesNotExist.
    """
    with _changing(component.page_id) as page:
        found = Component.objects.select_related("group").get(pk=component.pk, page=page)
        group = found.group
        found.delete()
        _close_up(page, group)


def rename_group(*, group: ComponentGroup, name: str) -> ComponentGroup:
    """Give a heading another name. Raises DuplicateName, BadField, ComponentGroup.DoesNotExist."""
    check_texts(ComponentGroup, {"name": name}, filled=("name",))
    with _changing(group.page_id) as page:
        found = ComponentGroup.objects.get(pk=group.pk, page=page)
        found.name = name
        found.updated_at = now()
        found.save(update_fields=["name", "updated_at"])
    return found


def move_group(*, group: ComponentGroup, position: int) -> ComponentGroup:
    """Let a group stand elsewhere among the groups. Raises ComponentGroup.DoesNotExist."""
    with _changing(group.page_id) as page:
        found = ComponentGroup.objects.get(pk=group.pk, page=page)
        _place(ComponentGroup.objects.filter(page=page), found, position)
    return found


def _apply(component: Component, fields: dict[str, Any], status: str | None) -> None:
    refuse_unknown(fields, _COLUMNS)
    check_texts(Component, fields, filled=("name",))
    status = status or ""
    try:
        check_texts(Component, {"manual_status": status})
    except BadField as error:
        raise BadField("status", error.text) from error
    for name, value in fields.items():
        setattr(component, name, value)
    component.manual_status = status


def _group(page: StatusPage, name: str | None) -> ComponentGroup | None:
    if not name:
        return None
    try:
        check_texts(ComponentGroup, {"name": name}, filled=("name",))
    except BadField as error:
        raise BadField("group", error.text) from error
    rows = ComponentGroup.objects.filter(page=page)
    end = rows.count()
    group, _ = rows.get_or_create(
        name=name, defaults={"team_id": page.team_id, "page": page, "position": end}
    )
    return group


def _watch(component: Component, monitors: Sequence[Monitor]) -> bool:
    """Make the component stand for these monitors; return whether that changed anything."""
    wanted: list[UUID] = list(dict.fromkeys(monitor.pk for monitor in monitors))
    if len(wanted) > MOST_MONITORS:
        raise BadField("monitors", f"Must be at most {MOST_MONITORS}.")
    rows = ComponentMonitor.objects.filter(component=component)
    present = set(rows.values_list("monitor_id", flat=True))
    if present == set(wanted):
        return False
    if Monitor.objects.filter(pk__in=wanted, team_id=component.team_id).count() != len(wanted):
        raise MonitorGone
    rows.exclude(monitor_id__in=wanted).delete()
    ComponentMonitor.objects.bulk_create(
        ComponentMonitor(team_id=component.team_id, component=component, monitor_id=pk)
        for pk in wanted
        if pk not in present
    )
    return True


def _siblings(component: Component) -> QuerySet[Component]:
    return Component.objects.filter(page_id=component.page_id, group_id=component.group_id)


def _place(rows: QuerySet[Any], row: Any, position: int | None) -> None:
    others = list(rows.exclude(pk=row.pk).order_by("position", "pk"))
    others.insert(len(others) if position is None else position, row)
    _number(others)


def _number(rows: Sequence[Any]) -> None:
    for index, row in enumerate(rows):
        if row.position != index:
            row.position = index
            row.save(update_fields=["position"])


def _close_up(page: StatusPage, group: ComponentGroup | None) -> None:
    rest = Component.objects.filter(page=page, group=group).order_by("position", "pk")
    _number(list(rest))
    if group is not None and not rest.exists():
        group.delete()
        _number(list(ComponentGroup.objects.filter(page=page).order_by("position", "pk")))


@contextmanager
def _changing(page_id: UUID) -> Iterator[StatusPage]:
    try:
        with scopes_disabled(), changing_page(page_id) as page:
            yield page
    except IntegrityError as error:
        if "component_name_once" in str(error) or "componentgroup_name_once" in str(error):
            raise DuplicateName from error
        if "componentmonitor_monitor_team" in str(error):
            raise MonitorGone from error
        raise
