"""Processes that are killed, ended, or there twice."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.faults.conftest import Report
from tests.faults.doing import (
    FULL,
    LEASE_SECONDS,
    PROGRAMS,
    beside,
    lateness,
    long_or_short,
    retire,
    route,
    signal_all,
    told,
)
from tests.faults.invariants import query
from tests.faults.pressing import Pressed
from tests.providers import Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
SECONDS = long_or_short("TOCSIN_FAULT_SECONDS", full=600, short=30)
RATE = long_or_short("TOCSIN_FAULT_RATE", full=500, short=500)
# What of the rate has to be answered although both servers die again and again; a machine that has
# other work to do as well takes longer to start them.
ANSWERED_SHARE = 0.5 if FULL else 0.25
SERVERS = {"valkey": signal.SIGKILL, "postgres": signal.SIGQUIT}  # pg_ctl stop -m immediate
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
VICTIMS = {**dict.fromkeys(PROGRAMS, signal.SIGKILL), **SERVERS}


@pytest.mark.timeout(SECONDS + 400)
def test_random_kills_under_load_lose_no_push_and_no_page(
    whole: Whole, receiver: Provider, answered: set[tuple[str, str]], report: Report
) -> None:
    dice = random.Random(7)
    load = [whole.monitor(f"kills-load-{n}", silent_after=3600) for n in range(50)]
    pages = [whole.monitor(f"kills-page-{n}", silent_after=3600) for n in range(SECONDS // 2 + 8)]
    route(whole, "kills-page", receiver.url)
    waiting, failed, bag, killed = iter(pages), [], [], 0
    with Pressed(whole, load, rate=RATE) as pressed:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and (monitor := next(waiting, None)):
            until(lambda m=monitor: whole.push(m, "fail").status == 201, "the fail", seconds=30)
            failed.append(monitor)
            bag = bag or dice.sample(sorted(VICTIMS), len(VICTIMS))
            victim = bag.pop()
            killed += signal_all(whole, victim, VICTIMS[victim])
            time.sleep(dice.uniform(0.5, 3))
        names = {monitor["name"] for monitor in failed}
        until(lambda: names <= set(told(receiver)), "every page", seconds=LEASE_SECONDS + 30)
    late = lateness(whole, receiver, failed)
    answered |= pressed.answered
    report(
        f"{killed} killed in {SECONDS} s; {len(pressed.answered):,} pushes answered, "
        f"{pressed.per_second:.0f}/s, {pressed.unanswered} cut off, statuses {pressed.statuses}; "
        f"{len(late)} pages, the last {max(late.values()):.1f} s after its fail"
    )
    assert set(late) == names
    assert max(late.values()) < LEASE_SECONDS + 5, late
    pressed.assert_honest()
    assert pressed.per_second > RATE * ANSWERED_SHARE
    retire(whole, failed)


def test_ending_each_process_gently_refuses_nobody(
    whole: Whole, answered: set[tuple[str, str]]
) -> None:
    load = [whole.monitor(f"gentle-{n}", silent_after=3600) for n in range(10)]
    with Pressed(whole, load, rate=100) as pressed:
        for name in PROGRAMS:
            before = whole.pid(name)
            whole.signal(name, signal.SIGTERM)
            until(lambda n=name, b=before: whole.pid(n) not in {b, None}, f"{name} again")
            began = pressed.count()
            until(lambda b=began: pressed.count() > b + 50, "pushes meanwhile")
    answered |= pressed.answered
    assert set(pressed.statuses) == {"201"}, "none is answered 5xx"


def test_two_of_everything_page_once(whole: Whole, receiver: Provider) -> None:
    route(whole, "twice", receiver.url)
    silent = whole.monitor("twice-silent", silent_after=5, interval=5)
    failing = [whole.monitor(f"twice-{n}", silent_after=3600) for n in range(8)]
    workers = ["worker-engine", "worker-deliver"]
    [(sessions,)] = query(whole.data, SESSIONS)
    with beside(whole, "beat", "standby", *workers * 3) as doubles:
        until(lambda: query(whole.data, SESSIONS)[0][0] > sessions + 4, "they work", seconds=60)
        whole.push(silent)
        for monitor in failing:
            whole.push(monitor, "fail")
        names = {monitor["name"] for monitor in [silent, *failing]}
        until(lambda: names <= set(told(receiver)), "every page", seconds=30)
        for monitor in [silent, *failing]:
            whole.push(monitor)
        until(lambda: len(told(receiver, "incident.resolved")) >= 9, "recoveries", seconds=30)
        assert [process.poll() for process in doubles] == [None] * len(doubles)
        whole.api("POST", f"monitors/{silent['id']}/pause", {})
    assert sorted(told(receiver)) == sorted(names)
    assert sorted(told(receiver, "incident.resolved")) == sorted(names)
    for monitor in [silent, *failing]:
        assert len(whole.incidents(monitor, "resolved")) == 1
