"""The editor of a page's components: what visitors see, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from statuspages.console.choices import list_choices
from statuspages.console.component_form import ComponentForm
from statuspages.console.frame import find_page, render_tab
from statuspages.console.looks import LOOKS, RULE_WORDS, Look, headlines, look_of
from statuspages.console.readiness import list_gaps
from statuspages.models import Component, ComponentGroup, ComponentMonitor, StatusPage
from statuspages.services.components import (
    MOST_COMPONENTS,
    TooMany,
    create_component,
    delete_component,
    move_group,
    rename_group,
    update_component,
)
from statuspages.services.errors import BadField, DuplicateName, MonitorGone

TAB = "components"
MOST_NAMED = 3  # monitors named in a line; the others are counted
_MOST_PLACE = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """A component as the editor shows it."""

    component: Component
    look: Look
    monitors: list[Any]
    more: int
    rule: str


@dataclass(frozen=True, slots=True)
class Part:
    """A group with its components, or those without one."""

    group: ComponentGroup | None
    look: Look
    lines: list[Line]


@team_page()
def show_components(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show the groups and components in their order, each with how it is now."""
    page = find_page(pk)
    parts = read_parts(page)
    context = {
        "parts": parts,
        "total": sum(len(part.lines) for part in parts),
        "groups": sum(1 for part in parts if part.group),
        "look": headlines([page])[page.pk],
        "gaps": list_gaps(page),
    }
    return _render(request, access, "components", page, context)


def read_parts(page: StatusPage) -> list[Part]:
    """Return the components without a group, then each group with its own."""
    below: dict[UUID | None, list[Line]] = {}
    for component in _rows(page).order_by("position", "name"):
        below.setdefault(component.group_id, []).append(_line(component))
    groups = list(ComponentGroup.objects.filter(page=page).order_by("position", "name"))
    return [_part(group, below.get(group.pk if group else None, [])) for group in (None, *groups)]


def _part(group: ComponentGroup | None, lines: list[Line]) -> Part:
    return Part(group, look_of([line.component.status for line in lines]), lines)


def _line(component: Component) -> Line:
    monitors = [link.monitor for link in component.monitor_links.all()]
    rule = RULE_WORDS[component.rule] if len(monitors) > 1 else ""
    shown = monitors[:MOST_NAMED]
    return Line(component, LOOKS[component.status], shown, len(monitors) - len(shown), rule)


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for a new component, which stands last in its group."""
    page = find_page(pk)
    initial = {"show_uptime": True, "group": request.GET.get("group", "").replace("\0", "")[:120]}
    form = ComponentForm(request.POST or None, initial=initial)
    try:
        saved = request.method == "POST" and form.is_valid() and _save(form, page, None)
    except ObjectDoesNotExist:
        messages.error(request, "This page was deleted in the meantime.")
        return redirect("console:status_pages", team=access.team.slug)
    if saved:
        name = straight(form.cleaned_data["name"])
        messages.success(request, f"“{name}” is on the page.")
        if "again" in request.POST:
            return redirect("console:status_page_component_new", team=access.team.slug, pk=pk)
        return _back(access, pk)
    return _render_form(request, access, page, form)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID, component: UUID) -> HttpResponse:
    """Change a component."""
    page = find_page(pk)
    found = get_object(_rows(page), component)
    form = ComponentForm(request.POST or None, component=found)
    if request.method == "POST" and form.is_valid():
        try:
            saved = _save(form, page, found)
        except ObjectDoesNotExist:
            return _gone(request, access, pk)
        if saved:
            name = straight(form.cleaned_data["name"])
            messages.success(request, f"“{name}” is saved.")
            return _back(access, pk)
    return _render_form(request, access, page, form, found)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID, component: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a component with its history."""
    page = find_page(pk)
    found = get_object(_rows(page), component)
    if request.method == "POST":
        try:
            delete_component(component=found)
        except ObjectDoesNotExist:
            return _gone(request, access, pk)
        messages.success(request, f"“{straight(found.name)}” is deleted.")
        return _back(access, pk)
    context = {"component": found, "posts": found.post_links.count()}
    return _render(request, access, "component_delete", page, context)


