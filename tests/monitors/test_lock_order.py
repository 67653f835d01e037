"""Changes of one team at the same time: in one order of locks, or told to come again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django_scopes import scope, scopes_disabled

from accounts.models import Namespace, Team
from monitors import undo, usage
from monitors.bulk import create_monitors, delete_monitors, update_monitors
from monitors.models import Heartbeat, Monitor, PushKey, UndoStep, UsageDay
from monitors.services import create_monitor, delete_monitor, rotate_slug
from tests.console.personas import Personas, make_monitor, make_personas
from tests.factories import TeamFactory
from tests.racing import before_sql, session, start, wait_for_lock

pytestmark = pytest.mark.django_db(transaction=True)
BULK = "/t/acme/monitors/bulk"
CSV = "/t/acme/monitors/import"


@pytest.fixture
def people(db: Any) -> Personas:
    return make_personas()


@pytest.fixture
def owner(people: Personas, client: Any) -> Any:
    client.force_login(people.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def impatient(db: Any) -> Iterator[None]:
    """Let our own connection wait for locks as briefly as a test may."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


def fill(team: Team, count: int) -> list[Monitor]:
    with scopes_disabled():
        space = Namespace.objects.get(team=team, name=team.slug)
        made = create_monitors(
            team=team, monitors=[(space, {"name": f"m{n}"}) for n in range(count)]
        )
    return sorted(made, key=lambda monitor: monitor.pk)


def count_states(team: Team, state: str) -> int:
    with scopes_disabled():
        return Heartbeat.objects.filter(team=team, state=state).count()


def change(team: Team, verb: str, monitors: list[Monitor]) -> UndoStep | None:
    with scope(team=team):
        return undo.change_monitors(
            team=team, actor="x", verb=verb, monitors=monitors, say="{} changed".format
        )


