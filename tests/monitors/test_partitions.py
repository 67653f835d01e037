"""The partitions of the results: ahead of time, without holes, and in nobody's way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from accounts.database.standing import as_owner
from monitors.partitions import days_left, drop_old_partitions, ensure_partitions, partition_days
from monitors.queries import database_now
from tests.monitors.pushing import make_monitors, push, results
from tests.racing import at_once, session, start, wait_for_lock


def drop(day) -> None:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE monitors_pushresult_{day:%Y%m%d}")


@pytest.mark.django_db
def test_the_days_from_yesterday_to_a_week_ahead_have_a_partition():
    now = database_now()
    ensure_partitions(now=now)
    wanted = {now.date() + timedelta(days=offset) for offset in range(-1, 8)}
    assert wanted <= set(partition_days())
    assert ensure_partitions(now=now) == 0
    assert ensure_partitions(now=now + timedelta(days=2)) == 2
    assert days_left(now=now) == 9


@pytest.mark.django_db
def test_a_hole_counts_as_the_end_and_is_filled():
    now = database_now()
    ensure_partitions(now=now)
    drop(now.date() + timedelta(days=3))
    assert days_left(now=now) == 2
    assert ensure_partitions(now=now) == 1
    assert days_left(now=now) == 7
    drop(now.date())
    assert days_left(now=now) == -1


@pytest.mark.django_db
def test_old_days_go_by_partition_and_the_kept_ones_stay(team):
    now = database_now()
    ensure_partitions(now=now - timedelta(days=40), days_ahead=0)
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    assert drop_old_partitions(now=now, keep_days=40) == 1
    assert min(partition_days()) == now.date() - timedelta(days=40)
    assert drop_old_partitions(now=now, keep_days=39) == 1
    assert len(results(monitor)) == 1


@pytest.mark.django_db
def test_a_push_lands_in_its_days_partition_and_finds_its_index(team):
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, received_at FROM monitors_pushresult")
        table, at = cursor.fetchone()
        assert table == f"monitors_pushresult_{at:%Y%m%d}"
        ensure_partitions(now=database_now() + timedelta(days=30), days_ahead=0)
        cursor.execute(
            "SELECT count(*) FROM pg_inherits i WHERE inhparent = 'monitors_pushresult'::regclass "
            "AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = i.inhrelid "
            "AND x.indisprimary)"
        )
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_may_all_make_partitions():
    later = database_now() + timedelta(days=60)
    try:
        at_once(*[lambda: ensure_partitions(now=later)] * 4)
        assert days_left(now=later) == 7
    finally:
        for day in partition_days():
            if day >= later.date() - timedelta(days=1):
                drop(day)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["make", "drop"])
def test_partitions_change_beside_a_long_read_without_holding_up_pushes(team, what):
    """A report that reads for minutes, a partition to be made: pushes must not queue behind it."""
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    now = database_now()
    past = now - timedelta(days=90)
    if what == "drop":
        ensure_partitions(now=past, days_ahead=0)

    def change() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '8s'")
        if what == "make":
            ensure_partitions(now=now + timedelta(days=60), days_ahead=0)
        else:
            drop_old_partitions(now=now, keep_days=60)

    with session() as reader, session() as watcher:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM monitors_pushresult")
        changing = start(change)
        try:
            wait_for_lock(watcher, seconds=0.2)
        except AssertionError:
            changing.result(0)  # it does not wait at all: better still
        try:
            assert start(lambda: push(monitor)).result(3).state == "up"
        finally:
            reader.execute("ROLLBACK")
            changing.result(10)
            for day in partition_days():
                if abs(day - now.date()) > timedelta(days=20):
                    drop(day)