@require_POST
@team_page(Scope.WRITE)
def move(request: HttpRequest, access: Access, pk: UUID, component: UUID) -> HttpResponse:
    """Let a component stand elsewhere: `to` up or down, or `group` (an id, or "") and `position`.

    The answer leads back to the editor, which the script of it takes the new order from.
    """
    page = find_page(pk)
    found = get_object(_rows(page), component)
    values: dict[str, Any] = {"position": _place(request, found.position)}
    if "group" in request.POST:
        group = request.POST["group"]
        heading = get_object(ComponentGroup.objects.filter(page=page), group) if group else None
        values["group"] = heading.name if heading else None
    if values["position"] is not None:
        try:
            update_component(component=found, **values)
        except ObjectDoesNotExist:
            return _gone(request, access, pk)
    return _back(access, pk)


@require_POST
@team_page(Scope.WRITE)
def move_heading(request: HttpRequest, access: Access, pk: UUID, group: UUID) -> HttpResponse:
    """Let a group stand elsewhere among the groups: `to` up or down, or `position`."""
    page = find_page(pk)
    found = get_object(ComponentGroup.objects.filter(page=page), group)
    position = _place(request, found.position)
    if position is not None:
        try:
            move_group(group=found, position=position)
        except ObjectDoesNotExist:
            messages.error(request, "This group went in the meantime.")
    return _back(access, pk)


@require_POST
@team_page(Scope.WRITE)
def rename_heading(request: HttpRequest, access: Access, pk: UUID, group: UUID) -> HttpResponse:
    """Give a group another name."""
    page = find_page(pk)
    found = get_object(ComponentGroup.objects.filter(page=page), group)
    name = request.POST.get("name", "").strip().replace("\0", "")
    try:
        rename_group(group=found, name=name)
    except BadField as error:
        messages.error(request, f"The group’s name: {error.text}")
    except DuplicateName:
        messages.error(request, "Another group has this name. Choose another name.")
    except ObjectDoesNotExist:
        messages.error(request, "This group went in the meantime.")
    else:
        messages.success(request, f"The group is now “{straight(name)}”.")
    return _back(access, pk)


def _place(request: HttpRequest, now: int) -> int | None:
    """Return the insertion index that is asked for; None for what is none."""
    step = {"up": -1, "down": 1}.get(request.POST.get("to", ""))
    if step is not None:
        return max(0, now + step)
    try:
        position = int(request.POST.get("position", "")[:12])
    except ValueError:
        return None
    return position if 0 <= position <= _MOST_PLACE else None


def _save(form: ComponentForm, page: StatusPage, component: Component | None) -> bool:
    """Return whether it was stored; if not, the reason is in the form."""
    try:
        if component is None:
            create_component(page=page, **form.values())
        else:
            update_component(component=component, **form.values())
    except DuplicateName:
        form.add_error("name", "Another component of this page has this name. Choose another name.")
    except MonitorGone:
        form.add_error("monitors", "A monitor was just deleted. Choose again.")
    except TooMany:
        form.add_error(None, f"The page has {MOST_COMPONENTS} components, as many as it can have.")
    except BadField as error:
        form.add_error(error.field if error.field in form.fields else None, error.text)
    else:
        return True
    return False


def _rows(page: StatusPage) -> QuerySet[Component]:
    links = ComponentMonitor.objects.select_related("monitor__namespace").order_by("monitor__name")
    rows = Component.objects.filter(page=page).select_related("group")
    return rows.prefetch_related(Prefetch("monitor_links", links))


def _render_form(
    request: HttpRequest,
    access: Access,
    page: StatusPage,
    form: ComponentForm,
    component: Component | None = None,
) -> HttpResponse:
    names = ComponentGroup.objects.filter(page=page).order_by("position")
    context = {
        "form": form,
        "component": component,
        "group_names": list(names.values_list("name", flat=True)),
        **list_choices(form["monitors"].value() or []),
    }
    return _render(request, access, "component", page, context)


def _render(
    request: HttpRequest, access: Access, name: str, page: StatusPage, context: dict[str, Any]
) -> HttpResponse:
    template = f"statuspages/console/{name}.html"
    return render_tab(request, access, template, page=page, tab=TAB, context=context)


def _back(access: Access, pk: UUID) -> HttpResponse:
    return redirect("console:status_page", team=access.team.slug, pk=pk)


def _gone(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    messages.error(request, "This component was deleted in the meantime.")
    return _back(access, pk)
