"""A team's deletion: asked for, called off, and done, to the last row and no further."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models.functions import Now
from django.http import Http404
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts import erasing
from accounts.access import access_for_member
from accounts.deletion import TooLate, WrongName, ask_deletion, keep_team
from accounts.erasing import erase_due_teams, erase_team, tenant_models
from accounts.keys import find_api_key
from accounts.models import AuditEvent, Membership, Role, Team, User
from accounts.teams import create_team
from monitors.models import Monitor, PushResult
from monitors.services import create_monitor, delete_monitor
from tests.accounts.staffing import make_operator, staff_client
from tests.api.test_pages import results_of
from tests.conftest import Api
from tests.factories import MonitorFactory, TeamFactory, UserFactory, make_key
from tests.full_team import fill_team
from tests.racing import before_sql, session, start, wait_for, wait_for_lock

WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def owner_of(team: Team) -> User:
    return Membership.objects.get(team=team, role=Role.OWNER).user


def access_of(team: Team, role: Role = Role.OWNER) -> Any:
    member = Membership.objects.filter(team=team, role=role).first()
    if member is None:
        member = Membership.objects.create(team=team, user=UserFactory(), role=role)
    return access_for_member(member.user, team.slug)


def let_it_be_due(team: Team) -> None:
    Team.objects.filter(pk=team.pk).update(delete_at=Now() - timedelta(seconds=1))


def rows_of(team: Team) -> Counter[str]:
    """How many rows each table has of a team."""
    found = Counter()
    for model in [*tenant_models(), PushResult]:
        found[model._meta.db_table] = model._base_manager.filter(team_id=team.pk).count()
    return +found


# --- asking, and calling off ----------------------------------------------------------------------


def test_an_owner_asks_by_typing_the_short_name_and_has_a_week(team, settings):
    with pytest.raises(WrongName):
        ask_deletion(access=access_of(team), typed="Acme")
    asked = ask_deletion(access=access_of(team), typed=" acme ")
    assert asked.delete_at - now() == pytest.approx(WEEK, abs=timedelta(minutes=1))
    assert asked.delete_asked_by == owner_of(team).email
    settings.TEAM_DELETION_DAYS = 1
    assert ask_deletion(access=access_of(team), typed="acme").delete_at == asked.delete_at


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER])
def test_nobody_but_an_owner_asks_or_keeps(team, role):
    with pytest.raises(PermissionDenied):
        ask_deletion(access=access_of(team, role), typed="acme")
    with pytest.raises(PermissionDenied):
        keep_team(access=access_of(team, role))


def test_owners_and_admins_are_mailed_and_nobody_else(team):
    addresses = {role: access_of(team, role).user.email for role in Role}
    for change, words in (
        (lambda: ask_deletion(access=access_of(team), typed="acme"), "will be deleted"),
        (lambda: keep_team(access=access_of(team)), "is kept"),
    ):
        mail.outbox.clear()
        change()
        told = {message.to[0] for message in mail.outbox}
        assert told == {addresses[Role.OWNER], addresses[Role.ADMIN]}
        for message in mail.outbox:
            assert words in message.subject
            assert addresses[Role.OWNER] in message.body
            assert "/t/acme/settings/" in message.body
        change()
        assert len(mail.outbox) == 2, "asking again tells nobody anew"


def test_whoever_is_kept_is_not_erased(team):
    ask_deletion(access=access_of(team), typed="acme")
    assert erase_due_teams() == 0
    kept = keep_team(access=access_of(team))
    assert (kept.delete_at, kept.delete_asked_by) == (None, "")
    assert not erase_team(team.pk)
    assert Team.objects.filter(pk=team.pk).exists()


def test_asking_and_keeping_are_in_the_audit_log(team):
    access = access_of(team)
    with access.inside():
        ask_deletion(access=access, typed="acme")
    with access.inside():
        keep_team(access=access)
    asked, kept = AuditEvent.objects.filter(kind="team").order_by("at")
    assert (asked.action, asked.actor, asked.thing_name) == (
        "team.updated",
        owner_of(team).email,
        team.name,
    )
    assert asked.before["delete_at"] is None
    assert kept.after == {"delete_at": None, "delete_asked_by": ""}


# --- until then, and from then on -----------------------------------------------------------------


def test_until_then_everything_works_and_from_then_on_nothing_opens(team, key):
    monitor = MonitorFactory(team=team)
    ask_deletion(access=access_of(team), typed="acme")
    api = Api(key)
    assert api.get(f"monitors/{monitor.pk}")["name"] == monitor.name
    owner = owner_of(team)
    let_it_be_due(team)
    api("GET", "monitors", expect=401)
    assert find_api_key(key, now=now()) is None
    with pytest.raises(Http404):
        access_for_member(owner, "acme")


def test_it_is_too_late_once_the_time_has_come(team):
    access = access_of(team)
    let_it_be_due(team)
    with pytest.raises(TooLate):
        keep_team(access=access)
    erase_due_teams()
    with pytest.raises(TooLate):
        keep_team(access=access)


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_called_off_at_the_last_moment_is_called_off(team):
    """Keeping has not been committed when the time comes and the eraser looks."""
    fill_team(team)
    before = rows_of(team)
    let_it_be_due(team)
    with session() as keeping, session() as watching:
        keeping.execute("BEGIN")
        keeping.execute("UPDATE accounts_team SET delete_at = NULL WHERE id = %s", [team.pk])
        erased = start(erase_due_teams)
        wait_for_lock(watching)
        keeping.execute("COMMIT")
        assert erased.result(15) == 0
    assert rows_of(team) == before


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_team_that_is_erased_and_nobody_can_keep_it_then(team):
    """An owner who has the form still open sends it while rows go."""
    fill_team(team)
    access = access_of(team)
    let_it_be_due(team)
    late = []

    def keep() -> None:
        late.append(start(lambda: keep_team(access=access)).exception(15))

    with before_sql("DELETE FROM accounts_team", keep) as met:
        assert erase_due_teams() == 1
    assert met
    assert isinstance(late[0], TooLate)


@pytest.mark.django_db(transaction=True)
def test_staff_who_waited_for_the_eraser_come_too_late(team):
    """They ask a moment before the time comes, and have to wait for the team's row."""
    desk = staff_client(make_operator())
    over = "SELECT clock_timestamp() > delete_at FROM accounts_team WHERE id = %s"
    with session() as erases, session() as watching:

        def erase_at_last() -> None:
            wait_for_lock(watching)
            wait_for(lambda: watching.execute(over, [team.pk]).fetchone()[0])
            erases.execute("COMMIT")

        def hold() -> None:
            soon = "UPDATE accounts_team SET delete_at = now() + interval '1 second' WHERE id = %s"
            erases.execute(soon, [team.pk])
            erases.execute("BEGIN")
            erases.execute("SELECT FROM accounts_team WHERE id = %s FOR NO KEY UPDATE", [team.pk])
            held.append(start(erase_at_last))

        held: list[Any] = []
        with before_sql("FOR NO KEY UPDATE", hold) as met:
            form = {"action": "keep_teams", "_selected_action": [team.pk]}
            assert desk.post("/staff/accounts/team/", form).status_code == 302
        assert met
        held[0].result(15)
    team.refresh_from_db()
    assert team.delete_at is not None
    assert not LogEntry.objects.exists()


