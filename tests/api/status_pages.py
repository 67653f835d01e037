"""Status pages by the REST API: making them, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_scopes import scopes_disabled

from statuspages.models import PostNotice, StatusPage
from tests.conftest import Api

NOBODY = "01890000-0000-7000-8000-000000000000"


def make_page(api: Api, slug: str = "acme", **fields: Any) -> Any:
    return api.make("status-pages", **{"name": "Acme", "slug": slug, **fields})


def refused(api: Api, method: str, path: str, body: Any) -> tuple[str, str]:
    errors = api(method, path, body, expect=400).json()["errors"]
    return errors[0]["field"], errors[0]["code"]


def version(page: Any) -> int:
    with scopes_disabled():
        return StatusPage.objects.get(pk=page["id"]).version


@pytest.fixture
def page(api: Api) -> Any:
    return make_page(api)


@pytest.fixture
def path(page: Any) -> str:
    return f"status-pages/{page['id']}/posts"


def component(api: Api, page: Any, name: str = "API", **fields: Any) -> str:
    made: str = api.make(f"status-pages/{page['id']}/components", name=name, **fields)["id"]
    return made


def instant(**ago: float) -> str:
    """Return a time that was so long ago, as the API writes it."""
    return (datetime.now(UTC) - timedelta(**ago)).isoformat().replace("+00:00", "Z")


def notices() -> int:
    with scopes_disabled():
        return PostNotice.objects.filter(handled_at=None).count()


def plan(api: Api, path: str, **fields: Any) -> Any:
    times = {"scheduled_for": instant(hours=-1), "scheduled_until": instant(hours=-2)}
    return api.make(path, **{"title": "Upgrade", **times, **fields})
