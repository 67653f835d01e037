"""Celery's side of status pages: it wakes a thread, and that does the work.

The engine's worker runs one task at a time, and its first duty is to page people. Nothing that a
page needs, rendering least of all, may hold that up, so a round runs beside it: at most one in a
process, and further calls while it runs are none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from celery import shared_task
from django.db import connection

from incidents.engine import stamp
from monitors.queries import database_now
from statuspages.engine.rounds import STEPS, run_steps

EXPIRES_SECONDS = 2

log = logging.getLogger(__name__)
_running = threading.Lock()
_tidying = threading.Lock()
_telling = threading.Lock()


@shared_task(expires=EXPIRES_SECONDS)
def refresh() -> None:
    """Begin a round, unless the last one still runs."""
    start_round()


@shared_task(expires=EXPIRES_SECONDS)
def tell_subscribers() -> None:
    """Begin to tell subscribers, unless that still goes on."""
    start_telling()


@shared_task(expires=600)
def tidy() -> None:
    """Begin what is done once an hour: domains are proved anew, files compared with the pages, and
    subscribers forgotten who never confirmed.

    Name servers may take their time: that is a thread's time, not the engine's.
    """
    if _tidying.acquire(blocking=False):
        threading.Thread(target=_tidy, name="statuspages-tidy", daemon=True).start()


def _tidy() -> None:
    from statuspages.serving.domains import recheck_domains
    from statuspages.serving.exporting import export_all
    from statuspages.subscribers.tidying import tidy_subscribers

    def recheck() -> None:
        recheck_domains(database_now())

    try:
        run_steps((recheck, tidy_subscribers, export_all))
    finally:
        connection.close()
        _tidying.release()


def start_round(*, runner: str = "pages") -> bool:
    """Begin a round in a thread of its own; False if one is running in this process."""
    return _start(_running, run_round, runner)


def start_telling(*, runner: str = "subscribers") -> bool:
    """Begin to tell subscribers in a thread of its own; False if one does in this process."""
    return _start(_telling, tell_round, runner)


def tell_round(*, runner: str = "subscribers") -> None:
    """Send subscribers what is due to them, however long that takes."""
    from statuspages.subscribers.pool import ROUND

    run_steps((partial(ROUND.run, runner=runner),))


def run_round(*, runner: str = "pages") -> None:
    """Bring components, posts and plans up to date, then render the pages that changed."""
    run_steps((*STEPS, write_files, render))
    stamp(runner)


def render() -> None:
    """Render the pages that changed."""
    # Not above: renderers bring many packages, and one that is broken must not stop the engine.
    from statuspages.serving.snapshots import render_stale

    render_stale()


def write_files() -> None:
    """Write all pages as files where that was never done, or where the files were removed."""
    from statuspages.serving.exporting import catch_up

    catch_up()


def _start(lock: threading.Lock, work: Callable[..., None], runner: str) -> bool:
    if not lock.acquire(blocking=False):
        return False
    try:
        thread = threading.Thread(
            target=_run, args=[lock, work, runner], name=f"statuspages-{runner}", daemon=True
        )
        thread.start()
    except RuntimeError:
        lock.release()
        raise
    return True


def _run(lock: threading.Lock, work: Callable[..., None], runner: str) -> None:
    try:
        work(runner=runner)
    except Exception:
        log.exception("a round of the status pages failed")
    finally:
        connection.close()
        lock.release()
