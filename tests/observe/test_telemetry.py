"""Traces and error reports: only where asked for, to whom asked for, and without secrets."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts import observing
from config import telemetry
from incidents.delivery.pool import deliver_here
from tests.incidents.telling import deliveries, incidents, page
from tests.monitors.pushing import ask, make_monitors, running_application, slug_of
from tests.providers import Provider, Received

BLOCKED = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("opentelemetry", "sentry_sdk"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import django
django.setup()
from accounts.observing import start_observing
start_observing("web")
"""


@pytest.mark.parametrize(
    ("variable", "package"),
    [("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry"), ("SENTRY_DSN", "sentry_sdk")],
)
def test_a_missing_package_is_a_clear_error_at_the_start(variable: str, package: str) -> None:
    def start(**environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BLOCKED],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test", **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    assert start().returncode == 0, "who asks for nothing needs nothing"
    failed = start(**{variable: "http://127.0.0.1:1"})
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert ImproperlyConfigured.__name__ in last
    assert f"{variable} is set and {package}" in last
    assert "requirements/observe.txt" in last


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    with Provider() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setattr(telemetry, "_started", True)  # else the application starts it again
        telemetry.start_traces("web")
        try:
            yield running
        finally:
            telemetry.stop_traces()


def spans(requests: list[Received]) -> list[tuple[str, dict[str, str]]]:
    """Return the name and the attributes of every span that arrived."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for request in requests:
        assert request.path.endswith("/v1/traces")
        gzipped = request.headers.get("content-encoding") == "gzip"
        body = gzip.decompress(request.body) if gzipped else request.body
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {a.key: a.value.string_value for a in group.resource.attributes}
            assert named["service.name"] == "tocsin"
            assert named["tocsin.process"] == "web"
            for scope in group.scope_spans:
                for span in scope.spans:
                    facts = {a.key: a.value.string_value for a in span.attributes}
                    found.append((span.name, facts))
    return found


@pytest.mark.django_db(transaction=True)
def test_requests_rounds_and_deliveries_are_traced_with_their_ids(
    team, settings, collector: Provider
) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
    [monitor] = make_monitors(team, 1)
    answer = Client().post(f"/api/push/{slug_of(monitor)}/results", {"status": "pass"})
    with Provider() as provider:
        page(team, monitor, provider)
        deliver_here()
    telemetry.stop_traces()
    arrived = spans(collector.got)
    by_name: dict[str, list[dict[str, str]]] = {}
    for name, facts in arrived:
        by_name.setdefault(name, []).append(facts)
    [request] = by_name["request"]
    assert request["tocsin.request_id"] == answer["X-Request-ID"]
    assert request["tocsin.route"] == "push"
    assert by_name["engine round"]
    [incident], [delivery] = incidents(), deliveries()
    [opened] = by_name["incident opened"]
    [sent] = by_name["delivery"]
    assert opened["tocsin.incident_id"] == sent["tocsin.incident_id"] == str(incident.pk)
    assert sent["tocsin.delivery_id"] == str(delivery.pk)
    assert slug_of(monitor) not in str(arrived)


@pytest.mark.django_db(transaction=True)
def test_batches_of_pushes_are_traced(team, collector: Provider) -> None:
    [slug] = (slug_of(monitor) for monitor in make_monitors(team, 1))

    async def push_once() -> int:
        async with running_application() as app:
            return (
                await ask(app, "POST", f"/api/push/{slug}/results", b'{"status":"pass"}')
            ).status

    assert asyncio.run(push_once()) == 201
    telemetry.stop_traces()
    assert [name for name, _ in spans(collector.got)] == ["push batch"]


def test_without_an_endpoint_nothing_is_traced() -> None:
    assert observing.tracing() is None


def test_an_error_report_holds_no_secret() -> None:
    slug, token = "aB3dE5gH7jK9", "s3cr3t-t0ken"
    event: dict[str, Any] = {
        "message": f"POST /api/push/{slug}/results",
        "user": {"email": "ana@acme.example", "ip_address": "203.0.113.7"},
        "request": {
            "url": f"https://tocsin.example/api/push/{slug}/results",
            "method": "POST",
            "headers": {"Authorization": f"Bearer {token}", "Cookie": "sessionid=1"},
            "data": {"message": "private"},
            "cookies": {"sessionid": "1"},
            "env": {"REMOTE_ADDR": "203.0.113.7"},
            "query_string": "token=abc",
        },
        "exception": {"values": [{"type": "E", "value": f"Bearer {token} ana@acme.example"}]},
        "extra": {"deep": [{"deeper": [f"/api/ping/{slug}"]}]},
    }
    with observing.about(incident_id="0190c9f2"):
        said = telemetry.scrub(event, {})
    text = json.dumps(said)
    for secret in (slug, token, "ana@", "203.0.113.7", "sessionid", "private", "abc"):
        assert secret not in text
    assert said["tags"] == {"incident_id": "0190c9f2"}
    assert said["request"].keys() == {"method", "url"}


SENTRY = """
import django, logging
django.setup()
from accounts.observing import about, start_observing
start_observing("worker-deliver")
with about(incident_id="0190c9f2"):
    try:
        token = "Bearer s3cr3t-t0ken"
        raise RuntimeError("POST /api/push/aB3dE5gH7jK9/results " + token)
    except RuntimeError:
        logging.getLogger("incidents").exception("not sent to ana@acme.example")
import sentry_sdk
sentry_sdk.flush(5)
"""


def test_an_error_arrives_at_sentry_masked() -> None:
    pytest.importorskip("sentry_sdk")
    with Provider() as server:
        dsn = f"http://0123456789abcdef@127.0.0.1:{server.port}/1"
        subprocess.run(
            [sys.executable, "-c", SENTRY],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings_test",
                "SENTRY_DSN": dsn,
            },
            capture_output=True,
            check=True,
        )
        bodies = [_unpacked(request) for request in server.got]
    text = "\n".join(bodies)
    assert "RuntimeError" in text
    assert "0190c9f2" in text
    for secret in ("s3cr3t", "aB3dE5gH7jK9", "ana@acme.example"):
        assert secret not in text


def _unpacked(request: Received) -> str:
    packing = request.headers.get("content-encoding")
    if packing == "gzip":
        return gzip.decompress(request.body).decode()
    return (zlib.decompress(request.body) if packing == "deflate" else request.body).decode()
