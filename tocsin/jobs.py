"""Running a command as if nothing stood around it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from tocsin.showing import length
from tocsin.streams import Copier, Tail

TIMED_OUT, CANNOT_RUN, NOT_FOUND = 124, 126, 127
KILL_SECONDS, HURRY_SECONDS = 10, 3
MOST_MESSAGE = 10_000
NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


class Job:
    """A command that runs as if nothing stood around it."""

    FORWARDED = frozenset(
        getattr(signal, f"SIG{name}") for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2")
    )

    def __init__(self, command: Sequence[str], *, tail_bytes: int, timeout: float | None) -> None:
        """Nothing runs yet."""
        self.command, self.timeout, self.timed_out = command, timeout, False
        self.tail = Tail(tail_bytes)
        self.piped = tail_bytes > 0
        # To end all that a job started it needs a process group of its own; at a terminal, which
        # reads for one group only, it stays in ours.
        self.own_group = timeout is not None and not os.isatty(0)
        self.cannot_run = ""
        self.seconds = 0.0
        self.code, self.signal = CANNOT_RUN, 0
        self._mask: set[Any] = set()
        self._copiers: list[Copier] = []

    def run(self) -> None:
        """Run the command to its end; `code` is then what a shell would say."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a parent may have it ignored
        watched = {*self.FORWARDED, signal.SIGCHLD}
        self._mask = before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        began = time.monotonic()

        def restore() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

        try:
            try:
                child = self._start(restore)
            finally:
                self._give()
            code = self._follow(child, watched, restore)
            self.code = TIMED_OUT if self.timed_out else code if code >= 0 else 128 - code
            self.signal = -code if code < 0 else 0
        except OSError as error:
            self.code = NOT_FOUND if error.errno == errno.ENOENT else CANNOT_RUN
            self.cannot_run = error.strerror or "it cannot be run"
        self.seconds = time.monotonic() - began

    def release(self, hurry: Callable[[], None]) -> None:
        """Take signals again: from now on they hurry us."""
        meant_for_the_job = {signal.SIGUSR1, signal.SIGUSR2}  # they would end us: they stay blocked
        for number in self.FORWARDED - meant_for_the_job:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: hurry())
        signal.pthread_sigmask(signal.SIG_SETMASK, {*self._mask, *meant_for_the_job})

    def said(self) -> str:
        """Return how it ended, and the tail of its output."""
        took = length(self.seconds)
        if self.cannot_run:
            first = f"Could not be started: {self.cannot_run}."
        elif self.timed_out:
            first = f"Ended after its time was over: {took}."
        elif self.signal:
            try:
                name = signal.Signals(self.signal).name
            except ValueError:
                name = f"signal {self.signal}"
            first = f"Ended by {name} after {took}."
        else:
            first = f"Exit code {self.code} after {took}."
        text = self.tail.text()
        room = MOST_MESSAGE - len(first) - 2
        text = text if len(text) <= room else f"…{text[1 - room :]}"
        return f"{first}\n{text}" if text else first

    def _start(self, restore: Callable[[], object]) -> subprocess.Popen[bytes]:
        one, two = os.fstat(1), os.fstat(2)
        same = (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)
        try:
            if self.piped:
                # Where both go to one place one pipe keeps their order.
                for sink in (1,) if same else (1, 2):
                    self._copiers.append(Copier(sink, self.tail))
            return self._spawn(restore)
        except (OSError, RuntimeError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno not in NO_ROOM:
                raise
            self._give()
            for copier in self._copiers:
                copier.end()
                copier.done(1)
            self._copiers = []
            return self._spawn(restore)  # without a tail rather than not at all

    def _spawn(self, restore: Callable[[], object]) -> subprocess.Popen[bytes]:
        given = [copier.given for copier in self._copiers]

        def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                stdout=given[0] if given else None,
                stderr=given[-1] if given else None,
                close_fds=False,  # a lock that is held by a descriptor stays held
                preexec_fn=restore,
                process_group=0 if self.own_group else None,
            )

        try:
            return start(self.command)
        except OSError as error:
            script = shutil.which(self.command[0])
            if error.errno != errno.ENOEXEC or script is None:
                raise
            return start(["/bin/sh", script, *self.command[1:]])  # as shells do without a #!

    def _give(self) -> None:
        for copier in self._copiers:
            copier.give()

    def _follow(
        self, child: subprocess.Popen[bytes], watched: set[Any], restore: Callable[[], object]
    ) -> int:
        code = self._wait(child, watched)
        for copier in self._copiers:
            copier.end()
        until = float("inf")
        while not all(copier.done(0.05) for copier in self._copiers):
            # A reader that stands still must not keep us once an end is wanted.
            if signal.sigpending() & self.FORWARDED:
                until = min(until, time.monotonic() + HURRY_SECONDS)
            if time.monotonic() > until:
                return code
        for copier in self._copiers:
            copier.leave(restore)
        return code

    def _wait(self, child: subprocess.Popen[bytes], watched: set[Any]) -> int:
        until = None if self.timeout is None else time.monotonic() + self.timeout
        while child.poll() is None:
            number, by_terminal = _next_signal(watched, until)
            if number is None:
                number = signal.SIGKILL if self.timed_out else signal.SIGTERM
                until = None if self.timed_out else time.monotonic() + KILL_SECONDS
                self.timed_out = True
                self._signal(child, number)
            elif number in self.FORWARDED and (self.own_group or not by_terminal):
                self._signal(child, number)
        return child.returncode

    def _signal(self, child: subprocess.Popen[bytes], number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.own_group:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)


def _next_signal(watched: set[Any], until: float | None) -> tuple[int | None, bool]:
    """Return the next signal, and whether the terminal sent it: then the job has it already.

    No signal, None, once it is `until`; 0 where there is nothing to do but to look at the job.
    """
    if hasattr(signal, "sigtimedwait"):
        if until is None:
            info: Any = signal.sigwaitinfo(watched)
        else:
            info = signal.sigtimedwait(watched, max(0.0, until - time.monotonic()))
        return (None, False) if info is None else (info.si_signo, info.si_code > 0)
    # macOS knows neither a time for waiting nor who sent it.
    if until is not None and time.monotonic() >= until:
        return None, False
    if signal.sigpending() & watched:
        number = signal.sigwait(watched)
        return number, number in (signal.SIGINT, signal.SIGQUIT) and os.isatty(0)
    time.sleep(0.05)
    return 0, False
