"""Everything at once: `make up` runs this, as `python -m config.up`.

It starts the embedded servers that are needed, brings the database up to date, and keeps every
process of the Procfile running until SIGINT or SIGTERM. Then it stops all of them in order: web
and ingest, workers and beat, standby, Valkey, PostgreSQL.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from config import collecting, embedded
from config.installation import PROJECT, Layout, data_dir, make_data_dir, secret_key
from config.processes import end_stale
from config.procfile import program_environment, read_procfile
from config.stopping import StopWish
from config.supervision import Program, Supervisor

READY_SECONDS = 120
SERVER_SECONDS = {"valkey": 15.0, "postgres": 300.0}  # a recovery after a crash takes a while
SERVER_STAGES = {"valkey": (3, 1.5), "postgres": (4, 4.0)}
ONE_OFF_STAGE = 0


class StartError(Exception):
    """The installation cannot start; the text tells the operator why."""


class Stopped(Exception):  # noqa: N818 (a wish, not an error)
    """The operator wants an end while the installation still starts."""


def say(line: str) -> None:
    """Print a line for the operator; go on where nobody listens any more."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Installation:
    """The processes of one data directory, from the first to the last."""

    def __init__(self, layout: Layout, *, project: Path, wish: StopWish) -> None:
        """Read the environment; nothing is started yet."""
        self.layout = layout
        self.project = project
        self.wish = wish
        self.port = int(os.environ.get("PORT") or 8000)
        self.servers = [
            name
            for name, variable in (("valkey", "REDIS_URL"), ("postgres", "DATABASE_URL"))
            if not os.environ.get(variable)
        ]
        self.unclean = False  # whether the last run was killed
        self.supervisor = Supervisor(layout.run, say)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the data directory for ourselves, and end what a killed run left behind."""
        make_data_dir(self.layout.data)
        self.layout.run.mkdir(mode=0o700, exist_ok=True)
        with (self.layout.run / "up.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StartError(
                    f"`make up` (pid {lock.read().strip()}) already runs on {self.layout.data}: "
                    "stop it, or set TOCSIN_DATA and PORT"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            gentle = {"valkey": (signal.SIGTERM, 2.0), "postgres": (signal.SIGINT, 10.0)}
            self.unclean = any(self.layout.run.glob("*.pid"))
            if ended := end_stale(self.layout.run, gentle=gentle):
                say(f"Ended what a killed run had left: {', '.join(ended)}")
            yield

    def serve(self, *, demo: bool) -> None:
        """Start everything, keep it running until the operator wants an end, and stop it."""
        try:
            self._check_port()
            self._start_servers()
            self._run_once("migrate", "migrate", "--noinput", "--verbosity", "1")
            if any(self.project.glob("*/management/commands/ensure_partitions.py")):
                self._run_once("partitions", "ensure_partitions")
            self._collect_static()
            for program in read_procfile(self.project, environment=self.environment()):
                self.supervisor.add(program)
            self._wait_ready()
            if demo:
                self._run_once("demo", "demo")
                say(self.supervisor.log_tail("demo", lines=20))
            while not self.wish.came:
                self.supervisor.tick()
                self.wish.rest(0.4)
        except Stopped:
            pass
        finally:
            say("Stopping.")
            self.supervisor.stop_all()
        say("Stopped.")

    def environment(self) -> dict[str, str]:
        """Return what the processes of the Procfile get to know."""
        own = {
            "TOCSIN_DATA": str(self.layout.data),
            "PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            # Both listen on one port and serve everything, so that either may die.
            "TOCSIN_ROLE": "all",
            "TOCSIN_REUSE_PORT": "1",
        }
        if "valkey" in self.servers:
            own["REDIS_URL"] = self.layout.redis_url
        if "postgres" in self.servers:
            own["DATABASE_URL"] = self.layout.database_url
            own["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secret_key(self.layout.data)
            own["TOCSIN_EMBEDDED"] = "1"
        if not os.environ.get("STATIC_ROOT"):
            own["STATIC_ROOT"] = str(self.layout.data / "static")
        return program_environment(own)

    def _check_port(self) -> None:
        """Refuse a port that is taken: since ours is shared, the kernel would not tell.

        A server that a killed run left may still answer its last requests.
        """
        deadline = time.monotonic() + (8 if self.unclean else 0)
        while trouble := _why_not(self.port):
            if time.monotonic() >= deadline:
                raise StartError(f"port {self.port}: {trouble}; set PORT")
            self._go_on(0.2)

    def _start_servers(self) -> None:
        data = self.layout.data
        for note in embedded.prepare(data, postgres_too="postgres" in self.servers):
            say(f"Note: {note}")
        for name in self.servers:
            server = (
                embedded.valkey_command(data)
                if name == "valkey"
                else embedded.postgres_command(data)
            )
            stage, seconds = SERVER_STAGES[name]
            self.supervisor.add(
                Program(
                    name=name,
                    command=server.command,
                    environment=server.environment,
                    directory=Path("/"),
                    stage=stage,
                    stop_signal=server.stop_signal,
                    stop_seconds=seconds,
                    harsher_signal=signal.SIGQUIT if name == "postgres" else None,
                    death_signal=server.stop_signal,
                    owner=server.owner,
                )
            )
        for name in self.servers:
            answers = embedded.valkey_answers if name == "valkey" else embedded.postgres_answers
            self._wait_for_server(name, answers)
        if self.servers:
            say(f"Servers ready: {', '.join(sorted(self.servers))}, in {data}")

    def _wait_for_server(self, name: str, answers: Callable[[Path], bool]) -> None:
        deadline = time.monotonic() + SERVER_SECONDS[name]
        while not answers(self.layout.data):
            # What a killed server left may be in the way for a few seconds.
            if self.supervisor.quick_ends(name) >= 12 or time.monotonic() > deadline:
                tail = self.supervisor.log_tail(name)
                raise StartError(f"{name} does not come up\n{tail}")
            self._go_on(0.1)

    def _run_once(self, name: str, *arguments: str) -> None:
        """Run one command of manage.py to its end."""
        (self.layout.run / f"{name}.log").unlink(missing_ok=True)
        program = Program(
            name=name,
            command=[sys.executable, "manage.py", *arguments],
            environment=self.environment(),
            directory=self.project,
            stage=ONE_OFF_STAGE,
        )
        code = self.supervisor.run_once(program, going_on=lambda: not self.wish.came)
        if code is None:
            raise Stopped
        if code:
            tail = self.supervisor.log_tail(name, lines=12)
            raise StartError(f"manage.py {arguments[0]} failed:\n{tail}")
        say(f"Done: {name}")

    def _collect_static(self) -> None:
        """Give static files names that browsers may keep, where that is left to us."""
        root = self.layout.data / "static"
        given = os.environ.get("STATIC_ROOT") or not (self.project / "static").is_dir()
        if given or collecting.is_collected(self.project, root):
            return
        try:
            self._run_once("static", *collecting.collect_arguments())
            collecting.note_collected(self.project, root)
        except (StartError, OSError) as error:  # they are served under their plain names then
            say(f"Note: {error}")

    def _wait_ready(self) -> None:
        """Wait until /readyz says so, and tell the operator where to go."""
        say(f"Starting: {', '.join(sorted(set(self.supervisor.children) - set(self.servers)))}")
        deadline = time.monotonic() + READY_SECONDS
        while True:
            status, body = self._ask_ready()
            if status == 200:
                break
            if time.monotonic() > deadline:
                say(f"Not ready after {READY_SECONDS} s ({status or 'no answer'}): {body}")
                say(f"Going on; the logs are in {self.layout.run}")
                deadline = float("inf")
            self._go_on(0.25)
        data = self.layout.data
        manage = "" if data == PROJECT / "var" else f"TOCSIN_DATA={data} "
        manage += ".venv/bin/python manage.py"
        say(
            f"\n  Tocsin is ready: http://127.0.0.1:{self.port}\n\n"
            "  First user and team, from another shell:\n"
            f"    {manage} bootstrap --email you@example.com --team acme\n"
            f"  Mail: {data}/mail   Logs: {data}/run   Stop: Ctrl-C\n"
        )

    def _ask_ready(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read(2000).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def _go_on(self, seconds: float) -> None:
        self.supervisor.tick()
        self.wish.rest(seconds)
        if self.wish.came:
            raise Stopped


def _why_not(port: int) -> str | None:
    """Return why nobody could listen on the port now, None if one could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def main(argv: list[str] | None = None) -> int:
    """Run an installation until it is asked to stop, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.up")
    parser.add_argument(
        "--project", type=Path, default=PROJECT, help="where the Procfile and manage.py are"
    )
    parser.add_argument("--demo", action="store_true", help="fill in a team worth looking at")
    parser.add_argument("--follow-parent", action="store_true", help="stop when make is to stop")
    options = parser.parse_args(argv)
    wish = StopWish(parent=os.getppid() if options.follow_parent else None)
    try:
        installation = Installation(
            Layout(data_dir(os.environ)), project=options.project.resolve(), wish=wish
        )
        with installation.held():
            installation.serve(demo=options.demo)
    except (StartError, RuntimeError, ValueError, OSError) as error:
        if wish.came:
            return 0
        say(f"Tocsin cannot start: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
