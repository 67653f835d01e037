"""The listening ledger: stamps, gaps, and what a recorder says of itself."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from incidents.lifecycle.lanes import advance
from monitors.ingest.listening import GAP_SECONDS, STAMP
from monitors.ingest.push import NotStored, Push
from monitors.ingest.recorder import Recorder
from monitors.models import Heartbeat, ListeningGap, ListeningStamp
from monitors.queries import current_gaps, database_now
from monitors.sweep import sweep
from tests.monitors.pushing import (
    age,
    heartbeat,
    listen,
    make_monitors,
    push,
    recorders,
    transitions,
)
from tests.racing import at_once, session


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def stamp() -> None:
    with connection.cursor() as cursor:
        cursor.execute(STAMP)


def stamped_at():
    return ListeningStamp.objects.get().at


@pytest.mark.django_db
def test_the_first_stamp_of_an_installation_leaves_no_gap():
    stamp()
    assert abs(stamped_at() - database_now()) < timedelta(seconds=1)
    assert not ListeningGap.objects.exists()


@pytest.mark.django_db
def test_two_seconds_without_a_stamp_are_a_gap_and_less_is_none():
    listen(seconds_ago=GAP_SECONDS - 0.2)
    stamp()
    assert not ListeningGap.objects.exists()
    before = listen(seconds_ago=GAP_SECONDS)
    stamp()
    gap = ListeningGap.objects.get()
    assert (gap.started_at, gap.ended_at) == (before, stamped_at())


@pytest.mark.django_db
def test_a_stamp_never_goes_back():
    ahead = listen(seconds_ago=-30)
    stamp()
    assert stamped_at() == ahead
    assert not ListeningGap.objects.exists()


@pytest.mark.django_db
def test_a_gap_that_still_lasts_counts_for_readers():
    before = listen(seconds_ago=60)
    now = database_now()
    (gap,) = current_gaps(now=now, since=now - timedelta(hours=1))
    assert (gap.started_at, gap.ended_at) == (before, now)
    listen()
    assert current_gaps(now=database_now(), since=before) == []


@pytest.mark.django_db(transaction=True)
def test_processes_that_return_together_record_one_gap():
    before = listen(seconds_ago=600)
    at_once(*[stamp] * 6)
    gap = ListeningGap.objects.get()
    assert gap.started_at == before
    assert gap.ended_at - before >= timedelta(seconds=600)


@pytest.mark.django_db(transaction=True)
def test_a_recorder_stamps_by_itself_and_its_boot_is_a_gap(team):
    (monitor,) = make_monitors(team, 1)
    before = listen(seconds_ago=30)

    async def main() -> None:
        async with recorders(1) as (recorder,):
            await recorder.record(Push(fail=False, monitor=monitor.pk))
            with session() as other:
                query = "SELECT count(*) FROM monitors_listeningstamp WHERE at > %s"
                seen: list[object] = []
                while len(seen) < 2:
                    await asyncio.sleep(0.02)
                    at = other.execute("SELECT at FROM monitors_listeningstamp").fetchone()
                    assert at
                    if at[0] > before and at[0] not in seen:
                        seen.append(at[0])
                assert other.execute(query, [before]).fetchone() == (1,)

    asyncio.run(asyncio.wait_for(main(), 10))
    assert ListeningGap.objects.get().started_at == before


@pytest.mark.django_db(transaction=True)
def test_a_recorder_that_cannot_commit_does_not_say_that_it_listens(team):
    """While every push is refused, nobody's silence is their own."""
    (monitor,) = make_monitors(team, 1)
    query = "SELECT at FROM monitors_listeningstamp"

    async def push_once(recorder: Recorder) -> bool:
        with contextlib.suppress(NotStored):
            return bool(await recorder.record(Push(fail=False, monitor=monitor.pk)))
        return False

    async def main() -> None:
        async with recorders(1) as (recorder,):
            assert await push_once(recorder)
            with session() as blocker, session() as reader:
                blocker.execute("BEGIN")
                blocker.execute("LOCK TABLE monitors_pushresult IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(0.6)  # one stamp may be on its way, and is true
                held = reader.execute(query).fetchone()
                loop = asyncio.get_running_loop()
                until = loop.time() + 2.2
                while loop.time() < until:
                    waiting = asyncio.create_task(push_once(recorder))  # callers come again
                    await asyncio.wait([waiting], timeout=0.2)
                assert reader.execute(query).fetchone() == held
                blocker.execute("ROLLBACK")
            await asyncio.sleep(0.6)
            assert await push_once(recorder)

    asyncio.run(asyncio.wait_for(main(), 10))


@pytest.mark.django_db(transaction=True)
def test_a_restart_of_ours_pages_nobody_who_is_healthy(team):
    """S3, S10: away for 10 minutes, then the sweep comes back before anybody can push."""
    monitors = make_monitors(team, 50, interval=3, silent_after=6)
    for monitor in monitors:
        push(monitor)
        age(monitor, 602)
    listen(seconds_ago=600)
    assert sweep() == 0  # nobody listens yet
    stamp()  # the first recorder is there
    assert sweep() == 0
    for monitor in monitors[1:]:
        push(monitor)  # they come again within their windows
    fresh = heartbeat(monitors[0]).check_at
    assert timedelta(seconds=3) < fresh - stamped_at() <= timedelta(seconds=6)
    ListeningStamp.objects.update(at=fresh)  # six seconds on: one of them really died
    Heartbeat.objects.exclude(monitor=monitors[0]).update(check_at=fresh + timedelta(seconds=1))
    assert sweep() == 1
    assert transitions(monitors[0])[-1] == ("up", "down", "silence")
    assert advance()[0] == 51


@pytest.mark.django_db
def test_the_sweep_waits_for_a_listener(team):
    """S4: only ingest is down, the sweep goes on running."""
    (monitor,) = make_monitors(team, 1)
    push(monitor)
    age(monitor, 3600)
    listen(seconds_ago=3590)
    for _ in range(3):
        assert sweep() == 0
    assert heartbeat(monitor).state == "up"
    stamp()
    assert sweep() == 0  # the time in which nobody could listen is not its silence
    assert heartbeat(monitor).check_at > database_now()
