"""Making and changing a monitor, and how to push to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.access import Access, get_object
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope
from accounts.plans import monitor_quota
from accounts.teams import NameTaken
from monitors.console.forms import MonitorForm, RotateForm
from monitors.console.patterns import (
    PATTERNS,
    fill_form,
    find_pattern,
    write_pattern,
    write_try,
)
from monitors.console.snippets import write_snippets
from monitors.models import Monitor
from monitors.queries import database_now, push_url, standings, with_standing
from monitors.services import (
    DuplicateName,
    QuotaExceeded,
    create_monitor,
    update_monitor,
)

HTMX_STOP = 286  # the status that ends htmx's polling; its body is swapped in as usual
CADENCES = ("30 s", "1 min", "5 min", "15 min", "1 h", "6 h", "1 d", "7 d")


def read_monitor(pk: UUID) -> Monitor:
    """Return a monitor of the team in scope with its heartbeat, namespace and slug; else 404."""
    return get_object(with_standing(Monitor.objects.select_related("secret")), pk)


def setup_context(monitor: Monitor, *, token: str | None) -> dict[str, Any]:
    """Return what the snippets of a monitor are rendered from."""
    slug: str = monitor.slug  # type: ignore[attr-defined]
    name = quote(monitor.name, safe="")
    return {
        "monitor": monitor,
        "push_url": push_url(slug),
        "named_url": f"{settings.BASE_URL}/api/push/{monitor.namespace.name}/{name}",
        "snippets": write_snippets(monitor, slug, token=token),
        "token": token,
    }


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new monitor; its token is in the answer that creates it, never again."""
    pattern = find_pattern(request.GET.get("pattern", ""))
    form = MonitorForm(request.POST or None)
    if request.method != "POST":
        form = MonitorForm(initial=fill_form(pattern, namespace=access.team.slug))
    if request.method == "POST" and form.is_valid():
        try:
            monitor, token = create_monitor(team=access.team, **form.values())
        except (DuplicateName, NameTaken, QuotaExceeded) as error:
            explain(form, error)
        else:
            return show_setup(request, access, read_monitor(monitor.pk), token=token)
    quota = monitor_quota(access.team)
    context = {
        "form": form,
        "pattern": pattern,
        "patterns": PATTERNS,
        "quota": quota,
        "is_full": quota is not None and Monitor.objects.count() >= quota,
    }
    return render_form(request, access, context)


@team_page()
def set_up(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show how to push to a monitor, and wait for its first push; say so if it is gone."""
    try:
        monitor = read_monitor(pk)
    except Http404:
        return _show_gone(request, access)
    if is_htmx(request):
        response = render_page(
            request, access, "monitors/_first_push.html", _waiting_context(monitor)
        )
        if monitor.heartbeat.last_push_at is not None:
            response.status_code = HTMX_STOP
        return response
    return show_setup(request, access, monitor, token=None)


def _show_gone(request: HttpRequest, access: Access) -> HttpResponse:
    name = "monitors/_gone.html" if is_htmx(request) else "monitors/gone.html"
    response = render_page(request, access, name, {"section": "monitors"})
    # What waits for its first push puts the words in its place, and asks no more.
    response.status_code = HTMX_STOP if is_htmx(request) else 404
    return response


def _waiting_context(monitor: Monitor) -> dict[str, Any]:
    now = database_now()
    standing = standings([monitor], now=now)[monitor.pk]
    return {"monitor": monitor, "standing": standing, "now": now, "section": "monitors"}


def show_setup(
    request: HttpRequest, access: Access, monitor: Monitor, *, token: str | None
) -> HttpResponse:
    """Show how to push to a monitor; with its token, if it is known this once."""
    context = setup_context(monitor, token=token) | _waiting_context(monitor)
    context |= _pattern_context(request, monitor, token=token)
    response = render_page(request, access, "monitors/setup.html", context)
    if token:
        response["Cache-Control"] = "no-store"
    return response


def _pattern_context(
    request: HttpRequest, monitor: Monitor, *, token: str | None
) -> dict[str, Any]:
    slug: str = monitor.slug  # type: ignore[attr-defined]
    pattern = find_pattern(request.GET.get("pattern", ""))
    return {
        "pattern": pattern,
        "patterns": PATTERNS,
        "pattern_files": write_pattern(pattern, monitor, slug, token=token) if pattern else [],
        "try_line": write_try(monitor, slug, token=token),
        "ping_url": f"{settings.BASE_URL}/api/ping/{slug}",
    }


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Change a monitor's settings."""
    monitor = read_monitor(pk)
    title = monitor.name  # a refused change has been set on the object already
    form = MonitorForm(request.POST or None, monitor=monitor)
    if request.method == "POST" and form.is_valid():
        try:
            update_monitor(monitor=monitor, **form.values())
        except (DuplicateName, NameTaken) as error:
            explain(form, error)
        else:
            messages.success(request, f"“{monitor.name}” is saved.")
            return redirect("console:monitor", team=access.team.slug, pk=monitor.pk)
    return render_form(request, access, {"form": form, "monitor": monitor, "title_name": title})


def render_form(request: HttpRequest, access: Access, context: dict[str, Any]) -> HttpResponse:
    """Show the form of a monitor."""
    shared = {"cadences": CADENCES, "section": "monitors"}
    return render_page(request, access, "monitors/form.html", {**shared, **context})


def explain(form: MonitorForm, error: Exception) -> None:
    """Say beside the right field why the service refused."""
    if isinstance(error, DuplicateName):
        form.add_error("name", "A monitor of that name exists. Choose another name.")
    elif isinstance(error, NameTaken):
        form.add_error("namespace", "That namespace is another team's. Choose another one.")
    elif isinstance(error, QuotaExceeded):
        allowed = f"{error.quota} monitor{'' if error.quota == 1 else 's'}"
        form.add_error(
            None,
            f"Your plan allows {allowed}, and no more are free. Delete one that you no longer "
            "need, then create this one.",
        )


def rotation_forms() -> dict[str, RotateForm]:
    """Return the two small forms of a monitor's settings."""
    return {"slug_form": RotateForm(prefix="slug"), "token_form": RotateForm(prefix="token")}