# --- erasing --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_every_row_of_the_team_goes_and_none_of_anybody_else():
    teams = [TeamFactory(slug=slug) for slug in ("acme", "rival")]
    for team in teams:
        fill_team(team)
    acme, rival = teams
    before, theirs = rows_of(acme), rows_of(rival)
    empty = {model._meta.db_table for model in tenant_models()} - set(before)
    assert not empty, "the test must put a row into every table"
    people = set(User.objects.values_list("pk", flat=True))
    let_it_be_due(acme)
    assert erase_due_teams() == 1
    assert rows_of(acme) == Counter()
    assert not Team.objects.filter(slug="acme").exists()
    assert rows_of(rival) == theirs
    assert set(User.objects.values_list("pk", flat=True)) == people
    assert create_team(slug="acme", name="Again", owner=UserFactory()).slug == "acme"


@pytest.mark.django_db(transaction=True)
def test_what_a_crash_leaves_is_erased_by_the_next_round(monkeypatch):
    team = TeamFactory(slug="acme")
    fill_team(team)
    let_it_be_due(team)
    every = erasing.erase_rows
    for most in (3, 20, 40):
        left = iter(range(most))

        def dies(statement: str, values: list[Any], left: Any = left) -> int:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return every(statement, values)

        monkeypatch.setattr(erasing, "erase_rows", dies)
        with contextlib.suppress(KeyboardInterrupt):
            erase_due_teams()
        assert Team.objects.filter(pk=team.pk).exists()
    monkeypatch.setattr(erasing, "erase_rows", every)
    assert erase_due_teams() == 1
    assert rows_of(team) == Counter()


@pytest.mark.django_db(transaction=True)
def test_what_is_written_while_it_is_erased_goes_too(team, monkeypatch):
    """Another process that had begun before commits a row into a table that was emptied."""
    fill_team(team)
    let_it_be_due(team)
    every, done = erasing.erase_rows, []

    def meddle(statement: str, values: list[Any]) -> int:
        count = every(statement, values)
        if "accounts_namespace" in statement and not done:
            done.append(True)
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO monitors_usageday (team_id, day, monitors, currency) "
                    "VALUES (%s, '2020-01-01', 1, '')",
                    [team.pk],
                )
        return count

    monkeypatch.setattr(erasing, "erase_rows", meddle)
    assert erase_due_teams() == 1
    assert done
    assert rows_of(team) == Counter()


