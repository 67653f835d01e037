"""Gunicorn's configuration, for both `web` and `ingest`.

BIND (host:port, or unix:path) and WEB_WORKERS are for deployments; without them one worker
listens on PORT of 127.0.0.1. A proxy in front is believed only if FORWARDED_ALLOW_IPS names it.
"""

import os
import signal
from pathlib import Path

from config.logs import log_form, logging_config
from config.processes import die_with_parent

bind = os.environ.get("BIND") or f"127.0.0.1:{os.environ.get('PORT') or 8000}"
# Under `make up` web and ingest share one port: either may die, and the other goes on.
reuse_port = os.environ.get("TOCSIN_REUSE_PORT") == "1"
workers = int(os.environ.get("WEB_WORKERS") or 1)
worker_class = "config.httpserver.Worker"
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (heartbeat files)
backlog = 2048
timeout = 60
graceful_timeout = 5  # the supervisor waits for 6
keepalive = 75
control_socket_disable = True
accesslog = None  # a push URL holds a credential; Django's requests are logged by config.requests
loglevel = "warning"
logconfig_dict = logging_config(log_form(os.environ), level=os.environ.get("LOG_LEVEL") or "INFO")


def post_fork(server: object, worker: object) -> None:
    """End the worker with its arbiter, even if that is killed."""
    die_with_parent(signal.SIGTERM)
