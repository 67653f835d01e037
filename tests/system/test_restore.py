"""The drill of docs/operations.md: a backup, a failure, and the database of a moment before it.

The commands are those of the document, word for word. Going back pages nobody who is well, nobody
a second time, and still finds who died.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config import postgres
from config.installation import PROJECT, Layout
from config.sysuser import Owner
from tests.faults.doing import keys, route, told
from tests.faults.invariants import assert_sound, query
from tests.providers import Provider
from tests.system.whole import Whole, running, until

pytestmark = pytest.mark.system
DOCUMENT = (PROJECT / "docs" / "operations.md").read_text()
STORED = "SELECT id FROM monitors_pushresult"
NOW = "SELECT clock_timestamp()::text"


def documented(name: str) -> str:
    """Return the commands of the document that are marked with this name."""
    [block] = re.findall(rf"```sh\n# drill: {name}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(block)


class Services:
    """Healthy services: each pushes every few seconds, and comes again if nobody answers."""

    def __init__(self, whole: Whole, monitors: Sequence[dict[str, Any]], *, every: float) -> None:
        self.answered: set[str] = set()  # ids of results
        self._whole, self._monitors, self._every = whole, monitors, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Services:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            for monitor in self._monitors:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answer = self._whole.push(monitor)
                    if answer.status == 201:
                        self.answered.add(answer.json["id"])


@dataclass
class Database:
    """The server of an installation, as the user whom it runs as sees it."""

    layout: Layout
    owner: Owner
    programs: Path
    place: Path

    @classmethod
    def of(cls, whole: Whole) -> Database:
        layout = Layout(whole.data)
        command, owner = postgres.command(layout)
        return cls(layout, owner, Path(command[0]).parent, layout.postgres)

    def run(self, script: str, **variables: str) -> None:
        environment = {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "LC_ALL": "C",
            "PGHOST": str(self.layout.postgres_socket),
            "PGUSER": "tocsin",
            "PGDATABASE": "tocsin",
            "PGDATA": str(self.layout.cluster),
            "ARCHIVE": str(self.place / "archive"),
            "BACKUP": str(self.place / "backup"),
            **variables,
        }
        log = self.layout.data / "drill.log"  # not a pipe: the server would hold it open
        with log.open("wb") as output:
            done = subprocess.run(
                ["/bin/sh", "-euc", script],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                umask=0o077,
                check=False,
                timeout=120,
                **self.owner.popen_arguments(),
            )
        assert done.returncode == 0, log.read_text()


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with running() as installation:
        yield installation


def pages(receiver: Provider, name: str) -> int:
    return told(receiver).count(name)


def recoveries(receiver: Provider, name: str) -> int:
    return told(receiver, "incident.resolved").count(name)


@pytest.mark.timeout(400)
def test_going_back_pages_nobody_who_is_well_and_nobody_twice(whole: Whole) -> None:
    database = Database.of(whole)
    database.run('mkdir "$ARCHIVE" "$BACKUP"')
    database.run(documented("archive"))
    whole.stop()
    whole.start()
    with Provider() as receiver:
        route(whole, "drill", receiver.url)
        healthy = [whole.monitor(f"drill-{n}", silent_after=15, interval=5) for n in range(20)]
        daily = whole.monitor("drill-daily", silent_after=90_000, interval=86_400)
        dying = whole.monitor("drill-dying", silent_after=15, interval=5)
        told_before, under_way, after = (
            whole.monitor(f"drill-{name}", silent_after=86_400)
            for name in ("told-before", "under-way", "after")
        )
        failing = [told_before, under_way, after]
        for monitor in (*failing, daily, dying):
            assert whole.push(monitor).status == 201
        with Services(whole, healthy, every=3) as services:
            database.run(documented("base"))
            whole.push(told_before, "fail")
            until(lambda: pages(receiver, "drill-told-before"), "the first page")
            receiver.answer = lambda n: 503
            whole.push(under_way, "fail")
            until(lambda: pages(receiver, "drill-under-way"), "a try of the second page")
            whole.push(dying)  # and never again
            time.sleep(1)
            kept = set(services.answered)
            [(target,)] = query(whole.data, NOW)
            receiver.answer = lambda n: 200
            time.sleep(1)
            tries = pages(receiver, "drill-under-way")
            until(lambda: pages(receiver, "drill-under-way") > tries, "the second page", seconds=60)
            whole.push(daily)  # this one is lost, and not missed
            whole.push(after, "fail")
            until(lambda: pages(receiver, "drill-after"), "the third page")
            whole.stop()
            before = keys(receiver)

            database.run(documented("restore"), TARGET=target)
            after_restore = documented("after").split()
            done = subprocess.run(
                after_restore,
                cwd=PROJECT,
                env=whole.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            said = json.loads(done.stdout)
            database.run("pg_ctl stop --mode=fast --silent")
            whole.start()

            open_then = {each["monitor"] for each in said["open_incidents"]}
            assert open_then == {"drill-told-before", "drill-under-way"}
            assert said["taken_as_sent"] == 1
            until(lambda: whole.incidents(dying), "the one that died", seconds=60)
            until(lambda: pages(receiver, "drill-dying"), "its page", seconds=10)
            time.sleep(5)
            assert told(receiver)[len(before) :] == ["drill-dying"]
            for monitor in (*healthy, daily, after):
                assert whole.incidents(monitor) == []
                assert whole.incidents(monitor, "resolved") == []
            assert kept - {str(row) for (row,) in query(whole.data, STORED)} == set()
            # Who was told of an outage is told of its end, whoever remembers the telling.
            for monitor in (told_before, under_way):
                whole.push(monitor)
                until(lambda m=monitor: recoveries(receiver, m["name"]) == 1, "its end")  # type: ignore[misc]
    gaps = query(
        whole.data,
        "SELECT count(*) FROM monitors_listeninggap WHERE started_at BETWEEN "
        "%s::timestamptz - interval '2 seconds' AND %s::timestamptz",
        [target, target],
    )
    assert gaps == [(1,)], "from the target on nobody listened"
    whole.api("POST", f"monitors/{dying['id']}/pause", {})
    assert_sound(whole)
