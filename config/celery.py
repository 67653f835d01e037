"""Celery: wake-ups only. PostgreSQL holds the truth, so a lost message is a second's delay.

Every periodic task expires before its next tick, so a worker that was dead finds no backlog.
Tasks carry no state, results are not stored, and a hung broker costs two seconds, not twenty-five.
"""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings

from accounts.observing import start_observing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

TICK_SECONDS = 1.0
TIMEOUTS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "retry_on_timeout": False,
    "visibility_timeout": 60,
    "max_retries": 1,
}


def broker_url(redis_url: str) -> str:
    """Return Celery's spelling of a Redis URL: it names a Unix socket by a scheme of its own."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        db = query.removeprefix("db=") or "0"
        return f"redis+socket://{path}?virtual_host={db}"
    return redis_url


app = Celery("tocsin")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_transport_options=TIMEOUTS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_ignore_result=True,
    result_backend=None,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_soft_shutdown_timeout=5,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_publish_retry=False,
    task_default_queue="engine",
    task_routes={
        "incidents.tasks.deliver": {"queue": "deliver"},
        # It too only wakes a thread.
        "statuspages.tasks.tell_subscribers": {"queue": "deliver"},
    },
    beat_schedule={
        "check_silence": {"task": "incidents.tasks.check_silence", "schedule": TICK_SECONDS},
        "deliver": {"task": "incidents.tasks.deliver", "schedule": TICK_SECONDS},
        # Here it only wakes a thread: see statuspages/tasks.py.
        "refresh_pages": {"task": "statuspages.tasks.refresh", "schedule": TICK_SECONDS},
        "tell_subscribers": {
            "task": "statuspages.tasks.tell_subscribers",
            "schedule": TICK_SECONDS,
        },
        "tidy_pages": {"task": "statuspages.tasks.tidy", "schedule": 3600.0},
        "tidy": {"task": "incidents.tasks.tidy", "schedule": 60.0},
        # Here they only wake threads: see config/tasks.py.
        "canary": {"task": "config.tasks.canary", "schedule": TICK_SECONDS},
        "watch": {"task": "config.tasks.watch", "schedule": TICK_SECONDS},
        "erase_teams": {"task": "incidents.tasks.erase_teams", "schedule": 60.0},
        "maintain": {"task": "incidents.tasks.maintain", "schedule": 3600.0},
    },
    beat_max_loop_interval=1,
    timezone="UTC",
)
app.autodiscover_tasks(["incidents", "statuspages", "config"])


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Log as the settings say: Celery would write lines of its own form."""
    logging.config.dictConfig(settings.LOGGING)


@signals.worker_init.connect
@signals.beat_init.connect
def observe(**_: Any) -> None:
    """Share what this process counts; its pool is `solo`, so that nothing is forked."""
    start_observing()
