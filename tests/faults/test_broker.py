"""A broker that hangs, dies, is emptied or is full: it carries wake-ups, and loses nothing."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from config.embedded import connection_env
from tests.faults.doing import frozen, lateness, retire, route, told
from tests.providers import Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
PAGE_SECONDS = 15


def client(whole: Whole) -> redis.Redis:
    return redis.Redis.from_url(connection_env(whole.data)["REDIS_URL"], socket_timeout=2)


@contextlib.contextmanager
def killed(whole: Whole) -> Iterator[None]:
    whole.signal("valkey", signal.SIGKILL)
    yield


@contextlib.contextmanager
def hung(whole: Whole) -> Iterator[None]:
    with frozen(whole, "valkey"):
        yield


@contextlib.contextmanager
def emptied(whole: Whole) -> Iterator[None]:
    client(whole).flushall()
    yield


@contextlib.contextmanager
def full(whole: Whole) -> Iterator[None]:
    broker = client(whole)
    [(_, limit)] = broker.config_get("maxmemory").items()
    broker.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            broker.set("one", "more")
        yield
    finally:
        broker.config_set("maxmemory", limit)


@pytest.mark.parametrize("fault", [killed, hung, emptied, full])
def test_pushes_are_answered_at_once_and_pages_go_out_with_a_broker_that_is(
    whole: Whole,
    receiver: Provider,
    fault: Callable[[Whole], contextlib.AbstractContextManager[None]],
    answered: set[tuple[str, str]],
) -> None:
    name = f"{fault.__name__}-broker"
    route(whole, name, receiver.url)
    monitor = whole.monitor(name, silent_after=3600)
    with fault(whole):
        took = []
        for status in ("pass", "fail", "fail"):
            started = time.monotonic()
            answer = whole.push(monitor, status)
            took.append(time.monotonic() - started)
            assert answer.status == 201
            answered.add((monitor["id"], answer.json["id"]))
        assert min(took) < 1, took
        until(lambda: told(receiver) == [name], "the page", seconds=PAGE_SECONDS * 3)
        assert lateness(whole, receiver, [monitor])[name] < PAGE_SECONDS
    retire(whole, [monitor])
