"""How many monitors a team had on each day, and the monthly statement of it.

A day (UTC) counts the most monitors that the team had at once. It is counted when monitors are
made and before they are deleted, in the same transaction, and once an hour for teams where
nothing changed. A month's bill is the flat rate times the sum over its days, divided by the number
of its days; it is rounded to cents once, at the end, half to even.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from uuid import UUID

from django.db import connection

from accounts.database.standing import unscoped
from accounts.internal import INTERNAL_TEAM
from accounts.models import Team
from monitors.models import UsageDay

CENT = Decimal("0.01")
_TEAMS = 200  # as many are counted in one statement
# Sums of Decimals are exact; the one division has digits to spare before it is rounded to cents.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

# name: count
# Note for today how many monitors teams have, if that is more than was noted, and the rate. What
# is noted already is left out before the insert, which would lock its row even to change nothing.
_COUNT = """
INSERT INTO monitors_usageday AS u (team_id, day, monitors, rate, currency)
SELECT c.team_id, c.day, c.monitors, c.rate, c.currency
FROM (
  SELECT t.id AS team_id, (statement_timestamp() AT TIME ZONE 'UTC')::date AS day,
    (SELECT count(*) FROM monitors_monitor m WHERE m.team_id = t.id) AS monitors,
    p.rate, coalesce(p.currency, '') AS currency
  FROM accounts_team t LEFT JOIN accounts_plan p ON p.id = t.plan_id
  WHERE t.id BETWEEN %(first)s AND %(last)s AND t.id <> %(internal)s
) c
LEFT JOIN monitors_usageday n ON n.team_id = c.team_id AND n.day = c.day
WHERE n.team_id IS NULL OR n.monitors < c.monitors
  OR (n.rate, n.currency) IS DISTINCT FROM (c.rate, c.currency)
ORDER BY c.team_id
ON CONFLICT (team_id, day) DO UPDATE SET
  monitors = greatest(u.monitors, excluded.monitors),
  rate = excluded.rate, currency = excluded.currency
WHERE u.monitors < excluded.monitors
  OR (u.rate, u.currency) IS DISTINCT FROM (excluded.rate, excluded.currency)
"""

# name: fill
# Fill the days on which nothing ran and so nothing was counted: between a team's last counted day
# and today nobody could make or delete a monitor, so those that exist now existed then.
_FILL = """
INSERT INTO monitors_usageday (team_id, day, monitors, rate, currency)
SELECT l.team_id, d.day::date, (
    SELECT count(*) FROM monitors_monitor m
    WHERE m.team_id = l.team_id AND m.created_at < (d.day + interval '1 day') AT TIME ZONE 'UTC'
  ), l.rate, l.currency
FROM accounts_team t
CROSS JOIN LATERAL (
  SELECT team_id, day, rate, currency FROM monitors_usageday
  WHERE team_id = t.id AND day < (clock_timestamp() AT TIME ZONE 'UTC')::date
  ORDER BY day DESC LIMIT 1
) l
CROSS JOIN LATERAL generate_series(
  l.day + interval '1 day', (clock_timestamp() AT TIME ZONE 'UTC')::date - interval '1 day',
  interval '1 day'
) AS d(day)
WHERE t.id BETWEEN %(first)s AND %(last)s AND t.id <> %(internal)s
ORDER BY l.team_id, d.day
ON CONFLICT (team_id, day) DO NOTHING
"""


def count_team(team_id: UUID) -> None:
    """Note how many monitors a team has now: whoever makes or deletes some holds a transaction.

    It comes before the locks of heartbeats (see `monitors.services`).
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"first": team_id, "last": team_id, "internal": INTERNAL_TEAM})