def said(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def lock(other: Any, table: str, monitor: Monitor) -> None:
    column = "monitor_id" if table == "monitors_heartbeat" else "id"
    other.execute("BEGIN")
    other.execute(f"SELECT 1 FROM {table} WHERE {column} = %s FOR UPDATE", [monitor.pk])


DELETIONS: dict[str, Callable[[Team, Monitor], Any]] = {
    "one": lambda team, monitor: delete_monitor(monitor=monitor),
    "many": lambda team, monitor: delete_monitors(team=team, monitors=[monitor]),
    "undoable": lambda team, monitor: change(team, undo.DELETE, [monitor]),
}


@pytest.mark.parametrize("how", DELETIONS)
def test_a_deletion_beside_a_transaction_that_creates_and_edits_ends_in_no_deadlock(
    team: Team, how: str
) -> None:
    monitor = make_monitor(team, "x")
    with scopes_disabled():
        UsageDay.objects.all().delete()  # the first count of the day: both write the same row
        with transaction.atomic():
            make_monitor(team, "new")
            with session() as other:
                deletion = start(lambda: DELETIONS[how](team, monitor))
                wait_for_lock(other)
            update_monitors(team=team, changes=[(monitor, {"description": "edited"})])
        deletion.result(15)
        assert list(Monitor.objects.values_list("name", flat=True)) == ["new"]
        assert UsageDay.objects.get().monitors == 2


def test_a_change_that_has_to_stop_says_how_far_it_came_and_is_undone_that_far(
    owner: Any, people: Personas, impatient: None
) -> None:
    monitors = fill(people.team, 250)
    with session() as other:
        lock(other, "monitors_heartbeat", monitors[-1])
        answer = owner.post(BULK, {"action": "pause", "everything": "1", "query": ""}, follow=True)
    assert "200 monitors are paused" in said(answer)
    assert "Not all of the monitors that you chose were changed" in said(answer)
    assert count_states(people.team, "paused") == 200
    address = re.search(r'action="(/t/acme/monitors/undo/[^"]+)"', said(answer))
    assert address is not None
    answer = owner.post(address[1], follow=True)
    assert "Undone: 200 monitors are watched again, from now." in said(answer)
    assert count_states(people.team, "paused") == 0


def test_an_undo_that_has_to_stop_goes_on_where_it_stopped(
    owner: Any, people: Personas, impatient: None
) -> None:
    monitors = fill(people.team, 250)
    answer = owner.post(BULK, {"action": "pause", "everything": "1", "query": ""}, follow=True)
    address = re.search(r'action="(/t/acme/monitors/undo/[^"]+)"', said(answer))
    assert address is not None
    with session() as other:
        lock(other, "monitors_heartbeat", monitors[-1])
        answer = owner.post(address[1], follow=True)
    assert "200 monitors are as they were before" in said(answer)
    assert "undo again for the rest" in said(answer)
    assert count_states(people.team, "paused") == 50
    answer = owner.post(address[1], follow=True)
    assert "Undone: 50 monitors are watched again, from now." in said(answer)
    assert count_states(people.team, "paused") == 0


@pytest.mark.parametrize(
    ("fields", "table"),
    [
        ({"action": "pause"}, "monitors_heartbeat"),
        ({"action": "label", "label": "a=b"}, "monitors_monitor"),
        ({"action": "delete", "confirmed": "1"}, "monitors_heartbeat"),
    ],
)
def test_whoever_waits_in_vain_for_somebody_else_is_told_to_try_again(
    owner: Any, people: Personas, impatient: None, fields: dict[str, str], table: str
) -> None:
    monitor = make_monitor(people.team, "a")
    with session() as other:
        lock(other, table, monitor)
        answer = owner.post(BULK, fields | {"ids": str(monitor.pk)}, follow=True)
    assert "Nothing was changed: somebody else changed the same monitors just now" in said(answer)
    with scopes_disabled():
        assert not UndoStep.objects.exists()
        assert Monitor.objects.get().labels == {}


def test_so_is_who_deletes_one_undoes_or_imports(
    owner: Any, people: Personas, impatient: None
) -> None:
    wanted = "Nothing was changed: somebody else changed the same monitors just now. Try again."
    monitor, gone = make_monitor(people.team, "a"), make_monitor(people.team, "b")
    answer = owner.post(f"/t/acme/monitors/{gone.pk}/delete", follow=True)
    address = re.search(r'action="(/t/acme/monitors/undo/[^"]+)"', said(answer))
    text = "name,labels\na,x=y\n"
    plan = said(owner.post(CSV, {"text": text}))
    seen = re.search(r'name="seen" value="([^"]+)"', plan)
    assert address is not None
    assert seen is not None
    with session() as other:
        lock(other, "monitors_heartbeat", monitor)
        answer = owner.post(f"/t/acme/monitors/{monitor.pk}/delete", follow=True)
        assert wanted in said(answer)
        answer = owner.post(CSV, {"text": text})
        assert "This is what would happen" in said(answer), "a look needs no lock"
        answer = owner.post(CSV, {"text": text, "seen": seen[1]})
        assert wanted in said(answer)
        other.execute("ROLLBACK")
        other.execute("BEGIN")
        other.execute(
            "SELECT 1 FROM accounts_team WHERE id = %s FOR NO KEY UPDATE", [people.team.pk]
        )
        assert wanted in said(owner.post(address[1], follow=True))
        assert wanted in said(owner.post(CSV, {"text": "name\nfresh\n"}))
    with scopes_disabled():
        assert list(Monitor.objects.values_list("name", "labels")) == [("a", {})]
    assert "1 monitor is back" in said(owner.post(address[1], follow=True))


def test_a_label_needs_no_heartbeat(team: Team, impatient: None) -> None:
    monitor = make_monitor(team, "a")
    with session() as other, scope(team=team):
        lock(other, "monitors_heartbeat", monitor)
        step = undo.change_monitors(
            team=team, actor="x", verb=undo.LABEL, monitors=[monitor], say=str, key="a", value="b"
        )
        assert step is not None
        assert Monitor.objects.get().labels == {"a": "b"}
        assert undo.undo_step(step=step).count == 1
        assert Monitor.objects.get().labels == {}


def test_taking_a_change_back_while_it_goes_on_stops_it(team: Team) -> None:
    monitors = fill(team, 450)

    def take_back() -> None:
        step = UndoStep.objects.get()
        assert start(lambda: undo.undo_step(step=step)).result(15).count == 200

    with scope(team=team), before_sql("UPDATE monitors_undostep SET said", take_back) as met:
        step = change(team, undo.PAUSE, monitors)
    assert met
    assert step is not None
    assert step.said == "200 changed"
    assert count_states(team, "pending") == 450


def test_a_push_url_that_changes_while_its_monitor_is_deleted_is_the_one_that_comes_back(
    team: Team,
) -> None:
    monitor = make_monitor(team, "a")
    fresh = []

    def rotate() -> None:
        fresh.append(start(lambda: rotate_slug(monitor=monitor)).result(15).value)

    with before_sql("FOR NO KEY UPDATE", rotate):
        step = change(team, undo.DELETE, [monitor])
    assert step is not None
    with scope(team=team):
        undo.undo_step(step=step)
        assert list(PushKey.objects.values_list("value", flat=True)) == fresh


def test_the_hourly_count_waits_for_nobody_whose_row_it_leaves_as_it_is(
    team: Team, impatient: None
) -> None:
    make_monitor(team, "a")
    with session() as other:
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM monitors_usageday FOR UPDATE")
        assert usage.count_teams() == 0


def test_the_hourly_count_holds_the_rows_of_a_few_teams_at_a_time(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_TEAMS", 2)
    for number in range(4):
        create_monitor(team=TeamFactory(slug=f"team-{number}"), name="a")
    with scopes_disabled():
        UsageDay.objects.all().delete()
    seen = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "statement_timestamp()" in sql and "LEFT JOIN monitors_usageday" in sql:
            row = other.execute("SELECT count(*) FROM monitors_usageday").fetchone()
            assert row is not None
            seen.append(row[0])
        return execute(sql, params, many, context)

    with session() as other, connection.execute_wrapper(watch):
        assert usage.count_teams() == 5
    assert seen == [0, 2, 4]