@pytest.mark.django_db(transaction=True)
def test_results_go_in_bounded_batches_those_of_deleted_monitors_too(team, monkeypatch):
    monkeypatch.setattr("monitors.erasing.BATCH", 10)
    at = now()
    monitors: list[Monitor] = [MonitorFactory(team=team) for _ in range(3)]
    for monitor in monitors:
        results_of(monitor, [at - timedelta(seconds=n) for n in range(25)])
    delete_monitor(monitor=monitors[0])
    rival = MonitorFactory(team=TeamFactory(slug="rival"))
    results_of(rival, [at])
    let_it_be_due(team)
    statements = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if re.search(r"DELETE FROM monitors_pushresult_", sql):
            statements.append(context["cursor"].rowcount)
        return answer

    with connection.execute_wrapper(listen):
        assert erase_due_teams() == 1
    assert sum(statements) == 75
    assert max(statements) == 10
    assert [row.monitor_id for row in PushResult.objects.all()] == [rival.pk]


@pytest.mark.django_db(transaction=True)
def test_big_tables_are_emptied_by_what_their_rows_belong_to(team, monkeypatch):
    """Not by looking for the team in every row of every team, once for each batch."""
    monkeypatch.setattr(erasing, "BATCH", 2)
    monkeypatch.setattr(erasing, "PARENTS", 2)
    fill_team(team, rows=5)
    big = {model._meta.db_table for model in tenant_models() if erasing.path_of(model)}
    assert {"monitors_transition", "monitors_pushreceipt", "monitors_heartbeat"} < big
    assert {"incidents_timelineevent", "incidents_notification"} < big
    let_it_be_due(team)
    by_parent: Counter[str] = Counter()
    by_team: Counter[str] = Counter()

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if found := re.search(r'DELETE FROM "(\w+)"', sql):
            count = context["cursor"].rowcount
            assert count <= 2
            (by_parent if '_id" = ANY' in sql else by_team)[found[1]] += count
        return answer

    with connection.execute_wrapper(listen):
        assert erase_due_teams() == 1
    assert set(by_parent) == big
    assert all(by_parent[table] for table in big)
    # Only transitions outlive what they belong to.
    assert {table for table in big if by_team[table]} <= {"monitors_transition"}


@pytest.mark.django_db(transaction=True)
def test_a_push_that_is_under_way_is_waited_for_with_patience(team, monkeypatch):
    monitor = create_monitor(team=team, name="a")[0]
    let_it_be_due(team)
    pauses = []
    with session() as pushing:
        pushing.execute("BEGIN")
        held = "SELECT FROM monitors_heartbeat WHERE monitor_id = %s FOR UPDATE"
        pushing.execute(held, [monitor.pk])

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                pushing.execute("COMMIT")

        monkeypatch.setattr("monitors.erasing.sleep", pause)
        assert erase_due_teams() == 1
    assert len(pauses) == 3
    assert min(pauses) >= 0.1


@pytest.mark.django_db(transaction=True)
def test_a_team_that_cannot_be_erased_does_not_keep_others_waiting(monkeypatch):
    first, second = TeamFactory(slug="first"), TeamFactory(slug="second")
    for each in (first, second):
        let_it_be_due(each)
    every = erasing.erase_rows

    def fails(statement: str, values: list[Any]) -> int:
        if values[0] == first.pk:
            raise erasing.DatabaseError("the disk is gone")
        return every(statement, values)

    monkeypatch.setattr(erasing, "erase_rows", fails)
    assert erase_due_teams() == 1
    assert list(Team.objects.values_list("slug", flat=True)) == ["first"]


@pytest.mark.django_db(transaction=True)
def test_files_of_its_status_pages_go_too(team, settings, tmp_path):
    from statuspages.services.pages import create_page, update_page
    from statuspages.serving.exporting import export_all
    from statuspages.serving.snapshots import render_stale

    settings.PAGES_EXPORT_DIR = str(tmp_path / "pages")
    page = create_page(team=team, name="Acme", slug="acme-status")
    update_page(page=page, published=True)
    render_stale()
    export_all()
    assert (tmp_path / "pages" / "acme-status" / "index.html").is_file()
    let_it_be_due(team)
    assert erase_due_teams() == 1
    assert not (tmp_path / "pages" / "acme-status").exists()


def test_a_key_of_another_team_still_opens_after_an_erasure(team):
    rival = make_key(TeamFactory(slug="rival"))
    create_monitor(team=team, name="a")
    let_it_be_due(team)
    erase_due_teams()
    assert Api(rival).get("monitors")["results"] == []
