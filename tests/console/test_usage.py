"""Plan and usage as pages and CSV."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Plan, Team
from accounts.templatetags.amounts import rate
from monitors.models import UsageDay
from monitors.queries import database_now
from tests.console.personas import make_monitor
from tests.console.test_team import main_of

PAGE = "/t/acme/settings/usage"


@pytest.fixture
def plan(people):
    plan = Plan.objects.create(name="Team", rate="1.5", currency="EUR", monitor_quota=5)
    Team.objects.filter(pk=people.team.pk).update(plan=plan)
    return plan


def put_days(people, *days, monitors=10, rate="1.5"):
    with scopes_disabled():
        for day in days:
            UsageDay.objects.create(
                team=people.team,
                day=day,
                monitors=monitors,
                rate=Decimal(rate),
                currency="EUR",
            )


def test_the_page_says_plan_quota_history_and_rate(people, plan, browse):
    make_monitor(people.team)
    page = main_of(browse(people.viewer).get(PAGE))
    for words in ("Plan: Team", "1 of 5", "90 days", "1.50 EUR per monitor and month"):
        assert words in page
    assert "used up" not in page


def test_a_team_without_a_plan_has_no_quota_and_no_bill(people, owner):
    page = main_of(owner.get(PAGE))
    assert "No plan" in page
    assert "nothing is charged" in page
    assert "<progress" not in page


@pytest.mark.parametrize(
    ("count", "words"), [(3, None), (4, "80 % of the quota is used"), (5, "The quota is used up")]
)
def test_it_warns_from_four_fifths_on_and_says_what_to_do_at_the_limit(
    people, plan, owner, count, words
):
    for number in range(count):
        make_monitor(people.team, name=f"m{number}")
    page = main_of(owner.get(PAGE))
    warned = [each for each in ("% of the quota is used", "The quota is used up") if each in page]
    assert len(warned) == (words is not None)
    if words:
        assert words in page
        assert "larger plan" in page
    form = main_of(owner.get("/t/acme/monitors/new"))
    assert ("% of the quota is used" in form) == (count == 4)
    assert ("larger plan" in form) == (count > 3)


def test_the_chart_has_a_bar_and_a_row_for_each_counted_day(people, plan, owner):
    make_monitor(people.team)
    page = main_of(owner.get(PAGE))
    today = database_now().date()
    assert page.count("<rect") == 1
    assert f"<td>{today}" in page
    assert "today, provisional" in page
    assert "style=" not in page


def test_a_month_as_page_and_csv(people, plan, owner):
    put_days(people, *(date(2026, 10, day) for day in range(1, 32)))
    page = main_of(owner.get(f"{PAGE}/2026-10"))
    assert "15.00 EUR" in page
    assert "1.50 EUR × 310 ÷ 31 days" in page
    assert page.count("<td>2026-10-") == 31
    answer = owner.get(f"{PAGE}/2026-10.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="tocsin-acme-2026-10.csv"' in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert len(rows) == 32
    assert rows[0] == {
        "day": "2026-10-01",
        "monitors": "10",
        "rate": "1.50",
        "currency": "EUR",
        "amount": "0.48387097",
        "provisional": "",
    }
    assert (rows[-1]["day"], rows[-1]["monitors"], rows[-1]["amount"]) == ("total", "310", "15.00")


def test_months_lead_to_each_other(people, plan, owner):
    put_days(people, date(2026, 8, 3), date(2026, 9, 3), date(2026, 10, 3))
    page = main_of(owner.get(f"{PAGE}/2026-09"))
    assert f'href="{PAGE}/2026-08"' in page
    assert f'href="{PAGE}/2026-10"' in page
    assert f'href="{PAGE}/2026-08"' in main_of(owner.get(PAGE))


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-00", "0000-01", "9999-12", "1999-01", "x", "2026-1", "٢٠٢٦-١٠"]
)
def test_what_is_no_month_of_the_team_is_missing(people, owner, month):
    assert owner.get(f"{PAGE}/{month}").status_code == 404
    assert owner.get(f"{PAGE}/{month}.csv").status_code == 404


def test_the_page_costs_the_same_however_much_is_counted(people, plan, owner):
    def cost():
        with CaptureQueriesContext(connection) as done:
            assert owner.get(PAGE).status_code == 200
        return len(done)

    owner.get(PAGE)
    before = cost()
    put_days(people, *(date(2026, month, day) for month in range(1, 11) for day in range(1, 28)))
    for number in range(4):
        make_monitor(people.team, name=f"m{number}")
    assert cost() == before


def test_each_named_day_stands_below_its_bar(owner, people):
    put_days(people, *(date(2026, 10, day) for day in range(1, 32)))
    page = owner.get(f"{PAGE}/2026-10").content.decode()
    axis = re.search(r'<ul class="axis"[^>]*>(.*?)</ul>', page)[1]
    below = re.findall(r"<li>(\d*)</li>", axis)
    assert len(below) == page.count("<rect") == 31
    assert all(day in ("", str(at)) for at, day in enumerate(below, 1))
    assert {"1", "15", "30"} <= set(below)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("1.5000", "1.50"),
        ("2", "2.00"),
        ("0.0125", "0.0125"),
        ("1250.5", "1,250.50"),
        ("0", "0.00"),
    ],
)
def test_a_rate_has_cents(amount, shown):
    assert rate(Decimal(amount)) == shown
