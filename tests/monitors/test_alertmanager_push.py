"""Alertmanager's webhook as a push."""

from __future__ import annotations

from typing import Any

import pytest
from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Monitor
from tests.conftest import Api
from tests.factories import MonitorFactory
from tests.monitors.pushing import heartbeat, results, slug_of

WATCHDOG = {
    "version": "4",
    "groupKey": '{}:{alertname="Watchdog"}',
    "status": "firing",
    "receiver": "tocsin",
    "groupLabels": {"alertname": "Watchdog"},
    "commonLabels": {"alertname": "Watchdog", "severity": "none", "prometheus": "k8s"},
    "commonAnnotations": {"summary": "An alert that should always be firing."},
    "externalURL": "http://alertmanager.example",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Watchdog", "severity": "none", "prometheus": "k8s"},
            "annotations": {"summary": "An alert that should always be firing."},
            "startsAt": "2026-11-22T00:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
    ],
}
NOBODY = Api(None)


@pytest.fixture
def monitor(team: Team) -> Monitor:
    return MonitorFactory(team=team, name="prometheus")


def send(monitor: Monitor, body: Any, expect: int, **options: Any) -> Any:
    path = f"/api/ping/{slug_of(monitor)}/alertmanager"
    return NOBODY("POST", path, body, expect=expect, **options).json()


def test_a_watchdog_that_fires_is_a_pass(monitor: Monitor) -> None:
    answer = send(monitor, WATCHDOG, 201)
    assert (answer["status"], answer["state"], answer["monitor"]) == ("pass", "up", "prometheus")
    [row] = results(monitor)
    assert row.labels == WATCHDOG["commonLabels"]
    assert row.message == "An alert that should always be firing."


def test_a_watchdog_that_is_resolved_is_a_fail(monitor: Monitor) -> None:
    send(monitor, WATCHDOG, 201)
    answer = send(monitor, {**WATCHDOG, "status": "resolved"}, 201)
    assert (answer["status"], answer["state"]) == ("fail", "down")
    assert heartbeat(monitor).cause == "failure"


def test_labels_are_cut_to_what_a_result_carries(monitor: Monitor) -> None:
    labels = {f"label-{n:02}" + "x" * 80: "y" * 400 for n in range(40)}
    send(monitor, {"status": "firing", "alerts": [{"labels": labels}]}, 201)
    [row] = results(monitor)
    assert row.labels is not None
    assert len(row.labels) == 32
    assert {len(key) for key in row.labels} == {63}
    assert {len(value) for value in row.labels.values()} == {255}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "pass"},
        {"status": None},
        {"status": ["firing"]},
        [],
        "x",
        b"{",
        b"\xff",
        b"[" * 50_000,
    ],
)
def test_what_is_no_notification_is_refused(monitor: Monitor, body: Any) -> None:
    send(monitor, body, 400)
    assert results(monitor) == []


@pytest.mark.parametrize(
    "strange",
    [
        {"alerts": None},
        {"alerts": [5]},
        {"alerts": {}},
        {"commonLabels": [], "commonAnnotations": 5},
        {"commonLabels": {"a": 5, "b\x00": "\x00", "": "x"}},
        {"commonAnnotations": {"summary": {"deep": 1}}},
    ],
)
def test_strange_parts_do_not_stop_the_heartbeat(monitor: Monitor, strange: Any) -> None:
    send(monitor, {**WATCHDOG, **strange}, 201)


def test_an_unknown_slug_and_a_wrong_token_are_refused(monitor: Monitor) -> None:
    NOBODY("POST", "/api/ping/abcdefghijkl/alertmanager", WATCHDOG, expect=404)
    send(monitor, WATCHDOG, 401, headers={"Authorization": "Bearer wrong"})
    with scopes_disabled():
        Monitor.objects.filter(pk=monitor.pk).update(require_token=True)
    send(monitor, WATCHDOG, 401)
