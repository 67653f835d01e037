"""What a job writes: passed on as it comes, and its end kept."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable

MOST_LEFT_OVER = 1 << 20


def fill_streams() -> None:
    """Put /dev/null where a parent closed a stream: a pipe or a socket would take its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def read_input(most: int) -> str:
    """Return the beginning of standard input; the rest is read and forgotten.

    So a program that writes more is not ended by a pipe that nobody reads.
    """
    room = 4 * (most + 1)  # bytes that so many characters may have
    kept = b""
    while data := sys.stdin.buffer.read(65_536):
        kept += data[: room - len(kept)]
    return kept.decode("utf-8", "replace")


class Tail:
    """The last bytes of what a job wrote."""

    def __init__(self, most: int) -> None:
        """Keep at most so many."""
        self._most, self._cut = most, False
        self._bytes, self._lock = bytearray(), threading.Lock()

    def add(self, data: bytes) -> None:
        """Add bytes at the end; those at the front go."""
        with self._lock:
            self._bytes += data
            over = len(self._bytes) - self._most
            if over > 0:
                self._cut = True
                del self._bytes[:over]

    def text(self) -> str:
        """Return it as text: a character that was cut is left out, what is no text is marked."""
        with self._lock:
            data, cut = bytes(self._bytes), self._cut
        if cut:  # at most three bytes that go on with a character whose first byte is gone
            data = data[next((n for n, b in enumerate(data[:4]) if b & 0xC0 != 0x80), 0) :]
        text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        text = re.sub(
            r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])", "", text
        )
        text = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text).strip()
        return f"…{text}" if cut and text else text


class Copier:
    """A stream of a job, copied in a thread to one of ours."""

    def __init__(self, sink: int, tail: Tail) -> None:
        """Start copying. Raises OSError and RuntimeError where there is no room for it."""
        self.sink, self._tail, self._held = sink, tail, False
        with contextlib.ExitStack() as made:
            self._source, self.given = _pipe(made)
            self._ended, self._wake = _pipe(made)
            self._thread = threading.Thread(target=self._copy, daemon=True)
            self._thread.start()
            made.pop_all()

    def give(self) -> None:
        """Forget the end that the job writes to: it has its own by now."""
        os.close(self.given)

    def end(self) -> None:
        """Tell that the job has ended: only what is written already is still copied."""
        os.close(self._wake)

    def done(self, seconds: float) -> bool:
        """Wait at most so long; return whether all is copied."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def leave(self, restore: Callable[[], object]) -> None:
        """Let another process go on where what the job left behind still holds the stream.

        A daemon would die of its next line if nobody read it any more.
        """
        if not self._held:
            return
        with contextlib.suppress(OSError):
            os.set_blocking(self._source, True)
            going_on = subprocess.Popen(
                [shutil.which("cat") or "/bin/cat"],
                stdin=self._source,
                stdout=self.sink,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=restore,
            )
            going_on.returncode = 0  # nobody waits for it
        os.close(self._source)

    def _copy(self) -> None:
        os.set_blocking(self._source, False)
        poll, left = select.poll(), MOST_LEFT_OVER
        poll.register(self._source, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        while left > 0:
            over = self._ended in dict(poll.poll())
            try:
                data = os.read(self._source, 65_536)
            except BlockingIOError:
                if over:
                    break
                continue
            left -= len(data) if over else 0
            self._tail.add(data)
            if not data or not write(self.sink, data):
                os.close(self._source)
                return
        self._held = True


def _pipe(made: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        made.callback(os.close, end)
    return ends


def write(sink: int, data: bytes) -> bool:
    """Write all of it; False where nobody reads any more, which the job is then told so too.

    What a full disk does not take is lost: the job goes on.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(sink, view) :]
        except BlockingIOError:
            select.select([], [sink], [])
        except BrokenPipeError:
            return False
        except OSError:
            return True
    return True
