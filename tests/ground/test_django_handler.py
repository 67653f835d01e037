"""Django behind ASGI: streams are read in threads and sent whole."""

from __future__ import annotations

import asyncio

import pytest

from config.asgi import Application
from tests.monitors.pushing import ask


@pytest.mark.django_db(transaction=True)
def test_a_static_file_is_streamed_whole() -> None:
    async def fetch() -> tuple[int, int, str]:
        path = "/static/bootstrap/css/bootstrap.min.css"
        reply = await ask(Application(), "GET", path, host=b"127.0.0.1:8000")
        return reply.status, len(reply.body), reply.headers["content-length"]

    status, size, announced = asyncio.run(fetch())
    assert (status, size) == (200, int(announced))
    assert size > 100_000
