"""The three push endpoints as callers see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django_scopes import scopes_disabled

from accounts.keys import hash_token
from accounts.models import Namespace
from monitors.models import Monitor, PushKey, PushReceipt, Secret
from monitors.services import create_monitor, rotate_slug, rotate_token, update_monitor
from tests.factories import TeamFactory
from tests.monitors.pushing import heartbeat, results, slug_of

pytestmark = pytest.mark.django_db


def send(path: str, body: Any = None, *, method: str = "POST", **headers: str) -> Any:
    """Send a push of JSON (or no body) with headers given by their names in lower case."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is None:
        return Client().generic(method, path, headers=named)
    return Client().post(path, body, content_type="application/json", headers=named)


@pytest.fixture
def made(team) -> tuple[Monitor, str]:
    monitor, token = create_monitor(team=team, name="backup", silent_after=90, grace=30)
    assert token
    return monitor, token


def url(monitor: Monitor) -> str:
    return f"/api/push/{slug_of(monitor)}/results"


PASS = {"status": "pass"}


def test_the_answer_of_a_push(made):
    monitor, _ = made
    body = send(url(monitor), {"status": "UP", "latency_ms": 3, "labels": {"host": "a"}}).json()
    row = results(monitor)[0]
    assert body["ok"] is True
    assert UUID(body["id"]) == row.id
    assert (body["monitor"], body["status"], body["state"]) == ("backup", "pass", "up")
    received, due = (datetime.fromisoformat(body[name]) for name in ("received_at", "due_at"))
    assert received == row.received_at
    assert due - received == timedelta(seconds=120)
    assert body["received_at"].endswith("Z")
    assert row.labels == {"host": "a"}


def test_due_at_of_a_cron_schedule_is_the_next_run_and_its_grace(team):
    monitor, _ = create_monitor(
        team=team, name="nightly", cron="0 3 * * *", cron_timezone="Europe/Berlin"
    )
    body = send(url(monitor), PASS).json()
    due = datetime.fromisoformat(body["due_at"])
    assert (due.minute, due.second) == (5, 0)  # a grace of 0 means 300 s with a schedule
    assert timedelta(0) < due - datetime.fromisoformat(body["received_at"]) < timedelta(days=2)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 201),
        ("Basic Zm9vOmJhcg==", 201),
        ("Bearer {token}", 201),
        ("bearer  {token} ", 201),
        ("Bearer {token}x", 401),
        ("Bearer", 401),
    ],
)
def test_a_bearer_token_that_is_sent_must_be_right(made, header, status):
    monitor, token = made
    headers = {"authorization": header.format(token=token)} if header else {}
    reply = send(url(monitor), PASS, **headers)
    assert reply.status_code == status
    if status == 401:
        assert reply["WWW-Authenticate"].startswith("Bearer")
        assert results(monitor) == []


def test_require_token(made):
    monitor, token = made
    update_monitor(monitor=monitor, require_token=True)
    ping = f"/api/ping/{slug_of(monitor)}"
    assert send(url(monitor), PASS).status_code == 401
    assert send(ping, method="GET").status_code == 401
    assert send(url(monitor), PASS, authorization=f"Bearer {token}").status_code == 201
    assert send(ping, method="GET", authorization=f"Bearer {token}").status_code == 201


def test_by_namespace_and_name_only_the_token_opens(made):
    monitor, token = made
    path = "/api/push/acme/backup"
    assert send(path, PASS, authorization=f"Bearer {token}").status_code == 201
    assert send(path + "/", PASS, authorization=f"Bearer {token}").status_code == 201
    refused = [
        send(path, PASS),
        send(path, PASS, authorization="Bearer wrong"),
        send("/api/push/acme/unknown", PASS, authorization=f"Bearer {token}"),
        send("/api/push/nobody/backup", PASS, authorization=f"Bearer {token}"),
        send("/api/push/acme/back%00up", PASS, authorization=f"Bearer {token}"),
    ]
    assert [reply.status_code for reply in refused] == [401] * 5
    assert len({reply.content for reply in refused}) == 1
    assert len(results(monitor)) == 2


def test_another_monitors_token_does_not_open(team, made):
    monitor, _ = made
    _, other = create_monitor(team=team, name="other")
    assert send(url(monitor), PASS, authorization=f"Bearer {other}").status_code == 401
    assert send("/api/push/acme/backup", PASS, authorization=f"Bearer {other}").status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_pings(made, method):
    monitor, _ = made
    slug = slug_of(monitor)
    assert send(f"/api/ping/{slug}", method=method).status_code == 201
    assert send(f"/api/ping/{slug}/fail/", method=method).status_code == 201
    assert [row.status for row in results(monitor)] == ["pass", "fail"]
    assert heartbeat(monitor).state == "down"


def test_a_pings_body_is_its_message(made):
    monitor, _ = made
    path = f"/api/ping/{slug_of(monitor)}/fail"
    Client().generic("POST", path, b"exit 1: d\xc3\xa9j\xc3\xa0 \xff\x00\n")
    Client().generic("POST", path, b"x" * 10_001)
    assert results(monitor)[0].message == "exit 1: déjà \ufffd\ufffd"
    assert results(monitor)[1].message.endswith("… [cut]")
    assert Client().generic("POST", path, b"x" * 65_537).status_code == 413


