"""What every test of incidents needs: no scope in the way, and loopback allowed."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from django_scopes import scopes_disabled


@pytest.fixture(autouse=True)
def _unscoped() -> Iterator[None]:
    with scopes_disabled():
        yield


@pytest.fixture(autouse=True)
def _loopback(settings) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
