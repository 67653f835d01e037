"""Senders that die before, while and after they send; and endpoints that are bad neighbours."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter

import pytest

from tests.faults.doing import LEASE_SECONDS, frozen, keys, route, told
from tests.faults.invariants import assert_sound, query
from tests.providers import Answer, Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
SENDERS = ("worker-deliver-1", "standby")
STATE = "SELECT state FROM incidents_delivery WHERE kind = 'webhook' AND contact LIKE %s"


def state_of(whole: Whole, channel: str) -> str:
    rows = query(whole.data, STATE, [f"%{channel}%"])
    return str(rows[0][0]) if rows else ""


def test_killed_after_the_claim_it_is_sent_once_after_the_lease(whole: Whole) -> None:
    """The provider takes no connection at first, so what was claimed cannot have been sent."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        host, port = deaf.getsockname()
        callers = [socket.socket() for _ in range(3)]  # fill its queue: further calls hang
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex((host, port))
        channel = route(whole, "claimed", f"http://{host}:{port}/hook")
        monitor = whole.monitor("claimed", silent_after=3600)
        assert whole.push(monitor, "fail").status == 201
        until(lambda: state_of(whole, channel) == "sending", "the claim", seconds=10)
        claimed = time.monotonic()
        for name in SENDERS:
            whole.signal(name, signal.SIGKILL)
        for caller in callers:
            caller.close()
    with Provider(port=port) as receiver:
        until(lambda: receiver.got, "the message after the lease", seconds=LEASE_SECONDS + 10)
        took = time.monotonic() - claimed
        time.sleep(3)
        assert len(receiver.got) == 1
        assert took < LEASE_SECONDS + 5, took
    assert_sound(whole)


def test_killed_before_the_record_it_is_doubled_at_most_under_one_key(
    whole: Whole, receiver: Provider
) -> None:
    receiver.answer = lambda n: Answer(delay_seconds=8) if n == 1 else 200
    channel = route(whole, "unrecorded", receiver.url)
    monitor = whole.monitor("unrecorded", silent_after=3600)
    assert whole.push(monitor, "fail").status == 201
    receiver.wait(1, seconds=10)
    for name in SENDERS:
        whole.signal(name, signal.SIGKILL)
    until(lambda: state_of(whole, channel) == "delivered", "delivered", seconds=LEASE_SECONDS + 10)
    assert len(receiver.got) == 2
    assert len(set(keys(receiver))) == 1
    assert_sound(whole)


def test_one_poison_message_fails_alone(whole: Whole, receiver: Provider) -> None:
    channel = route(whole, "poison", receiver.url, kind="slack")
    monitors = [whole.monitor(f"poison-{n}", silent_after=3600) for n in range(5)]
    with frozen(whole, *SENDERS):
        for monitor in monitors:
            assert whole.push(monitor, "fail").status == 201
        waiting = "SELECT count(*) FROM incidents_delivery WHERE channel_id = %s"
        until(lambda: query(whole.data, waiting, [channel])[0][0] == 5, "queued", seconds=10)
        poison = json.dumps({"monitor": 7, "incident": []})
        query(
            whole.data,
            "UPDATE incidents_delivery SET payload = %s WHERE id = ("
            "SELECT min(id::text)::uuid FROM incidents_delivery WHERE channel_id = %s) "
            "RETURNING id",
            [poison, channel],
        )
    receiver.wait(4, seconds=LEASE_SECONDS + 10)
    ends = "SELECT state FROM incidents_delivery WHERE channel_id = %s"
    done = {"delivered", "failed"}
    until(
        lambda: {row[0] for row in query(whole.data, ends, [channel])} <= done,
        "an end of each",
        seconds=60,
    )
    states = Counter(row[0] for row in query(whole.data, ends, [channel]))
    assert states == {"delivered": 4, "failed": 1}
    assert_sound(whole)


def test_a_dripping_endpoint_does_not_hold_up_another_teams_page(
    whole: Whole, receiver: Provider
) -> None:
    slow = Answer(drip_seconds=1)
    with Provider(lambda n: slow) as drip:
        route(whole, "drip", drip.url)
        dripping = [whole.monitor(f"drip-{n}", silent_after=3600) for n in range(60)]
        for monitor in dripping:
            whole.push(monitor, "fail")
        until(lambda: drip.connections > 3, "it drips", seconds=10)
        own = whole.key
        whole.key = whole.another_team("bystander")
        try:
            route(whole, "quick", receiver.url)
            monitor = whole.monitor("quick", silent_after=3600)
            pushed = time.monotonic()
            whole.push(monitor, "fail")
            until(lambda: told(receiver) == ["quick"], "the other team's page", seconds=10)
            assert time.monotonic() - pushed < 10
        finally:
            whole.key = own
        for monitor in dripping:
            whole.api("POST", f"monitors/{monitor['id']}/pause", {})
