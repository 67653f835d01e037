"""Many monitors at once are changed as one is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scope, scopes_disabled

from accounts.models import Namespace, Team
from monitors.bulk import (
    create_monitors,
    delete_monitors,
    pause_monitors,
    resume_monitors,
    update_monitors,
)
from monitors.models import Heartbeat, Monitor, PushKey, PushResult, Secret, Transition
from monitors.services import (
    DuplicateName,
    QuotaExceeded,
    pause_monitor,
    resume_monitor,
    token_is_valid,
)
from tests.factories import MonitorFactory, TeamFactory

AT = datetime(2027, 1, 1, tzinfo=UTC)


def push_result(monitor: Monitor) -> None:
    with scopes_disabled():
        PushResult.objects.create(
            team_id=monitor.team_id, monitor=monitor, received_at=now(), status="pass"
        )


def home(team: Team) -> Namespace:
    with scopes_disabled():
        return Namespace.objects.get(name=team.slug)


def make(team: Team, *names: str, **fields: object) -> list[Monitor]:
    space = home(team)
    return create_monitors(team=team, monitors=[(space, {"name": n, **fields}) for n in names])


def test_monitors_are_made_whole(team: Team) -> None:
    made = make(team, "a", "b", arm_on_create=True) + make(team, "c")
    with scope(team=team):
        beats = {beat.monitor_id: beat for beat in Heartbeat.objects.all()}
        keys = list(PushKey.objects.values_list("monitor_id", flat=True))
    assert [beats[row.pk].check_at is not None for row in made] == [True, True, False]
    assert sorted(keys) == sorted(row.pk for row in made)
    assert not any(token_is_valid(row, "") for row in made)


def test_a_name_twice_or_a_full_plan_makes_none(db: None) -> None:
    team = TeamFactory(quota=2)
    with pytest.raises(DuplicateName):
        make(team, "a", "a")
    with pytest.raises(QuotaExceeded):
        make(team, "a", "b", "c")
    with scope(team=team):
        assert Monitor.objects.count() == 0
    make(team, "a", "b")


@pytest.mark.parametrize("count", [3, 50])
def test_values_that_differ_reach_their_own_monitors(team: Team, count: int) -> None:
    rows = make(team, *(f"m{n}" for n in range(count)))
    other = MonitorFactory(team=TeamFactory())
    update_monitors(
        team=team,
        changes=[(row, {"grace": n, "labels": {"n": str(n)}}) for n, row in enumerate(rows)],
    )
    with scopes_disabled():
        found = {row.name: row for row in Monitor.objects.filter(team=team)}
        assert Monitor.objects.get(pk=other.pk).grace == 0
    for n in range(count):
        assert (found[f"m{n}"].grace, found[f"m{n}"].labels) == (n, {"n": str(n)})
        assert found[f"m{n}"].updated_at > found[f"m{n}"].created_at


def test_secrets_of_the_same_name_in_two_namespaces_are_not_confused(team: Team) -> None:
    one, two = make(team, "one", "two")
    with scope(team=team):
        second = Namespace.objects.create(team=team, name="second")
        secrets = [
            Secret.objects.create(
                team=team, namespace=space, name="s", key="k", token_hash=bytes([n]) * 32
            )
            for n, space in enumerate((home(team), second))
        ]
    update_monitors(
        team=team, changes=[(one, {"secret": secrets[0]}), (two, {"secret": secrets[1]})]
    )
    with scope(team=team):
        found = dict(Monitor.objects.values_list("name", "secret_id"))
    assert found == {"one": secrets[0].pk, "two": secrets[1].pk}


def test_arming_and_alarms(team: Team) -> None:
    [fresh, armed] = make(team, "fresh") + make(team, "armed", arm_on_create=True)
    with scope(team=team):
        before = Heartbeat.objects.get(monitor=armed).check_at
    update_monitors(team=team, changes=[(fresh, {"arm_on_create": True}), (armed, {"grace": 5})])
    with scope(team=team):
        assert Heartbeat.objects.get(monitor=fresh).clock_from is not None
        after = Heartbeat.objects.get(monitor=armed).check_at
    assert after is not None
    assert before is not None
    assert after >= before


def test_deleted_monitors_leave_their_last_transition(team: Team) -> None:
    rows = make(team, "a", "b")
    ids = {row.pk for row in rows}
    stranger = MonitorFactory(team=TeamFactory())
    delete_monitors(team=team, monitors=[*rows, stranger])
    with scopes_disabled():
        left = Transition.objects.filter(to_state="deleted")
        assert set(left.values_list("monitor_id", flat=True)) == ids
        assert list(Monitor.objects.all()) == [stranger]
        assert Heartbeat.objects.count() == PushKey.objects.count() == 1


def test_what_is_no_field_of_a_monitor_is_refused(team: Team) -> None:
    for fields in ({"team": 1}, {"token_hash": b""}, {"namespace": "x"}):
        with pytest.raises(TypeError):
            make(team, "a", **fields)


def beats_of(rows: list[Monitor]) -> list[dict[str, Any]]:
    with scopes_disabled():
        found = Heartbeat.objects.in_bulk([row.pk for row in rows])
    beats = [{**vars(found[row.pk])} for row in rows]
    for beat in beats:
        for name in ("_state", "monitor_id"):
            del beat[name]
        for name in ("clock_from", "check_at"):
            beat[name] = beat[name] is not None
    return beats


def test_many_are_paused_and_resumed_as_one_is(team: Team) -> None:
    def make_four(word: str) -> list[Monitor]:
        rows = make(team, *(f"{word}-{n}" for n in range(4)))
        at = now()
        pushed = [False, True, False, True]
        with scopes_disabled():
            for row, was_pushed in zip(rows, pushed, strict=True):
                Heartbeat.objects.filter(monitor=row).update(
                    state="down" if was_pushed else "pending",
                    cause="failure" if was_pushed else None,
                    open_causes=2 if was_pushed else 0,
                    consecutive_fails=3,
                    last_push_at=AT if was_pushed else None,
                    clock_from=at if was_pushed else None,
                    check_at=at if was_pushed else None,
                )
        pause_monitor(monitor=rows[3])
        return rows

    one_by_one, at_once = make_four("a"), make_four("b")
    stranger = MonitorFactory(team=TeamFactory())
    for row in one_by_one:
        pause_monitor(monitor=row)
    with CaptureQueriesContext(connection) as queries:
        pause_monitors(team=team, monitors=[*at_once, stranger])
    assert len(queries) < 8
    assert beats_of(at_once) == beats_of(one_by_one)
    push_result(one_by_one[0])
    push_result(at_once[0])
    for row in one_by_one:
        resume_monitor(monitor=row)
    resume_monitors(team=team, monitors=[*at_once, stranger])
    resume_monitors(team=team, monitors=at_once)
    assert beats_of(at_once) == beats_of(one_by_one)
    assert [beat["clock_from"] for beat in beats_of(at_once)] == [True, True, False, True]
    with scopes_disabled():
        moves = [
            [
                list(
                    Transition.objects.filter(monitor=row)
                    .order_by("id")
                    .values_list("from_state", "to_state")
                )
                for row in rows
            ]
            for rows in (one_by_one, at_once)
        ]
        assert not Transition.objects.filter(monitor=stranger).exists()
    assert moves[0] == moves[1]
