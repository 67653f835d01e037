"""`/metrics`: Prometheus can read it, it counts what happened, and names no customer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from prometheus_client.parser import text_string_to_metric_families

from accounts import measures
from accounts.database.standing import as_owner
from accounts.limits import parse_limit
from incidents.delivery.pool import deliver_here
from incidents.engine import stamp
from monitors.models import ListeningGap
from monitors.partitions import ensure_partitions
from tests.incidents.telling import page
from tests.monitors.pushing import ask, make_monitors, running_application, slug_of
from tests.providers import Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _from_zero() -> None:
    for instrument in measures.instruments.values():
        instrument.reset()


def read(**extra: Any) -> dict[str, Any]:
    """Return the families of /metrics by name."""
    answer = Client().get("/metrics", **extra)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.content.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "each metric is told of once"
    return {family.name: family for family in families}


def value(families: dict[str, Any], sample: str, **labels: str) -> float:
    """Return the value of one sample."""
    for family in families.values():
        for found in family.samples:
            if found.name == sample and found.labels == labels:
                return float(found.value)
    raise AssertionError(f"no {sample} {labels}")


def test_every_metric_has_its_help_and_a_name_with_its_unit() -> None:
    stamp("engine")
    ensure_partitions(now=now())
    for name, family in read().items():
        assert name.startswith("tocsin_")
        assert family.documentation, name
        assert family.type in {"counter", "gauge", "histogram"}, name
        for sample in family.samples:
            counts = sample.name.endswith(("_total", "_count", "_bucket"))
            assert counts or family.type != "counter", sample.name
            assert set(sample.labels) <= {
                *("le", "outcome", "state", "kind", "route", "status", "part", "severity"),
                *("process", "queue"),
            }


def test_pushes_are_counted_by_what_became_of_them(team) -> None:
    good, repeated = (slug_of(monitor) for monitor in make_monitors(team, 2))

    async def push_all() -> list[int]:
        async with running_application() as app:
            once = ((b"content-type", b"application/json"), (b"idempotency-key", b"k-1"))
            path = f"/api/push/{good}/results"
            again = f"/api/push/{repeated}/results"
            replies = [
                await ask(app, "POST", path, b'{"status":"pass"}'),
                await ask(app, "POST", path, b'{"status":"fail"}'),
                await ask(app, "POST", again, b'{"status":"pass"}', headers=once),
                await ask(app, "POST", again, b'{"status":"pass"}', headers=once),
                await ask(app, "POST", path, b'{"status":"maybe"}'),
                await ask(app, "POST", "/api/push/nobody000000/results", b'{"status":"pass"}'),
            ]
            return [reply.status for reply in replies]

    assert asyncio.run(push_all()) == [201, 201, 201, 201, 400, 404]
    families = read()
    said = {
        outcome: value(families, "tocsin_pushes_total", outcome=outcome)
        for outcome in ("kept", "repeat", "invalid", "unknown", "refused", "limited")
    }
    assert said == {
        "kept": 3,
        "repeat": 1,
        "invalid": 1,
        "unknown": 1,
        "refused": 0,
        "limited": 0,
    }
    assert value(families, "tocsin_push_answer_seconds_count") == 2, "those of the lane"
    assert 0 < value(families, "tocsin_push_answer_seconds_sum") < 10
    assert value(families, "tocsin_push_batch_pushes_sum") >= 4
    assert value(families, "tocsin_http_request_seconds_count", route="push", status="4xx") == 2


def test_pushes_over_a_limit_are_counted_as_limited(team, settings) -> None:
    settings.PUSH_LIMIT_ADDRESS = parse_limit("1/min")
    [slug] = (slug_of(monitor) for monitor in make_monitors(team, 1))

    async def push_twice() -> list[int]:
        async with running_application() as app:
            path = f"/api/push/{slug}/results"
            return [(await ask(app, "POST", path, b'{"status":"pass"}')).status for _ in range(3)]

    assert asyncio.run(push_twice()) == [201, 429, 429]
    families = read()
    assert value(families, "tocsin_pushes_total", outcome="limited") == 2
    assert value(families, "tocsin_pushes_total", outcome="kept") == 1


def test_incidents_rounds_and_deliveries_are_counted(team, settings) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
    [monitor] = make_monitors(team, 1)
    with Provider() as provider:
        page(team, monitor, provider)
        waiting = read()
        assert value(waiting, "tocsin_outbox_deliveries", state="pending") == 1
        deliver_here()
    families = read()
    assert value(families, "tocsin_incidents_opened_total", severity="critical") == 1
    assert value(families, "tocsin_incidents_unresolved", state="open") == 1
    assert value(families, "tocsin_incidents_recent") == 1
    sent = {"kind": "webhook", "outcome": "sent"}
    assert value(families, "tocsin_delivery_attempts_total", **sent) == 1
    assert value(families, "tocsin_delivery_attempt_seconds_count", kind="webhook") == 1
    done = {"kind": "webhook", "state": "delivered"}
    assert value(families, "tocsin_deliveries_recent", **done) == 1
    assert value(families, "tocsin_outbox_deliveries", state="pending") == 0
    assert value(families, "tocsin_engine_round_seconds_count", part="engine") >= 1
    assert value(families, "tocsin_monitors", state="down") == 1


def test_gaps_in_listening_are_told() -> None:
    at = now()
    ListeningGap.objects.create(started_at=at - timedelta(seconds=90), ended_at=at)
    families = read()
    assert value(families, "tocsin_listening_gaps_recent") == 1
    assert value(families, "tocsin_listening_gap_seconds") == 90
    ended = value(families, "tocsin_listening_gap_end_timestamp_seconds")
    assert ended == pytest.approx(at.timestamp(), abs=1)


def test_nothing_names_a_team_a_monitor_or_a_slug(team) -> None:
    monitors = make_monitors(team, 3)
    slugs = [slug_of(monitor) for monitor in monitors]

    async def push_all() -> None:
        async with running_application() as app:
            for slug in slugs:
                path = f"/api/push/{slug}/results"
                await ask(app, "POST", path, b'{"status":"pass"}')
                await ask(app, "POST", path, b"nonsense")
            await ask(app, "PROPFIND", "/api/v1/monitors", host=b"127.0.0.1:8000")

    asyncio.run(push_all())
    text = Client().get("/metrics").content.decode()
    for word in (team.slug, str(team.pk), "PROPFIND"):
        assert word not in text
    for word in (*slugs, *(str(monitor.pk) for monitor in monitors)):
        assert word not in text


def test_the_number_of_series_and_queries_does_not_grow_with_what_there_is(team) -> None:
    Client().get("/metrics")

    def measure() -> tuple[int, int]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            lines = Client().get("/metrics").content.decode().count("\n")
        return lines, len(queries)

    before = measure()
    make_monitors(team, 30)
    assert measure() == before


def test_strangers_get_404_and_a_token_opens(settings) -> None:
    assert Client(REMOTE_ADDR="203.0.113.7").get("/metrics").status_code == 404
    proxied = Client().get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert proxied.status_code == 404
    settings.METRICS_TOKEN = "let-me-see"
    assert Client().get("/metrics").status_code == 404
    wrong = Client().get("/metrics", headers={"Authorization": "Bearer let-me-sea"})
    assert wrong.status_code == 404
    right = {"headers": {"Authorization": "Bearer let-me-see"}, "REMOTE_ADDR": "203.0.113.7"}
    assert Client().get("/metrics", **right).status_code == 200


def test_without_database_and_broker_it_says_so_and_what_the_process_knows(settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitors_listeningstamp RENAME TO hidden")
    try:
        families = read()
    finally:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden RENAME TO monitors_listeningstamp")
    assert value(families, "tocsin_database_up") == 0
    assert value(families, "tocsin_broker_up") == 0
    assert value(families, "tocsin_pushes_total", outcome="kept") == 0
