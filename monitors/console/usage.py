"""Plan and usage: what the team may have, what it has, and what a month comes to."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.http import Http404, HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.plans import history_days, monitor_quota
from monitors.console.latency import nice_ceiling
from monitors.models import Monitor
from monitors.queries import database_now
from monitors.usage import Line, Month, Statement, counted_months, make_statement

WARN_FROM = 0.8  # of the quota
WIDTH, HEIGHT = 1_000.0, 160.0
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True)
class Share:
    """How much of a quota is used."""

    used: int
    quota: int | None

    @property
    def percent(self) -> int:
        """Return how much is used, in whole percent, at most a hundred."""
        if not self.quota:
            return 100
        return min(100, self.used * 100 // self.quota)

    @property
    def is_full(self) -> bool:
        """Return whether no further monitor can be made."""
        return self.quota is not None and self.used >= self.quota

    @property
    def is_near(self) -> bool:
        """Return whether it is time to think of it."""
        return self.quota is not None and self.used >= WARN_FROM * self.quota

    @property
    def left(self) -> int:
        """Return how many more can be made."""
        return max(0, (self.quota or 0) - self.used)


@dataclass(frozen=True)
class Bar:
    """A day of the chart."""

    line: Line
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True)
class Chart:
    """What the template draws; y grows downwards, as SVG has it."""

    bars: list[Bar]
    top: str
    middle: str
    days: tuple[int | str, ...]  # below each bar: its day, or nothing


@team_page()
def show_usage(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the plan, how much of it is used, and the days of this month."""
    today = database_now().date()
    month = Month.of(today)
    statement = make_statement(team=access.team, month=month, today=today)
    months = counted_months(team=access.team)
    context = {
        "plan": access.team.plan,
        "share": read_share(access),
        "history_days": history_days(access.team),
        "statement": statement,
        "chart": draw_chart(statement),
        "months": months,
        "today": today,
        "section": "settings",
    }
    return render_page(request, access, "accounts/usage.html", context)


@team_page()
def show_statement(request: HttpRequest, access: Access, month: str) -> HttpResponse:
    """Show a month's statement, day by day."""
    statement = _read_statement(access, month)
    months = counted_months(team=access.team)
    context = {
        "plan": access.team.plan,
        "statement": statement,
        "chart": draw_chart(statement),
        "earlier": next((each for each in months if each.first < statement.month.first), None),
        "later": next(
            (each for each in reversed(months) if each.first > statement.month.first), None
        ),
        "section": "settings",
    }
    return render_page(request, access, "accounts/statement.html", context)


@team_page()
def download_statement(request: HttpRequest, access: Access, month: str) -> HttpResponse:
    """Give a month's statement as CSV: a line for each day, then what it comes to."""
    statement = _read_statement(access, month)
    response = HttpResponse(write_csv(statement), content_type="text/csv; charset=utf-8")
    name = f"tocsin-{access.team.slug}-{statement.month}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def write_csv(statement: Statement) -> str:
    """Return a statement as CSV. Amounts of single days are exact; only the total is rounded."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["day", "monitors", "rate", "currency", "amount", "provisional"])
    days = statement.month.days
    for line in statement.lines:
        if line.monitors is None:
            continue
        amount = "" if line.rate is None else _plain(line.rate * line.monitors / days)
        rate = "" if line.rate is None else _plain(line.rate)
        provisional = "yes" if line.provisional else ""
        rows.writerow([line.day, line.monitors, rate, line.currency, amount, provisional])
    for currency, total in statement.totals:
        mark = "yes" if statement.provisional else ""
        rows.writerow(["total", statement.counted, "", currency, total, mark])
    if not statement.totals:
        rows.writerow(["total", statement.counted, "", "", "", ""])
    return text.getvalue()


def read_share(access: Access) -> Share:
    """Return how much of its quota a team uses."""
    return Share(Monitor.objects.count(), monitor_quota(access.team))


def draw_chart(statement: Statement) -> Chart:
    """Return the bars of a month; a day on which nothing was counted has none."""
    top = nice_ceiling(max(statement.most, 2))
    step = WIDTH / statement.month.days
    bars = [
        Bar(
            line=line,
            x=round((line.day.day - 1) * step + step * 0.12, 1),
            width=round(step * 0.76, 1),
            y=round(HEIGHT - HEIGHT * line.monitors / top, 1),
            height=round(HEIGHT * line.monitors / top, 1),
        )
        for line in statement.lines
        if line.monitors is not None
    ]
    middle = top / 2
    last = statement.month.days
    named = {1, *range(5, last + 1, 5)}
    return Chart(
        bars=bars,
        top=f"{top:,.0f}",
        middle=f"{middle:,.0f}" if middle == int(middle) else "",
        days=tuple(day if day in named else "" for day in range(1, last + 1)),
    )


def _read_statement(access: Access, text: str) -> Statement:
    """Return a month's statement; Http404 for what is no month, or has not begun."""
    match = _MONTH.fullmatch(text)
    today = database_now().date()
    if match is None or int(match[1]) < 1:
        raise Http404
    month = Month(int(match[1]), int(match[2]))
    if month.first > today or month.last < _first_day(access):
        raise Http404
    return make_statement(team=access.team, month=month, today=today)


def _first_day(access: Access) -> date:
    months = counted_months(team=access.team)
    made = access.team.created_at.date()
    return min(months[-1].first, made) if months else made


def _plain(number: Decimal) -> str:
    """Return a number without an exponent and without zeros that say nothing, at most 8 places."""
    text = f"{number:.8f}".rstrip("0")
    return f"{text}00"[: max(len(text), text.index(".") + 3)]
