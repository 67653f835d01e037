"""The PostgreSQL and Valkey of the test suite, as a pytest plugin (`-p tests.servers`).

Where DATABASE_URL and REDIS_URL are both set the suite runs against those. Otherwise a pair of
embedded servers is started before Django reads its settings, and ends with the run. Each worker of
pytest-xdist starts a pair of its own: tests that stop a server or count its connections then
disturb nobody.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Generator

import pytest

from config import embedded

_STARTED = "TOCSIN_TEST_SERVERS"  # which of the two a run has started: its workers inherit it
_running = contextlib.ExitStack()
atexit.register(_running.close)  # where pytest itself fails before its end


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    ours = os.environ.get(_STARTED, "").split()
    missing = [
        name
        for name in ("DATABASE_URL", "REDIS_URL")
        if not os.environ.get(name) or (name in ours and "PYTEST_XDIST_WORKER" in os.environ)
    ]
    if missing:
        os.environ[_STARTED] = " ".join(missing)
        found = _running.enter_context(embedded.temporary_servers())
        os.environ.update(
            {name: found[name] for name in ("TOCSIN_DATA", "TOCSIN_EMBEDDED", *missing)}
        )
        if "SECRET_KEY" not in os.environ or "PYTEST_XDIST_WORKER" in os.environ:
            os.environ["SECRET_KEY"] = found["SECRET_KEY"]
    return (yield)


def pytest_unconfigure() -> None:
    _running.close()
