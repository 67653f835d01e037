from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from monitors.models import Monitor
from tests.console.personas import Personas, listen_now, make_monitor, make_personas


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    """Forget how often an address has signed up or logged in: other tests use the same ones."""
    cache.clear()


@pytest.fixture
def people(db: Any) -> Personas:
    listen_now()
    return make_personas()


@pytest.fixture
def monitor(people: Personas) -> Monitor:
    return make_monitor(people.team)


@pytest.fixture
def browse(people: Personas) -> Callable[[User | None], Client]:
    """Return a client of somebody who is logged in."""

    def log_in(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return log_in


@pytest.fixture
def owner(browse: Callable[[User | None], Client], people: Personas) -> Client:
    return browse(people.owner)
