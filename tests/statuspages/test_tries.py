"""Counting tries: together in Redis, and alone where Redis does not answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings as configured
from django.core.cache import cache

from statuspages.serving import tries
from statuspages.serving.tries import count_try, forget_try


@pytest.fixture(autouse=True)
def _unpaused(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    cache.clear()
    monkeypatch.setattr(tries, "_paused_until", 0.0)
    yield
    tries._client.cache_clear()


@pytest.fixture
def name() -> str:
    return f"test:{uuid.uuid4()}"


def stored(name: str) -> tuple[Any, int]:
    client = redis.Redis.from_url(configured.REDIS_URL)
    return client.get(f"tocsin:tries:{name}"), client.ttl(f"tocsin:tries:{name}")


def test_tries_are_counted_where_every_process_sees_them(name: str) -> None:
    assert [count_try(name, seconds=600) for _ in range(3)] == [1, 2, 3]
    cache.clear()  # as another process, which knows nothing
    assert count_try(name, seconds=600) == 4
    forget_try(name, seconds=600)
    count, ttl = stored(name)
    assert count == b"3"
    assert 0 < ttl <= 600


def test_taking_back_what_has_run_out_leaves_nothing_for_ever(name: str) -> None:
    forget_try(name, seconds=600)
    assert 0 < stored(name)[1] <= 600


def test_without_redis_each_process_counts_alone(name: str, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert [count_try(name, seconds=600) for _ in range(3)] == [1, 2, 3]
    forget_try(name, seconds=600)
    assert count_try(name, seconds=600) == 3


def test_a_mute_redis_is_asked_once_and_then_left_alone(
    name: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for _ in range(5):
        count_try(name, seconds=600)
    assert caplog.text.count("Tries are counted by each process alone") == 1
