"""`make up`: what dies comes back, what is stopped is gone, and the data stays."""

from __future__ import annotations

import os
import pwd
import signal
import sys
from pathlib import Path

import psycopg
import pytest

from config import embedded
from config.sysuser import Owner, may
from tests.ground.installations import PROGRAMS, SERVERS, installed, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_it_runs_everything_apart_stops_by_group_interrupt_and_finds_its_data() -> None:
    with installed() as up:
        up.start()
        pids = up.pids
        assert set(pids) == PROGRAMS | SERVERS
        assert {os.getsid(pid) for pid in pids.values()} == set(pids.values())
        assert f"http://127.0.0.1:{up.port}" in up.output
        with psycopg.connect(up.layout.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        up.stop(lambda make: os.killpg(make, signal.SIGINT))
        assert up.output.rstrip().splitlines()[-1] == "Stopped." or "Interrupt" in up.output
        assert "Traceback" not in up.output
        assert "by force" not in up.output

        up.start()
        with psycopg.connect(up.layout.database_url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        # make alone: an interrupt that it does not pass on
        up.stop(lambda make: os.kill(make, signal.SIGINT))


def test_what_is_killed_comes_back_and_a_killed_supervisor_leaves_nothing() -> None:
    with installed("a-path-too-long-for-a-socket-" + "x" * 90) as up:
        up.start()
        assert embedded.postgres_answers(up.layout.data)
        before = up.pids
        for name in ("web-1", "worker-engine-1", "beat", "valkey", "postgres"):
            os.kill(before[name], signal.SIGKILL)
        for name in ("web-1", "worker-engine-1", "beat", "valkey"):
            until(
                lambda name=name: up.pids.get(name, before[name]) != before[name],
                f"{name} again",
                seconds=2,
            )
        until(lambda: embedded.postgres_answers(up.layout.data), "PostgreSQL again")
        until(lambda: embedded.valkey_answers(up.layout.data), "Valkey again")
        after = up.pids
        assert {n for n in before if before[n] == after[n]} == {
            "ingest-1",
            "worker-deliver-1",
            "standby",
        }
        second = up.launch()
        assert second.wait(10) != 0
        assert "already runs on" in up.output

        processes = up.everyone()
        os.kill(up.supervisor, signal.SIGKILL)
        until(lambda: up.gone(processes), "everything ended with the supervisor", seconds=8)
        until(lambda: up.ended, "make ended", seconds=5)

        up.start()
        up.stop(lambda make: os.kill(make, signal.SIGTERM))


def test_it_stops_when_make_is_killed() -> None:
    with installed() as up:
        up.start()
        up.stop(lambda make: os.kill(make, signal.SIGKILL))


@as_root
def test_an_ordinary_user_runs_it_too() -> None:
    nobody = pwd.getpwnam("nobody")
    owner = Owner(nobody.pw_uid, nobody.pw_gid, "nobody")
    # The interpreter of the suite may lie in a home that is closed to others.
    pythons = [sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"]
    python = next((p for p in pythons if may(owner, Path(p), test="-x")), None)
    if python is None or not may(owner, Path(pytest.__file__), test="-r"):
        pytest.skip("this checkout or its Python is closed to other users")
    with installed(user=nobody.pw_uid) as up:
        up.python = python
        up.start()
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in up.pids.values()} == {nobody.pw_uid}
        assert up.layout.data.stat().st_mode & 0o777 == 0o700
        up.stop(lambda make: os.killpg(make, signal.SIGTERM))


@as_root
def test_under_root_a_closed_directory_stays_closed() -> None:
    with installed("closed/data") as up:
        closed = up.layout.data.parent
        closed.mkdir(mode=0o700)
        up.start()
        assert closed.stat().st_mode & 0o777 == 0o700
        assert (up.layout.data / "postgres").is_symlink()
        assert "its data lives in" in up.output
        with psycopg.connect(up.layout.database_url) as connection:
            connection.execute("CREATE TABLE kept ()")
        up.stop(lambda make: os.kill(make, signal.SIGTERM))
        up.start()
        assert "its data lives in" not in up.output
        with psycopg.connect(up.layout.database_url) as connection:
            connection.execute("SELECT FROM kept")
        up.stop(lambda make: os.kill(make, signal.SIGTERM))


def test_a_port_that_is_taken_is_refused_by_name() -> None:
    with installed() as first, installed() as second:
        first.start()
        second.port = first.port
        process = second.launch()
        assert process.wait(20) != 0
        assert f"port {first.port}" in second.output
        first.stop(lambda make: os.kill(make, signal.SIGTERM))
