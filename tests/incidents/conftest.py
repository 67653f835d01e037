"""What tests of incidents need: no scope in the way, loopback allowed, a monitor."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from django_scopes import scopes_disabled

from monitors.models import Monitor
from monitors.services import create_monitor


@pytest.fixture(autouse=True)
def _unscoped() -> Iterator[None]:
    with scopes_disabled():
        yield


@pytest.fixture(autouse=True)
def _loopback(settings) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def monitor(team) -> Monitor:
    """A monitor that nothing was pushed to."""
    return create_monitor(team=team, name="m")[0]
