"""`/staff/teams/`: what support needs to know of a team, in counts, without seeing what it keeps.

Nothing here acts as a member. Each look is an event of the team's own audit log.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_scopes import scope, scopes_disabled

from accounts.console.pages import teams_of
from accounts.internal import INTERNAL_TEAM
from accounts.models import SLUG_PATTERN, ApiKey, Membership, Role, Team, User
from accounts.operator import note_view
from accounts.plans import history_days, monitor_quota
from config.staff import staff_page
from incidents.models import Channel, Delivery, Incident, Rotation
from incidents.oncall.loading import load_schedules
from incidents.oncall.schedule import on_call
from monitors.models import Heartbeat, Monitor
from monitors.queries import database_now

PAGE_ROWS = 50
DAYS = 14
DELIVERY_DAYS = 7
MOST_FAILURES = 5_000
# What an attempt's detail is about, without its words: these may name addresses.
_CLASSES = (
    (re.compile(r"\banswered (\d)\d\d\b"), "HTTP {}xx"),
    (re.compile(r"mail server|SMTP", re.IGNORECASE), "mail server"),
    (re.compile(r"not allowed|refused|private|OUTBOUND", re.IGNORECASE), "refused"),
    (re.compile(r"timed? ?out|within|in time", re.IGNORECASE), "timeout"),
    (re.compile(r"resolve|name|DNS", re.IGNORECASE), "name"),
    (re.compile(r"TLS|certificate|SSL", re.IGNORECASE), "TLS"),
    (re.compile(r"connect|reset|closed|network", re.IGNORECASE), "connection"),
)


@dataclass(frozen=True)
class Fact:
    """One row of the page: what, and how many or which."""

    label: str
    value: Any
    past: bool = False  # shown as how long ago


@staff_page
@require_safe
def list_teams(request: HttpRequest) -> HttpResponse:
    """Find a team by its short name, its name or a member's whole address."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:254]
    with scopes_disabled():
        teams = Team.objects.exclude(pk=INTERNAL_TEAM).select_related("plan").order_by("slug")
        if search:
            theirs = Membership.objects.filter(user__email__iexact=search).values("team_id")
            teams = teams.filter(
                Q(slug__icontains=search) | Q(name__icontains=search) | Q(pk__in=theirs)
            )
        page = Paginator(teams, PAGE_ROWS).get_page(request.GET.get("page"))
        shown = [team.pk for team in page]
        monitors = _count(Monitor.objects.filter(team__in=shown))
        members = _count(Membership.objects.filter(team__in=shown))
    context = {
        "section": "teams",
        "page": page,
        "rows": [(team, monitors.get(team.pk, 0), members.get(team.pk, 0)) for team in page],
        "search": search,
    }
    return _render(request, "staff/teams.html", context)


def _count(rows: Any) -> dict[UUID, int]:
    return dict(rows.order_by().values_list("team_id").annotate(Count("pk")))


