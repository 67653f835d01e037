"""Plans: quota, how far back results are shown, days counted, and what a month comes to."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Plan, Team
from accounts.plans import kept_days, monitor_quota
from accounts.teams import create_team, sign_up_team
from incidents.engine import maintain
from monitors.bulk import create_monitors, delete_monitors
from monitors.history import history_start
from monitors.models import Monitor, UsageDay
from monitors.partitions import make_partitions, partition_days
from monitors.queries import database_now
from monitors.services import QuotaExceeded, create_monitor, delete_monitor
from monitors.usage import Month, count_teams, make_statement
from tests.api.test_pages import results_of
from tests.conftest import Api
from tests.factories import MonitorFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def make_plan(**fields: Any) -> Plan:
    return Plan.objects.create(**{"name": "Team", "rate": "1.5", "currency": "EUR", **fields})


def counted(team: Team) -> dict[date, int]:
    return dict(UsageDay.objects.filter(team=team).values_list("day", "monitors"))


def put_day(team: Team, day: date, monitors: int, **fields: Any) -> None:
    UsageDay.objects.create(team=team, day=day, monitors=monitors, **fields)


# --- quota ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "plans", "wanted"), [(None, 2, 2), (1, 2, 1), (3, None, 3), (None, None, None)]
)
def test_a_teams_own_quota_goes_before_its_plans(team, own, plans, wanted):
    team.plan = make_plan(monitor_quota=plans)
    team.monitor_quota = own
    team.save()
    assert monitor_quota(team) == wanted
    for number in range(wanted or 4):
        create_monitor(team=team, name=f"m{number}")
    if wanted is None:
        return
    with pytest.raises(QuotaExceeded) as refused:
        create_monitor(team=team, name="more")
    assert refused.value.quota == wanted
    namespace = Monitor.objects.first().namespace
    with pytest.raises(QuotaExceeded):
        create_monitors(team=team, monitors=[(namespace, {"name": "more"})])
    assert Monitor.objects.count() == wanted


def test_the_api_says_402_at_the_plans_limit(team, api: Api):
    Team.objects.filter(pk=team.pk).update(plan=make_plan(monitor_quota=1))
    api.make("monitors", name="first")
    refused = api("POST", "monitors", {"name": "second"}, expect=402)
    assert "1" in refused.json()["detail"]


def test_who_signs_up_gets_the_default_plan_and_bootstrap_none(settings):
    settings.MONITOR_QUOTA = 7
    without = sign_up_team(slug="without", name="x", owner=UserFactory())
    assert (without.plan, without.monitor_quota) == (None, 7)
    plan = make_plan(is_default=True, monitor_quota=20)
    make_plan(name="Other")
    team = sign_up_team(slug="fresh", name="x", owner=UserFactory())
    assert (team.plan, team.monitor_quota) == (plan, None)
    assert monitor_quota(team) == 20
    assert create_team(slug="boot", name="x", owner=UserFactory()).plan is None


# --- history --------------------------------------------------------------------------------------


def test_history_is_shown_by_whole_days_of_the_plan(team, settings):
    settings.RESULT_DAYS = 90
    at = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
    assert history_start(team, at) == datetime(2026, 8, 24, tzinfo=UTC)
    team.plan = make_plan(history_days=7)
    assert history_start(team, at) == datetime(2026, 11, 15, tzinfo=UTC)
    team.plan.history_days = 2**31 - 1
    assert history_start(team, at).year < 2026


def test_the_api_shows_no_older_results(team, api: Api):
    at = now()
    make_partitions([at.date() - timedelta(days=days) for days in range(5)])
    monitor = MonitorFactory(team=team)
    results_of(monitor, [at - timedelta(days=days) for days in range(5)])
    path = f"monitors/{monitor.pk}/results"
    assert len(api.get(path)["results"]) == 5
    Team.objects.filter(pk=team.pk).update(plan=make_plan(history_days=2))
    assert len(api.get(path)["results"]) == 3
    rows = b"".join(api("GET", f"{path}.csv", expect=200).streaming_content).splitlines()
    assert len(rows) == 4, "a heading and three results"


def test_partitions_are_kept_for_the_longest_plan(settings):
    settings.RESULT_DAYS = 10
    assert kept_days() == 10
    make_plan(history_days=5)
    make_plan(name="Long", history_days=30)
    assert kept_days() == 30
    today = database_now().date()
    days = [today - timedelta(days=offset) for offset in (31, 30, 11)]
    make_partitions(days)
    maintain()
    assert {day for day in days if day in partition_days()} == set(days[1:])


# --- counting -------------------------------------------------------------------------------------


def test_a_day_counts_the_most_monitors_at_once_whatever_became_of_them(team):
    today = database_now().date()
    first = create_monitor(team=team, name="a")[0]
    second = create_monitor(team=team, name="b")[0]
    delete_monitor(monitor=second)
    delete_monitor(monitor=first)
    create_monitor(team=team, name="c")
    count_teams()
    assert counted(team) == {today: 2}


def test_a_monitor_of_yesterday_that_is_deleted_before_the_first_tick_counts_today(team):
    today = database_now().date()
    monitors = [create_monitor(team=team, name=name)[0] for name in "abc"]
    UsageDay.objects.all().delete()
    delete_monitors(team=team, monitors=monitors)
    assert counted(team) == {today: 3}


def test_monitors_made_in_bulk_count(team):
    namespace = MonitorFactory(team=team).namespace
    create_monitors(team=team, monitors=[(namespace, {"name": f"m{n}"}) for n in range(4)])
    assert counted(team) == {database_now().date(): 5}


def test_what_is_rolled_back_does_not_count(team):
    with transaction.atomic():
        create_monitor(team=team, name="a")
        transaction.set_rollback(True)
    assert counted(team) == {}


def test_the_hourly_round_counts_every_team_with_its_rate(team):
    other = TeamFactory(slug="other")
    team.plan = make_plan()
    team.save()
    MonitorFactory(team=other)
    maintain()
    today = database_now().date()
    rows = UsageDay.objects.order_by("monitors")
    assert [(row.team.slug, row.day, row.monitors, row.rate, row.currency) for row in rows] == [
        ("acme", today, 0, Decimal("1.5"), "EUR"),
        ("other", today, 1, None, ""),
    ]


def test_days_without_any_round_count_what_existed_through_them(team):
    today = database_now().date()
    old, new = MonitorFactory(team=team), MonitorFactory(team=team)
    Monitor.objects.filter(pk=old.pk).update(created_at=now() - timedelta(days=9))
    Monitor.objects.filter(pk=new.pk).update(created_at=now())
    UsageDay.objects.all().delete()
    put_day(team, today - timedelta(days=4), 6, rate="2", currency="EUR")
    count_teams()
    days = [today - timedelta(days=offset) for offset in (4, 3, 2, 1, 0)]
    assert counted(team) == dict(zip(days, (6, 1, 1, 1, 2), strict=True))
    assert UsageDay.objects.get(day=days[2]).rate == 2
    assert count_teams() == 0, "counting again changes nothing"


@pytest.mark.django_db(transaction=True)
def test_counting_while_monitors_are_made_neither_waits_for_ever_nor_loses_any(team):
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            with scopes_disabled():
                count_teams()
        connection.close()

    counter = threading.Thread(target=count)
    counter.start()
    try:
        for number in range(20):
            create_monitor(team=team, name=f"m{number}")
    finally:
        stop.set()
        counter.join(30)
    assert counted(team) == {database_now().date(): 20}


# --- the statement --------------------------------------------------------------------------------


def test_a_month_is_the_rate_times_the_sum_over_days_divided_by_its_days(team):
    for day in range(1, 31):
        put_day(team, date(2026, 11, day), 10, rate=Decimal("1.5"), currency="EUR")
    done = make_statement(team=team, month=Month(2026, 11), today=date(2026, 12, 1))
    assert done.counted == 300
    assert done.totals == [("EUR", Decimal("15.00"))]
    assert not done.provisional


@pytest.mark.parametrize(
    ("rate", "monitors", "cents"),
    [
        # a single day of a month of 31: exact, then rounded once, half to even
        ("0.1550", 1, "0.00"),  # 0.005
        ("0.4650", 1, "0.02"),  # 0.015
        ("0.7750", 1, "0.02"),  # 0.025
        ("0.7751", 1, "0.03"),
        ("1.0000", 1, "0.03"),  # 0.0322…
        ("999999.9999", 30_000, "967741935.39"),
    ],
)
def test_it_is_rounded_once_half_to_even(team, rate, monitors, cents):
    put_day(team, date(2026, 10, 3), monitors, rate=Decimal(rate), currency="EUR")
    done = make_statement(team=team, month=Month(2026, 10), today=date(2026, 12, 1))
    assert done.totals == [("EUR", Decimal(cents))]


def test_days_that_would_each_round_down_do_not_get_lost(team):
    for day in range(1, 32):
        put_day(team, date(2026, 10, day), 1, rate=Decimal("0.1"), currency="EUR")
    done = make_statement(team=team, month=Month(2026, 10), today=date(2026, 12, 1))
    assert done.totals == [("EUR", Decimal("0.10"))]


def test_a_rate_that_changes_within_the_month_counts_from_its_day_on(team):
    for day in range(1, 31):
        rate = Decimal(1 if day <= 10 else 2)
        put_day(team, date(2026, 11, day), 3, rate=rate, currency="EUR")
    done = make_statement(team=team, month=Month(2026, 11), today=date(2026, 12, 1))
    assert [(each.rate, each.counted) for each in done.sums] == [(1, 30), (2, 60)]
    assert done.totals == [("EUR", Decimal("5.00"))]


def test_a_statement_of_the_past_stays_when_the_plan_changes(team):
    plan = make_plan()
    Team.objects.filter(pk=team.pk).update(plan=plan)
    yesterday = database_now().date() - timedelta(days=1)
    put_day(team, yesterday, 4, rate=plan.rate, currency="EUR")
    Plan.objects.update(rate=9)
    count_teams()
    assert UsageDay.objects.get(day=yesterday).rate == Decimal("1.5")
    assert UsageDay.objects.get(day=database_now().date()).rate == 9


def test_today_is_provisional_and_days_to_come_are_none(team):
    put_day(team, date(2026, 11, 2), 5, rate=Decimal(1), currency="EUR")
    done = make_statement(team=team, month=Month(2026, 11), today=date(2026, 11, 2))
    assert done.provisional
    assert [line.monitors for line in done.lines[:3]] == [None, 5, None]
    assert done.lines[1].provisional


def test_without_a_plan_nothing_is_charged(team):
    put_day(team, date(2026, 11, 2), 5)
    done = make_statement(team=team, month=Month(2026, 11), today=date(2026, 12, 2))
    assert (done.counted, done.totals) == (5, [])
