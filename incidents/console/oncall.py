"""On-call at a glance: who is on call now in each rotation, and the month."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from incidents.console.roster import (
    list_people,
    read_month,
    read_standing,
    say_unreachable,
    show_month,
)
from incidents.models import Rotation
from incidents.oncall.loading import load_schedules
from monitors.queries import database_now


@team_page()
def show_overview(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who is on call in every rotation, and a month of all of them or of one."""
    now = database_now()
    rotations = list(Rotation.objects.order_by("name"))
    context: dict[str, Any] = {"rotations": rotations, "section": "oncall", "now": now}
    if rotations:
        wanted = request.GET.get("rotation")
        chosen = next((one for one in rotations if str(one.pk) == wanted), None)
        shown = [chosen] if chosen else rotations
        people = list_people()
        asked = read_month(request, rotations=shown, now=now)
        schedules = load_schedules(
            [rotation.pk for rotation in rotations],
            since=min(now, asked.start),
            until=max(now, asked.end),
        )
        known = [rotation for rotation in rotations if rotation.pk in schedules]
        standings = [
            read_standing(rotation, schedules[rotation.pk], people=people, now=now)
            for rotation in known
        ]
        warnings = say_unreachable({one.member for one in standings}, people)
        context |= {
            "chosen": chosen,
            "month_url": reverse("console:oncall", kwargs={"team": access.team.slug}),
            "standings": [(one, warnings.get(one.member)) for one in standings],
            **show_month(
                asked,
                [(rotation, schedules[rotation.pk]) for rotation in known if rotation in shown],
                people=people,
                names_rows=chosen is None and len(rotations) > 1,
            ),
        }
    return render_page(request, access, "oncall/overview.html", context)
