"""A mass outage in lanes: every change once and in order, whoever else is at work."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from accounts.database.standing import as_owner
from incidents import engine
from incidents.lifecycle import lanes
from incidents.lifecycle.advance import advance_batch
from incidents.lifecycle.lanes import advance
from incidents.lifecycle.work import LANE_KEY, LANES, LOCK_KEY
from incidents.models import Delivery, Escalation, Incident, Notification, TimelineEvent
from monitors.models import Monitor, Transition
from monitors.queries import database_now
from tests.factories import TeamFactory
from tests.incidents.ladders import add_member, policy_of
from tests.incidents.telling import incidents
from tests.monitors.pushing import age, listen, make_monitors, push
from tests.racing import at_once, session, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
BATCH = 10

LANE_OF = f"SELECT abs(uuid_hash(%s) %% {LANES})"


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(lanes, "BATCH_ROWS", BATCH)
    with scopes_disabled():
        yield


def change(monitors: list[Monitor], *states: str) -> None:
    """Write that these went through the states, one after the other, from the first on."""
    at = database_now()
    Transition.objects.bulk_create(
        Transition(
            team_id=monitor.team_id,
            monitor=monitor,
            at=at,
            from_state=before,
            to_state=after,
            cause="failure" if after == "down" else None,
        )
        for before, after in itertools.pairwise(states)
        for monitor in monitors
    )


def lane_of(monitor_id: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute(LANE_OF, [monitor_id])
        lane: int = cursor.fetchone()[0]
    return lane


def unhandled() -> int:
    return Transition.objects.filter(handled_at=None).count()


def test_a_flood_opens_every_incident_once(team):
    change(make_monitors(team, 75), "up", "down")
    assert advance() == (75, 75)
    assert Incident.objects.filter(state="open").count() == 75
    assert Notification.objects.count() == Delivery.objects.count() == 75
    assert TimelineEvent.objects.filter(kind="opened").count() == 75
    assert unhandled() == 0


def test_each_lane_has_a_good_part_of_the_monitors(team):
    lanes = [lane_of(monitor.pk) for monitor in make_monitors(team, 100)]
    assert set(lanes) == set(range(LANES))
    assert min(lanes.count(lane) for lane in range(LANES)) > 10


def test_a_lane_that_is_taken_is_left_alone_and_the_other_goes_on(team):
    monitors = make_monitors(team, 60)
    change(monitors, "up", "down")
    with session() as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK_KEY])
        other.execute("SELECT pg_advisory_xact_lock(%s)", [LANE_KEY + 1])
        assert advance() == (0, 0), "the lock on all monitors was had beside a lane"
        for _ in range(10):
            advance_batch(limit=BATCH, lane=0)
        assert advance_batch(limit=BATCH, lane=1) == (0, 0)
        opened = {incident.monitor_id for incident in incidents()}
        assert opened == {monitor.pk for monitor in monitors if lane_of(monitor.pk) == 0}
        other.execute("ROLLBACK")
    advance()
    assert Incident.objects.count() == 60


def test_nobody_takes_a_lane_beside_the_lock_on_all_monitors(team):
    change(make_monitors(team, 1), "up", "down")
    with session() as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
        assert [advance_batch(lane=lane) for lane in range(LANES)] == [(0, 0)] * LANES
        assert advance() == (0, 0)
        other.execute("ROLLBACK")
    assert advance() == (1, 1)


def test_each_monitors_changes_stay_in_order(team):
    monitors = make_monitors(team, 40)
    change(monitors, "up", "down", "up", "down")
    assert advance()[0] == 120
    for monitor in monitors:
        first, second = incidents(monitor)
        assert (first.state, second.state) == ("resolved", "open")
        assert second.previous_id == first.pk


def test_three_engines_at_once_page_for_each_monitor_once(team):
    """S5."""
    ana = add_member(team, "ana@example.org")
    policy_of(team, (0, [ana]))
    for monitor in make_monitors(team, 50):
        push(monitor)
        age(monitor, 91)
    listen()
    at_once(engine.run_round, engine.run_round, engine.run_round)
    engine.run_round()
    assert Incident.objects.filter(state="open").count() == 50
    assert Escalation.objects.filter(firings=1).count() == 50
    assert Delivery.objects.count() == Notification.objects.count() == 50


def test_a_team_in_a_flood_delays_anothers_incident_by_no_more_than_a_batch(team):
    change(make_monitors(team, 100), "up", "down")
    advance_batch(limit=BATCH)
    [other] = make_monitors(TeamFactory(), 1)
    change([other], "up", "down")
    advance_batch(limit=BATCH)
    assert len(incidents(other)) == 1
    assert Incident.objects.count() == 2 * BATCH


def test_among_many_teams_one_with_many_still_fills_a_good_part_of_a_batch(team):
    """Others' first ones go before, and what is left of the batch is not wasted."""
    change(make_monitors(team, 100), "up", "down")
    others = [make_monitors(TeamFactory(), 1)[0] for _ in range(4)]
    change(others, "up", "down")
    assert advance_batch(limit=BATCH)[0] == BATCH
    opened = {incident.monitor_id for incident in incidents()}
    assert {other.pk for other in others} <= opened


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'poison'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON incidents_incident FOR EACH ROW
  WHEN (new.monitor_name = 'm-7') EXECUTE FUNCTION refuse();
"""


def test_one_that_cannot_be_handled_fails_alone_and_once_a_round(team, caplog):
    change(make_monitors(team, 100), "up", "down")
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(REFUSE)
    try:
        advance()
    finally:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")
    assert Transition.objects.get(handled_at=None).monitor.name == "m-7"
    assert Incident.objects.count() == 99
    # In the batch for all monitors, and once more in its lane: not in each batch that follows.
    assert sum("taking its monitors one by one" in line for line in caplog.messages) <= 2
    assert advance() == (1, 1)


def test_while_silences_are_found_the_other_lanes_open_incidents(team):
    """One thread finds and the others handle; what is found at last is handled as well."""
    change(make_monitors(team, 30), "up", "down")
    late = make_monitors(TeamFactory(), 30)

    def find() -> int:
        wait_for(lambda: Incident.objects.count() == 30)
        change(late, "up", "down")
        return 30

    assert lanes.advance_beside(find, most_batches=10) == (30, (60, 60))
    assert Incident.objects.filter(state="open").count() == 60
    assert unhandled() == 0


def test_what_the_search_raises_is_raised_and_what_was_found_is_handled(team):
    change(make_monitors(team, 30), "up", "down")

    def find() -> int:
        wait_for(lambda: Incident.objects.count() == 30)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        lanes.advance_beside(find)
    assert unhandled() == 0


def test_a_round_through_a_flood_finds_and_opens_each_once(team, monkeypatch):
    monkeypatch.setattr(engine, "BATCH_ROWS", BATCH)
    monitors = make_monitors(team, 200)
    for monitor in monitors:
        push(monitor)
        age(monitor, 91)
    listen()
    engine.run_round()
    assert Incident.objects.filter(state="open").count() == 200
    assert Delivery.objects.count() == Notification.objects.count() == 200
    assert unhandled() == 0


def test_one_that_cannot_be_handled_costs_a_flood_no_more_than_one_search(team, caplog):
    change(make_monitors(team, 100), "up", "down")
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(REFUSE)
    try:
        lanes.advance_beside(lambda: 0, most_batches=30)
    finally:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")
    assert Transition.objects.get(handled_at=None).monitor.name == "m-7"
    assert Incident.objects.count() == 99