@unscoped
def count_teams() -> int:
    """Note how many monitors each team has now, and fill days that were missed.

    Some teams at a time: whoever makes monitors waits for no more than those. Returns how many
    rows were written.
    """
    written = 0
    teams = Team.objects.order_by("pk").values_list("pk", flat=True)
    ids = list(teams[:_TEAMS])
    while ids:
        for statement in (_FILL, _COUNT):
            with connection.cursor() as cursor:
                span = {"first": ids[0], "last": ids[-1], "internal": INTERNAL_TEAM}
                cursor.execute(statement, span)
                written += cursor.rowcount
        ids = list(teams.filter(pk__gt=ids[-1])[:_TEAMS])
    return written


@dataclass(frozen=True)
class Month:
    """A month of the calendar, in UTC."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @classmethod
    def of(cls, day: date) -> Month:
        """Return the month that a day lies in."""
        return cls(day.year, day.month)

    @property
    def days(self) -> int:
        """How many days it has."""
        return calendar.monthrange(self.year, self.month)[1]

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + timedelta(days=self.days - 1)


@dataclass(frozen=True)
class Line:
    """A day of a statement; `monitors` is None where nothing was counted."""

    day: date
    monitors: int | None
    rate: Decimal | None = None
    currency: str = ""
    provisional: bool = False


@dataclass(frozen=True)
class Sum:
    """What one rate comes to: `counted` is the sum of monitors over days; `amount` is not rounded.

    A month has several where the plan's rate was changed within it.
    """

    rate: Decimal
    currency: str
    counted: int
    days: int  # of the month

    @property
    def amount(self) -> Decimal:
        """The rate times the sum over days, divided by the days of the month."""
        return _EXACT.divide(_EXACT.multiply(self.rate, self.counted), self.days)


@dataclass(frozen=True)
class Statement:
    """A team's month, day by day."""

    month: Month
    lines: list[Line]
    sums: list[Sum]

    @property
    def counted(self) -> int:
        """The sum of monitors over days."""
        return sum(line.monitors or 0 for line in self.lines)

    @property
    def most(self) -> int:
        """The most monitors on any day."""
        return max((line.monitors or 0 for line in self.lines), default=0)

    @property
    def provisional(self) -> bool:
        """Whether today is among its days, so that it still grows."""
        return any(line.provisional for line in self.lines)

    @property
    def totals(self) -> list[tuple[str, Decimal]]:
        """What is charged, by currency, in cents: rounded here and nowhere before."""
        by_currency: dict[str, list[Sum]] = defaultdict(list)
        for each in self.sums:
            by_currency[each.currency].append(each)
        return [(currency, round_amount(sums)) for currency, sums in sorted(by_currency.items())]


def round_amount(sums: list[Sum]) -> Decimal:
    """Return what sums of one month and currency come to together, in cents, half to even."""
    whole = sum((_EXACT.multiply(each.rate, each.counted) for each in sums), Decimal(0))
    days = sums[0].days if sums else 1
    return _EXACT.divide(whole, days).quantize(CENT, rounding=ROUND_HALF_EVEN)


def make_statement(*, team: Team, month: Month, today: date) -> Statement:
    """Return a team's statement of a month; `today` (UTC) is provisional, later days are none."""
    rows = UsageDay.objects.filter(team=team, day__gte=month.first, day__lte=month.last)
    found = {row.day: row for row in rows}
    lines = []
    for offset in range(month.days):
        day = month.first + timedelta(days=offset)
        row = found.get(day)
        if row is None:
            lines.append(Line(day, None))
        else:
            lines.append(Line(day, row.monitors, row.rate, row.currency, day == today))
    counted: dict[tuple[Decimal, str], int] = defaultdict(int)
    for line in lines:
        if line.rate is not None and line.monitors is not None:
            counted[line.rate, line.currency] += line.monitors
    sums = [Sum(rate, name, count, month.days) for (rate, name), count in counted.items()]
    return Statement(month=month, lines=lines, sums=sums)


def counted_months(*, team: Team) -> list[Month]:
    """Return the months of which something was counted, the newest first."""
    days = UsageDay.objects.filter(team=team).dates("day", "month", order="DESC")
    return [Month.of(day) for day in days]