@staff_page
@require_safe
def show_team(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how a team is doing, and tell the team that somebody looked."""
    team = None
    if re.fullmatch(SLUG_PATTERN, slug):
        team = Team.objects.select_related("plan").filter(slug=slug).first()
    if team is None:
        raise Http404
    note_view(request, team)
    now = database_now()
    with scope(team=team):
        context = {
            "section": "teams",
            "subject": team,
            "now": now,
            "facts": _facts(team, now=now),
            "states": _tally(Heartbeat.objects.values_list("state").annotate(Count("pk"))),
            "days": _incident_days(now=now),
            "deliveries": _deliveries(now=now),
            "failures": _failures(now=now),
            "channels": _channels(),
            "members": _members(),
            "keys": list(ApiKey.objects.order_by("-created_at")),
            "delivery_days": DELIVERY_DAYS,
        }
        return _render(request, "staff/team.html", context)


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    assert isinstance(request.user, User)
    return render(request, template, context | {"teams": teams_of(request.user)})


def _facts(team: Team, *, now: datetime) -> list[Fact]:
    quota = monitor_quota(team)
    count = Monitor.objects.count()
    last = Heartbeat.objects.aggregate(at=Max("last_push_at"))["at"]
    rotations = list(Rotation.objects.values_list("pk", flat=True))
    schedules = load_schedules(rotations, since=now, until=now + timedelta(seconds=1))
    empty = sum(on_call(schedule, now) is None for schedule in schedules.values())
    return [
        Fact(_("Plan"), team.plan.name if team.plan else _("none")),
        Fact(
            _("Monitors"),
            str(count)
            if quota is None
            else _("%(count)s of %(quota)s") % {"count": count, "quota": quota},
        ),
        Fact(_("Results are shown for"), _("%(days)s days") % {"days": history_days(team)}),
        Fact(_("Last push"), last, past=True),
        Fact(_("Created"), team.created_at, past=True),
        Fact(_("To be erased"), team.delete_at or _("no")),
        Fact(_("Rotations with nobody on call now"), f"{empty} / {len(rotations)}"),
        Fact(_("Open incidents"), Incident.objects.filter(resolved_at=None).count()),
    ]


def _tally(rows: Any) -> list[tuple[str, int]]:
    return sorted(rows.order_by(), key=lambda row: -row[1])


def _incident_days(*, now: datetime) -> list[tuple[date, int]]:
    first = (now - timedelta(days=DAYS - 1)).date()
    rows = Incident.objects.filter(opened_at__date__gte=first)
    counts = dict(
        rows.annotate(day=TruncDate("opened_at"))
        .order_by()
        .values_list("day")
        .annotate(Count("pk"))
    )
    days = [first + timedelta(days=n) for n in range(DAYS)]
    return [(day, counts.get(day, 0)) for day in reversed(days)]


def _since(now: datetime) -> UUID:
    """Return the smallest id of a message of the last days: ids begin with their time."""
    return UUID(int=int((now - timedelta(days=DELIVERY_DAYS)).timestamp() * 1000) << 80)


def _deliveries(*, now: datetime) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return for each kind how many messages are in which state."""
    rows = Delivery.objects.filter(pk__gte=_since(now)).order_by()
    kinds: dict[str, list[tuple[str, int]]] = {}
    for kind, state, count in rows.values_list("kind", "state").annotate(Count("pk")):
        kinds.setdefault(kind, []).append((state, count))
    return [(kind, sorted(states)) for kind, states in sorted(kinds.items())]


def _failures(*, now: datetime) -> list[tuple[str, int]]:
    """Return what messages failed of, in classes, the most frequent first."""
    failed = Delivery.objects.filter(pk__gte=_since(now), state="failed").order_by("-pk")
    counts: Counter[str] = Counter()
    for attempts in failed.values_list("attempts", flat=True)[:MOST_FAILURES]:
        last = attempts[-1] if attempts else {}
        counts[classify(str(last.get("detail", "")))] += 1
    return counts.most_common()


def classify(detail: str) -> str:
    """Return what an error is about, in words of ours alone."""
    for pattern, name in _CLASSES:
        if found := pattern.search(detail):
            return name.format(*found.groups())
    return _("other")


def _channels() -> list[tuple[str, int, list[str]]]:
    """Return for each kind how many channels there are, and why those that are disabled are."""
    kinds: dict[str, tuple[int, list[str]]] = {}
    for kind, at, reason in Channel.objects.order_by("kind", "pk").values_list(
        "kind", "disabled_at", "disabled_reason"
    ):
        count, reasons = kinds.get(kind, (0, []))
        kinds[kind] = (count + 1, [*reasons, classify(reason)] if at else reasons)
    return [(kind, count, reasons) for kind, (count, reasons) in kinds.items()]


def _members() -> list[tuple[str, list[str]]]:
    """Return the masked addresses of each role; an open place says that it is one."""
    roles: dict[str, list[str]] = {role.value: [] for role in Role}
    for role, email, accepted in Membership.objects.order_by("created_at").values_list(
        "role", "user__email", "accepted_at"
    ):
        shown = mask_address(email)
        roles[role].append(shown if accepted else _("%(address)s (open)") % {"address": shown})
    return [(role, shown) for role, shown in roles.items() if shown]


def mask_address(email: str) -> str:
    """Return an address by its first letter and its domain: `a…@example.com`."""
    local, _at, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"
