"""The alertmanager kind: by the published schema, and against the real program."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from incidents.channels.alertmanager import AlertmanagerKind
from incidents.channels.base import InvalidConfig, Message
from tests.channels.occurrences import (
    DOWN_SINCE,
    INCIDENT,
    NOW,
    URL,
    make_hostile,
    make_message,
    make_payload,
    make_test,
)
from tests.providers import Answer, Provider

KIND = AlertmanagerKind(timeout_seconds=2, deadline_seconds=4)
LOOPBACK = (ip_network("127.0.0.0/8"),)
PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def read_at(text):
    return datetime.fromisoformat(text)


def check_alerts(alerts):
    """Hold a body against `postableAlerts` of the published API, and what the program checks."""
    assert isinstance(alerts, list)
    for alert in alerts:
        assert set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
        assert alert["labels"]["alertname"]
        for name, value in alert["labels"].items():
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name), name
            assert isinstance(value, str)
            assert value
        assert all(isinstance(value, str) for value in alert["annotations"].values())
        assert read_at(alert["startsAt"]).tzinfo
        assert read_at(alert["endsAt"]) >= read_at(alert["startsAt"])
        assert alert.get("generatorURL", "https://").startswith("https://")


def send(message, answer=200, now=NOW, **config):
    with Provider(lambda n: answer) as provider:
        cleaned = KIND.clean({"url": provider.url} | config, allow=LOOPBACK)
        outcome = KIND.send(message, cleaned, now=now)
    for got in provider.got:
        assert (got.method, got.path) == ("POST", "/hook/api/v2/alerts")
        check_alerts(got.json)
    return outcome, provider.got


def alert_of(message, **options):
    outcome, (got,) = send(message, **options)
    assert outcome.kind == "sent"
    (alert,) = got.json
    return alert


def test_an_opened_incident_is_a_firing_alert():
    assert alert_of(make_message()) == {
        "labels": {
            "alertname": "MonitorDown",
            "monitor": "backup",
            "namespace": "acme",
            "severity": "critical",
            "cause": "silence",
            "team": "acme",
            "site": "eu-1",
            "app_kubernetes_io_name": "backup",
            "label_severity": "low",
        },
        "annotations": {
            "summary": "backup (acme) is silent",
            "description": "Down since 22 Nov 2026 02:14:05 UTC. No push for 1 min 30 s.",
            "runbook_url": "https://runbooks.example/backup",
            "incident": INCIDENT,
        },
        "startsAt": "2026-11-22T02:14:05.123456Z",
        "endsAt": "2026-11-22T02:23:00Z",
        "generatorURL": URL,
    }


def test_a_resend_differs_in_its_end_alone_and_comes_well_before_it():
    first = alert_of(make_message())
    again = alert_of(make_message("incident.firing"), now=NOW + timedelta(seconds=60))
    assert first | {"endsAt": again["endsAt"]} == again
    assert read_at(again["endsAt"]) - read_at(first["endsAt"]) == timedelta(seconds=60)
    lasts = read_at(first["endsAt"]) - NOW
    assert lasts >= timedelta(seconds=3 * KIND.resend_seconds)


def test_a_resolved_incident_ends_when_it_did_with_the_same_labels():
    first, last = alert_of(make_message()), alert_of(make_message("incident.resolved"))
    assert last["labels"] == first["labels"]
    assert last["startsAt"] == first["startsAt"]
    assert read_at(last["endsAt"]) == datetime(2026, 11, 22, 2, 17, 30, tzinfo=UTC)


def test_a_slow_clock_of_ours_does_not_end_an_alert_before_it_came():
    message = make_message()
    alert = alert_of(message, now=NOW - timedelta(hours=1))
    assert read_at(alert["endsAt"]) > message.at


def test_an_incident_that_ended_before_it_began_ends_as_it_begins():
    alert = alert_of(make_message("incident.resolved", resolved_at="2026-11-22T02:14:00Z"))
    assert read_at(alert["endsAt"]) == DOWN_SINCE


def test_a_test_ends_by_itself():
    alert = alert_of(make_test())
    assert alert["labels"]["alertname"] == "TocsinTest"
    assert alert["labels"]["severity"] == "info"
    assert read_at(alert["endsAt"]) - read_at(alert["startsAt"]) == timedelta(minutes=1)


def test_extra_labels_come_last_and_win():
    labels = {"severity": "page", "cluster": "eu", "site": "all"}
    alert = alert_of(make_message(), labels=labels)
    assert {name: alert["labels"][name] for name in labels} == labels
    assert alert["labels"]["monitor"] == "backup"


@pytest.mark.parametrize("event", ["incident.opened", "incident.firing", "incident.resolved"])
def test_hostile_texts_are_inert(event):
    alert = alert_of(make_hostile(event))
    values = [*alert["labels"].values(), *alert["annotations"].values()]
    assert all(value.isprintable() for value in values)
    assert "runbook_url" not in alert["annotations"]
    assert alert["labels"]["label_9lives"] == "x"
    assert alert["labels"]["label___name__"] == "z"


def test_labels_that_become_the_same_name_leave_one_the_right_one_first():
    message = make_message()
    message.payload["monitor"]["labels"] = {"a-b": "changed", "a_b": "right", "monitor": "mine"}
    labels = alert_of(message)["labels"]
    assert (labels["a_b"], labels["monitor"], labels["label_monitor"]) == (
        "right",
        "backup",
        "mine",
    )


def test_an_event_that_it_is_not_told_of_is_no_request():
    outcome, got = send(make_message("incident.acknowledged"))
    assert (outcome.kind, got) == ("failed", [])


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "sent"), (400, "failed"), (401, "failed"), (500, "retry")]
)
def test_each_answer_is_judged(status, kind):
    assert send(make_message(), status)[0].kind == kind


@pytest.mark.parametrize(
    ("config", "header"),
    [
        ({}, None),
        ({"token": "tok.en"}, "Bearer tok.en"),
        (
            {"username": "ana", "password": "gehe:im ü"},
            "Basic " + base64.b64encode("ana:gehe:im ü".encode()).decode(),
        ),
    ],
    ids=["open", "token", "password"],
)
def test_it_logs_in_and_never_tells_how(config, header):
    said = f"who are you, {header}? {config.get('password')} {config.get('token')}".encode()
    outcome, (got,) = send(make_message(), Answer(401, body=said), **config)
    assert got.headers.get("authorization") == header
    assert "who are you" in outcome.detail
    for secret in ("tok.en", "gehe:im", "YW5hOmdlaGU"):
        assert secret not in outcome.detail


# --- configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://am.example.com/x",
        "https://am.example.com/x/",
        "https://am.example.com/x/api/v2/alerts",
        "https://am.example.com/x/api/v2/alerts/",
    ],
)
def test_the_address_is_of_the_program_with_or_without_the_path(url):
    cleaned = KIND.clean({"url": url}, allow=())
    assert cleaned == {"url": "https://am.example.com/x"}
    assert KIND.clean(cleaned, allow=()) == cleaned


def test_labels_may_be_written_as_a_form_has_them():
    config = {"url": "https://am.example.com", "labels": " cluster=eu-1 , path = a=b,"}
    cleaned = KIND.clean(config, allow=())
    assert cleaned["labels"] == {"cluster": "eu-1", "path": "a=b"}
    assert KIND.clean(cleaned, allow=()) == cleaned


def test_an_edit_keeps_the_secret_of_the_way_it_logs_in():
    url = {"url": "https://am.example.com"}
    password = url | {"username": "ana", "password": "geheim"}
    token = url | {"token": "tok"}
    assert KIND.hide_secrets(password) == url | {"username": "ana"}
    assert KIND.keep_secrets(url | {"username": "eva"}, stored=password)["password"] == "geheim"
    assert KIND.keep_secrets(url, stored=token) == token
    assert KIND.keep_secrets(token, stored=password) == token
    assert KIND.keep_secrets(password, stored=token) == password
    assert KIND.keep_secrets(url, stored=password) == url
    with pytest.raises(InvalidConfig):
        KIND.keep_secrets({"url": "https://evil.example"}, stored=token)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "http://alertmanager:9093"}, "url"),
        ({"url": "https://169.254.169.254"}, "url"),
        ({"url": "https://am.example.com/?x=y"}, "url"),
        ({"labels": {"a-b": "c"}}, "labels"),
        ({"labels": {"__a": "c"}}, "labels"),
        ({"labels": {"monitor": "c"}}, "labels"),
        ({"labels": {"a": 7}}, "labels"),
        ({"labels": {"a": "v" * 256}}, "labels"),
        ({"labels": {f"a{n}": "v" for n in range(33)}}, "labels"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": "a"}, "labels"),
        ({"username": "ana"}, "password"),
        ({"password": "geheim"}, "username"),
        ({"username": "a:b", "password": "x"}, "username"),
        ({"token": "a b"}, "token"),
        ({"token": "a\r\nX: y"}, "token"),
        ({"token": "t", "username": "ana", "password": "x"}, "token"),
        ({"receiver": "x"}, "receiver"),
    ],
)
def test_a_bad_configuration_names_the_field(config, field):
    with pytest.raises(InvalidConfig) as error:
        KIND.clean({"url": "https://am.example.com"} | config, allow=())
    assert field in error.value.errors
    assert "geheim" not in str(error.value)


# --- the real program -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    """Run Alertmanager on a free port of loopback; return its address."""
    if PROGRAM is None:
        pytest.skip("Alertmanager is not installed (Debian: prometheus-alertmanager)")
    home = tmp_path_factory.mktemp("alertmanager")
    config = home / "alertmanager.yml"
    config.write_text("route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        PROGRAM,
        f"--config.file={config}",
        f"--storage.path={home}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process, home / "log")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_ready(address, process, log):
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/-/ready", timeout=2):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def alerts_in(address, monitor):
    query = f"{address}/api/v2/alerts?filter=monitor%3D%22{monitor}%22"
    with urllib.request.urlopen(query, timeout=5) as answer:
        return json.load(answer)


def test_the_real_program_has_one_alert_from_opened_to_resolved(alertmanager):
    now = datetime.now(UTC).replace(microsecond=0)
    since = now - timedelta(minutes=3)
    config = KIND.clean(
        {"url": alertmanager, "labels": {"cluster": "eu"}, "token": "unused"}, allow=LOOPBACK
    )

    def tell(event, at, **incident):
        payload = make_payload(down_since=since.isoformat(), **incident)
        payload["monitor"]["name"] = "real"
        message = Message(key=event, event=event, at=at, payload=payload)
        return KIND.send(message, config, now=at)

    assert tell("incident.opened", now).kind == "sent"
    (first,) = alerts_in(alertmanager, "real")
    # It says "unprocessed" until its dispatcher has seen the alert, a moment later.
    assert first["status"]["state"] in {"active", "unprocessed"}
    assert read_at(first["startsAt"]) == since
    assert read_at(first["endsAt"]) == now + timedelta(minutes=5)
    assert first["labels"]["cluster"] == "eu"

    later = now + timedelta(seconds=60)
    assert tell("incident.firing", later).kind == "sent"
    (again,) = alerts_in(alertmanager, "real")
    assert again["fingerprint"] == first["fingerprint"]
    assert read_at(again["startsAt"]) == since
    assert read_at(again["endsAt"]) == later + timedelta(minutes=5)

    ended = now - timedelta(seconds=1)
    outcome = tell("incident.resolved", now, state="resolved", resolved_at=ended.isoformat())
    assert outcome.kind == "sent"
    assert alerts_in(alertmanager, "real") == []


def test_the_real_program_takes_what_is_hostile(alertmanager):
    config = KIND.clean({"url": alertmanager}, allow=LOOPBACK)
    for event in ("incident.opened", "incident.firing", "incident.resolved"):
        message = make_hostile(event)
        assert KIND.send(message, config, now=datetime.now(UTC)).kind == "sent"


def test_the_real_program_takes_a_test(alertmanager):
    config = KIND.clean({"url": alertmanager}, allow=LOOPBACK)
    message = Message("k", "channel.test", datetime.now(UTC), make_test().payload)
    assert KIND.send(message, config, now=datetime.now(UTC)).kind == "sent"
