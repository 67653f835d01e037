"""Fixtures that several rooms use: a team, its key, and a client that speaks the REST API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team
from tests.factories import TeamFactory, make_key


@dataclass(frozen=True)
class Api:
    """The REST API with one key (None: no key)."""

    key: str | None

    def __call__(
        self, method: str, path: str, body: Any = None, expect: int | None = None, **extra: Any
    ) -> Any:
        """Return the response; `path` is below /api/v1/, a body of bytes is sent as it is."""
        headers = dict(extra.pop("headers", {}))
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        extra.setdefault("content_type", "application/json")
        url = path if path.startswith("/") else f"/api/v1/{path}"
        response = Client().generic(method, url, body or b"", headers=headers, **extra)
        if expect is not None:
            assert response.status_code == expect, (response.status_code, response.content)
        return response

    def get(self, path: str) -> Any:
        """Return what a GET that succeeds answers."""
        return self("GET", path, expect=200).json()

    def post(self, path: str, expect: int = 200, **body: Any) -> Any:
        """Return what a POST that succeeds answers."""
        return self("POST", path, body, expect=expect).json()

    def make(self, path: str, **body: Any) -> Any:
        """Return what was created."""
        return self.post(path, expect=201, **body)


@pytest.fixture
def team(db: None) -> Team:
    return TeamFactory(slug="acme")


@pytest.fixture
def key(team: Team) -> str:
    return make_key(team)


@pytest.fixture
def api(key: str) -> Api:
    return Api(key)


@pytest.fixture
def rival(db: None) -> Api:
    """Another team's API."""
    return Api(make_key(TeamFactory(slug="rival")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the browser's tests last: Playwright's event loop goes on until its browser is closed,
    and no other test in that process can run one of its own meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
