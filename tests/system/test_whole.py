"""The promises that only the whole can keep: killed, hung, restarted, it loses nothing."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.providers import Provider
from tests.system.whole import Load, Whole, running, until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with running() as installation:
        yield installation


def test_a_silence_and_a_fail_are_told_by_mail(whole: Whole) -> None:
    monitor = whole.monitor("fleet", silent_after=5, interval=5)
    assert whole.push(monitor).json["state"] == "up"
    [incident] = until(lambda: whole.incidents(monitor), "silence", seconds=9)
    assert incident["cause"] == "silence"
    until(lambda: any("fleet" in str(m["Subject"]) for m in whole.mails()), "mail", seconds=5)
    assert whole.push(monitor, "fail", message="queue 12000").json["state"] == "down"
    assert whole.push(monitor).json["state"] == "up"
    until(lambda: not whole.incidents(monitor), "resolved", seconds=5)
    assert whole.push(monitor, "fail").status == 201
    [again] = until(lambda: whole.incidents(monitor), "fail", seconds=5)
    assert (again["cause"], again["previous"]) == ("failure", incident["id"])
    whole.push(monitor)
    whole.api("POST", f"monitors/{monitor['id']}/pause", {})


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
def test_pages_go_out_without_a_broker(whole: Whole, fault: signal.Signals) -> None:
    name = f"without-{fault.name.lower()}"
    monitor = whole.monitor(name, silent_after=3600)
    with Provider() as receiver:
        hook = whole.api(
            "POST",
            "channels",
            {"name": name, "kind": "webhook", "config": {"url": receiver.url}},
            expect=201,
        )
        rule = {"name": name, "position": 0, "match": {"names": [name]}, "channels": [hook["id"]]}
        whole.api("POST", "alert-rules", rule, expect=201)
        whole.push(monitor)
        hung = whole.pid("valkey")
        whole.signal("valkey", fault)
        try:
            started = time.monotonic()
            assert whole.push(monitor, "fail").status == 201
            assert time.monotonic() - started < 1
            until(lambda: receiver.got, "the page", seconds=15)
        finally:
            if fault is signal.SIGSTOP and hung == whole.pid("valkey"):
                whole.signal("valkey", signal.SIGCONT)
        until(whole.is_ready, "ready again", seconds=30)


def test_killing_each_process_under_load_loses_no_answered_push(whole: Whole) -> None:
    monitors = [whole.monitor(f"load-{n}", silent_after=3600) for n in range(8)]
    dead = whole.monitor("dead", silent_after=8)
    whole.push(dead)
    with Load(whole, monitors) as load:
        for name in ("worker-engine-1", "worker-deliver-1", "beat", "standby", "web-1", "ingest-1"):
            whole.signal(name, signal.SIGKILL)
            time.sleep(0.7)
        until(lambda: whole.incidents(dead), "the silence of the dead one", seconds=40)
        until(whole.is_ready, "ready again", seconds=30)
    assert load.stored
    assert not load.bad
    assert not load.lost()


def test_a_crash_of_the_database_under_load_loses_no_answered_push(whole: Whole) -> None:
    monitors = [whole.monitor(f"crash-{n}", silent_after=3600) for n in range(4)]
    with Load(whole, monitors) as load:
        time.sleep(0.5)
        whole.signal("postgres", signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
        time.sleep(0.3)
        before = len(load.stored)
        until(lambda: len(load.stored) > before + 20, "pushes stored again", seconds=30)
    until(whole.is_ready, "ready again", seconds=30)
    assert not load.bad
    assert not load.lost()


def test_ending_a_web_process_gently_refuses_nobody(whole: Whole) -> None:
    monitors = [whole.monitor(f"gentle-{n}", silent_after=3600) for n in range(4)]
    with Load(whole, monitors) as load:
        time.sleep(0.5)
        whole.signal("web-1", signal.SIGTERM)
        time.sleep(3)
    assert not load.bad
    assert not load.lost()


def test_a_restart_pages_no_healthy_monitor(whole: Whole) -> None:
    healthy = [whole.monitor(f"healthy-{n}", silent_after=6, interval=2) for n in range(5)]
    dead = whole.monitor("really-dead", silent_after=6, interval=2)
    for monitor in [*healthy, dead]:
        assert whole.push(monitor).status == 201
    whole.stop()
    time.sleep(5)
    whole.start()
    stopping = threading.Event()

    def keep_pushing() -> None:
        while not stopping.wait(1):
            for monitor in healthy:
                whole.push(monitor)

    thread = threading.Thread(target=keep_pushing, daemon=True)
    thread.start()
    try:
        until(lambda: whole.incidents(dead), "the one that died", seconds=20)
    finally:
        stopping.set()
        thread.join(10)
    for monitor in healthy:
        assert not whole.incidents(monitor, "open")
        assert not whole.incidents(monitor, "resolved")


def test_no_slug_and_no_token_is_in_a_log(whole: Whole) -> None:
    monitor = whole.monitor("secretive")
    path = f"/api/push/{monitor['slug']}/results"
    whole.request("POST", path, {"status": "nonsense"})
    whole.request("POST", path, {"status": "pass"}, {"Authorization": f"Bearer {monitor['token']}"})
    whole.request("POST", f"/api/push/{monitor['slug']}/nothing?x={monitor['slug']}", {})
    secrets = f"{monitor['slug']}|{monitor['token']}|{whole.key}"
    places = [str(whole.data / "run"), str(whole.data / "up.log")]
    found = subprocess.run(
        ["grep", "-rlE", secrets, *places],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
