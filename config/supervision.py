"""A small supervisor: it restarts what dies, and stops everything in order.

It is our own because supervisord cannot hold what we promise: its pause between restarts grows by
a second at each try until it gives up for good, its children outlive it when it is killed, and it
writes no pid files for them. Every child gets

* a session of its own, so that Ctrl-C reaches the supervisor alone, which then stops in order;
* a wish to the kernel to end with the supervisor, however that ends;
* a pid file and a log file in `run/`, the log kept small.

One thread does everything, since the kernel ties that wish to the thread that forked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.processes import dying_with, signal_group, write_pid_file
from config.sysuser import Owner

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.5
STEADY_SECONDS = 10.0
LOG_BYTES = 10_000_000
TICK_SECONDS = 0.05
FORCE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program to keep running; programs of a lower `stage` are stopped first."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    directory: Path
    stage: int
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    harsher_signal: signal.Signals | None = None
    death_signal: signal.Signals = signal.SIGKILL
    owner: Owner | None = None


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    quick_ends: int = 0


@dataclass
class Supervisor:
    """Keeps programs running; `say` gets a line for the operator about each unexpected end."""

    run: Path
    say: Callable[[str], None]
    children: dict[str, _Child] = field(default_factory=dict)
    _logs_looked_at: float = 0.0

    def add(self, program: Program) -> None:
        """Start a program and keep it running from now on."""
        child = self.children[program.name] = _Child(program)
        self._start(child)

    def tick(self) -> None:
        """Notice what ended, start again what is due, keep the logs small; never waits."""
        now = time.monotonic()
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                self._note_end(child, now)
            if child.process is None and now >= child.start_again_at:
                self._start(child)
        if now - self._logs_looked_at > 10:
            self._logs_looked_at = now
            for log in self.run.glob("*.log"):
                _shorten(log)

    def quick_ends(self, name: str) -> int:
        """Return how many times in a row the program ended before it had run for a while."""
        return self.children[name].quick_ends

    def log_tail(self, name: str, *, lines: int = 5) -> str:
        """Return the last lines of a program's log, indented."""
        with contextlib.suppress(OSError):
            with (self.run / f"{name}.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
                text = file.read().decode(errors="replace")
            return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
        return ""

    def run_once(self, program: Program, *, going_on: Callable[[], bool]) -> int | None:
        """Run a program to its end beside the others and return its exit code.

        It is ended, and the answer is None, as soon as `going_on` says no.
        """
        process = self._spawn(program)
        try:
            while process.poll() is None:
                self.tick()
                if not going_on():
                    return None
                time.sleep(TICK_SECONDS)
        finally:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
            (self.run / f"{program.name}.pid").unlink(missing_ok=True)
        return process.returncode

    def stop_all(self) -> None:
        """Stop every program, stage by stage, each within its own time, and then by force."""
        for stage in sorted({child.program.stage for child in self.children.values()}):
            self._stop([c for c in self.children.values() if c.program.stage == stage])
        self.children.clear()

    def _stop(self, children: list[_Child]) -> None:
        for child in children:
            self._signal(child, child.program.stop_signal)
        started = time.monotonic()
        _wait_for(children, until=lambda c: started + c.program.stop_seconds)
        left = [child for child in children if _runs(child)]
        for child in left:
            self.say(f"{child.program.name} did not stop in time: ended by force")
            self._signal(child, child.program.harsher_signal or signal.SIGKILL)
        started = time.monotonic()
        _wait_for(left, until=lambda _: started + FORCE_SECONDS)
        for child in children:
            if child.process is not None:
                signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
                child.process = None
            (self.run / f"{child.program.name}.pid").unlink(missing_ok=True)

    def _signal(self, child: _Child, number: signal.Signals) -> None:
        if child.process is not None:
            child.process.send_signal(number)

    def _start(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        try:
            child.process = self._spawn(child.program)
        except OSError as error:
            self.say(f"{child.program.name} does not start: {error}")
            child.quick_ends += 1
            child.start_again_at = child.started_at + LONGEST_PAUSE_SECONDS

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        with (self.run / f"{program.name}.log").open("ab") as log:
            process = subprocess.Popen(
                program.command,
                cwd=program.directory,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
                preexec_fn=dying_with(os.getpid(), program.death_signal),
                **(program.owner.popen_arguments() if program.owner else {}),
            )
        write_pid_file(self.run / f"{program.name}.pid", process.pid)
        return process

    def _note_end(self, child: _Child, now: float) -> None:
        """Clear away what the ended program left, and plan its next start."""
        process = child.process
        if process is None:
            return
        signal_group(process.pid, signal.SIGKILL)  # its own children, say a server's workers
        child.process = None
        if now - child.started_at >= STEADY_SECONDS:
            child.pause_seconds, child.quick_ends = FIRST_PAUSE_SECONDS, 0
        child.quick_ends += 1
        child.start_again_at = now + child.pause_seconds
        child.pause_seconds = min(child.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        name = child.program.name
        self.say(f"{name} ended ({_how(process.returncode)}), starting it again")
        if child.quick_ends == 3:
            self.say(f"{name} keeps ending; see {self.run / name}.log:\n{self.log_tail(name)}")


def _how(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _runs(child: _Child) -> bool:
    return child.process is not None and child.process.poll() is None


def _wait_for(children: list[_Child], *, until: Callable[[_Child], float]) -> None:
    while any(_runs(child) and time.monotonic() < until(child) for child in children):
        time.sleep(TICK_SECONDS)


def _shorten(log: Path) -> None:
    """Keep one older part of a log that has grown large, and go on with an empty one.

    The programs append, so cutting the file under them is safe; a line written meanwhile may go.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
