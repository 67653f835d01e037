"""Row-level security: what the database shows of another team, whatever the code asks for."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django_scopes import scope, scopes_disabled

from accounts.database import base, row_security
from accounts.database.standing import across_teams, as_owner
from accounts.models import Membership, Namespace, Team
from incidents.rows import run_with_rows
from monitors.models import Monitor, PushResult
from monitors.partitions import ensure_partitions, partition_name
from monitors.queries import database_now
from tests.factories import MonitorFactory, TeamFactory
from tests.full_team import fill_team
from tests.monitors.pushing import push
from tests.racing import start

NO_SCOPE = "no scope is active"
TABLES = sorted(row_security.tenant_tables())
APP, ENGINE = "tocsin_app", "tocsin_app_engine"


def ask(sql: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else [cursor.rowcount]


def who() -> str:
    name: str = ask("SELECT current_user")[0][0]
    return name


def teams_seen(table: str) -> set[Any]:
    return {team for (team,) in ask(f"SELECT DISTINCT team_id FROM {table}")}


@pytest.fixture
def two(db: None) -> tuple[Team, Team]:
    """Two teams with rows in every table."""
    home, away = TeamFactory(slug="home"), TeamFactory(slug="away")
    for team in (home, away):
        fill_team(team)
    return home, away


# --- what is seen and written ------------------------------------------------------------------


def test_a_team_sees_and_writes_its_own_rows_alone_in_every_table(two: tuple[Team, Team]) -> None:
    """Raw SQL that names no team, in each table of teams there is."""
    home, away = two
    with scopes_disabled():
        for table in TABLES:
            assert teams_seen(table) == {home.pk, away.pk}, table
        before = {table: ask(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
    for table in TABLES:
        with scope(team=home):
            assert teams_seen(table) == {home.pk}, table
            if table != "accounts_auditevent":  # refuses every update
                assert ask(f"UPDATE {table} SET team_id = team_id WHERE team_id = %s", away.pk) == [
                    0
                ], table
            assert ask(f"DELETE FROM {table} WHERE team_id = %s", away.pk) == [0], table
    with scopes_disabled():
        assert before == {table: ask(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def test_no_row_can_be_written_into_another_team(two: tuple[Team, Team]) -> None:
    """A copy of one's own row under the other's name: the policy refuses before any key does."""
    home, away = two
    for table in TABLES:
        copied = (
            f"INSERT INTO {table} OVERRIDING USER VALUE SELECT (jsonb_populate_record(t, "
            f"jsonb_build_object('team_id', %s::text))).* FROM {table} t LIMIT 1"
        )
        refused = pytest.raises(DatabaseError, match=f'row-level security.*"{table}"')
        with scope(team=home), refused, transaction.atomic():
            ask(copied, str(away.pk))


def test_outside_of_any_scope_the_database_refuses(two: tuple[Team, Team]) -> None:
    for table in TABLES:
        with pytest.raises(DatabaseError, match=NO_SCOPE), transaction.atomic():
            ask(f"SELECT count(*) FROM {table}")
        with pytest.raises(DatabaseError, match=NO_SCOPE), transaction.atomic():
            ask(f"DELETE FROM {table}")
    assert Team.objects.count() == 2  # what is everybody's can be asked for


def test_a_service_that_a_scope_calls_is_kept_to_its_team(two: tuple[Team, Team]) -> None:
    """What lifts the check of the managers does not lift the database's."""
    home, away = two
    with scope(team=home), scopes_disabled():
        assert {row.team_id for row in Monitor.objects.all()} == {home.pk}
        assert Monitor.objects.filter(team=away).delete()[0] == 0
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            Namespace.objects.create(team=away, name="smuggled")
        with across_teams():
            assert {row.team_id for row in Monitor.objects.all()} == {home.pk, away.pk}
        assert {row.team_id for row in Monitor.objects.all()} == {home.pk}


def test_partitions_cannot_be_read_past_their_table(two: tuple[Team, Team]) -> None:
    later = database_now().replace(year=2090)
    ensure_partitions(now=later, days_ahead=0)  # one that was made after the policies
    for day in (database_now().date(), later.date()):
        with scope(team=two[0]):
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                ask(f"SELECT count(*) FROM {partition_name(day)}")
            assert PushResult.objects.count() == 3
        with scopes_disabled():
            ask(f"SELECT count(*) FROM {partition_name(day)}")


# --- how sessions are told ---------------------------------------------------------------------


def test_the_standing_follows_the_scopes_and_comes_back(two: tuple[Team, Team]) -> None:
    home, away = two

    def seen() -> set[Any]:
        return teams_seen("monitors_monitor")

    assert who() == APP
    with scope(team=home):
        assert seen() == {home.pk}
        with scope(team=away):
            assert seen() == {away.pk}
            with as_owner():
                assert seen() == {home.pk, away.pk}
        assert seen() == {home.pk}
    with scopes_disabled():
        assert (seen(), who()) == ({home.pk, away.pk}, ENGINE)
        with scope(team=away):
            assert (seen(), who()) == ({away.pk}, APP)
        assert who() == ENGINE
    assert who() == APP


