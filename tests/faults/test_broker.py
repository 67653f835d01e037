"""A broker that hangs, dies, is emptied or is full: it carries wake-ups, and loses nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
import redis

from config.embedded import connection_env
from tests.faults.doing import frozen, route, told
from tests.faults.invariants import assert_sound
from tests.providers import Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]


def paged_meanwhile(whole: Whole, receiver: Provider, name: str) -> None:
    route(whole, name, receiver.url)
    monitor = whole.monitor(name, silent_after=3600)
    started = time.monotonic()
    assert whole.push(monitor, "fail").status == 201
    assert time.monotonic() - started < 1
    until(lambda: told(receiver) == [name], "the page", seconds=15)


def test_a_hung_broker(whole: Whole, receiver: Provider) -> None:
    with frozen(whole, "valkey"):
        paged_meanwhile(whole, receiver, "hung-broker")
    assert_sound(whole)


def test_a_killed_broker(whole: Whole, receiver: Provider) -> None:
    whole.signal("valkey", signal.SIGKILL)
    paged_meanwhile(whole, receiver, "killed-broker")
    assert_sound(whole)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda broker: broker.flushall(), id="emptied"),
        pytest.param(lambda broker: broker.config_set("maxmemory", "1"), id="full"),
    ],
)
def test_a_broker_that_is(
    whole: Whole, receiver: Provider, harm: Callable[[redis.Redis], object], request: object
) -> None:
    broker = redis.Redis.from_url(connection_env(whole.data)["REDIS_URL"], socket_timeout=2)
    harm(broker)
    try:
        name = request.node.callspec.id  # type: ignore[attr-defined]
        paged_meanwhile(whole, receiver, f"{name}-broker")
    finally:
        broker.config_set("maxmemory", "0")
    assert_sound(whole)
