"""A small stand-in for the whole: `make up` over a Procfile of plain programs.

The servers, the supervisor and make are the real ones; only the application is small, so that a
test of the ground does not wait for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from config.installation import PROJECT, Layout
from config.processes import read_pid_file, started_ticks

T = TypeVar("T")

SERVER = """
import ctypes, http.server, os, socket, subprocess, sys
if "with-child" in sys.argv:  # as gunicorn has its worker, which ends with it
    subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 15))
class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MANAGE = """
import sys, time
time.sleep(1000 if "standby" in sys.argv else 0)
"""
PROCFILE = """
# like the real one
web: python3 server.py with-child
ingest: python3 server.py
worker-engine: sleep 1000
worker-deliver: sleep 1000
beat: sleep 1000
standby: python3 manage.py standby
"""
MAKEFILE = """
up:
\t@$(RUN_BY) -m config.up --follow-parent --project $(PROJECT)
"""
PROGRAMS = {"web-1", "ingest-1", "worker-engine-1", "worker-deliver-1", "beat", "standby"}
SERVERS = {"postgres", "valkey"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(probe: Callable[[], T], what: str, *, seconds: float = 20) -> T:
    """Return the first truthy answer of `probe`; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """Yield a new directory that every user can pass through, as pytest's own cannot."""
    place = Path(tempfile.mkdtemp(prefix="tocsin-ground-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        for link in [path for path in place.rglob("postgres") if path.is_symlink()]:
            shutil.rmtree(link.resolve(), ignore_errors=True)
        shutil.rmtree(place, ignore_errors=True)


class Up:
    """One data directory and the `make up` that runs on it."""

    def __init__(self, project: Path, data: Path, *, user: int | None = None) -> None:
        self.python = sys.executable
        self.project = project
        self.layout = Layout(data)
        self.port = free_port()
        self.user = user
        self.process: subprocess.Popen[bytes] | None = None
        (project / "server.py").write_text(SERVER)
        (project / "manage.py").write_text(MANAGE)
        (project / "Procfile").write_text(PROCFILE)
        (project / "Makefile").write_text(MAKEFILE)

    def launch(self) -> subprocess.Popen[bytes]:
        """Run make; what it prints goes to `output`."""
        environment = {
            **{k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")},
            "TOCSIN_DATA": str(self.layout.data),
            "PORT": str(self.port),
            "PROJECT": str(self.project),
            "RUN_BY": self.python,
            "PYTHONPATH": sysconfig.get_path("purelib"),
        }
        as_user: dict[str, Any] = {}
        if self.user is not None:
            as_user = {"user": self.user, "group": self.user, "extra_groups": []}
        with (self.project / "output").open("wb") as output:
            return subprocess.Popen(
                ["make", "-s", "-f", str(self.project / "Makefile"), "up"],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **as_user,
            )

    def start(self) -> None:
        self.process = self.launch()
        until(lambda: "is ready" in self.output or self.ended, "ready", seconds=30)
        assert not self.ended, self.output

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def output(self) -> str:
        return (self.project / "output").read_text()

    @property
    def pids(self) -> dict[str, int]:
        """The running processes that the pid files name."""
        files = self.layout.run.glob("*.pid")
        return {path.stem: pid for path in files if (pid := read_pid_file(path))}

    @property
    def supervisor(self) -> int:
        return int((self.layout.run / "up.lock").read_text())

    def everyone(self) -> dict[int, str | None]:
        """All processes below the supervisor, by pid, with what tells them from later ones."""
        found: dict[int, str | None] = {}
        todo = [self.supervisor]
        while todo:
            pid = todo.pop()
            found[pid] = started_ticks(pid)
            with contextlib.suppress(OSError):  # it ends while we look
                for task in Path(f"/proc/{pid}/task").glob("*/children"):
                    todo += map(int, task.read_text().split())
        return found

    def stop(self, send: Callable[[int], None]) -> None:
        """Ask for an end by `send`, and see that make and every process are gone in time."""
        assert self.process is not None
        processes = self.everyone()
        send(self.process.pid)
        until(lambda: self.ended, "make ended", seconds=25)
        until(lambda: self.gone(processes), "no process left", seconds=5)
        assert not list(self.layout.run.glob("*.pid"))

    def gone(self, processes: dict[int, str | None]) -> bool:
        return all(
            started is None or started_ticks(p) != started for p, started in processes.items()
        )

    def end(self) -> None:
        """Leave nothing behind, however the test went."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                os.kill(self.supervisor, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(25)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def installed(data: str = "data", *, user: int | None = None) -> Iterator[Up]:
    """Yield an installation in a directory of its own; `data` is relative to that."""
    with open_directory() as place:
        if user is not None:
            os.chown(place, user, user)
        project = place / "project"
        project.mkdir()
        project.chmod(0o755)
        up = Up(project, place / data, user=user)
        (project / "output").touch()
        if user is not None:
            os.chown(project / "output", user, user)
        try:
            yield up
        finally:
            up.end()
            shutil.rmtree(up.layout.short, ignore_errors=True)
