"""Log lines: text for people, or one JSON object a line; the same for every kind of process.

Standard library alone: gunicorn's configuration reads it before Django is there.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.redaction import redact

TEXT, JSON = "text", "json"
IDS = ("request_id", "team_id", "monitor_id", "incident_id", "delivery_id")
EXTRAS = ("trace_id", "route", "method", "status", "seconds", "kind", "event")


def process_name(arguments: list[str], environ: Mapping[str, str]) -> str:
    """Return what this process is called: TOCSIN_PROCESS, or what its command line says."""
    if named := environ.get("TOCSIN_PROCESS"):
        return named
    program = Path(arguments[0]).name if arguments else "python"
    if program == "gunicorn":
        role = environ.get("TOCSIN_ROLE", "all")
        return "web" if role == "all" else role
    if program in ("celery", "__main__.py") and "worker" in arguments:
        queues = arguments[arguments.index("-Q") + 1 :] if "-Q" in arguments else []
        return f"worker-{queues[0]}" if queues else "worker"
    if program in ("celery", "__main__.py") and "beat" in arguments:
        return "beat"
    return arguments[1] if program == "manage.py" and len(arguments) > 1 else program


def sends_messages(arguments: list[str]) -> bool:
    """Return whether a process with this command line sends messages: `deliver`'s, or a standby."""
    name = process_name(arguments, {})
    return name in ("worker", "standby") or (name.startswith("worker-") and "deliver" in name)


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record is about: its own `extra` first, else what the work is about."""
    from accounts.observing import current  # needs Django's settings, which need this

    about = current()
    found = {name: getattr(record, name, about.get(name)) for name in (*IDS, *EXTRAS)}
    return {name: value for name, value in found.items() if value is not None}


class TextFormatter(logging.Formatter):
    """A line for people, with the ids of what it is about at its end."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the first line."""
        said = " ".join(f"{name}={value}" for name, value in facts(record).items() if name in IDS)
        line = super().formatMessage(record)
        return f"{line} [{redact(said)}]" if said else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line; credentials are masked in whatever a record carries."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = process or process_name(sys.argv, os.environ)

    def format(self, record: logging.LogRecord) -> str:
        """Return the object. Times are UTC, with milliseconds."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "process": self._process,
            "pid": record.process,
        }
        for name, value in facts(record).items():
            line[name] = value if isinstance(value, int | float) else redact(str(value))
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = redact(record.exc_text)
        if record.stack_info:
            line["stack"] = redact(self.formatStack(record.stack_info))
        return json.dumps(line, default=str)


def logging_config(form: str, *, level: str = "INFO", access: bool = False) -> dict[str, Any]:
    """Return the configuration of `logging`. Raises ValueError for an unknown form or level."""
    if form not in (TEXT, JSON):
        raise ValueError(f"LOG_FORMAT is {TEXT} or {JSON}, not {form!r}")
    if level.upper() not in logging.getLevelNamesMapping():
        raise ValueError(f"LOG_LEVEL is no level: {level!r}")
    quiet = {"handlers": ["console"], "level": "WARNING", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"redact": {"()": "config.redaction.RedactSecrets"}},
        "formatters": {
            TEXT: {
                "()": "config.logs.TextFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            },
            JSON: {"()": "config.logs.JsonFormatter"},
        },
        "handlers": {
            "nowhere": {"class": "logging.NullHandler"},
            "console": {
                "class": "logging.StreamHandler",
                "filters": ["redact"],
                "formatter": form,
            },
        },
        "root": {"handlers": ["console"], "level": level.upper()},
        "loggers": {
            # A 4xx is the caller's matter; only our own failures are worth a line.
            "django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False},
            # Its failures to connect reach the caller, who says so once.
            "psycopg.pool": {"handlers": ["console"], "level": "CRITICAL", "propagate": False},
            "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
            "tocsin.access": {"level": "INFO" if access else "WARNING"},
            # Several lines a second, each saying that all is well.
            "celery": quiet,
            "kombu": quiet,
            "gunicorn.error": quiet,
            "gunicorn.access": {**quiet, "level": "INFO"},
            "uvicorn": quiet,
            # With a header of every span that could not be sent.
            "opentelemetry": quiet,
        },
    }


def log_form(environ: Mapping[str, str]) -> str:
    """Return LOG_FORMAT; without one, text where the servers are embedded and JSON elsewhere."""
    embedded = not environ.get("DATABASE_URL") or environ.get("TOCSIN_EMBEDDED") == "1"
    return environ.get("LOG_FORMAT") or (TEXT if embedded else JSON)


def logs_requests(environ: Mapping[str, str]) -> bool:
    """Return whether each request of Django's is a line: ACCESS_LOG, by default with JSON."""
    return (environ.get("ACCESS_LOG") or ("on" if log_form(environ) == JSON else "off")) != "off"
