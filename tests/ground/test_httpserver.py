"""Gunicorn with our configuration, in front of an application that says which process it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.httpserver import HEAD_BYTES
from config.installation import PROJECT
from config.processes import started_ticks
from tests.ground.installations import free_port, until

APPLICATION = """
import os

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    headers = [(b"content-length", b"7")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"%7d" % os.getpid()})
"""


class Served:
    """Two servers on one port, as web and ingest are."""

    def __init__(self, place: Path) -> None:
        (place / "answering.py").write_text(APPLICATION)
        self.port = free_port()
        environment = {**os.environ, "PORT": str(self.port), "TOCSIN_REUSE_PORT": "1"}
        command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
        command += ["--pythonpath", str(place), "answering:application"]
        with (place / "log").open("wb") as log:
            self.arbiters = [
                subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
                for _ in range(2)
            ]

    def ask(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                assert answer.headers["server"] is None
                return int(answer.read())
        except OSError:
            return 0

    def raw(self, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(sent)
            return connection.recv(4096)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    servers = Served(tmp_path)
    yield servers
    for arbiter in servers.arbiters:
        arbiter.terminate()
        arbiter.wait(10)


def test_two_share_a_port_and_a_killed_one_takes_its_worker_along(served: Served) -> None:
    seen: set[int] = set()
    until(lambda: seen.add(served.ask()) or len(seen - {0}) == 2, "both answer")
    workers = seen - {0}
    served.arbiters[0].kill()
    served.arbiters[0].wait()
    until(lambda: sum(started_ticks(pid) is None for pid in workers) == 1, "its worker gone")
    left = {pid for pid in workers if started_ticks(pid)}
    assert {served.ask() for _ in range(8)} == left
    served.arbiters[1].send_signal(signal.SIGTERM)
    assert served.arbiters[1].wait(8) == 0


def test_a_head_without_end_is_refused(served: Served) -> None:
    until(served.ask, "answers")
    flood = b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: %s\r\n" % (b"b" * HEAD_BYTES)
    assert served.raw(flood).startswith(b"HTTP/1.1 431 ")
    assert served.raw(b"GET /" + b"x" * HEAD_BYTES).startswith(b"HTTP/1.1 431 ")
    fits = b"POST / HTTP/1.1\r\nhost: x\r\na: %s\r\ncontent-length: 90000\r\n\r\n" % (b"b" * 20_000)
    assert served.raw(fits + b"c" * 90_000).startswith(b"HTTP/1.1 200 ")
    assert served.raw(b"no http at all\r\n\r\n").startswith(b"HTTP/1.1 400 ")
