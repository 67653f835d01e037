"""A team's home: what is wrong now, who is on call and hears of it, and how the day went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from django.db.models import Min, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.teams import owner_addresses
from incidents.console.day import read_day
from incidents.console.panels import panels_of_home
from incidents.console.rehearsing import SaidStep, say_again, say_steps
from incidents.console.roster import Standing, list_people, read_standing, say_unreachable
from incidents.maintenance.reading import with_standing
from incidents.models import (
    AlertRule,
    Channel,
    EscalationPolicy,
    Incident,
    IncidentState,
    Rotation,
)
from incidents.oncall.loading import load_schedules
from incidents.policies.reaching import resolve_targets
from incidents.policies.snapshot import take_snapshot, with_steps
from monitors.console.listing import count_states, late_monitors
from monitors.models import Monitor
from monitors.queries import database_now

SHOWN_OPEN = 20
SHOWN_ROTATIONS = 12
SHOWN_WINDOWS = 10


@dataclass(frozen=True, slots=True)
class Ladder:
    """Who is told of what no other rule takes: the rungs of its policy, with who is on call now."""

    steps: Sequence[SaidStep]
    again: str


@team_page()
def show_home(request: HttpRequest, access: Access) -> HttpResponse:
    """Show a team's state at a glance."""
    now = database_now()
    unresolved = Incident.objects.exclude(state=IncidentState.RESOLVED)
    counts = count_states(late=late_monitors(now=now))
    first = Monitor.objects.aggregate(at=Min("created_at"))["at"]
    catch_all = AlertRule.objects.select_related("policy").filter(is_catch_all=True).first()
    context: dict[str, Any] = {
        "incidents": list(unresolved.order_by("-state", "-down_since")[:SHOWN_OPEN]),
        "open_count": unresolved.count(),
        "counts": counts,
        "total": sum(counts.values()),
        "owners": owner_addresses(access.team),
        "catch_all": catch_all,
        "ladder": _read_ladder(catch_all, now),
        "channels": Channel.objects.filter(rules__is_catch_all=True, disabled_at=None),
        "standings": _read_standings(now),
        "rotation_count": Rotation.objects.count(),
        "rule_count": AlertRule.objects.filter(is_catch_all=False).count(),
        "day": read_day(team_id=access.team.pk, first_monitor_at=first, now=now),
        "windows": _read_windows(now),
        "panels": panels_of_home(access, now),
        "now": now,
        "section": "home",
    }
    template = "incidents/_home.html" if is_htmx(request) else "incidents/home.html"
    return render_page(request, access, template, context)


def _read_windows(now: datetime) -> QuerySet[Any]:
    """Return the maintenance windows that are on, the one that ends first at the top."""
    found: QuerySet[Any] = with_standing(now).prefetch_related(None)
    return found.filter(active=True).order_by("active_until")[:SHOWN_WINDOWS]


def _read_ladder(rule: AlertRule | None, now: datetime) -> Ladder | None:
    if rule is None or rule.policy_id is None:
        return None
    policy = with_steps(EscalationPolicy.objects.filter(pk=rule.policy_id)).first()
    if policy is None:
        return None
    steps = take_snapshot(policy).steps
    reached = iter(resolve_targets([one for step in steps for one in step["targets"]], at=now))
    times = accumulate(step["delay"] for step in steps)
    rungs = [
        (after, [next(reached) for _ in step["targets"]])
        for after, step in zip(times, steps, strict=True)
    ]
    return Ladder(say_steps(rungs), say_again(policy.repeat))


def _read_standings(now: datetime) -> list[tuple[Standing, str]]:
    """Return who is on call in each of the first rotations, and why a page would not reach them."""
    rotations = list(Rotation.objects.order_by("name")[:SHOWN_ROTATIONS])
    if not rotations:
        return []
    people = list_people()
    schedules = load_schedules([rotation.pk for rotation in rotations], since=now, until=now)
    standings = [
        read_standing(rotation, schedules[rotation.pk], people=people, now=now)
        for rotation in rotations
        if rotation.pk in schedules  # it may have been deleted just now
    ]
    warnings = say_unreachable({one.member for one in standings}, people)
    return [(one, warnings.get(one.member, "")) for one in standings]
