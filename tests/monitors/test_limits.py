"""Limits of pushes: by monitor, address and team, in the lane and in Django."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.test import override_settings

from accounts.limits import Limit, parse_limit
from accounts.models import Team
from monitors.ingest.limits import Buckets, PushLimits, limits_of
from monitors.models import Monitor
from tests.conftest import Api
from tests.factories import TeamFactory
from tests.monitors.pushing import Reply, ask, make_monitors, results, running_application, slug_of

FEW = Limit(2, 3600)
BODY = b'{"status": "pass"}'


@pytest.fixture(autouse=True)
def empty_buckets() -> Iterator[None]:
    limits_of.cache_clear()
    yield
    limits_of.cache_clear()


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("600/min", Limit(600, 60)),
        (" 10 / s ", Limit(10, 1)),
        ("5/Minute", Limit(5, 60)),
        ("1000/h", Limit(1000, 3600)),
        ("100000/day", Limit(100_000, 86_400)),
        ("", None),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit | None) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["600", "0/min", "-1/s", "x/min", "1/fortnight", "1/min/s"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="600/min"):
        parse_limit(text)


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    buckets = Buckets[str](Limit(3, 60))
    assert [buckets.take("a", now=100.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", now=100.0) == pytest.approx(20)
    assert buckets.take("a", now=110.0) == pytest.approx(10)
    assert buckets.take("a", now=120.0) == 0
    assert buckets.take("b", now=120.0) == 0
    assert buckets.take("a", now=119.0) > 0  # a clock that steps back gives nothing


def test_buckets_are_bounded() -> None:
    buckets = Buckets[int](Limit(1, 3600), most=10)
    for key in range(1000):
        buckets.take(key, now=1.0)
    assert len(buckets._levels) == 10


def test_a_monitors_flood_takes_nothing_from_its_team() -> None:
    limits = PushLimits(slug=Limit(1, 60), address=None, team=Limit(2, 60), clock=lambda: 5.0)
    team, noisy, quiet = uuid4(), uuid4(), uuid4()
    assert limits.check_monitor(noisy, team) is None
    for _ in range(10):
        refusal = limits.check_monitor(noisy, team)
        assert refusal is not None
        assert refusal.wait == 60
    assert limits.check_monitor(quiet, team) is None
    assert limits.check_monitor(uuid4(), team) is not None
    assert limits.check_monitor(uuid4(), uuid4()) is None


def test_of_an_ipv6_address_the_network_counts() -> None:
    limits = PushLimits(slug=None, address=Limit(2, 60), team=None, clock=lambda: 5.0)
    assert limits.check_address("2001:db8::1") is None
    assert limits.check_address("2001:db8::ffff:2") is None
    assert limits.check_address("2001:db8:0:0:3::") is not None
    assert limits.check_address("2001:db8:0:1::1") is None
    assert limits.check_address("192.0.2.1") is None
    assert limits.check_address("::ffff:192.0.2.1") is None
    assert limits.check_address("192.0.2.1") is not None
    assert limits.check_address("192.0.2.2") is None
    assert limits.check_address("") is None


def push_all(monitors: list[Monitor], *, lane: bool = True) -> list[Reply]:
    async def drive() -> list[Reply]:
        async with running_application() as app:
            return [await ask(app, "POST", f"/api/push/{slug}/results", BODY) for slug in slugs]

    slugs = [slug_of(monitor) for monitor in monitors]
    with override_settings(PUSH_LANE=lane):
        return asyncio.run(drive())


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.django_db(transaction=True)
def test_too_many_pushes_of_a_monitor_are_refused_and_harm_no_other(lane: bool) -> None:
    noisy, quiet = make_monitors(TeamFactory(), 2)
    with override_settings(PUSH_LIMIT_SLUG=FEW):
        replies = push_all([noisy] * 4 + [quiet], lane=lane)
    assert [reply.status for reply in replies] == [201, 201, 429, 429, 201]
    assert replies[1].by_lane is lane
    refused = replies[2]
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 1800
    assert "monitor" in refused.json["detail"]
    assert len(results(noisy)) == 2


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.django_db(transaction=True)
def test_a_teams_limit_is_its_own(lane: bool) -> None:
    ours, others = make_monitors(TeamFactory(), 3), make_monitors(TeamFactory(), 1)
    with override_settings(PUSH_LIMIT_TEAM=FEW):
        replies = push_all([*ours, *others, ours[0]], lane=lane)
    assert [reply.status for reply in replies] == [201, 201, 429, 201, 429]


@pytest.mark.django_db(transaction=True)
def test_an_address_has_a_limit_whatever_it_pushes() -> None:
    monitors = make_monitors(TeamFactory(), 3)
    with override_settings(PUSH_LIMIT_ADDRESS=FEW):
        replies = push_all(monitors)
    assert [reply.status for reply in replies] == [201, 201, 429]
    assert replies[0].by_lane


def test_other_ways_to_push_are_counted_too(api: Api, team: Team) -> None:
    [monitor] = make_monitors(team, 1)
    with override_settings(PUSH_LIMIT_SLUG=FEW):
        path = f"/api/ping/{slug_of(monitor)}"
        statuses = [api("GET", path, headers={"Authorization": ""}).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
