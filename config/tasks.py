"""Celery's side of watching ourselves: it wakes a thread, and that does the work.

Other people's servers are waited for here, and the engine's worker runs one task at a time. The
canary has a thread of its own: a mail server that does not answer must not silence it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from celery import shared_task
from django.db import connection

from accounts.database.standing import unscoped
from config.watching import ping_outside
from incidents.engine import stamp
from incidents.watching.canary import send_canary
from incidents.watching.notices import look_around, mail_notices
from incidents.watching.watchdog import step_watchdog

EXPIRES_SECONDS = 2

log = logging.getLogger(__name__)
_sending = threading.Lock()
_watching = threading.Lock()


@shared_task(expires=EXPIRES_SECONDS)
def canary() -> None:
    """Begin to send a canary, if it is time and none is on its way."""
    start_canary()


@shared_task(expires=EXPIRES_SECONDS)
def watch() -> None:
    """Begin to look after ourselves, unless that still goes on."""
    start_watching()


def start_canary(*, runner: str = "canary") -> bool:
    """Send a canary in a thread of its own; False if one is on its way from this process."""
    return _start(_sending, (send_canary,), runner)


def start_watching(*, runner: str = "watch") -> bool:
    """Step the watchdog, tell the operator and the outside, in a thread of its own."""
    return _start(_watching, (step_watchdog, look_around, mail_notices, ping_outside), runner)


@unscoped
def run_steps(steps: tuple[Callable[[], object], ...], runner: str) -> None:
    """Take each step, whatever becomes of the others, and stamp the round."""
    for step in steps:
        try:
            step()
        except Exception:
            log.exception("%s failed", getattr(step, "__name__", step))
    stamp(runner)


def _start(lock: threading.Lock, steps: tuple[Callable[[], object], ...], runner: str) -> bool:
    if not lock.acquire(blocking=False):
        return False
    try:
        thread = threading.Thread(target=_run, args=[lock, steps, runner], name=runner, daemon=True)
        thread.start()
    except RuntimeError:
        lock.release()
        raise
    return True


def _run(lock: threading.Lock, steps: tuple[Callable[[], object], ...], runner: str) -> None:
    try:
        run_steps(steps, runner)
    except Exception:
        log.exception("%s could not be stamped", runner)
    finally:
        connection.close()
        lock.release()
