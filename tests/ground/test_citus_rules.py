"""The schema can be distributed by team: what Citus demands holds, or follows mechanically."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.database.standing import as_owner
from manifests.distribution import RANDOM, REFERENCE, Distribution, Unique, read_distribution

pytestmark = pytest.mark.django_db

# Keys from what is on every node to what is on one, which Citus has not. They go with the move:
# deleting a monitor deletes these rows by the application, in one transaction.
GIVEN_UP = {"badge_monitor_team", "pushkey_monitor_team"}


def names_its_team(unique: Unique) -> bool:
    """Whether rows that are equal here can only be one team's, so that team_id adds nothing."""
    return any(c == "id" or c.endswith("_id") or c in RANDOM for c in unique.columns)


def test_every_table_of_a_team_has_its_place():
    plan = read_distribution()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE a.attname = 'team_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND c.relnamespace = current_schema()::regnamespace"
        )
        with_team = {name for (name,) in cursor.fetchall()}
    assert with_team <= {*plan.distributed, *plan.reference}
    assert set(REFERENCE) == set(plan.reference), "a table that is gone"
    assert "monitors_pushresult" in plan.distributed


def test_a_distributed_table_always_knows_its_team():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE a.attname = 'team_id' AND NOT a.attnotnull AND c.relname = ANY(%s)",
            [read_distribution().distributed],
        )
        assert cursor.fetchall() == []


def test_team_id_can_join_every_unique_constraint_without_changing_what_it_means():
    """Else the table is a reference table: it is unique over the installation."""
    global_names = [u for u in read_distribution().narrow() if not names_its_team(u)]
    assert [(u.table, u.name, u.columns) for u in global_names] == []


def test_no_key_depends_on_a_constraint_that_is_to_change():
    plan = read_distribution()
    changing = {u.name for u in plan.narrow()}
    assert [k.name for k in plan.keys if k.index in changing and k.name not in GIVEN_UP] == []


def test_keys_within_teams_are_by_team_and_lead_to_one_node():
    plan = read_distribution()
    assert [k.name for k in plan.crossing()] == []
    assert {k.name for k in plan.outward()} == GIVEN_UP


def test_after_the_preparation_nothing_is_left_to_object_to():
    """The preparation is plain SQL, so it is run here, and rolled back with the test."""
    plan = read_distribution()
    assert plan.narrow()
    with as_owner(), connection.cursor() as cursor:
        for statement in plan.preparation():
            cursor.execute(statement)
    prepared: Distribution = read_distribution()
    assert prepared.narrow() == []
    assert prepared.outward() == []
    assert prepared.crossing() == []
    assert len(prepared.uniques) == len(plan.uniques)
    assert len(prepared.keys) == len(plan.keys) - len(GIVEN_UP)


def test_the_command_prints_a_place_for_every_table():
    said = io.StringIO()
    call_command("citus_plan", stdout=said)
    plan = read_distribution()
    text = said.getvalue()
    for table in plan.distributed:
        assert text.count(f"create_distributed_table('{table}', 'team_id'") == 1, table
    for table in plan.reference:
        assert text.count(f"create_reference_table('{table}')") == 1, table
    for table in plan.local:
        assert f"\n-- {table}\n" in text
    lines = text.splitlines()
    for key in plan.keys:  # what a key leads to is in its place before
        places = {
            table: next((i for i, line in enumerate(lines) if f"_table('{table}'" in line), None)
            for table in (key.table, key.target)
        }
        if None not in places.values() and key.name not in GIVEN_UP and key.table != key.target:
            assert places[key.target] < places[key.table], key.name
