"""What a piece of work is about, for its log lines and its trace.

A ContextVar carries it. Threads start without one: what hands work to a thread says again there
what it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

Tracer = Callable[[str, Mapping[str, Any]], AbstractContextManager[Any]]
NOTHING: Mapping[str, str] = MappingProxyType({})

_about: ContextVar[Mapping[str, str]] = ContextVar("tocsin_about", default=NOTHING)
_tracer: Tracer | None = None


def current() -> Mapping[str, str]:
    """Return what this work is about, by name: request_id, team_id, incident_id and so on."""
    return _about.get()


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Say what the work within is about, beside what is said already; None says nothing."""
    said = {name: str(value) for name, value in facts.items() if value is not None}
    token = _about.set({**_about.get(), **said})
    try:
        yield
    finally:
        _about.reset(token)


@contextmanager
def working(name: str, **facts: object) -> Iterator[None]:
    """Say what the work within is about, and trace it under `name` where traces are on."""
    with about(**facts):
        if _tracer is None:
            yield
        else:
            with _tracer(name, current()):
                yield


def tracing() -> Tracer | None:
    """Return what begins a span, None where traces are off."""
    return _tracer


def trace_with(tracer: Tracer | None) -> None:
    """Begin spans with `tracer` from now on."""
    global _tracer
    _tracer = tracer


def start_observing(process: str = "") -> None:
    """Begin to share what this process counts and to send its traces, once in each process.

    Call it after the last fork. `process` names it; by default its command line does.
    """
    import_string(settings.OBSERVER)(process)
