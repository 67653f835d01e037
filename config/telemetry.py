"""What leaves a process while it works: its counts, and where asked for traces and errors.

Traces go to OTEL_EXPORTER_OTLP_ENDPOINT by OTLP over HTTP, errors to SENTRY_DSN. Both are extras
(requirements/observe.txt); a process asked for one that has no package for it does not start.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts import observing
from config.logs import process_name
from config.metricfiles import MetricFiles
from config.redaction import redact

TRACES, ERRORS = "OTEL_EXPORTER_OTLP_ENDPOINT", "SENTRY_DSN"
# What an error report may hold of a request, beside its masked URL.
_KEPT_OF_REQUEST = frozenset({"method", "url"})
_MOST_DEEP = 12

log = logging.getLogger(__name__)
_files: MetricFiles | None = None
_provider: Any = None
_started = False


def metric_files() -> MetricFiles | None:
    """Return the files through which this process shares its counts; None if it shares none."""
    return _files


def check_packages(environ: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured if traces or errors are asked for and cannot be sent."""
    wanted = ((TRACES, "opentelemetry.exporter.otlp.proto.http"), (ERRORS, "sentry_sdk"))
    for variable, module in wanted:
        if environ.get(variable) and not _is_installed(module):
            raise ImproperlyConfigured(
                f"{variable} is set and {module} is not installed: "
                "pip install --require-hashes -r requirements/observe.txt, or unset it."
            )


def start(process: str = "") -> None:
    """Share this process's counts, send its traces and errors. A second call does nothing.

    Raises ImproperlyConfigured where a package is missing.
    """
    global _files, _started
    if _started:
        return
    # Here and not at the top: metrics.py reads what this module keeps.
    from config.metrics import observe_process_itself

    name = process or process_name(sys.argv, os.environ)
    check_packages(os.environ)
    _started = True
    observe_process_itself(name)
    if settings.METRICS_DIR:
        files = MetricFiles(Path(settings.METRICS_DIR))
        try:
            files.start()
        except OSError as error:
            log.warning("metrics are not shared: %s", error)
        else:
            _files = files
            atexit.register(files.stop)
    if os.environ.get(TRACES):
        start_traces(name)
    if os.environ.get(ERRORS):
        start_errors(name)


def start_traces(process: str) -> None:
    """Send spans to the collector from now on, in batches, by a thread of its own."""
    global _provider
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from tocsin import __version__

    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or "tocsin"}
    own = {"service.version": __version__, "tocsin.process": process}
    _provider = TracerProvider(resource=Resource.create(named | own))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = _provider.get_tracer("tocsin", __version__)

    def begin(name: str, facts: Mapping[str, Any]) -> AbstractContextManager[Any]:
        attributes = {f"tocsin.{fact}": value for fact, value in facts.items()}
        span: AbstractContextManager[Any] = tracer.start_as_current_span(
            # An exception's text may hold what no log may: the log has it, masked.
            name,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )
        return span

    observing.trace_with(begin)


def stop_traces() -> None:
    """Send what is left, and begin no more spans."""
    global _provider
    observing.trace_with(None)
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def start_errors(process: str) -> None:
    """Report exceptions and error lines from now on, without what identifies people."""
    import sentry_sdk

    sentry_sdk.init(
        dsn=os.environ[ERRORS],
        environment=os.environ.get("SENTRY_ENVIRONMENT") or "production",
        server_name=process,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=scrub,  # type: ignore[arg-type]
    )


def scrub(event: dict[str, Any], hint: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error report with credentials masked, and with what the work was about as tags."""
    request = event.get("request")
    if isinstance(request, dict):
        event["request"] = {key: request[key] for key in _KEPT_OF_REQUEST & request.keys()}
    event.pop("user", None)
    cleaned: dict[str, Any] = _masked(event)
    cleaned["tags"] = {**(cleaned.get("tags") or {}), **observing.current()}
    return cleaned


def _masked(value: Any, deep: int = 0) -> Any:
    if isinstance(value, str):
        return redact(value)
    if deep > _MOST_DEEP:
        return "[too deep]"
    if isinstance(value, dict):
        return {key: _masked(item, deep + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, deep + 1) for item in value]
    return value


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
