"""Processes: who a pid file names, and how a child ends with its parent.

A pid alone says little, since numbers are used again. Each pid file therefore carries the start
time of its process beside the number, and nothing is ever signalled that does not match both.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: int) -> None:
    """Ask the kernel to send this process the signal `number` when its parent ends.

    It holds for the thread that forked, it is lost on a change of user and it is not inherited,
    so it is called after the user was changed, just before the program starts. Only Linux knows
    it; elsewhere this does nothing, and the next start ends what a pid file still names.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def dying_with(parent: int, number: int) -> Callable[[], None]:
    """Return a `preexec_fn` for a child of `parent` that is to end with it by signal `number`."""

    def prepare_child() -> None:
        die_with_parent(number)
        if os.getppid() != parent:  # it ended between the fork and the request
            os._exit(1)

    return prepare_child


def started_ticks(pid: int) -> str | None:
    """Return what tells this process from a later one with the same number, None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _started_by_ps(pid)
    state, *fields = stat[stat.rindex(")") + 2 :].split()
    return None if state in "ZX" else fields[18]


def _started_by_ps(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return None
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "-".join(shown.split()) or None


def write_pid_file(path: Path, pid: int) -> None:
    """Write the number and the start time of a process, in one step for whoever reads it."""
    fresh = path.with_suffix(".pid.new")
    fresh.write_text(f"{pid} {started_ticks(pid) or '-'}\n")
    fresh.rename(path)


def read_pid_file(path: Path) -> int | None:
    """Return the pid that the file names, if that very process still runs."""
    try:
        number, started = path.read_text().split()[:2]
        pid = int(number)
    except (OSError, ValueError):
        return None
    return pid if pid > 1 and started_ticks(pid) == started else None


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to the process group of `leader`; return whether anyone was there."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_stale(run: Path, *, gentle: dict[str, tuple[signal.Signals, float]]) -> list[str]:
    """End what the pid files in `run` still name, and return the names.

    The processes that `gentle` names are ended after all others and in its order, each with its
    own signal and its own seconds; the others get SIGTERM and 5 seconds.
    """
    found = {path.stem: pid for path in run.glob("*.pid") if (pid := read_pid_file(path))}
    others = [name for name in found if name not in gentle]
    for name in others:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found[name], signal.SIGTERM)
    deadline = time.monotonic() + 5
    for name in others:
        _wait_gone(run / f"{name}.pid", found[name], deadline)
    for name, (number, seconds) in gentle.items():
        if name in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found[name], number)
            _wait_gone(run / f"{name}.pid", found[name], time.monotonic() + seconds)
    for path in run.glob("*.pid"):
        path.unlink(missing_ok=True)
    return sorted(found)


def _wait_gone(path: Path, pid: int, deadline: float) -> None:
    while read_pid_file(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    if read_pid_file(path):
        signal_group(pid, signal.SIGKILL)
