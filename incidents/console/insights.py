"""How a team fares: how soon incidents are taken on and over, week by week, and what is noisy."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.db import DataError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.zones import reader_zone
from incidents.console.finding import SEVERITIES, offer_choices
from incidents.console.insight_charts import draw_bars, draw_lines
from monitors.api.export import safe_cell
from monitors.queries import database_now

RANGES = {"4": 4, "12": 12, "26": 26}
DEFAULT_RANGE = "12"
NOISIEST = 10
FROM_HOUR, TO_HOUR, WORKDAYS = 9, 18, 5

# Incidents of a team and a time, with the seconds until each was taken on the first time and until
# it was over. Rows are found by the index on (team, id): ids are in order of time.
_FOUND = """
WITH found AS (
  SELECT i.monitor_id, i.monitor_name, i.namespace, i.resolved_at, i.down_since,
    i.opened_at AT TIME ZONE %(zone)s AS wall,
    extract(epoch FROM coalesce(
      (SELECT min(t.at) FROM incidents_timelineevent t
       WHERE t.incident_id = i.id AND t.kind IN ('acknowledged', 'snoozed')),
      i.acknowledged_at) - i.opened_at)::float AS taken,
    extract(epoch FROM i.resolved_at - i.opened_at)::float AS lasted
  FROM incidents_incident i
  WHERE i.team_id = %(team)s AND i.id >= %(first)s
    AND i.opened_at >= %(since)s AND i.opened_at < %(until)s
    AND (%(severity)s = '' OR i.severity = %(severity)s)
    AND (%(namespace)s = '' OR i.namespace = %(namespace)s)
)
"""

# name: incident_weeks
# By week of the reader's zone and over all of them (the null week): how many, how soon, when.
_WEEKS = f"""{_FOUND}
SELECT date_trunc('week', wall)::date AS week, count(*),
  count(*) FILTER (WHERE extract(isodow FROM wall) > %(workdays)s
    OR extract(hour FROM wall) < %(from_hour)s OR extract(hour FROM wall) >= %(to_hour)s),
  avg(taken), percentile_cont(0.5) WITHIN GROUP (ORDER BY taken),
  avg(lasted), percentile_cont(0.5) WITHIN GROUP (ORDER BY lasted)
FROM found GROUP BY GROUPING SETS ((1), ()) ORDER BY 1
"""

# name: noisiest_monitors
# The monitors with the most incidents, and for how long they were down together.
_NOISY = f"""{_FOUND}
SELECT monitor_id, max(monitor_name), max(namespace), count(*),
  sum(extract(epoch FROM coalesce(resolved_at, %(now)s) - down_since))::float,
  EXISTS (SELECT FROM monitors_monitor m
    WHERE m.id = found.monitor_id AND m.team_id = %(team)s)
FROM found GROUP BY monitor_id ORDER BY 4 DESC, 5 DESC, 1 LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a stretch of time comes to. Times in seconds; None where nothing was measured."""

    count: int = 0
    out_of_hours: int = 0
    taken_mean: float | None = None
    taken_median: float | None = None
    lasted_mean: float | None = None
    lasted_median: float | None = None

    @property
    def out_percent(self) -> int | None:
        """The share that opened out of working hours."""
        return round(100 * self.out_of_hours / self.count) if self.count else None


@dataclass(frozen=True, slots=True)
class Week:
    """A week, from Monday of the reader's zone, and its figures."""

    first: date
    figures: Figures

    @property
    def said(self) -> str:
        """The week as its first day: "2 Mar"."""
        return f"{self.first.day} {self.first:%b}"


@dataclass(frozen=True, slots=True)
class Noisy:
    """A monitor, how often it was down, and for how long."""

    monitor_id: UUID
    name: str
    namespace: str
    count: int
    down_seconds: float
    exists: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    weeks: str
    severity: str
    namespace: str
    first: date  # the first Monday
    zone: tzinfo
    now: datetime

    def values(self, team_id: UUID) -> dict[str, Any]:
        """Return the values of the queries."""
        since = datetime.combine(self.first, time(0), self.zone)
        return {
            "team": team_id,
            "zone": str(self.zone),
            "since": since,
            "until": self.now,
            "now": self.now,
            # A day's slack: an id is made by the application's clock.
            "first": UUID(int=int((since - timedelta(days=1)).timestamp() * 1000) << 80),
            "severity": self.severity,
            "namespace": self.namespace,
            "workdays": WORKDAYS,
            "from_hour": FROM_HOUR,
            "to_hour": TO_HOUR,
            "most": NOISIEST,
        }


def read_asked(request: HttpRequest, *, now: datetime) -> Asked:
    """Return what the address asks for; what is no word of ours asks for nothing."""
    weeks = request.GET.get("weeks", DEFAULT_RANGE)
    weeks = weeks if weeks in RANGES else DEFAULT_RANGE
    severity = request.GET.get("severity", "")
    zone = _zone_known(reader_zone())
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    return Asked(
        weeks=weeks,
        severity=severity if severity in SEVERITIES else "",
        namespace=request.GET.get("namespace", "").replace("\0", "").strip()[:63],
        first=monday - timedelta(weeks=RANGES[weeks] - 1),
        zone=zone,
        now=now,
    )


