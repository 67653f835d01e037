"""Processes that are killed, ended, or there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from config.installation import PROJECT
from config.procfile import program_environment, read_procfile
from tests.faults.doing import LEASE_SECONDS, route, told
from tests.faults.invariants import assert_sound
from tests.providers import Provider
from tests.system.whole import Load, Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
SECONDS = int(os.environ.get("TOCSIN_FAULT_SECONDS", "20"))
VICTIMS = ("worker-engine-1", "worker-deliver-1", "beat", "standby", "web-1", "ingest-1")


def test_random_kills_under_load_lose_no_push_and_no_page(whole: Whole, receiver: Provider) -> None:
    dice = random.Random(7)
    monitors = [whole.monitor(f"killed-load-{n}", silent_after=3600) for n in range(6)]
    route(whole, "killed-page", receiver.url)
    sent: dict[str, float] = {}
    with Load(whole, monitors) as load:
        until_ = time.monotonic() + SECONDS
        while time.monotonic() < until_:
            name = f"killed-page-{len(sent)}"
            monitor = whole_monitor(whole, name)
            until(lambda m=monitor: whole.push(m, "fail").status == 201, "the fail", seconds=20)
            sent[name] = time.time()
            victim = dice.choice(VICTIMS)
            if whole.pid(victim):
                whole.signal(victim, signal.SIGKILL)
            time.sleep(dice.uniform(0.3, 1.5))
        until(lambda: set(told(receiver)) >= set(sent), "every page", seconds=LEASE_SECONDS + 10)
    assert not load.bad
    assert_sound(whole, load.stored)
    arrived = {}
    for got in receiver.got:
        if got.json["type"] == "incident.opened":
            arrived.setdefault(got.json["data"]["monitor"]["name"], got.at)
    late = {name: arrived[name] - at for name, at in sent.items()}
    assert max(late.values()) < LEASE_SECONDS + 5, late


def whole_monitor(whole: Whole, name: str) -> dict[str, object]:
    """Make a monitor although the process that is asked may just have been killed."""

    def make() -> dict[str, object] | None:
        body = {"name": name, "silent_after": 3600}
        bearer = {"Authorization": f"Bearer {whole.key}", "Idempotency-Key": name}
        answer = whole.request("POST", "/api/v1/monitors", body, bearer)
        return answer.json if answer.status == 201 else None

    return until(make, f"monitor {name}", seconds=20)


def test_ending_each_process_gently_refuses_nobody(whole: Whole) -> None:
    monitors = [whole.monitor(f"gentle-{n}", silent_after=3600) for n in range(4)]
    with Load(whole, monitors) as load:
        for name in VICTIMS:
            whole.signal(name, signal.SIGTERM)
            time.sleep(2)
    assert load.stored
    assert not load.bad
    assert_sound(whole, load.stored)


@pytest.fixture
def doubles(whole: Whole) -> Iterator[None]:
    """Run a second beat, a second standby, and two more workers of each kind."""
    programs = {
        each.name.removesuffix("-1"): each.command
        for each in read_procfile(PROJECT, environment={})
    }
    more = ["beat", "standby", *["worker-engine", "worker-deliver"] * 2]
    environment = program_environment(whole.environment)
    running = [
        subprocess.Popen(
            programs[name],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in more
    ]
    time.sleep(4)
    assert [process.poll() for process in running] == [None] * len(running)
    yield
    for process in running:
        process.terminate()
    for process in running:
        process.wait(25)


def test_two_of_everything_page_once(whole: Whole, receiver: Provider, doubles: None) -> None:
    route(whole, "twice", receiver.url)
    silent = whole.monitor("twice-silent", silent_after=5, interval=5)
    failing = [whole.monitor(f"twice-{n}", silent_after=3600) for n in range(8)]
    whole.push(silent)
    for monitor in failing:
        whole.push(monitor, "fail")
    names = {monitor["name"] for monitor in [silent, *failing]}
    until(lambda: set(told(receiver)) >= names, "every page", seconds=20)
    for monitor in failing:
        whole.push(monitor)
    until(lambda: len(told(receiver, "incident.resolved")) >= 8, "every recovery", seconds=20)
    time.sleep(2)
    assert sorted(told(receiver)) == sorted(names)
    assert len(told(receiver, "incident.resolved")) == 8
    assert all(len(whole.incidents(monitor, "resolved")) == 1 for monitor in failing)
    assert_sound(whole)
