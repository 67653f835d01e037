"""Lists cost the same number of queries however long they are, and stay small."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scope, scopes_disabled

from accounts.database.standing import as_owner
from accounts.models import Namespace
from monitors.bulk import create_monitors
from monitors.console.sparks import SAMPLES, read_lines
from monitors.models import Heartbeat, ListeningGap, ListeningStamp, PushResult, Transition
from monitors.partitions import ensure_partitions
from tests.console.personas import make_monitor, push

LIST = "/t/acme/monitors/"
MOST_BYTES = 250_000


def make_many(team, count, start=0, **fields):
    with scopes_disabled():
        space = Namespace.objects.get(team=team, name=team.slug)
        rows = [(space, {"name": f"m-{n:04}", **fields}) for n in range(start, start + count)]
        return create_monitors(team=team, monitors=rows)


def give_history(monitors):
    """A latency and a change of state each, and all of them up."""
    at = now() - timedelta(minutes=5)
    with scopes_disabled():
        PushResult.objects.bulk_create(
            PushResult(
                team_id=each.team_id, monitor=each, received_at=at, status="pass", latency_ms=20.0
            )
            for each in monitors
        )
        Transition.objects.bulk_create(
            Transition(
                team_id=each.team_id, monitor=each, at=at, from_state="pending", to_state="up"
            )
            for each in monitors
        )
        Heartbeat.objects.filter(monitor__in=monitors).update(
            state="up", last_push_at=at, clock_from=at
        )


def count_queries(client, address):
    """What a look takes that comes after others: once in a while a session is noted as seen."""
    looks = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as done:
            assert client.get(address).status_code == 200
        looks.append((len(done), "\n".join(query["sql"][:60].strip() for query in done)))
    return min(looks)


def test_the_list_asks_as_often_for_300_monitors_as_for_10(owner, people):
    ensure_partitions(now=now())
    # While nothing listens, a gap lasts, and one question less is asked.
    ListeningStamp.objects.update(at=now() + timedelta(hours=1))
    few = make_many(people.team, 10, labels={"env": "prod"})
    give_history(few)
    addresses = [LIST, f"{LIST}?sort=push", f"{LIST}?label=env:prod&search=m-", f"{LIST}?state=up"]
    before = [count_queries(owner, address) for address in addresses]
    give_history(make_many(people.team, 290, start=10, labels={"env": "prod", "n": "many"}))
    after = [count_queries(owner, address) for address in addresses]
    for (wanted, earlier), (found, statements) in zip(before, after, strict=True):
        assert found == wanted, (earlier, statements)
    assert before[0][0] < 30


def test_a_poll_asks_for_less_than_the_page(owner, people):
    give_history(make_many(people.team, 10))
    whole, _ = count_queries(owner, LIST)
    with CaptureQueriesContext(connection) as done:
        owner.get(LIST, headers={"HX-Request": "true"})
    assert len(done) < whole


@pytest.mark.parametrize("letter", ["w", "漢", "&"])
def test_fifty_rows_of_the_longest_names_and_labels_stay_small(owner, people, letter):
    for n in range(50):
        make_monitor(
            people.team,
            name=f"{n:03}{letter * 250}",
            labels={f"{m:02}{letter * 61}": letter * 255 for m in range(32)},
        )
    answer = owner.get(LIST)
    assert answer.content.count(b'class="mini-strip"') == 50
    assert len(answer.content) < MOST_BYTES


def test_fifty_rows_of_chips_and_charts_stay_small(owner, people):
    labels = {f"label-{n}": "v" * 60 for n in range(32)}
    monitors = make_many(people.team, 50, labels=labels)
    at = now()
    with scopes_disabled():
        Transition.objects.bulk_create(
            Transition(
                team_id=each.team_id,
                monitor=each,
                at=at - timedelta(minutes=15 * n),
                from_state="up" if n % 2 else "down",
                to_state="down" if n % 2 else "up",
            )
            for each in monitors
            for n in range(95, 0, -1)
        )
        PushResult.objects.bulk_create(
            PushResult(
                team_id=each.team_id,
                monitor=each,
                received_at=at - timedelta(minutes=30 * n),
                status="pass",
                latency_ms=float(100 + n * 37 % 91),
            )
            for each in monitors
            for n in range(1, 47)
        )
        Heartbeat.objects.update(state="up", last_push_at=at, clock_from=at)
        ListeningGap.objects.bulk_create(
            ListeningGap(
                started_at=at - timedelta(minutes=30 * n),
                ended_at=at - timedelta(minutes=30 * n - 5),
            )
            for n in range(1, 40)
        )
    query = "&".join(f"label=label-{n}%3A{'v' * 60}" for n in range(4))
    for address in (LIST, f"{LIST}?{query}"):
        answer = owner.get(address)
        page = answer.content.decode()
        assert page.count('class="mini-strip"') == 50
        assert page.count('class="mini-line"') == 50
        assert len(answer.content) < MOST_BYTES


def test_a_line_reads_few_results_of_a_monitor_that_pushes_every_second(people, monitor):
    ensure_partitions(now=now())
    push(monitor)
    at = now()
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_pushresult (team_id, monitor_id, received_at, id, status, "
            "latency_ms) SELECT %s, %s, %s - make_interval(secs => n), gen_random_uuid(), 'pass', "
            "n FROM generate_series(1, 20000) AS n",
            [people.team.pk, monitor.pk, at],
        )
        with as_owner():
            cursor.execute("ANALYZE monitors_pushresult")
    with scopes_disabled():
        monitor = type(monitor).objects.select_related("heartbeat").get(pk=monitor.pk)
    with scope(team=people.team), CaptureQueriesContext(connection) as done:
        read_lines([monitor], now=at)
    (statement,) = [query["sql"] for query in done]
    with scope(team=people.team), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    assert rows_read(json.loads(plan) if isinstance(plan, str) else plan) <= 25 * SAMPLES * 2


def rows_read(plan):
    """How many rows of results a plan took out of the tables, removed ones included."""

    def walk(node):
        own = 0
        if "monitors_pushresult" in node.get("Relation Name", ""):
            each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            own = each * node["Actual Loops"]
        return own + sum(walk(child) for child in node.get("Plans", ()))

    return walk(plan[0]["Plan"])