def _zone_known(zone: tzinfo) -> tzinfo:
    """Return the zone if the database knows it as well, else UTC: the two come with their own."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT now() AT TIME ZONE %s", [str(zone)])
    except DataError:
        return UTC
    return zone


def read_weeks(asked: Asked, *, team_id: UUID) -> tuple[list[Week], Figures]:
    """Return the weeks, oldest first, also those without an incident, and all of them as one."""
    with connection.cursor() as cursor:
        cursor.execute(_WEEKS, asked.values(team_id))
        rows = {row[0]: Figures(*row[1:]) for row in cursor.fetchall()}
    mondays = [asked.first + timedelta(weeks=n) for n in range(RANGES[asked.weeks])]
    none = Figures()
    return [Week(day, rows.get(day, none)) for day in mondays], rows.get(None, none)


def read_noisiest(asked: Asked, *, team_id: UUID) -> list[Noisy]:
    """Return the monitors with the most incidents."""
    with connection.cursor() as cursor:
        cursor.execute(_NOISY, asked.values(team_id))
        return [Noisy(*row) for row in cursor.fetchall()]


@team_page()
def show_insights(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the weeks as charts and as a table, and the noisiest monitors."""
    asked = read_asked(request, now=database_now())
    weeks, total = read_weeks(asked, team_id=access.team.pk)
    said = (_("mean"), _("median"))
    choices = offer_choices()
    context: dict[str, Any] = {
        "asked": asked,
        "ranges": list(RANGES),
        "weeks": weeks,
        "total": total,
        "noisiest": read_noisiest(asked, team_id=access.team.pk),
        "counts": draw_bars([_bar_of(week) for week in weeks]),
        "taken": draw_lines(
            [(w.said, w.figures.taken_mean, w.figures.taken_median) for w in weeks], said=said
        ),
        "lasted": draw_lines(
            [(w.said, w.figures.lasted_mean, w.figures.lasted_median) for w in weeks], said=said
        ),
        "axis": _axis_of(weeks),
        "zone": str(asked.zone),
        "hours": f"{FROM_HOUR:02}:00–{TO_HOUR:02}:00",
        "section": "incidents",
        "severities": choices["severities"],
        "namespaces": choices["namespaces"],
    }
    return render_page(request, access, "incidents/insights.html", context)


def _bar_of(week: Week) -> tuple[str, int, int, str]:
    figures = week.figures
    text = ngettext(
        "%(week)s: %(count)d incident, %(out)d out of hours",
        "%(week)s: %(count)d incidents, %(out)d out of hours",
        figures.count,
    )
    named = {"week": week.said, "count": figures.count, "out": figures.out_of_hours}
    return week.said, figures.count, figures.out_of_hours, text % named


def _axis_of(weeks: Sequence[Week]) -> list[str]:
    """Return the word below each week: at most five, the same way apart; the others have none."""
    step = max(1, -(-len(weeks) // 5))
    return ["" if n % step else week.said for n, week in enumerate(weeks)]


@team_page()
def export_insights(request: HttpRequest, access: Access) -> HttpResponse:
    """Return the weeks as CSV, or with `what=monitors` the noisiest monitors; times in seconds."""
    asked = read_asked(request, now=database_now())
    if request.GET.get("what") == "monitors":
        name, rows = "monitors", _monitor_rows(read_noisiest(asked, team_id=access.team.pk))
    else:
        name, rows = "weeks", _week_rows(read_weeks(asked, team_id=access.team.pk)[0])
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    file = f"{access.team.slug}-incidents-{name}-{asked.now.astimezone(asked.zone):%Y-%m-%d}.csv"
    return HttpResponse(
        text.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{file}"',
            "Cache-Control": "no-store",
        },
    )


def _week_rows(weeks: Iterable[Week]) -> Iterable[list[Any]]:
    yield [
        *("week", "incidents", "out_of_hours"),
        *("acknowledge_mean_s", "acknowledge_median_s", "resolve_mean_s", "resolve_median_s"),
    ]
    for week in weeks:
        figures = week.figures
        times = (
            *(figures.taken_mean, figures.taken_median),
            *(figures.lasted_mean, figures.lasted_median),
        )
        yield [
            *(week.first.isoformat(), figures.count, figures.out_of_hours),
            *("" if seconds is None else round(seconds, 3) for seconds in times),
        ]


def _monitor_rows(noisiest: Iterable[Noisy]) -> Iterable[list[Any]]:
    yield ["namespace", "monitor", "incidents", "down_s"]
    for row in noisiest:
        cells = (safe_cell(row.namespace), safe_cell(row.name))
        yield [*cells, row.count, round(max(0.0, row.down_seconds), 3)]
