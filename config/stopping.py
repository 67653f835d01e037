"""How `make up` learns that it is to stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from pathlib import Path


class StopWish:
    """Whether the operator wants an end: by a signal to us, or to the `make` that runs us."""

    def __init__(self, *, parent: int | None = None) -> None:
        """Begin to listen; `parent` is the pid of make, None where nothing is to be followed."""
        self._came = False
        self._parent = parent
        self._woken, self._waking = socket.socketpair()
        for end in (self._woken, self._waking):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asks to go on
            signal.signal(signal.SIGHUP, self._note)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a child that ends wakes us at once
        self._parent_caught = self._parent_catches_interrupts()

    def _note(self, *_: object) -> None:
        self._came = True

    @property
    def came(self) -> bool:
        """Whether it is time to stop."""
        if self._parent is not None and not self._came:
            let_go = self._parent_caught and not self._parent_catches_interrupts()
            self._came = let_go or os.getppid() != self._parent
        return self._came

    def _parent_catches_interrupts(self) -> bool:
        """Return whether the parent has a handler for SIGINT.

        An interrupt sent to make alone is not passed on to us: make puts the signal back to its
        default and waits for our end. That is its only trace, and Linux alone shows it.
        """
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self._parent}/status").read_text()
            caught = int(status.split("SigCgt:")[1].split()[0], 16)
            return bool(caught >> (signal.SIGINT - 1) & 1)
        return False

    def rest(self, seconds: float) -> None:
        """Sleep, but wake at any signal."""
        select.select([self._woken], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(512)
