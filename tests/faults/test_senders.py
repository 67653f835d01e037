"""Senders that die before, while and after they send; and endpoints that are bad neighbours."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from signal import SIGKILL

import pytest

from tests.faults.doing import (
    FULL,
    LEASE_SECONDS,
    frozen,
    keys,
    lateness,
    retire,
    route,
    signal_all,
    told,
)
from tests.faults.invariants import query
from tests.providers import Answer, Provider
from tests.system.whole import Whole, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
SENDERS = ("worker-deliver-1", "standby")
FAILING = 10_000 if FULL else 1_000
STATE = "SELECT state FROM incidents_delivery WHERE channel_id = %s"
CLAIMED_AT = (
    "SELECT extract(epoch FROM next_attempt_at) - %s FROM incidents_delivery WHERE channel_id = %s"
)
COUNT = """
SELECT count(*) FROM incidents_delivery WHERE channel_id = ANY(%s) AND state = ANY(%s)
"""
POISON = """
UPDATE incidents_delivery SET payload = '[7]' WHERE id = (
  SELECT id FROM incidents_delivery WHERE channel_id = %s ORDER BY id LIMIT 1)
"""
# Further messages like those that a channel has had, due now.
MULTIPLY = """
INSERT INTO incidents_delivery (id, team_id, incident_id, channel_id, contact, kind, event, payload,
  state, attempts, attempt_count, next_attempt_at, paced, direct, given_way, rescue, created_at)
SELECT gen_random_uuid(), team_id, incident_id, channel_id, contact, kind, event, payload,
  'pending', '[]', 0, now(), true, false, true, false, now()
FROM (SELECT * FROM incidents_delivery WHERE channel_id = %s LIMIT 1) one, generate_series(1, %s)
RETURNING 1
"""
GIVE_UP = """
UPDATE incidents_delivery SET state = 'cancelled', finished_at = now()
WHERE channel_id = ANY(%s) AND state IN ('pending', 'sending') RETURNING 1
"""


def state_of(whole: Whole, channel: str) -> str:
    rows = query(whole.data, STATE, [channel])
    return str(rows[0][0]) if rows else ""


@dataclass
class Killed:
    """What became of two messages whose sender was killed."""

    claimed_at: float
    deaf: Provider
    unrecorded: Provider


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """Yield a port where connecting hangs: what is sent there meanwhile cannot have arrived."""
    with socket.socket() as deaf, contextlib.ExitStack() as callers:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):  # they fill its queue
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        yield deaf.getsockname()[1]


@pytest.fixture(scope="module")
def killed(whole: Whole) -> Iterator[Killed]:
    """Kill the senders with one message claimed but unsent, and one sent but unrecorded."""
    with Provider(lambda n: Answer(delay_seconds=10) if n == 1 else 200) as unrecorded:
        with deaf_port() as port:
            claimed = route(whole, "claimed", f"http://127.0.0.1:{port}/hook")
            accepted = route(whole, "unrecorded", unrecorded.url)
            monitors = [whole.monitor(n, silent_after=3600) for n in ("claimed", "unrecorded")]
            for monitor in monitors:
                assert whole.push(monitor, "fail").status == 201
            until(lambda: state_of(whole, claimed) == "sending", "the claim", seconds=20)
            unrecorded.wait(1, seconds=20)
            [(at,)] = query(whole.data, CLAIMED_AT, [LEASE_SECONDS, claimed])
            for name in SENDERS:
                assert signal_all(whole, name, SIGKILL)
        with Provider(port=port) as deaf:
            for channel in (claimed, accepted):
                until(
                    lambda c=channel: state_of(whole, c) == "delivered",
                    "delivered after the lease",
                    seconds=LEASE_SECONDS + 40,
                )
            retire(whole, monitors)
            yield Killed(float(at), deaf, unrecorded)


def test_killed_after_the_claim_it_is_sent_once_after_the_lease(
    whole: Whole, killed: Killed
) -> None:
    assert len(told(killed.deaf)) == 1
    assert 0 <= killed.deaf.got[0].at - killed.claimed_at - LEASE_SECONDS < 5


def test_killed_before_the_record_it_is_doubled_at_most_under_one_key(
    whole: Whole, killed: Killed
) -> None:
    assert len(told(killed.unrecorded)) == 2
    first, second = keys(killed.unrecorded)[:2]
    assert first == second
    assert killed.unrecorded.got[0].body == killed.unrecorded.got[1].body


def test_one_poison_message_fails_alone(whole: Whole, receiver: Provider) -> None:
    """One message of the batch is refused by the provider; another one nobody can read."""
    receiver.answer = lambda n: 400 if n == 2 else 200
    channel = route(whole, "poison", receiver.url)
    monitors = [whole.monitor(f"poison-{n}", silent_after=3600) for n in range(5)]
    with frozen(whole, *SENDERS):
        for monitor in monitors:
            assert whole.push(monitor, "fail").status == 201
        until(
            lambda: query(whole.data, COUNT, [[channel], ["pending"]]) == [(5,)],
            "queued",
            seconds=40,
        )
        query(whole.data, POISON, [channel])
    ended = {"delivered": 3, "failed": 1}
    until(
        lambda: (
            Counter(r[0] for r in query(whole.data, STATE, [channel]) if r[0] in ended) == ended
        ),
        "an end of the others",
        seconds=LEASE_SECONDS + 20,
    )
    assert len(told(receiver)) == 4
    retire(whole, monitors)
    query(whole.data, GIVE_UP, [[channel]])


def test_a_team_of_bad_endpoints_does_not_hold_up_another_teams_page(
    whole: Whole, receiver: Provider
) -> None:
    own = whole.key
    with Provider(lambda n: Answer(drip_seconds=1)) as drip, Provider(lambda n: 500) as broken:
        channels = [route(whole, "drip", drip.url), route(whole, "broken", broken.url)]
        monitors = [whole.monitor(name, silent_after=3600) for name in ("drip", "broken")]
        for monitor in monitors:
            assert whole.push(monitor, "fail").status == 201
        until(lambda: drip.connections and broken.connections, "first messages", seconds=30)
        for channel in channels:
            query(whole.data, MULTIPLY, [channel, FAILING // 2])
        until(lambda: drip.connections > 3, "it drips", seconds=30)
        try:
            whole.key = whole.another_team("bystander")
            route(whole, "quick", receiver.url)
            quick = whole.monitor("quick", silent_after=3600)
            assert whole.push(quick, "fail").status == 201
            until(lambda: told(receiver) == ["quick"], "the other team's page", seconds=40)
            assert lateness(whole, receiver, [quick])["quick"] < 10
            assert query(whole.data, COUNT, [channels, ["pending"]])[0][0] > FAILING // 10
            retire(whole, [quick])
        finally:
            whole.key = own
        retire(whole, monitors)
        query(whole.data, GIVE_UP, [channels])
