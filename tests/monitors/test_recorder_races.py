"""Many recorders, one database: nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from incidents.lifecycle.lanes import advance
from incidents.models import Incident
from monitors.ingest.push import Answer, NotStored, Push, TooManyWaiting
from monitors.ingest.recorder import MOST_WAITING_PER_MONITOR, Recorder
from monitors.models import Monitor, PushReceipt, PushResult, Transition
from monitors.services import rotate_slug
from tests.monitors.pushing import (
    assert_chained,
    heartbeat,
    listen,
    make_monitors,
    recorders,
    results,
    slug_of,
    transitions,
)
from tests.racing import session, wait_for_lock

pytestmark = pytest.mark.django_db(transaction=True)
Scenario = Callable[[list[Recorder]], Coroutine[Any, Any, Any]]


def run(count: int, scenario: Scenario, **options: Any) -> Any:
    """Run a scenario with that many recorders; return what it returns."""

    async def main() -> Any:
        async with recorders(count, **options) as running:
            return await asyncio.wait_for(scenario(running), 30)

    return asyncio.run(main())


def a_push(monitor: Monitor, status: str = "pass", **fields: Any) -> Push:
    return Push(fail=status == "fail", monitor=monitor.pk, **fields)


def test_four_recorders_on_shared_monitors_keep_every_chain(team):
    """I12: each transition starts from where the last one ended."""
    monitors = make_monitors(team, 200, failures_to_open=2)
    chance = random.Random(12)
    pushes = [a_push(chance.choice(monitors), chance.choice(["pass", "fail"])) for _ in range(4000)]

    async def scenario(running: list[Recorder]) -> list[Answer | None]:
        return await asyncio.gather(*(running[n % 4].record(push) for n, push in enumerate(pushes)))

    answers = run(4, scenario)
    assert all(answer is not None for answer in answers)
    with scopes_disabled():
        assert PushResult.objects.count() == len(pushes)
        changes = Transition.objects.order_by("id")
        ends: dict[Any, str] = {}
        for change in changes:
            assert change.from_state == ends.get(change.monitor_id, "pending")
            ends[change.monitor_id] = change.to_state
    assert len(changes) > 400, "too calm to prove anything"
    for monitor in monitors[::20]:
        assert_chained(monitor)
        assert heartbeat(monitor).last_push_at == max(row.received_at for row in results(monitor))


def test_the_first_hundred_pushes_of_a_monitor_are_one_transition(team):
    """I11, over four recorders, at most 32 of which may wait in each."""
    (monitor,) = make_monitors(team, 1)

    async def scenario(running: list[Recorder]) -> list[Any]:
        return await asyncio.gather(*(running[n % 4].record(a_push(monitor)) for n in range(100)))

    answers = run(4, scenario)
    assert {answer.state for answer in answers} == {"up"}
    assert len({answer.id for answer in answers}) == 100
    assert len(results(monitor)) == 100
    assert transitions(monitor) == [("pending", "up", None)]
    assert heartbeat(monitor).consecutive_passes == 100


def test_a_hundred_fails_at_once_open_one_incident(team):
    """I1."""
    (monitor,) = make_monitors(team, 1)

    async def scenario(running: list[Recorder]) -> None:
        await asyncio.gather(*(running[n % 4].record(a_push(monitor, "fail")) for n in range(100)))

    run(4, scenario)
    advance()
    advance()
    with scopes_disabled():
        assert Incident.objects.filter(monitor_id=monitor.pk).count() == 1
    assert len(results(monitor)) == 100
    assert heartbeat(monitor).consecutive_fails == 100


def test_pushes_of_one_monitor_are_kept_in_the_order_of_their_arrival(team):
    monitors = make_monitors(team, 5)

    async def scenario(running: list[Recorder]) -> None:
        await asyncio.gather(
            *(
                running[0].record(a_push(monitor, message=str(n)))
                for n in range(30)
                for monitor in monitors
            )
        )

    run(1, scenario)
    for monitor in monitors:
        assert [row.message for row in results(monitor)] == [str(n) for n in range(30)]


def test_repeats_at_the_same_moment_are_stored_once(team):
    monitors = make_monitors(team, 3)

    async def scenario(running: list[Recorder]) -> list[list[Answer]]:
        return [
            await asyncio.gather(
                *(running[n % 4].record(a_push(monitor, receipt="job")) for n in range(24))
            )
            for monitor in monitors
        ]

    for monitor, answers in zip(monitors, run(4, scenario), strict=True):
        assert len(set(map(repr, answers))) == 1
        assert [row.id for row in results(monitor)] == [answers[0].id]
    with scopes_disabled():
        assert PushReceipt.objects.count() == 3


def test_repeats_in_a_batch_do_not_touch_the_others(team):
    monitors = make_monitors(team, 40)

    async def scenario(running: list[Recorder]) -> list[Answer]:
        return await asyncio.gather(
            *(
                running[n % 2].record(a_push(monitor, receipt="r" if m % 2 else None))
                for n in range(4)
                for m, monitor in enumerate(monitors)
            )
        )

    assert None not in run(2, scenario)
    assert [len(results(monitor)) for monitor in monitors] == [4, 1] * 20


def test_an_old_and_a_new_slug_in_one_batch_are_both_stored(team):
    (monitor,) = make_monitors(team, 1)
    old = slug_of(monitor)
    rotate_slug(monitor=monitor, keep_old_for_seconds=60)
    keys = [{"slug": old}, {"slug": slug_of(monitor)}, {"monitor": monitor.pk}]

    async def scenario(running: list[Recorder]) -> list[Answer | None]:
        pushes = [Push(fail=False, **key) for _ in range(5) for key in keys]
        return await asyncio.gather(*map(running[0].record, pushes))

    answers = run(1, scenario)
    assert all(answers)
    assert len(results(monitor)) == 15
    assert transitions(monitor) == [("pending", "up", None)]


def test_an_unknown_slug_in_a_batch_is_nobodys(team):
    (monitor,) = make_monitors(team, 1)

    async def scenario(running: list[Recorder]) -> list[Answer | None]:
        slugs = ["0" * 12, slug_of_it, "1" * 12]
        return await asyncio.gather(
            *(running[0].record(Push(fail=False, slug=slug)) for slug in slugs)
        )

    slug_of_it = slug_of(monitor)
    answers = run(1, scenario)
    assert [answer is None for answer in answers] == [True, False, True]


def test_more_than_32_waiting_pushes_of_one_monitor_are_too_many(team):
    busy, calm = make_monitors(team, 2)

    async def scenario(running: list[Recorder]) -> list[Any]:
        futures = [running[0].submit(a_push(busy)) for _ in range(MOST_WAITING_PER_MONITOR)]
        with pytest.raises(TooManyWaiting):
            running[0].submit(a_push(busy))
        futures.append(running[0].submit(a_push(calm)))
        answers = await asyncio.gather(*futures)
        answers.append(await running[0].record(a_push(busy)))  # there is room again
        return answers

    assert len(run(1, scenario)) == MOST_WAITING_PER_MONITOR + 2
    assert len(results(busy)) == MOST_WAITING_PER_MONITOR + 1


def test_poison_in_a_batch_fails_alone(team):
    """A row that only the database refuses (no view lets a NUL pass) costs no other anything."""
    monitors = make_monitors(team, 60)

    async def scenario(running: list[Recorder]) -> list[Any]:
        return await asyncio.gather(
            *(
                running[0].record(a_push(monitor, message="\x00" if n in {7, 41} else "fine"))
                for n, monitor in enumerate(monitors)
            ),
            return_exceptions=True,
        )

    answers = run(1, scenario)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, NotStored)] == [7, 41]
    assert [len(results(monitor)) for monitor in monitors].count(1) == 58
    assert heartbeat(monitors[7]).state == "pending"


def test_a_row_that_somebody_holds_costs_its_own_push_and_delays_no_other(team):
    monitors = make_monitors(team, 16)

    async def scenario(running: list[Recorder]) -> list[bool]:
        with session() as holder:
            holder.execute("BEGIN")
            holder.execute(
                "SELECT 1 FROM monitors_heartbeat WHERE monitor_id = %s FOR UPDATE",
                [monitors[3].pk],
            )
            futures = [running[0].submit(a_push(monitor)) for monitor in monitors]
            await asyncio.wait(futures, timeout=4)
            answered = [future.done() for future in futures]
            holder.execute("ROLLBACK")
            await asyncio.gather(*futures, return_exceptions=True)
            return answered

    answered = run(1, scenario)
    assert all(answered[:3] + answered[4:])


def hold(holder: Any, monitor: Any) -> None:
    holder.execute("BEGIN")
    holder.execute(
        "SELECT 1 FROM monitors_heartbeat WHERE monitor_id = %s FOR UPDATE", [monitor.pk]
    )


def test_pushes_wait_aside_for_a_row_that_is_held_and_keep_their_order(team):
    busy, other = make_monitors(team, 2)

    async def scenario(running: list[Recorder]) -> list[Answer | None]:
        with session() as holder:
            hold(holder, busy)
            waiting = [running[0].submit(a_push(busy)) for _ in range(3)]
            for _ in range(20):  # longer than the patience of one statement
                assert await running[0].record(a_push(other)) is not None
                await asyncio.sleep(0.03)
            waiting += [running[0].submit(a_push(busy)) for _ in range(3)]
            await running[0].record(a_push(other))
            assert not any(future.done() for future in waiting)
            holder.execute("ROLLBACK")
            return await asyncio.gather(*waiting)

    answers = run(1, scenario)
    kept = [row.id for row in results(busy)]
    assert [answer.id for answer in answers if answer] == kept
    assert len(kept) == 6
    assert len(results(other)) == 21


def test_a_row_that_is_held_for_long_costs_its_own_pushes_alone(team):
    busy, other = make_monitors(team, 2)

    async def scenario(running: list[Recorder]) -> None:
        with session() as holder:
            hold(holder, busy)
            waiting = running[0].submit(a_push(busy))
            while not waiting.done():
                assert await running[0].record(a_push(other)) is not None
                await asyncio.sleep(0.02)
            with pytest.raises(NotStored):
                await waiting
            with session() as gaps:
                assert gaps.execute("SELECT count(*) FROM monitors_listeninggap").fetchone() == (0,)
            holder.execute("ROLLBACK")
        assert await running[0].record(a_push(busy)) is not None

    listen()
    run(1, scenario)
    assert len(results(busy)) == 1


def test_a_table_that_is_held_for_a_moment_refuses_nobody(team):
    monitors = make_monitors(team, 5)

    async def scenario(running: list[Recorder]) -> list[Answer | None]:
        with session() as holder:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE monitors_pushresult IN ACCESS EXCLUSIVE MODE")
            waiting = [running[0].submit(a_push(monitor)) for monitor in monitors]
            await asyncio.wait(waiting, timeout=1)
            holder.execute("ROLLBACK")
            return await asyncio.gather(*waiting)

    assert None not in run(1, scenario)


def test_a_receipt_that_is_held_costs_its_own_push_alone(team):
    """A job reuses its key after a day, while old receipts are being deleted."""
    monitors = make_monitors(team, 20)
    run(1, lambda running: running[0].record(a_push(monitors[3], receipt="nightly")))

    async def scenario(running: list[Recorder]) -> list[Any]:
        with session() as holder:
            holder.execute("UPDATE monitors_pushreceipt SET created_at = '2020-01-01'")
            holder.execute("BEGIN")
            holder.execute("DELETE FROM monitors_pushreceipt")
            pushes = [a_push(monitor) for monitor in monitors]
            pushes[3] = a_push(monitors[3], receipt="nightly")
            waiting = [running[0].submit(push) for push in pushes]
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            holder.execute("ROLLBACK")
            return answers

    answers = run(1, scenario)
    assert isinstance(answers.pop(3), NotStored)
    assert all(isinstance(answer, Answer) for answer in answers)


def test_what_cannot_be_stored_says_so_although_a_row_is_held(team):
    """Nobody may be found silent while nothing can be stored, whatever else is held meanwhile."""
    busy, *others = make_monitors(team, 5)
    before = listen()

    async def scenario(running: list[Recorder]) -> Any:
        with session() as holder, session() as reader:
            hold(holder, busy)
            waiting = [running[0].submit(a_push(busy))]
            reader.execute(
                "ALTER TABLE monitors_pushresult ADD CONSTRAINT no_more CHECK (false) NOT VALID"
            )
            try:
                until = asyncio.get_running_loop().time() + 2
                while asyncio.get_running_loop().time() < until:
                    waiting += [running[0].submit(a_push(monitor)) for monitor in others]
                    await asyncio.sleep(0.1)
                at = reader.execute("SELECT at FROM monitors_listeningstamp").fetchone()[0]
            finally:
                reader.execute("ALTER TABLE monitors_pushresult DROP CONSTRAINT no_more")
                holder.execute("ROLLBACK")
            await asyncio.gather(*waiting, return_exceptions=True)
            return at

    assert run(1, scenario, listens=True) - before < timedelta(seconds=1)


def test_a_lost_connection_costs_its_batch_and_the_next_push_works(team):
    busy, other = make_monitors(team, 2)

    async def scenario(running: list[Recorder]) -> tuple[Any, Any]:
        with session() as blocker:
            blocker.execute("BEGIN")
            blocker.execute(
                "SELECT 1 FROM monitors_heartbeat WHERE monitor_id = %s FOR UPDATE", [busy.pk]
            )
            waiting = running[0].submit(a_push(busy))
            pid = None
            while pid is None:
                await asyncio.sleep(0.01)
                row = blocker.execute(
                    "SELECT pid FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
                ).fetchone()
                pid = row and row[0]
            blocker.execute("SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(NotStored):
                await waiting
            blocker.execute("ROLLBACK")
        return await running[0].record(a_push(busy)), await running[0].record(a_push(other))

    assert None not in run(1, scenario)
    assert len(results(busy)) == 1


def test_a_monitor_that_is_deleted_while_its_push_waits_takes_nothing(team):
    doomed, other = make_monitors(team, 2)

    async def scenario(running: list[Recorder]) -> list[Answer | None]:
        with session() as remover:
            remover.execute("BEGIN")
            for table, column in (("heartbeat", "monitor_id"), ("pushkey", "monitor_id")):
                remover.execute(f"DELETE FROM monitors_{table} WHERE {column} = %s", [doomed.pk])
            remover.execute("DELETE FROM monitors_monitor WHERE id = %s", [doomed.pk])
            futures = [running[0].submit(a_push(monitor)) for monitor in (doomed, other)]
            await asyncio.to_thread(wait_for_lock, remover)
            remover.execute("COMMIT")
            return await asyncio.gather(*futures)

    gone, kept = run(1, scenario)
    assert gone is None
    assert kept is not None


def test_a_stopping_recorder_stores_what_waits_and_refuses_what_comes(team):
    monitors = make_monitors(team, 50)

    async def scenario(running: list[Recorder]) -> list[Any]:
        futures = [running[0].submit(a_push(monitor)) for monitor in monitors]
        stopping = asyncio.create_task(running[0].stop())
        await asyncio.sleep(0)
        with pytest.raises(NotStored):
            running[0].submit(a_push(monitors[0]))
        await stopping
        return await asyncio.gather(*futures)

    assert len(run(1, scenario)) == 50
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM monitors_pushresult")
        assert cursor.fetchone()[0] == 50
