"""Servers of the bench's own: PostgreSQL with fsync on, and gunicorn as `make up` runs it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config import embedded
from config.installation import PROJECT, Layout, connection_env
from config.processes import dying_with

READY_SECONDS = 60.0


@dataclass(frozen=True)
class Bed:
    """What the measurements run on: an empty, migrated, durable database, and its environment."""

    data: Path
    environment: dict[str, str]

    @property
    def dsn(self) -> str:
        """Where the database is, as libpq reads it."""
        return Layout(self.data).database_url

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a new connection in autocommit."""
        return psycopg.connect(self.dsn, autocommit=True)


@contextlib.contextmanager
def made_bed(parent: Path | None) -> Iterator[Bed]:
    """Start both servers on a new directory below `parent`, migrate, and clear up at the end.

    `parent` decides the disk that is measured; by default it is the system's place for temporary
    files. Commit times are tracked, since the lag of an incident ends at its commit.
    """
    data = Path(tempfile.mkdtemp(prefix="tocsin-bench-", dir=parent))
    if os.geteuid() == 0:
        data.chmod(0o711)
    layout = Layout(data)
    running: list[tuple[embedded.Server, subprocess.Popen[bytes]]] = []
    try:
        embedded.prepare(data, durable=True)
        for server in (embedded.valkey_command(data), embedded.postgres_command(data)):
            options = ["-c", "track_commit_timestamp=on"] if server.name == "postgres" else []
            running.append((server, _start_server(server, options, layout.run)))
        embedded.wait_ready(data)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
            **connection_env(data),
            "TOCSIN_DATA": str(data),
            "TOCSIN_EMBEDDED": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"],
            cwd=PROJECT,
            env=environment,
            check=True,
        )
        yield Bed(data, environment)
    finally:
        for server, process in running:
            process.send_signal(server.stop_signal)
        for _, process in running:
            _end(process)
        for place in (layout.postgres, layout.short, data):
            shutil.rmtree(place, ignore_errors=True)


def _start_server(
    server: embedded.Server, options: list[str], run: Path
) -> subprocess.Popen[bytes]:
    with (run / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            [*server.command, *options],
            cwd="/",
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            preexec_fn=dying_with(os.getpid(), signal.SIGQUIT),
            **(server.owner.popen_arguments() if server.owner else {}),
        )


@contextlib.contextmanager
def serving(
    application: str, bed: Bed, *, options: tuple[str, ...] = (), processes: int = 1, **extra: str
) -> Iterator[str]:
    """Serve an ASGI application by gunicorn and yield the URL.

    With the Procfile's configuration; `options` of the command line go before it. Several
    `processes` share the port, as web and ingest do under `make up`. `extra` is environment.
    """
    port = _free_port()
    environment = {**bed.environment, "PORT": str(port), "LOG_LEVEL": "WARNING", **extra}
    if processes > 1:
        environment["TOCSIN_REUSE_PORT"] = "1"
    command = [sys.executable, "-m", "gunicorn", application, "-c", "config/gunicorn.py", *options]
    running: list[subprocess.Popen[bytes]] = []
    try:
        with (bed.data / "run" / "gunicorn.log").open("ab") as log:
            running.extend(
                subprocess.Popen(
                    command,
                    cwd=PROJECT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=dying_with(os.getpid(), signal.SIGTERM),
                )
                for _ in range(processes)
            )
        _wait_healthy(port)
        if processes > 1:
            time.sleep(2)  # the port tells no one when the last process has joined
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in running:
            process.terminate()
        for process in running:
            _end(process)


def _wait_healthy(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            if connection.getresponse().status < 300:
                return
        connection.close()
        time.sleep(0.1)
    raise TimeoutError("gunicorn does not answer; see gunicorn.log")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
