"""Celery's side of the engine: tasks parse nothing and decide nothing, they make one call each."""

from __future__ import annotations

import logging
import threading

from celery import shared_task
from django.db import connection

from accounts.erasing import erase_due_teams
from incidents import engine
from incidents.delivery.pool import SenderPool

log = logging.getLogger(__name__)
EXPIRES_SECONDS = 2

_pool: SenderPool | None = None
_erasing = threading.Lock()


def sender_pool() -> SenderPool:
    """Return this process's senders."""
    global _pool
    if _pool is None:
        _pool = SenderPool()
    return _pool


@shared_task(expires=EXPIRES_SECONDS)
def check_silence() -> None:
    """Run one round of the engine, and wake the senders if it queued messages."""
    if engine.run_round():
        wake_senders()


@shared_task(expires=EXPIRES_SECONDS)
def deliver() -> None:
    """Send what is due."""
    engine.deliver_round(sender_pool())


@shared_task(expires=60)
def tidy() -> None:
    """Take out what nobody needs any more."""
    engine.tidy()


@shared_task(expires=600)
def maintain() -> None:
    """Begin to look after partitions and old rows, unless that still goes on."""
    engine.start_maintaining()


@shared_task(expires=60)
def erase_teams() -> None:
    """Begin to erase teams whose time has come, unless that still goes on.

    In a thread of its own: a large team takes minutes, and this worker pages people.
    """
    if _erasing.acquire(blocking=False):
        threading.Thread(target=_erase_teams, name="erase-teams", daemon=True).start()


def _erase_teams() -> None:
    try:
        erase_due_teams()
    except Exception:
        log.exception("teams could not be erased")
    finally:
        connection.close()
        _erasing.release()


def wake_senders() -> None:
    """Ask for a delivery round now. Without a broker it comes with the standby's next look."""
    try:
        deliver.apply_async(retry=False)
    except Exception as error:  # noqa: BLE001 - the rows are committed: a lost wake-up is no loss
        log.warning("no broker to wake the senders: %s", type(error).__name__)