@pytest.mark.parametrize("path", ["/api/push/{}/results", "/api/ping/{}", "/api/ping/{}/fail"])
@pytest.mark.parametrize("slug", ["0" * 12, "x", "%00", "%ff%fe", "é", "y" * 5000, "a.b"])
def test_unknown_slugs_are_404_problems(db, path, slug):
    reply = Client().post(path.format(slug), PASS, content_type="application/json")
    assert reply.status_code == 404
    assert reply["Content-Type"] == "application/problem+json"


def test_wrong_methods_are_405_problems(made):
    monitor, _ = made
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
        reply = send(url(monitor), method=method)
        assert (reply.status_code, reply["Content-Type"]) == (405, "application/problem+json")
    assert send(f"/api/ping/{slug_of(monitor)}", method="PUT").status_code == 405


def test_a_slug_that_was_rotated_dies_at_once_or_after_its_overlap(made):
    monitor, _ = made
    first = url(monitor)
    rotate_slug(monitor=monitor)
    assert send(first, PASS).status_code == 404
    second = url(monitor)
    rotate_slug(monitor=monitor, keep_old_for_seconds=60)
    assert send(second, PASS).status_code == 201
    assert send(url(monitor), PASS).status_code == 201
    with scopes_disabled(), connection.cursor() as cursor:
        assert PushKey.objects.filter(monitor=monitor).count() == 2
        cursor.execute("UPDATE monitors_pushkey SET expires_at = now() WHERE NOT is_current")
    assert send(second, PASS).status_code == 404


def test_a_token_that_was_rotated_dies_at_once_or_after_its_overlap(made):
    monitor, first = made
    second = rotate_token(monitor=monitor, keep_old_for_seconds=60)

    def status(token: str) -> int:
        code: int = send(url(monitor), PASS, authorization=f"Bearer {token}").status_code
        return code

    assert (status(first), status(second)) == (201, 201)
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("UPDATE monitors_monitor SET old_token_expires_at = clock_timestamp()")
    assert (status(first), status(second)) == (401, 201)
    third = rotate_token(monitor=monitor)
    assert (status(second), status(third)) == (401, 201)
    assert slug_of(monitor)  # the slug is another matter


def test_a_secret_opens_all_its_monitors_and_changes_them_all(team):
    with scopes_disabled():
        secret = Secret.objects.create(
            team=team,
            namespace=Namespace.objects.get(team=team),
            name="push",
            key="token",
            token_hash=hash_token("first"),
        )
    pair = [create_monitor(team=team, name=name, secret=secret) for name in ("a", "b")]
    assert [token for _, token in pair] == [None, None]

    def statuses(token: str) -> list[int]:
        headers = {"authorization": f"Bearer {token}"}
        return [send(f"/api/push/acme/{name}", PASS, **headers).status_code for name in "ab"]

    assert statuses("first") == [201, 201]
    with scopes_disabled():
        Secret.objects.filter(pk=secret.pk).update(token_hash=hash_token("second"))
    assert statuses("first") == [401, 401]
    assert statuses("second") == [201, 201]


def test_an_idempotency_key_answers_as_the_first_time_and_stores_once(made):
    monitor, _ = made
    first = send(url(monitor), {"status": "fail"}, idempotency_key="job-1")
    again = send(url(monitor), PASS, idempotency_key="job-1")
    other = send(url(monitor), PASS, idempotency_key="job-2")
    assert again.json() == first.json()
    assert again.status_code == 201
    assert other.json()["id"] != first.json()["id"]
    assert [row.status for row in results(monitor)] == ["fail", "pass"]


def test_an_idempotency_key_is_the_monitors_own_and_lives_a_day(team, made):
    monitor, _ = made
    elsewhere, _ = create_monitor(team=TeamFactory(), name="backup")
    ids = {send(url(m), PASS, idempotency_key="same").json()["id"] for m in (monitor, elsewhere)}
    assert len(ids) == 2
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("UPDATE monitors_pushreceipt SET created_at = now() - interval '24:00:01'")
        fresh = send(url(monitor), PASS, idempotency_key="same").json()["id"]
        assert fresh not in ids
        assert send(url(monitor), PASS, idempotency_key="same").json()["id"] == fresh
        assert PushReceipt.objects.filter(monitor=monitor).count() == 1


def test_a_repeat_of_a_paused_push_says_paused_again(made):
    monitor, _ = made
    with scopes_disabled():
        type(heartbeat(monitor)).objects.filter(monitor=monitor).update(state="paused")
    answers = [send(url(monitor), PASS, idempotency_key="k").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["state"], answers[0]["due_at"]) == ("paused", None)


def test_a_monitor_may_be_called_as_its_neighbour_but_not_results(made):
    """`/api/push/<slug>/results` is the slug's: a namespace that looks like a slug loses."""
    reply = send("/api/push/acme/results", PASS)
    assert reply.status_code == 404  # read as a slug, of which there is none


def test_nothing_of_a_push_redirects_or_wants_a_csrf_token(made):
    monitor, _ = made
    client = Client(enforce_csrf_checks=True)
    for path in (url(monitor), url(monitor) + "/", "/api/push/acme/backup/"):
        reply = client.post(
            path, {"status": "pass"}, headers={"authorization": f"Bearer {made[1]}"}
        )
        assert reply.status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "nonsense", "application/xml;q=0.1", ""])
def test_an_accept_header_is_no_reason_to_lose_a_push(made, accept):
    assert send(url(made[0]), PASS, accept=accept).status_code == 201