def test_a_rollback_undoes_what_was_told_and_it_is_told_anew(two: tuple[Team, Team]) -> None:
    home, away = two
    with scope(team=home):
        assert teams_seen("monitors_monitor") == {home.pk}
        with transaction.atomic(), scope(team=away):
            assert teams_seen("monitors_monitor") == {away.pk}
            transaction.set_rollback(True)
        assert teams_seen("monitors_monitor") == {home.pk}
    with scope(team=away), pytest.raises(DatabaseError), transaction.atomic():
        ask("SELECT 1/0")
    with scope(team=away):
        assert teams_seen("monitors_monitor") == {away.pk}


@pytest.mark.django_db(transaction=True)
def test_a_commit_of_what_has_failed_leaves_no_standing_behind() -> None:
    """PostgreSQL answers it with a rollback, and no error."""
    team = TeamFactory()
    MonitorFactory(team=team)
    with scopes_disabled():
        assert who() == ENGINE
    with scope(team=team):
        with transaction.atomic():
            assert who() == APP
            with contextlib.suppress(DatabaseError):
                ask("SELECT 1/0")
        assert who() == APP
        assert teams_seen("monitors_monitor") == {team.pk}


def test_a_batch_of_rows_is_written_as_whoever_asks_for_it(two: tuple[Team, Team]) -> None:
    home, _away = two
    touch = (
        "UPDATE accounts_namespace SET name = accounts_namespace.name "
        "FROM json_to_recordset(%s::json) AS r(n int)"
    )
    with scopes_disabled():
        everybody, ours = Namespace.objects.count(), Namespace.objects.filter(team=home).count()
        with scope(team=home):
            assert run_with_rows(touch, [{"n": 1}]) == ours
        with across_teams():
            assert run_with_rows(touch, [{"n": 1}]) == everybody > ours


@pytest.mark.django_db(transaction=True)
def test_whole_transactions_and_failed_commits_leave_no_standing_behind() -> None:
    home, away = TeamFactory(), TeamFactory()
    for team in (home, away):
        MonitorFactory(team=team)

    def seen(team: Team) -> bool:
        with scope(team=team):
            return teams_seen("monitors_monitor") == {team.pk}

    assert seen(home)
    with transaction.atomic():
        assert seen(away)
        transaction.set_rollback(True)
    assert seen(away)
    with pytest.raises(DatabaseError), transaction.atomic(), scopes_disabled():
        # A key that is looked at when the transaction ends.
        ask("UPDATE monitors_monitor SET namespace_id = gen_random_uuid()")
    with scopes_disabled():
        assert teams_seen("monitors_monitor") == {home.pk, away.pk}
    assert seen(home)


@pytest.mark.django_db(transaction=True)
def test_threads_stand_each_for_themselves() -> None:
    home, away = TeamFactory(), TeamFactory()
    for team in (home, away):
        MonitorFactory(team=team)

    def look(team: Team) -> set[Any]:
        with scope(team=team):
            return teams_seen("monitors_monitor")

    with scope(team=home):
        assert teams_seen("monitors_monitor") == {home.pk}
        assert start(lambda: look(away)).result(10) == {away.pk}
        assert start(lambda: teams_seen("monitors_monitor")).result(10) == {home.pk, away.pk}
        assert teams_seen("monitors_monitor") == {home.pk}


def test_rows_that_stay_at_the_server_are_the_teams_own(two: tuple[Team, Team]) -> None:
    home, _ = two
    with scope(team=home):
        seen = {m.team_id for m in Monitor._base_manager.iterator(chunk_size=1)}
    assert seen == {home.pk}
    every = "COPY (SELECT DISTINCT team_id FROM monitors_monitor) TO STDOUT"
    with scope(team=home), connection.cursor() as cursor, cursor.copy(every) as copy:
        assert list(copy.rows()) == [(str(home.pk),)]


