"""`make up` on a data directory of its own, and what people and machines get from it."""

from __future__ import annotations

import contextlib
import email
import email.policy
import http.client
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.installation import _free_port
from config import embedded
from config.installation import PROJECT, Layout

READY_SECONDS = 300.0  # a machine may be busy with other things


@dataclass(frozen=True)
class Mail:
    """One mail: when its file was complete, in Unix seconds, to whom, and what it carried."""

    at: float
    key: str
    to: str
    subject: str


class Receiver:
    """A webhook's receiver on loopback: when which monitor's page arrived, in Unix seconds."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.time()
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if body["type"] == "incident.opened":
                    receiver.arrived.setdefault(body["data"]["monitor"]["name"], at)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Installation:
    """`make up` on a data directory of its own."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, _free_port()
        own = ("TOCSIN_", "DJANGO_", "PG")
        named = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "EMAIL_URL", "BASE_URL")
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(own) and k not in named},
            "TOCSIN_DATA": str(data),
            "PORT": str(self.port),
            "OUTBOUND_ALLOW": "127.0.0.0/8",
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, wait until it is ready, and stop it at the end."""
        with (self.data / "up.log").open("ab") as output:
            process = subprocess.Popen(
                ["make", "-s", "up"],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self._wait_ready(process)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait(30)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.2)
        raise TimeoutError("not ready: " + (self.data / "up.log").read_text()[-2000:])

    def bootstrap(self, address: str, team: str) -> str:
        """Make a team with one owner; return an API key."""
        command = [sys.executable, "manage.py", "bootstrap", "--email", address, "--team", team]
        done = subprocess.run(
            command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=True
        )
        return str(json.loads(done.stdout)["api_key"])

    def request(
        self, method: str, path: str, body: Any = None, *, key: str = ""
    ) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def create(self, key: str, path: str, **body: Any) -> dict[str, Any]:
        """Make something through the API; return it."""
        status, answer = self.request("POST", f"/api/v1/{path}", body, key=key)
        if status != 201:
            raise AssertionError(f"{path}: {status} {answer.decode()}")
        made: dict[str, Any] = json.loads(answer)
        return made

    def push(self, monitor: dict[str, Any], status: str) -> None:
        """Push a result. Raises AssertionError unless it was stored."""
        path = f"/api/push/{monitor['slug']}/results"
        code, answer = self.request("POST", path, {"status": status})
        if code != 201:
            raise AssertionError(f"push: {code} {answer.decode()}")

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new connection in autocommit."""
        return psycopg.connect(Layout(self.data).database_url, autocommit=True)

    def mails(self, to: str, *, since: float) -> list[Mail]:
        """Return the mails to an address from a moment on, in order."""
        found = []
        for path in sorted((self.data / "mail").glob("*.eml")):
            stamp, key = path.stem.split("-", 1)
            at = datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp()
            if at < since:
                continue
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if to in str(message["To"]):
                found.append(Mail(at, key, to, str(message["Subject"])))
        return found


@contextlib.contextmanager
def made_up(parent: Path | None, *, track_commits: bool = False) -> Iterator[Installation]:
    """Run an installation on a new directory below `parent`, and clear up at the end.

    With `track_commits` the database keeps the time of each commit (`pg_xact_commit_timestamp`).
    """
    data = Path(tempfile.mkdtemp(prefix="tocsin-bench-up-", dir=parent))
    data.chmod(0o755)
    installation = Installation(data)
    layout = Layout(data)
    try:
        if track_commits:
            embedded.prepare(data, durable=True)
            # Where ALTER SYSTEM writes: the configuration itself is written anew at each start.
            with (layout.cluster / "postgresql.auto.conf").open("a") as settings:
                settings.write("track_commit_timestamp = on\n")
        with installation.running():
            yield installation
    finally:
        for place in (layout.postgres, layout.short, data):
            shutil.rmtree(place, ignore_errors=True)
