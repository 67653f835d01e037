"""Celery's side of status pages: it wakes a thread, and that does the work.

The engine's worker runs one task at a time, and its first duty is to page people. Nothing that a
page needs, rendering least of all, may hold that up, so a round runs beside it: at most one in a
process, and further calls while it runs are none.
"""

from __future__ import annotations

import logging
import threading

from celery import shared_task
from django.db import connection

from incidents.engine import stamp
from monitors.queries import database_now
from statuspages.engine.rounds import STEPS, run_steps

EXPIRES_SECONDS = 2

log = logging.getLogger(__name__)
_running = threading.Lock()
_tidying = threading.Lock()


@shared_task(expires=EXPIRES_SECONDS)
def refresh() -> None:
    """Begin a round, unless the last one still runs."""
    start_round()


@shared_task(expires=600)
def tidy() -> None:
    """Begin to prove domains anew and to take away files that no page has any more.

    Name servers may take their time: that is a thread's time, not the engine's.
    """
    if _tidying.acquire(blocking=False):
        threading.Thread(target=_tidy, name="statuspages-tidy", daemon=True).start()


def _tidy() -> None:
    from statuspages.serving.domains import recheck_domains
    from statuspages.serving.exporting import remove_strangers

    def recheck() -> None:
        recheck_domains(database_now())

    try:
        run_steps((recheck, remove_strangers))
    finally:
        connection.close()
        _tidying.release()


def start_round(*, runner: str = "pages") -> bool:
    """Begin a round in a thread of its own; False if one is running in this process."""
    if not _running.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=_run, args=[runner], name="statuspages", daemon=True).start()
    except RuntimeError:
        _running.release()
        raise
    return True


def run_round(*, runner: str = "pages") -> None:
    """Bring components, posts and plans up to date, then render the pages that changed."""
    run_steps((*STEPS, render))
    stamp(runner)


def render() -> None:
    """Render the pages that changed."""
    # Not above: renderers bring many packages, and one that is broken must not stop the engine.
    from statuspages.serving.snapshots import render_stale

    render_stale()


def _run(runner: str) -> None:
    try:
        run_round(runner=runner)
    except Exception:
        log.exception("a round of the status pages failed")
    finally:
        connection.close()
        _running.release()
