"""The whole installation as its users have it: `make up`, HTTP, mail files, a receiver's server."""

from __future__ import annotations

import contextlib
import email
import email.policy
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

from config.installation import PROJECT
from config.processes import read_pid_file
from tests.ground.installations import free_port

T = TypeVar("T")
PASSWORD = "correct horse battery staple"


def until(probe: Callable[[], T], what: str, *, seconds: float = 20) -> T:
    """Return the first truthy answer of `probe`; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if found := probe():
                return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Whole:
    """One running installation with one team."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
                and not name.startswith("DJANGO_")
            },
            "TOCSIN_DATA": str(data),
            "PORT": str(self.port),
            "OUTBOUND_ALLOW": "127.0.0.0/8",
        }

    def start(self) -> None:
        with (self.data / "up.log").open("ab") as output:
            self.process = subprocess.Popen(
                ["make", "-s", "up"],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        running = self.process
        until(lambda: running.poll() is not None or self.is_ready(), "ready", seconds=150)
        assert running.poll() is None, (self.data / "up.log").read_text()[-2000:]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(25)

    def bootstrap(self) -> None:
        self.key = self.another_team("acme")

    def sign_in(self, slug: str = "acme") -> requests.Session:
        """Return a browser's session of the owner of a team."""
        session = requests.Session()
        page = session.get(f"http://127.0.0.1:{self.port}/accounts/login/", timeout=20)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert found
        form = {"csrfmiddlewaretoken": found[1], "login": f"ana@{slug}.example"}
        answer = session.post(page.url, {**form, "password": PASSWORD}, timeout=20)
        assert answer.status_code == 200, answer.text
        assert "/accounts/login" not in answer.url
        return session

    def another_team(self, slug: str) -> str:
        """Make a team beside the first and return its key."""
        who = ["--email", f"ana@{slug}.example", "--team", slug, "--password", PASSWORD]
        done = subprocess.run(
            [".venv/bin/python", "manage.py", "bootstrap", *who],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(done.stdout)["api_key"])

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            sent = None if body is None else json.dumps(body).encode()
            kind = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, sent, {**kind, **(headers or {})})
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        bearer = {"Authorization": f"Bearer {self.key}"}
        answer = self.request(method, f"/api/v1/{path}", body, bearer)
        assert answer.status == expect, answer.body
        return answer.json if answer.body else None

    def monitor(self, name: str, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.api("POST", "monitors", {"name": name, **fields}, expect=201)
        return made

    def push(self, monitor: dict[str, Any], status: str = "pass", **fields: Any) -> Answer:
        path = f"/api/push/{monitor['slug']}/results"
        return self.request("POST", path, {"status": status, **fields})

    def incidents(self, monitor: dict[str, Any], state: str = "open") -> list[dict[str, Any]]:
        path = f"incidents?state={state}&monitor={monitor['id']}"
        found: list[dict[str, Any]] = self.api("GET", path)["results"]
        return found

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/readyz").status == 200
        return False

    def pid(self, name: str) -> int | None:
        return read_pid_file(self.data / "run" / f"{name}.pid")

    def signal(self, name: str, number: int) -> None:
        pid = self.pid(name)
        assert pid, f"{name} does not run"
        os.kill(pid, number)

    def mails(self) -> list[EmailMessage]:
        files = sorted((self.data / "mail").glob("*.eml"))
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in files
        ]


class Load:
    """Pushes without a pause, and what was answered."""

    def __init__(self, whole: Whole, monitors: list[dict[str, Any]]) -> None:
        self.stored: set[tuple[str, str]] = set()
        self.bad: list[int] = []
        self._whole = whole
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._push, args=(monitor,), daemon=True)
            for monitor in monitors
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(15)

    def _push(self, monitor: dict[str, Any]) -> None:
        while not self._stopping.is_set():
            try:
                answer = self._whole.push(monitor)
            except (OSError, http.client.HTTPException):
                self._stopping.wait(0.05)  # refused or cut off: not answered
                continue
            if answer.status == 201:
                self.stored.add((monitor["id"], answer.json["id"]))
            elif answer.status != 503:
                self.bad.append(answer.status)

    def lost(self) -> set[tuple[str, str]]:
        """Return the answered pushes that are not in the results."""
        kept = set()
        for monitor in {monitor for monitor, _ in self.stored}:
            path: str | None = f"monitors/{monitor}/results?limit=1000"
            while path:
                page = self._whole.api("GET", path)
                kept |= {(monitor, row["id"]) for row in page["results"]}
                path = page["next"] and page["next"].split("/api/v1/")[1]
        return self.stored - kept


def running() -> contextlib.AbstractContextManager[Whole]:
    """Yield a running installation on a fresh data directory."""
    return running_with()


@contextlib.contextmanager
def running_with(**environment: str) -> Iterator[Whole]:
    """Yield a running installation on a fresh data directory, with more in its environment."""
    data = Path(tempfile.mkdtemp(prefix="tocsin-whole-"))
    data.chmod(0o755)
    whole = Whole(data)
    whole.environment.update(environment)
    try:
        whole.start()
        whole.bootstrap()
        yield whole
    finally:
        whole.stop()
        shutil.rmtree(data, ignore_errors=True)
