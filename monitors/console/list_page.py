"""The list of monitors: filters and order in the address, live while it is looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Namespace, Scope
from monitors.console.listing import (
    CAUSES,
    ORDER_WORDS,
    SEVERITIES,
    Filters,
    count_labels,
    count_states,
    find_monitors,
    late_monitors,
)
from monitors.console.rows import read_rows
from monitors.models import Monitor, SavedView, UndoStep
from monitors.queries import database_now

PAGE_ROWS = 50
LATEST_STEP = "monitors.undo"  # session key: what the next look at the list offers to take back
_NAMESPACES = 200


@team_page()
def list_monitors(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's monitors by what the address asks for; unless said, the worst first."""
    filters, now = Filters.of(request.GET), database_now()
    late = late_monitors(now=now)
    counts = count_states(late=late, filters=filters)
    page = Paginator(find_monitors(filters, late=late), PAGE_ROWS).get_page(request.GET.get("page"))
    monitors = list(page.object_list)
    context = {
        "filters": filters,
        "counts": counts,
        "matching": sum(counts.values()),
        "total": Monitor.objects.count() if filters.active else sum(counts.values()),
        "page": page,
        "rows": read_rows(monitors, filters=filters, now=now),
        "others": page.paginator.count - len(monitors),
        "now": now,
        "section": "monitors",
    }
    if is_htmx(request):
        return render_page(request, access, "monitors/_list.html", context)
    context |= _frame(request, access, filters, now)
    context["facets"] = count_labels(filters, late=late)
    return render_page(request, access, "monitors/list.html", context)


def _frame(request: HttpRequest, access: Access, filters: Filters, now: datetime) -> dict[str, Any]:
    """Return what stands around the live part: choices, views, and the way back of a change."""
    views = list(SavedView.objects.order_by("name", "pk"))
    names = Namespace.objects.order_by("name").values_list("name", flat=True)
    return {
        "namespaces": list(names[:_NAMESPACES]),
        "severities": [(value, value.capitalize()) for value in SEVERITIES],
        "causes": list(zip(CAUSES, (_("Silent"), _("Failing"), _("Slow")), strict=True)),
        "orders": list(ORDER_WORDS.items()),
        "views": views,
        "view": next((view for view in views if view.query == filters.query), None),
        "step": _take_step(request, access, now) if access.allows(Scope.WRITE) else None,
    }


def _take_step(request: HttpRequest, access: Access, now: datetime) -> UndoStep | None:
    """Return the change that was just made here, once; it is on the page of changes from then."""
    key = request.session.pop(LATEST_STEP, None)
    if key is None:
        return None
    steps = UndoStep.objects.defer("data").filter(pk=UUID(key), actor=access.actor)
    return steps.filter(expires_at__gt=now, undone_at=None).first()
