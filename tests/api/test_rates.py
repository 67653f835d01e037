"""How many requests a key may make."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from accounts.api import rates
from accounts.limits import Limit
from accounts.models import ApiKey, Scope, Team
from tests.conftest import Api
from tests.factories import make_key

FEW = Limit(3, 60)


@pytest.fixture(autouse=True)
def redis_is_not_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rates, "_away_until", 0.0)
    monkeypatch.setattr(rates, "PATIENCE_SECONDS", 2.0)  # a busy machine must not fail a test
    rates._client.cache_clear()
    yield
    rates._client.cache_clear()


def test_without_a_limit_nothing_is_counted(api: Api) -> None:
    answer = api("GET", "monitors", expect=200)
    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]


def test_a_key_is_told_what_is_left_and_then_to_wait(api: Api, team: Team) -> None:
    with override_settings(API_LIMIT=FEW):
        answers: list[Any] = [api("GET", "monitors") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        first, last = answers[0], answers[-1]
        assert first["RateLimit-Policy"] == '"api";q=3;w=60'
        assert first["RateLimit"].startswith('"api";r=2;t=')
        assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("3", "2")
        assert 1 <= int(first["RateLimit-Reset"]) <= 60
        assert last["Content-Type"] == "application/problem+json"
        assert last["RateLimit-Remaining"] == "0"
        assert 1 <= int(last["Retry-After"]) <= 60
        Api(make_key(team))("GET", "monitors", expect=200)


def test_a_refused_request_changes_nothing(api: Api) -> None:
    with override_settings(API_LIMIT=Limit(1, 60)):
        api("GET", "monitors", expect=200)
        api("POST", "monitors", {"name": "x"}, expect=429)
    assert api.get("monitors")["results"] == []


def test_errors_carry_the_limit_too(api: Api) -> None:
    with override_settings(API_LIMIT=FEW):
        refused = api("POST", "monitors", {"name": ""}, expect=400)
    assert refused["RateLimit-Remaining"] == "2"


def test_what_a_key_may_not_do_is_counted_too(team: Team) -> None:
    reader = Api(make_key(team, Scope.READ))
    with override_settings(API_LIMIT=Limit(2, 60)):
        refused = [reader("POST", "monitors", {"name": "x"}) for _ in range(3)]
    assert [answer.status_code for answer in refused] == [403, 403, 429]
    assert refused[0]["RateLimit-Remaining"] == "1"


def test_a_redis_that_hangs_stops_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "PATIENCE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with override_settings(API_LIMIT=Limit(1, 60), REDIS_URL=url):
            key = ApiKey()
            start = time.monotonic()
            assert [rates.count_request(key) for _ in range(20)] == [None] * 20
            assert time.monotonic() - start < 2
            assert [api("GET", "monitors").status_code for _ in range(3)] == [200] * 3


def test_a_redis_that_is_gone_stops_nobody(api: Api) -> None:
    with override_settings(API_LIMIT=Limit(1, 60), REDIS_URL="unix:///nowhere/redis.sock"):
        assert [api("GET", "monitors").status_code for _ in range(3)] == [200] * 3
