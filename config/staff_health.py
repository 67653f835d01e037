"""`/staff/health`: the figures of this installation, as a page that stays fresh and as JSON."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.console.pages import is_htmx, teams_of
from accounts.models import User
from config.figures import BAD, UNKNOWN
from config.staff import staff_page
from config.staff_figures import GAP_DAYS, Group, read_figures, read_gaps, read_tables
from incidents.watching.notices import latest_notices, operator_addresses
from monitors.models import ListeningGap
from monitors.queries import database_now


@staff_page
@require_safe
def show_health(request: HttpRequest) -> HttpResponse:
    """Show every figure, what is wrong first; `?format=json` answers the same as JSON."""
    now = database_now()
    groups, gaps, tables = read_figures(now=now), read_gaps(now=now), read_tables()
    if request.GET.get("format") == "json":
        return JsonResponse(_as_json(groups, gaps, tables))
    figures = [figure for group in groups for figure in group.figures]
    context: dict[str, Any] = {
        "groups": groups,
        "wrong": [figure for figure in figures if figure.state == BAD],
        "unknown": [figure for figure in figures if figure.state == UNKNOWN],
        "gaps": [(gap, (gap.ended_at - gap.started_at).total_seconds()) for gap in gaps],
        "notices": latest_notices(),
        "has_addressee": bool(operator_addresses()),
        "gap_days": GAP_DAYS,
        "tables": tables,
        "now": now,
        "section": "health",
    }
    if is_htmx(request):
        return render(request, "staff/_health.html", context)
    assert isinstance(request.user, User)
    return render(request, "staff/health.html", context | {"teams": teams_of(request.user)})


def _as_json(
    groups: list[Group], gaps: list[ListeningGap], tables: list[dict[str, Any]]
) -> dict[str, Any]:
    figures = [figure for group in groups for figure in group.figures]
    return {
        "well": all(figure.state != BAD for figure in figures),
        "figures": {
            figure.name: {
                "value": figure.value if figure.number is None else figure.number,
                "said": figure.value,
                "limit": figure.limit or None,
                "state": figure.state,
                "remedy": figure.remedy or None,
            }
            for figure in figures
        },
        "tables": tables,
        "gaps": [
            {
                "started_at": gap.started_at.isoformat(),
                "ended_at": gap.ended_at.isoformat(),
                "cause": gap.cause,
            }
            for gap in gaps
        ],
        "has_addressee": bool(operator_addresses()),
        "notices": [
            {
                "kind": notice.kind,
                "at": notice.at.isoformat(),
                "mailed_at": notice.mailed_at.isoformat() if notice.mailed_at else None,
                "text": notice.text,
            }
            for notice in latest_notices()
        ],
    }