def test_what_is_told_is_told_once_and_counts_as_no_query(
    two: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[base.Standing] = []
    real = base.Standing.sql
    monkeypatch.setattr(base.Standing, "sql", lambda self: told.append(self) or real(self))
    with CaptureQueriesContext(connection) as queries, scope(team=two[0]):
        for _ in range(5):
            ask("SELECT count(*) FROM monitors_monitor")
            with scopes_disabled():
                ask("SELECT count(*) FROM monitors_monitor")
    assert (len(queries), len(told)) == (10, 1)


def test_a_push_and_its_rows_know_no_team_and_no_scope_is_needed(team: Team) -> None:
    monitor = MonitorFactory(team=team)
    assert push(monitor).state == "up"


# --- what is installed -------------------------------------------------------------------------


def test_every_table_with_a_team_is_secured_and_the_roles_own_nothing(db: None) -> None:
    """Read from the catalogue, so that a table nobody declared is found too."""
    found = ask(
        "SELECT c.relname, c.relrowsecurity, ARRAY(SELECT polname::text FROM pg_policy p "
        "WHERE p.polrelid = c.oid ORDER BY 1) FROM pg_class c JOIN pg_attribute a "
        "ON a.attrelid = c.oid AND a.attname = 'team_id' AND NOT a.attisdropped "
        "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition "
        "AND c.relnamespace = current_schema()::regnamespace"
    )
    assert {name for name, *_ in found} == set(TABLES)
    for name, is_on, policies in found:
        assert (is_on, policies) == (True, sorted(row_security.POLICIES)), name
    roles = ask(
        "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb, "
        "(SELECT count(*) FROM pg_class WHERE relowner = r.oid) FROM pg_roles r "
        "WHERE rolname LIKE 'tocsin\\_%%' ORDER BY 1"
    )
    assert roles == [(name, False, False, False, False, False, 0) for name in (APP, ENGINE)]


def test_the_policies_are_plain_comparisons(db: None) -> None:
    """A function in one would be called for every row."""
    quals = ask("SELECT DISTINCT qual, with_check FROM pg_policies ORDER BY 1")
    own = "(team_id = (current_setting('tocsin.team'::text))::uuid)"
    assert quals == [(own, own), ("true", "true")]


def test_what_somebody_took_away_is_brought_back(db: None) -> None:
    with as_owner():
        ask("DROP POLICY tocsin_of_team ON monitors_monitor")
        ask("ALTER TABLE incidents_incident DISABLE ROW LEVEL SECURITY")
        ask("REVOKE INSERT ON accounts_team FROM tocsin_app")
    with CaptureQueriesContext(connection) as first:
        row_security.install()
    test_every_table_with_a_team_is_secured_and_the_roles_own_nothing(None)
    assert ask("SELECT has_table_privilege('tocsin_app', 'accounts_team', 'INSERT')") == [(True,)]
    with CaptureQueriesContext(connection) as second:
        row_security.install()
    assert len(second) < len(first)
    assert not [q for q in second if "ALTER" in q["sql"] or "GRANT" in q["sql"]]


@pytest.fixture
def managed(db: None) -> Any:
    """A login as managed databases give: no superuser, owner of nothing here, and a new name."""
    with override_settings(DATABASE_ROLE="other_app"):
        base.look_again()
        yield
    base.look_again()


def be(login: str) -> None:
    with as_owner():
        ask("RESET SESSION AUTHORIZATION")
        ask(f"SET SESSION AUTHORIZATION {login}")


@pytest.fixture
def logins(managed: None) -> Any:
    with as_owner():
        ask("CREATE ROLE plain LOGIN")
        ask("CREATE ROLE maker LOGIN CREATEROLE")
    yield
    with as_owner():
        ask("RESET SESSION AUTHORIZATION")


def test_a_login_that_may_make_roles_makes_them_and_takes_them_on(logins: None) -> None:
    be("maker")
    assert row_security._make_roles()
    with scopes_disabled():
        connection.told = None
        assert ask("SELECT session_user, current_user") == [("maker", "other_app_engine")]


def test_a_login_that_may_not_says_what_to_run_and_goes_on_without(
    logins: None, caplog: pytest.LogCaptureFixture
) -> None:
    be("plain")
    with caplog.at_level(logging.WARNING):
        row_security.install()
        with scopes_disabled():
            assert ask("SELECT session_user, current_user") == [("plain", "plain")]
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert 'CREATE ROLE "other_app" NOLOGIN; CREATE ROLE "other_app_engine" NOLOGIN; GRANT' in said
    assert "row-level security is off" in said


def test_roles_that_were_asked_for_by_name_must_be_there(logins: None) -> None:
    be("plain")
    with override_settings(DATABASE_ROLE_REQUIRED=True):
        with pytest.raises(ImproperlyConfigured, match="CREATE ROLE"):
            row_security.install()
        with pytest.raises(ImproperlyConfigured, match="DATABASE_ROLE"), scopes_disabled():
            ask("SELECT 1")


def test_without_roles_everything_is_as_the_login_has_it(db: None) -> None:
    with override_settings(DATABASE_ROLE=""):
        connection.told = None
        with as_owner():
            owner = who()
        row_security.install()
        with scopes_disabled():
            assert who() == owner
            assert Membership.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_owner_may_have_a_login_of_its_own() -> None:
    """Then what only the owner may runs on a connection of its own, and ends with it."""
    ours = connection.settings_dict
    owner = {name: ours[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    options = {**ours["OPTIONS"], "application_name": "the owner"}
    with override_settings(OWNER_DATABASE={**owner, "OPTIONS": options}):
        (mine,) = ask("SELECT pg_backend_pid()")
        with as_owner():
            (theirs,) = ask("SELECT pg_backend_pid()")
            assert ask("SELECT current_setting('application_name')") == [("the owner",)]
        assert theirs != mine
        assert ask("SELECT pg_backend_pid()") == [mine]
        assert ensure_partitions(now=database_now()) == 0
