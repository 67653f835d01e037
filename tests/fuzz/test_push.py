"""Pushes of any bytes: never a 5xx, the same by the lane and without it, no trace if refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from django_scopes import scopes_disabled
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError, ValidationError

from accounts.api.parsers import parse_json
from monitors.ingest.fields import JSONNumber, read_fields
from monitors.ingest.lane import certainly_good
from monitors.models import Heartbeat, Monitor
from monitors.services import rotate_token
from tests.factories import TeamFactory
from tests.fuzz.asked import CORPUS, Asked, corpus
from tests.fuzz.exploring import explore
from tests.fuzz.pushes import JSON_BODIES, pushes
from tests.monitors.pushing import (
    Reply,
    ask,
    make_monitors,
    results,
    running_application,
    slug_of,
)

pytestmark = pytest.mark.django_db
FOLDER = CORPUS / "push"
REFUSALS = {400, 401, 404, 405, 413, 415}


class Way:
    """One running application, with the lane or without, and a monitor that only it pushes to."""

    def __init__(self, runner: asyncio.Runner, monitor: Monitor, *, lane: bool) -> None:
        self._runner, self.monitor = runner, monitor
        with override_settings(PUSH_LANE=lane):
            self._running = running_application()
            self._app = runner.run(self._running.__aenter__())
        self._words = {
            "{slug}": slug_of(monitor),
            "{name}": monitor.name,
            "{token}": rotate_token(monitor=monitor),
        }

    def stop(self) -> None:
        self._runner.run(self._running.__aexit__(None, None, None))

    def send(self, asked: Asked) -> Reply:
        def filled(text: str) -> str:
            for word, value in self._words.items():
                text = text.replace(word, value)
            return text

        headers = tuple(
            (name, filled(value.decode("latin-1")).encode("latin-1"))
            for name, value in asked.headers
        )
        return self._runner.run(
            ask(
                self._app,
                asked.method,
                filled(asked.target),
                asked.body,
                headers=headers,
                query=asked.query,
                chunks=asked.pieces,
            )
        )

    def known(self, text: str) -> str:
        """Return the text without what is this monitor's alone."""
        for word, value in self._words.items():
            text = text.replace(value, word)
        return text

    def rows(self) -> list[tuple[Any, ...]]:
        found = results(self.monitor)
        return [(row.status, repr(row.latency_ms), row.message, row.labels) for row in found]

    def standing(self) -> dict[str, Any]:
        with scopes_disabled():
            [standing] = Heartbeat.objects.filter(monitor=self.monitor).values()
        return dict(standing)


@pytest.fixture(scope="module")
def ways(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Way, Way]]:
    """Both ways beside each other, over rows that are committed: the recorders have sessions."""
    with django_db_blocker.unblock(), asyncio.Runner() as runner:
        team = TeamFactory(slug="acme")
        running: list[Way] = []
        try:
            for lane in (False, True):
                [monitor] = make_monitors(team, 1, prefix="fast" if lane else "slow")
                running.append(Way(runner, monitor, lane=lane))
            yield running[0], running[1]
        finally:
            for way in running:
                way.stop()
            call_command("flush", verbosity=0, interactive=False, allow_cascade=False)


def problem_is_whole(reply: Reply, *, method: str) -> None:
    """Check what the contract says of every refusal."""
    assert reply.headers["content-type"].startswith("application/problem+json")
    if method == "HEAD":
        return
    body = reply.json
    assert body["status"] == reply.status
    assert {"type", "title", "detail"} <= set(body)
    for error in body.get("errors", []):
        assert set(error) == {"field", "code", "detail"}
    for word in ("Traceback", "psycopg", "SELECT ", "/site-packages/"):
        assert word not in reply.body.decode()


def shape(way: Way, asked: Asked, reply: Reply) -> Any:
    if asked.method == "HEAD":
        return reply.status  # the server leaves its body out
    if reply.status != 201:
        return reply.status, way.known(reply.body.decode())
    body = reply.json
    return reply.status, body["ok"], body["status"], body["state"], sorted(body)


def check(ways: tuple[Way, Way], asked: Asked) -> None:
    """Send a request both ways, and hold the answers against each other and against the rows."""
    said = []
    for way in ways:
        rows, standing = way.rows(), way.standing()
        reply = way.send(asked)
        if asked.method == "OPTIONS" and reply.status == 200:
            assert way.standing() == standing
            return
        assert reply.status in REFUSALS | {201}, (reply.status, reply.body[:300])
        after = way.rows()
        if reply.status == 201:
            assert after[: len(rows)] == rows
            assert len(after) - len(rows) in ({0, 1} if _has_receipt(asked) else {1})
        else:
            problem_is_whole(reply, method=asked.method)
            assert (after, way.standing()) == (rows, standing)
        said.append((shape(way, asked, reply), after[len(rows) :]))
    assert said[0] == said[1]


def _has_receipt(asked: Asked) -> bool:
    return any(name == b"idempotency-key" for name, _ in asked.headers)


SAVED = corpus("push")


@pytest.mark.parametrize("name", SAVED)
def test_what_is_saved_is_answered_in_order_by_both_ways(ways, name):
    check(ways, SAVED[name])


def test_what_nobody_meant_to_send_is_answered_in_order_by_both_ways(ways):
    explore(pushes(), lambda asked: check(ways, asked), examples=120, folder=FOLDER)


def test_what_the_lane_takes_is_what_the_contract_reads():
    def compare(asked: Asked) -> None:
        push = certainly_good("0123456789ab", asked.body)
        try:
            data = parse_json(asked.body, parse_int=JSONNumber, parse_float=JSONNumber)
            fields = read_fields(data, typed=True)
        except (ParseError, ValidationError):
            assert push is None
            return
        if push is not None:
            assert (push.fail, push.message, push.labels) == (
                fields["status"] == "fail",
                fields["message"],
                fields["labels"],
            )
            assert repr(push.latency_ms) == repr(fields["latency_ms"])

    requests = st.builds(
        Asked,
        method=st.just("POST"),
        target=st.just("/api/push/{slug}/results"),
        headers=st.just(((b"content-type", b"application/json"),)),
        body=JSON_BODIES,
    )
    explore(requests, compare, examples=700, folder=FOLDER)
