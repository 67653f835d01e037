"""Maintenance windows as they are stored: their spans, and which monitors these cover."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Namespace, Team
from incidents.maintenance.covering import (
    count_covered,
    covered_monitors,
    current_windows,
    released,
)
from incidents.maintenance.maintenances import (
    AHEAD,
    DuplicateName,
    MonitorGone,
    NothingChosen,
    create_maintenance,
    delete_maintenance,
    end_maintenance,
    refresh_spans,
    update_maintenance,
)
from incidents.maintenance.windows import BadRule, BadWindow
from incidents.models import HeldOutage, Maintenance, MaintenanceSpan
from monitors.models import Monitor
from monitors.queries import database_now
from tests.factories import MonitorFactory, TeamFactory

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def now(db: None) -> datetime:
    return database_now()


@pytest.fixture
def monitor(team: Team) -> Monitor:
    return MonitorFactory(team=team, name="disk", labels={"env": "prod", "tier": "1"})


def plan(team: Team, now: datetime, *, begins: float = -1, lasts: float = 2, **fields: Any) -> Any:
    """Plan a window that begins in some hours: one that is on, unless told otherwise."""
    fields.setdefault("name", f"window {uuid4()}")
    starts_at = now + begins * HOUR
    fields.setdefault("labels", {} if "monitors" in fields else {"env": "prod"})
    return create_maintenance(
        team=team, starts_at=starts_at, ends_at=starts_at + lasts * HOUR, **fields
    )


def spans_of(maintenance: Maintenance) -> list[tuple[datetime, datetime]]:
    rows = MaintenanceSpan.objects.filter(maintenance=maintenance).order_by("starts_at")
    return list(rows.values_list("starts_at", "ends_at"))


def is_covered(monitor: Monitor, at: datetime) -> bool:
    return covered_monitors([(monitor.pk, at)]) == {0}


# --- spans ------------------------------------------------------------------------------------


def test_a_window_that_is_once_has_its_span_however_far_ahead(team: Team, now: datetime) -> None:
    once = plan(team, now, begins=24 * 300)
    assert spans_of(once) == [(once.starts_at, once.ends_at)]
    assert once.spans_until is None


def test_a_window_that_repeats_has_spans_sixty_days_ahead(team: Team, now: datetime) -> None:
    daily = plan(team, now, rrule="FREQ=DAILY")
    assert spans_of(daily) == [
        (now - HOUR + n * DAY, now + HOUR + n * DAY) for n in range(61) if n * DAY - HOUR < AHEAD
    ]


def test_spans_are_extended_in_time_and_old_ones_dropped(team: Team, now: datetime) -> None:
    daily = plan(team, now, rrule="FREQ=DAILY")
    plan(team, now)
    assert refresh_spans(now=now, limit=10) == 0
    later = now + 31 * DAY
    assert refresh_spans(now=later, limit=10) == 1
    assert refresh_spans(now=later, limit=10) == 0
    starts = [start for start, _ in spans_of(daily)]
    assert starts == [now - HOUR + n * DAY for n in range(92)]
    # After a long standstill the days in between are written too, but for those that are too old.
    much_later = now + 450 * DAY
    assert refresh_spans(now=much_later, limit=10) == 1
    assert refresh_spans(now=much_later, limit=10) == 0
    starts = [start for start, _ in spans_of(daily)]
    assert starts[0] == now - HOUR + 50 * DAY
    assert starts[-1] == now - HOUR + 510 * DAY
    assert {b - a for a, b in pairwise(starts)} == {DAY}


def test_a_window_whose_zone_is_gone_does_not_stop_the_others(team: Team, now: datetime) -> None:
    broken = plan(team, now, rrule="FREQ=DAILY")
    daily = plan(team, now, rrule="FREQ=DAILY")
    Maintenance.objects.filter(pk=broken.pk).update(timezone="Mars/Olympus")
    assert refresh_spans(now=now + 31 * DAY, limit=10) == 2
    assert (len(spans_of(broken)), len(spans_of(daily))) == (61, 92)


def test_at_most_so_many_windows_are_extended_at_once(team: Team, now: datetime) -> None:
    for _ in range(3):
        plan(team, now, rrule="FREQ=WEEKLY")
    later = now + 40 * DAY
    assert [refresh_spans(now=later, limit=2) for _ in range(3)] == [2, 1, 0]


def test_editing_leaves_what_is_over_and_replaces_the_rest(team: Team, now: datetime) -> None:
    daily = plan(team, now, begins=-49, rrule="FREQ=DAILY")
    refresh_spans(now=now, limit=1)
    MaintenanceSpan.objects.create(
        team=team, maintenance=daily, starts_at=now - 49 * HOUR, ends_at=now - 47 * HOUR
    )
    # On now, since an hour: it ends at this moment, because the new definition begins later.
    changed = update_maintenance(
        maintenance=daily, starts_at=now + HOUR, ends_at=now + 2 * HOUR, rrule=""
    )
    first, cut, new = spans_of(changed)
    assert first == (now - 49 * HOUR, now - 47 * HOUR)
    assert cut[0] == now - HOUR
    assert now <= cut[1] < now + HOUR
    assert new == (now + HOUR, now + 2 * HOUR)


def test_a_longer_end_keeps_the_occurrence_that_is_on(team: Team, now: datetime) -> None:
    once = plan(team, now)
    update_maintenance(maintenance=once, ends_at=now + 5 * HOUR)
    assert spans_of(once) == [(now - HOUR, now + 5 * HOUR)]


def test_one_that_was_over_can_be_made_longer(team: Team, now: datetime) -> None:
    once = plan(team, now)
    ended = end_maintenance(maintenance=once)
    [(_, end)] = spans_of(once)
    assert end <= database_now()
    assert ended.ends_at <= database_now()
    update_maintenance(maintenance=once, ends_at=now + 5 * HOUR)
    assert spans_of(once) == [(now - HOUR, now + 5 * HOUR)]


def test_ending_now_uncovers_at_once(team: Team, now: datetime, monitor: Monitor) -> None:
    once = plan(team, now)
    assert is_covered(monitor, database_now())
    end_maintenance(maintenance=once)
    assert not is_covered(monitor, database_now())
    assert is_covered(monitor, now), "that it was in maintenance stays true"


def test_deleting_takes_the_spans_along(team: Team, now: datetime, monitor: Monitor) -> None:
    delete_maintenance(maintenance=plan(team, now))
    assert not MaintenanceSpan.objects.exists()
    assert not is_covered(monitor, now)


def test_what_is_refused_changes_nothing(team: Team, now: datetime, monitor: Monitor) -> None:
    once = plan(team, now, name="once", monitors=[monitor])
    plan(team, now, name="other")
    for error, change in (
        (DuplicateName, {"name": "other"}),
        (NothingChosen, {"monitors": []}),
        (BadRule, {"rrule": "FREQ=HOURLY"}),
        (BadWindow, {"ends_at": once.starts_at}),
        (BadWindow, {"timezone": "Mars/Olympus"}),
        (BadWindow, {"timezone": "../../etc/passwd"}),
    ):
        before = (Maintenance.objects.values().get(pk=once.pk), spans_of(once))
        with pytest.raises(error):
            update_maintenance(maintenance=once, **change)
        assert (Maintenance.objects.values().get(pk=once.pk), spans_of(once)) == before
    with pytest.raises(NothingChosen):
        plan(team, now, labels={})
    assert Maintenance.objects.count() == 2
    Maintenance.objects.filter(pk=once.pk).delete()
    with pytest.raises(Maintenance.DoesNotExist):
        update_maintenance(maintenance=once, name="late")


def test_a_window_whose_monitors_are_all_gone_can_still_be_ended(
    team: Team, now: datetime, monitor: Monitor
) -> None:
    once = plan(team, now, monitors=[monitor])
    Monitor.objects.all().delete()
    end_maintenance(maintenance=once)
    update_maintenance(maintenance=once, name="over")


@pytest.mark.django_db(transaction=True)
def test_another_teams_monitor_cannot_be_named() -> None:
    now = database_now()
    mine, theirs = TeamFactory(), TeamFactory()
    with pytest.raises(MonitorGone):
        plan(mine, now, monitors=[MonitorFactory(team=theirs)])
    assert not Maintenance.objects.exists()


# --- who is covered -----------------------------------------------------------------------------


def test_an_instant_is_covered_from_the_start_and_not_at_the_end(
    team: Team, now: datetime, monitor: Monitor
) -> None:
    once = plan(team, now, monitors=[monitor])
    tick = timedelta(microseconds=1)
    asked = [once.starts_at - tick, once.starts_at, once.ends_at - tick, once.ends_at]
    assert covered_monitors([(monitor.pk, at) for at in asked]) == {1, 2}


def test_a_window_covers_the_named_and_those_with_all_its_labels(
    team: Team, now: datetime, monitor: Monitor
) -> None:
    bare = MonitorFactory(team=team)
    staging = MonitorFactory(team=team, labels={"env": "staging", "tier": "1"})
    plan(team, now, monitors=[bare], labels={"env": "prod", "tier": "1"})
    asked = [bare, staging, monitor]
    assert covered_monitors([(m.pk, now) for m in asked]) == {0, 2}
    only_named = plan(team, now, monitors=[staging], labels={})
    assert covered_monitors([(m.pk, now) for m in asked]) == {0, 1, 2}
    assert count_covered([only_named.pk]) == {only_named.pk: 1}


def test_another_teams_window_covers_nothing_of_ours(
    team: Team, now: datetime, monitor: Monitor
) -> None:
    rival = TeamFactory()
    theirs = MonitorFactory(team=rival, labels={"env": "prod"})
    plan(rival, now, labels={"env": "prod"}, monitors=[theirs])
    assert covered_monitors([(monitor.pk, now), (theirs.pk, now), (uuid4(), now)]) == {1}
    assert covered_monitors([]) == set()


def test_the_window_that_ends_last_is_shown(team: Team, now: datetime, monitor: Monitor) -> None:
    plan(team, now, lasts=3)
    longer = plan(team, now, monitors=[monitor], lasts=5)
    plan(team, now, begins=10)
    other = MonitorFactory(team=team)
    found = current_windows([monitor.pk, other.pk], now)
    assert set(found) == {monitor.pk}
    assert found[monitor.pk].maintenance == longer
    assert found[monitor.pk].until == now + 4 * HOUR
    assert current_windows([], now) == {}


def hold(monitor: Monitor, at: datetime) -> None:
    HeldOutage.objects.create(
        team=monitor.team, monitor_id=monitor.pk, at=at, since=at, cause="silence"
    )


def test_a_held_outage_is_released_when_no_window_is_left(
    team: Team, now: datetime, monitor: Monitor
) -> None:
    first, second = plan(team, now), plan(team, now, monitors=[monitor])
    other = MonitorFactory(team=team)
    hold(monitor, now)
    hold(other, now - HOUR)
    HeldOutage.objects.create(
        team=team, monitor_id=uuid4(), at=now + HOUR, since=now, cause="failure"
    )
    gone = HeldOutage.objects.latest("at").monitor_id
    assert released(10) == [other.pk, gone]
    assert released(1) == [other.pk]
    end_maintenance(maintenance=first)
    assert monitor.pk not in released(10)
    delete_maintenance(maintenance=second)
    assert released(10) == [other.pk, monitor.pk, gone]


# --- many ----------------------------------------------------------------------------------------


def make_many(team: Team, count: int, **labels: str) -> list[Monitor]:
    namespace, _ = Namespace.objects.get_or_create(team=team, name=team.slug)
    return Monitor.objects.bulk_create(
        Monitor(team=team, namespace=namespace, name=f"{labels}-{n}", labels=labels)
        for n in range(count)
    )


def test_many_at_once_are_one_query(team: Team, now: datetime) -> None:
    rival = TeamFactory(slug="rival")
    prod = make_many(team, 600, env="prod")
    staging = make_many(team, 300, env="staging")
    theirs = make_many(rival, 100, env="prod")
    asked = [(monitor.pk, now) for monitor in prod + staging + theirs]

    def covered() -> set[int]:
        with CaptureQueriesContext(connection) as queries:
            found = covered_monitors(asked)
        assert len(queries) == 1
        return found

    assert covered() == set()
    for n in range(30):
        plan(team, now, begins=24 + n, labels={"env": "prod"}, rrule="FREQ=DAILY;INTERVAL=2")
    window = plan(team, now, labels={"env": "prod"}, monitors=staging[:10])
    plan(rival, now, labels={"env": "staging"})
    assert covered() == set(range(610))
    assert count_covered([window.pk]) == {window.pk: 610}
    HeldOutage.objects.bulk_create(
        HeldOutage(team=m.team, monitor_id=m.pk, at=now, since=now, cause="silence")
        for m in prod + staging
    )
    assert len(released(500)) == 290


def test_instants_are_compared_in_utc(team: Team, monitor: Monitor, now: datetime) -> None:
    starts_at = datetime(2027, 3, 1, 9, tzinfo=UTC)
    create_maintenance(
        team=team,
        name="berlin",
        monitors=[monitor],
        starts_at=starts_at,
        ends_at=starts_at + HOUR,
        timezone="Europe/Berlin",
    )
    assert is_covered(monitor, starts_at + HOUR / 2)
    assert not is_covered(monitor, starts_at + HOUR)
