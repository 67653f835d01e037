"""The PostgreSQL and Valkey of the test suite, as a pytest plugin (`-p tests.servers`).

Where DATABASE_URL and REDIS_URL are both set the suite runs against those. Otherwise one pair of
embedded servers is started before Django reads its settings, and ends with the run; the workers
of pytest-xdist inherit the environment and with it the servers.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Generator

import pytest

from config import embedded

_running = contextlib.ExitStack()
atexit.register(_running.close)  # where pytest itself fails before its end


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if missing:
        found = _running.enter_context(embedded.temporary_servers())
        os.environ.update(
            {name: found[name] for name in ("TOCSIN_DATA", "TOCSIN_EMBEDDED", *missing)}
        )
        os.environ.setdefault("SECRET_KEY", found["SECRET_KEY"])
    return (yield)


def pytest_unconfigure() -> None:
    _running.close()
