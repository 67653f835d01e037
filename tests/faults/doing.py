"""What fault tests do to an installation, and what they watch meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from config.installation import PROJECT
from config.procfile import program_environment, read_procfile
from tests.faults.invariants import query
from tests.providers import Provider
from tests.system.whole import Whole, until

FULL = os.environ.get("TOCSIN_FAULTS") == "full"
LEASE_SECONDS = 30  # incidents.delivery.outbox: how long a dead sender holds a message
PROGRAMS = ("worker-engine-1", "worker-deliver-1", "beat", "standby", "web-1", "ingest-1")
Monitor = dict[str, Any]

# When each of these monitors first went down.
WENT_DOWN = """
SELECT m.name, min(t.at) FROM monitors_transition t JOIN monitors_monitor m ON m.id = t.monitor_id
WHERE t.to_state = 'down' AND m.id = ANY(%s) GROUP BY m.name
"""


def long_or_short(variable: str, *, full: int, short: int) -> int:
    """Return what the environment says, else what the length of the whole run implies."""
    return int(os.environ.get(variable) or (full if FULL else short))


def route(whole: Whole, name: str, url: str, *, kind: str = "webhook") -> str:
    """Send the incidents of monitors whose names begin so to a receiver; return its channel."""
    body = {"name": name, "kind": kind, "config": {"url": url}}
    channel = str(whole.api("POST", "channels", body, expect=201)["id"])
    rule = {"name": name, "position": 0, "match": {"names": [f"{name}*"]}, "channels": [channel]}
    whole.api("POST", "alert-rules", rule, expect=201)
    return channel


def told(receiver: Provider, event: str = "incident.opened") -> list[str]:
    """Return the names of the monitors that the receiver was told of, once for each message."""
    bodies = [got.json for got in list(receiver.got)]
    return [body["data"]["monitor"]["name"] for body in bodies if body["type"] == event]


def keys(receiver: Provider) -> list[str]:
    """Return the idempotency key of each message that arrived."""
    return [got.headers["webhook-id"] for got in list(receiver.got)]


def lateness(whole: Whole, receiver: Provider, monitors: Iterable[Monitor]) -> dict[str, float]:
    """Return for each monitor that went down how many seconds later the receiver first heard of it.

    From the database's clock to the receiver's, on one machine.
    """
    ids = [monitor["id"] for monitor in monitors]
    down: dict[str, datetime] = dict(query(whole.data, WENT_DOWN, [ids]))  # type: ignore[arg-type]
    heard: dict[str, float] = {}
    for got in list(receiver.got):
        if got.json["type"] == "incident.opened":
            heard.setdefault(got.json["data"]["monitor"]["name"], got.at)
    return {name: heard.get(name, float("inf")) - at.timestamp() for name, at in down.items()}


def settle(whole: Whole) -> None:
    """Wait until the API answers again and again, whichever process and thread is asked."""
    bearer = {"Authorization": f"Bearer {whole.key}"}

    def answers() -> bool:
        seen = {whole.request("GET", "/api/v1/monitors", None, bearer).status for _ in range(30)}
        assert seen <= {200, 503}, seen
        return seen == {200}

    until(answers, "the API as it was", seconds=60)


def assert_never_down(whole: Whole, monitors: Iterable[Monitor]) -> None:
    """Say which of these monitors ever had an incident."""
    statement = "SELECT monitor_name, down_since FROM incidents_incident WHERE monitor_id = ANY(%s)"
    assert query(whole.data, statement, [[monitor["id"] for monitor in monitors]]) == []


def retire(whole: Whole, monitors: Iterable[Monitor]) -> None:
    """Pause monitors that nobody pushes to any more."""
    for monitor in monitors:
        whole.api("POST", f"monitors/{monitor['id']}/pause", {})


def signal_all(whole: Whole, name: str, number: int) -> bool:
    """Signal a program and its children, a server's workers; return whether it was there."""
    pid = whole.pid(name)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)  # each program has a session of its own
            return True
    return False


@contextlib.contextmanager
def frozen(whole: Whole, *names: str) -> Iterator[None]:
    """Stop programs by SIGSTOP for the length of the block."""
    pids = {name: whole.pid(name) for name in names}
    assert all(pids.values()), pids
    for name in names:
        signal_all(whole, name, signal.SIGSTOP)
    try:
        yield
    finally:
        for name, pid in pids.items():
            if whole.pid(name) == pid:
                signal_all(whole, name, signal.SIGCONT)


@contextlib.contextmanager
def beside(
    whole: Whole, *names: str, **environment: str
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run further programs of the Procfile on the installation's servers."""
    commands = {
        program.name.removesuffix("-1"): program.command
        for program in read_procfile(PROJECT, environment={})
    }
    # Nothing of the servers that the suite itself has started.
    surroundings = {
        **whole.environment,
        "PATH": program_environment({})["PATH"],
        "STATIC_ROOT": str(whole.data / "static"),
        **environment,
    }
    running = []
    try:
        for name in names:
            with (whole.data / "run" / f"beside-{name}.log").open("ab") as log:
                running.append(
                    subprocess.Popen(
                        commands[name],
                        cwd=PROJECT,
                        env=surroundings,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
