"""The canary's ledger: what it holds back, for how long, and when it has no say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django_scopes import scopes_disabled

from monitors.canary import claim_canary, judged_until, note_failure, note_success
from monitors.ingest.listening import STAMP
from monitors.lateness import filter_late
from monitors.models import Canary, GapCause, ListeningGap, Monitor
from monitors.queries import current_gaps, database_now, standings, with_standing
from monitors.sweep import sweep
from tests.monitors.pushing import age, heartbeat, listen, make_monitors, push, transitions

URL = "https://push.example.org"


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


@pytest.fixture(autouse=True)
def _intervals(settings):
    settings.CANARY_SECONDS, settings.CANARY_GAP_SECONDS = 5, 300


def ago(seconds: float) -> None:
    """Let all that the canary knows have happened so many seconds earlier."""
    by = timedelta(seconds=seconds)
    fields = ("good_at", "failed_from", "deaf_from", "held_until", "next_at")
    Canary.objects.update(**{name: F(name) - by for name in fields})


def go_deaf(*, seconds: float = 20) -> Canary:
    """Let the canary have got through so long ago, and fail since."""
    listen()
    note_success(URL)
    ago(seconds)
    note_failure(URL, "connection refused")
    ago(0)
    Canary.objects.update(failed_from=F("good_at") + timedelta(seconds=5))
    note_failure(URL, "connection refused")
    return Canary.objects.get()


@pytest.mark.django_db
def test_one_canary_in_an_interval_whoever_asks():
    assert claim_canary()
    assert not claim_canary()
    Canary.objects.update(next_at=database_now())
    assert claim_canary()


@pytest.mark.django_db(transaction=True)
def test_failing_canaries_hold_silence_back_from_the_last_good_one_on(team):
    early, late = make_monitors(team, 2, interval=30, silent_after=30)
    for monitor, seconds in ((early, 60), (late, 40)):
        push(monitor)
        age(monitor, seconds)
    canary = go_deaf(seconds=20)
    assert canary.deaf_from == canary.good_at
    with connection.cursor() as cursor:
        assert judged_until(cursor) == canary.deaf_from
    sweep()
    # It was silent before we went deaf; the other one's time came after that.
    assert heartbeat(early).state == "down"
    assert heartbeat(late).state == "up"
    now = database_now()
    assert current_gaps(now=now, since=now - timedelta(hours=1))[0].started_at == canary.deaf_from


@pytest.mark.django_db(transaction=True)
def test_a_canary_that_gets_through_again_leaves_a_gap_and_deadlines_are_extended(team):
    (monitor,) = make_monitors(team, 1, interval=5, silent_after=15)
    push(monitor)
    age(monitor, 22)
    canary = go_deaf(seconds=20)
    listen()
    note_success(URL)
    gap = ListeningGap.objects.get()
    assert (gap.cause, gap.started_at) == (GapCause.CANARY, canary.deaf_from)
    assert sweep() == 0  # what it should have pushed fell into the gap: a fresh window
    due = heartbeat(monitor).check_at
    assert due is not None
    assert due - gap.ended_at == timedelta(seconds=15)
    assert Canary.objects.get().deaf_from is None


@pytest.mark.django_db(transaction=True)
def test_what_is_held_back_is_no_lateness(team):
    (monitor,) = make_monitors(team, 1, interval=10, silent_after=10, grace=600)
    push(monitor)
    age(monitor, 25)
    go_deaf(seconds=20)
    now = database_now()
    found = with_standing(Monitor.objects.all())
    assert standings(found, now=now)[monitor.pk].state == "up"
    assert not filter_late(found, now=now, late=True).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("failures", [1, 2])
def test_a_canary_that_never_worked_holds_nothing_back(failures):
    listen()
    for _ in range(failures):
        note_failure(URL, "the host name does not resolve")
    canary = Canary.objects.get()
    assert (canary.deaf_from, canary.failures) == (None, failures)


@pytest.mark.django_db
def test_a_canary_has_no_say_at_another_address_than_it_worked_at():
    listen()
    note_success(URL)
    ago(60)
    for _ in range(3):
        note_failure("https://wrong.example.org", "connection refused")
    assert Canary.objects.get().deaf_from is None


@pytest.mark.django_db
def test_a_canary_has_no_say_until_it_worked_since_our_own_boot():
    listen()
    note_success(URL)
    ago(60)
    listen(seconds_ago=30)
    with connection.cursor() as cursor:
        cursor.execute(STAMP)  # back after half a minute
    for _ in range(3):
        note_failure(URL, "connection refused")
    assert Canary.objects.get().deaf_from is None


@pytest.mark.django_db
def test_one_failure_or_a_moment_is_no_deafness():
    listen()
    note_success(URL)
    ago(60)
    note_failure(URL, "timed out")
    assert Canary.objects.get().deaf_from is None
    note_success(URL)
    for _ in range(4):
        note_failure(URL, "timed out")  # four in a second
    assert Canary.objects.get().deaf_from is None


@pytest.mark.django_db
def test_a_canary_says_nothing_while_the_stamp_says_the_same():
    listen()
    note_success(URL)
    ago(60)
    listen(seconds_ago=30)
    for _ in range(3):
        note_failure(URL, "connection refused")
    assert Canary.objects.get().deaf_from is None


@pytest.mark.django_db
def test_the_absence_of_who_sends_canaries_is_nobodys_deafness():
    listen()
    note_success(URL)
    ago(3600)
    note_failure(URL, "timed out")
    ago(12)
    note_failure(URL, "timed out")
    canary = Canary.objects.get()
    assert canary.deaf_from is not None
    assert database_now() - canary.deaf_from < timedelta(seconds=30)


@pytest.mark.django_db(transaction=True)
def test_a_canary_that_stays_deaf_holds_back_its_allowance_and_no_more(team, settings):
    settings.CANARY_GAP_SECONDS = 60
    (dead,) = make_monitors(team, 1, interval=5, silent_after=10)
    push(dead)
    age(dead, 100)
    go_deaf(seconds=20)
    Canary.objects.update(deaf_from=F("deaf_from") - timedelta(seconds=75))
    Canary.objects.update(held_until=F("deaf_from") + timedelta(seconds=60))
    listen()
    sweep()  # its say is over: a gap of a minute, then all is judged
    gap = ListeningGap.objects.get()
    assert gap.ended_at - gap.started_at == timedelta(seconds=60)
    ago(3600)
    ListeningGap.objects.update(started_at=F("started_at") - timedelta(hours=2))
    ListeningGap.objects.update(ended_at=F("ended_at") - timedelta(hours=2))
    for _ in range(3):
        note_failure(URL, "connection refused")
    assert Canary.objects.get().deaf_from is None  # no further say until it got through once more
    age(dead, 100)
    sweep()
    assert transitions(dead)[-1] == ("up", "down", "silence")


@pytest.mark.django_db
def test_going_to_and_fro_spends_the_same_allowance():
    go_deaf(seconds=200)
    note_success(URL)
    ago(200)
    ListeningGap.objects.update(
        started_at=F("started_at") - timedelta(seconds=200),
        ended_at=F("ended_at") - timedelta(seconds=200),
    )
    canary = go_deaf(seconds=20)
    assert canary.held_until is not None
    assert timedelta(seconds=95) < canary.held_until - canary.deaf_from < timedelta(seconds=105)
    note_success(URL)
    ListeningGap.objects.create(
        started_at=database_now() - timedelta(seconds=350),
        ended_at=database_now() - timedelta(seconds=20),
        cause=GapCause.CANARY,
    )
    assert go_deaf(seconds=20).deaf_from is None
