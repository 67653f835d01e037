"""The mass guard: what it holds back, for how long, and what passes it by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django_scopes import scopes_disabled

from incidents.lifecycle.lanes import advance
from incidents.models import Incident
from monitors.models import Heartbeat, MassGuard, Monitor, Transition
from monitors.queries import database_now
from monitors.sweep import sweep
from tests.factories import TeamFactory
from tests.monitors.pushing import listen, make_monitors

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _unscoped(settings):
    settings.MASS_GUARD_SECONDS, settings.MASS_GUARD_TEAMS = 30, 3
    settings.MASS_GUARD_MONITORS, settings.MASS_GUARD_PERCENT = 20, 20
    with scopes_disabled():
        yield


def armed(slug: str, count: int, *, silent: int = 0) -> list[Monitor]:
    """Make a team with so many armed monitors, of which the first have been silent for too long."""
    found = make_monitors(TeamFactory(slug=slug), count, interval=60, silent_after=90)
    now = database_now()
    ids = [monitor.pk for monitor in found]
    Heartbeat.objects.filter(monitor__in=ids).update(
        state="up", clock_from=now, last_push_at=now, check_at=now + timedelta(seconds=90)
    )
    fall_silent(found[:silent])
    listen()
    return found


def fall_silent(monitors: list[Monitor]) -> None:
    before = database_now() - timedelta(seconds=100)
    Heartbeat.objects.filter(monitor__in=[m.pk for m in monitors]).update(
        clock_from=before, last_push_at=before, check_at=before + timedelta(seconds=90)
    )
    listen()


def down() -> int:
    return Heartbeat.objects.filter(state="down").count()


def let_pass(seconds: float) -> None:
    by = timedelta(seconds=seconds)
    MassGuard.objects.update(
        held_from=F("held_from") - by,
        held_until=F("held_until") - by,
        rest_until=F("rest_until") - by,
    )


def test_a_wave_over_several_teams_waits_and_is_then_told_together():
    for n in range(4):
        armed(f"team-{n}", 20, silent=15)
    assert sweep() == 0
    assert down() == 0
    assert not Transition.objects.exists()
    guard = MassGuard.objects.get()
    assert (guard.monitors, guard.teams) == (60, 4)
    assert guard.held_from is not None
    assert guard.held_until - guard.held_from == timedelta(seconds=30)
    assert sweep() == 0  # whoever else sweeps holds back too
    let_pass(31)
    assert sweep() == 60
    assert down() == 60
    advance()
    assert Incident.objects.count() == 60


def test_a_wave_that_recovers_in_time_pages_nobody():
    monitors = [m for n in range(4) for m in armed(f"team-{n}", 20, silent=15)]
    sweep()
    now = database_now()
    Heartbeat.objects.filter(monitor__in=monitors).update(clock_from=now, last_push_at=now)
    let_pass(31)
    listen()
    assert sweep() == 0
    assert down() == 0


@pytest.mark.parametrize("others", [0, 2])
def test_one_teams_outage_is_never_held_back_however_large(others):
    for n in range(others):
        armed(f"other-{n}", 30, silent=4)
    armed("large", 3000, silent=2900)
    assert sweep() == 2900 + 4 * others
    assert not MassGuard.objects.filter(held_until__isnull=False).exists()


def test_two_teams_are_no_wave():
    for n in range(2):
        armed(f"team-{n}", 100, silent=100)
    assert sweep() == 200


def test_a_small_part_of_a_large_installation_is_no_wave():
    armed("large", 1000)
    armed("larger", 1000)
    for n in range(4):
        armed(f"team-{n}", 20, silent=15)
    assert sweep() == 60


def test_a_wave_that_comes_in_drops_is_found():
    """Monitors that push once a minute do not fall silent in one second."""
    teams = [armed(f"team-{n}", 20) for n in range(4)]
    for drop in range(4):
        for monitors in teams:
            fall_silent(monitors[drop * 2 : drop * 2 + 2])
        MassGuard.objects.update(count_at=None)
        found = sweep()
    assert found == 0
    assert MassGuard.objects.get().held_until is not None
    assert down() == 24  # three drops were believable


def test_a_wave_that_follows_a_few_silences_is_found():
    """What was counted a moment ago saves counting, and hides nothing."""
    teams = [armed(f"team-{n}", 100, silent=8) for n in range(4)]
    assert sweep() == 32
    assert MassGuard.objects.get().armed_at is not None
    for monitors in teams:
        fall_silent(monitors[8:50])
    MassGuard.objects.update(count_at=None)
    assert sweep() == 0
    assert MassGuard.objects.get().held_until is not None


def test_a_wave_is_found_though_a_part_of_the_others_was_paused_since_the_last_count():
    teams = [armed(f"team-{n}", 100, silent=8) for n in range(4)]
    paused = armed("paused", 150, silent=1)
    assert sweep() == 33
    Heartbeat.objects.filter(monitor__in=paused).update(state="paused", check_at=None)
    MassGuard.objects.update(count_at=None, recent={})
    for monitors in teams:
        fall_silent(monitors[8:36])
    assert sweep() == 0
    assert MassGuard.objects.get().held_until is not None


def test_monitors_that_came_since_the_last_count_make_no_wave():
    teams = [armed(f"team-{n}", 100, silent=8) for n in range(4)]
    assert sweep() == 32
    for n in range(4):
        armed(f"new-{n}", 500)
    for monitors in teams:
        fall_silent(monitors[8:50])
    MassGuard.objects.update(count_at=None)
    assert sweep() == 168


def test_an_outage_that_is_real_is_held_back_once():
    for n in range(4):
        armed(f"team-{n}", 20, silent=15)
    sweep()
    let_pass(31)
    assert sweep() == 60
    for n in range(4):
        armed(f"another-{n}", 20, silent=15)
    assert sweep() == 60
    let_pass(1000)
    for n in range(4):
        armed(f"later-{n}", 60, silent=60)
    assert sweep() == 0


def test_a_crash_while_silences_are_held_back_loses_none():
    """All that the next process finds is in the database: the alarms, and until when to wait."""
    for n in range(4):
        armed(f"team-{n}", 20, silent=15)
    sweep()
    assert Heartbeat.objects.filter(check_at__lte=database_now()).count() == 60
    let_pass(31)
    assert sweep() == 60
    assert Heartbeat.objects.filter(check_at__lte=database_now()).count() == 0


def test_the_guard_can_be_turned_off(settings):
    settings.MASS_GUARD_SECONDS = 0
    for n in range(4):
        armed(f"team-{n}", 20, silent=15)
    assert sweep() == 60


def test_a_large_wave_is_held_back_from_its_first_batch_on():
    for n in range(4):
        armed(f"team-{n}", 1200, silent=1200)
    assert sweep() == 0
    assert down() == 0
    let_pass(31)
    assert sweep() == 4800
