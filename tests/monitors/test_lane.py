"""The lane and Django answer the same push the same way, down to the rows."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from django.test import override_settings

from monitors.models import Monitor, PushResult
from tests.monitors.push_cases import BAD, CASES, JSON, RAW_QUERIES, Case
from tests.monitors.pushing import (
    Reply,
    ask,
    heartbeat,
    make_monitors,
    results,
    running_application,
    slug_of,
)
from tests.racing import session, wait_for, wait_for_lock

pytestmark = pytest.mark.django_db(transaction=True)


async def _drive(slugs: list[str], cases: list[Case]) -> list[Reply]:
    async with running_application() as app:
        replies = []
        for slug, case in zip(slugs, cases, strict=True):
            reply = await ask(
                app,
                case.method,
                f"/api/push/{slug}{case.suffix}",
                case.body,
                headers=case.headers,
                query=case.query,
                chunks=case.chunks,
            )
            replies.append(reply)
        return replies


def drive(monitors: list[Monitor], cases: list[Case], *, lane: bool) -> list[Reply]:
    """Send each case to its own monitor through the application, with the lane on or off."""
    slugs = [slug_of(monitor) for monitor in monitors]
    with override_settings(PUSH_LANE=lane):
        return asyncio.run(_drive(slugs, cases))


def seen(reply: Reply) -> tuple[int, str, Any]:
    """Return what must not depend on the way: status, type, and the body without id and times."""
    if "json" not in reply.headers["content-type"]:
        return reply.status, reply.headers["content-type"], reply.body
    body = reply.json
    if reply.status == 201:
        assert set(body) == {"id", "monitor", "status", "state", "received_at", "due_at", "ok"}
        body = {name: body[name] for name in ("monitor", "status", "state", "ok")}
    return reply.status, reply.headers["content-type"].split(";")[0], body


def stored(row: PushResult) -> tuple[Any, ...]:
    return row.status, json.dumps(row.latency_ms), row.message, row.labels


def standing(monitor: Monitor) -> tuple[Any, ...]:
    found = heartbeat(monitor)
    return (
        found.state,
        found.cause,
        found.last_status,
        found.consecutive_fails,
        found.consecutive_passes,
        found.last_push_at is None,
        found.check_at is None,
    )


def test_both_ways_agree_on_every_case(team):
    fast = make_monitors(team, len(CASES), prefix="m")
    slow = make_monitors(team, len(CASES), prefix="s")
    ways = [drive(fast, CASES, lane=True), drive(slow, CASES, lane=False)]
    wrong = []
    for n, case in enumerate(CASES):
        on, off = (way[n] for way in ways)
        off = Reply(off.status, off.headers, off.body.replace(b'"s-%d"' % n, b'"m-%d"' % n))
        if on.status != case.status or seen(on) != seen(off):
            wrong.append((case.name, case.status, seen(on), seen(off)))
        rows = [[stored(row) for row in results(way[n])] for way in (fast, slow)]
        if rows[0] != rows[1] or len(rows[0]) != (case.status == 201):
            wrong.append((case.name, "rows", *rows))
        if standing(fast[n]) != standing(slow[n]):
            wrong.append((case.name, "standing", standing(fast[n]), standing(slow[n])))
        if case.status >= 400 and "problem+json" not in on.headers["content-type"]:
            wrong.append((case.name, "type", on.headers["content-type"]))
    assert not wrong, "\n".join(str(line)[:400] for line in wrong)


def test_raw_bytes_in_a_query_are_utf_8_or_a_problem(team):
    replies = drive(make_monitors(team, len(RAW_QUERIES)), RAW_QUERIES, lane=True)
    assert [reply.status for reply in replies] == [case.status for case in RAW_QUERIES]
    assert "problem+json" in replies[1].headers["content-type"]


def test_a_refused_push_changes_nothing(team):
    monitors = make_monitors(team, len(BAD))
    untouched = standing(monitors[0])
    drive(monitors, BAD, lane=True)
    assert {standing(monitor) for monitor in monitors} == {untouched}
    assert not any(results(monitor) for monitor in monitors)


def test_the_lane_takes_the_plain_pushes_itself(team):
    plain = ["pass", "fail", "up", "down", "charset", "all fields", "all null", "32 labels"]
    cases = [case for case in CASES if case.name in plain]
    assert len(cases) == len(plain)
    monitors = make_monitors(team, len(cases))
    assert all(reply.by_lane for reply in drive(monitors, cases, lane=True))
    assert not any(reply.by_lane for reply in drive(monitors, cases, lane=False))


def test_what_is_stored_is_what_was_sent(team):
    names = ["numbers keep their text", "scalars as labels", "message of 10,001", "a form"]
    cases = [case for case in CASES if case.name in names]
    monitors = make_monitors(team, len(cases))
    drive(monitors, cases, lane=True)
    by_name = {c.name: results(m)[0] for c, m in zip(cases, monitors, strict=True)}
    assert by_name["numbers keep their text"].labels == {
        "a": "1.0",
        "b": "1e5",
        "c": "-0",
        "d": "1E+05",
    }
    assert by_name["scalars as labels"].labels == {
        "a": "true",
        "b": "false",
        "c": "null",
        "d": "x",
    }
    long = by_name["message of 10,001"].message
    assert len(long) == 10_000
    assert long.endswith("… [cut]")
    form = by_name["a form"]
    assert (form.status, form.message, form.latency_ms) == ("fail", "déjà vu", 12.0)


def test_a_monitor_that_wants_its_token_is_not_open_to_the_lane(team):
    monitors = make_monitors(team, 1, require_token=True)
    replies = drive(monitors, [Case("pass", 401, b'{"status":"pass"}')], lane=True)
    assert replies[0].status == 401
    assert results(monitors[0]) == []


def test_pushes_answer_while_the_body_is_still_coming(team):
    """A body that never ends holds its own connection and nothing else."""
    monitors = make_monitors(team, 2)
    slugs = [slug_of(monitor) for monitor in monitors]

    async def scenario() -> Reply:
        async with running_application() as app:
            never = asyncio.Event()
            parts = [{"type": "http.request", "body": b'{"sta', "more_body": True}]

            async def receive() -> Any:
                if parts:
                    return parts.pop()
                await never.wait()
                return {"type": "http.disconnect"}

            async def send(event: Any) -> None:
                raise AssertionError(event)

            path = f"/api/push/{slugs[0]}/results"
            scope = {
                "type": "http",
                "method": "POST",
                "path": path,
                "query_string": b"",
                "headers": [*JSON, (b"content-length", b"17")],
            }
            slow = asyncio.create_task(app(scope, receive, send))
            await asyncio.sleep(0)
            reply = await ask(app, "POST", f"/api/push/{slugs[1]}/results", b'{"status":"pass"}')
            assert not slow.done()
            never.set()  # the client hangs up: nobody is there to be answered
            await slow
            return reply

    assert asyncio.run(scenario()).status == 201
    assert results(monitors[0]) == []


async def _push_at_once(monitor: Monitor, slug: str, count: int, meanwhile: Any) -> list[Reply]:
    """Push many times to a monitor whose row is held until `meanwhile` has had its way."""
    async with running_application() as app:
        path = f"/api/push/{slug}/results"
        await ask(app, "POST", path, b'{"status":"pass"}')  # its connection is open, then
        with session() as holder:
            holder.execute("BEGIN")
            holder.execute(
                "SELECT 1 FROM monitors_heartbeat WHERE monitor_id = %s FOR UPDATE", [monitor.pk]
            )
            tasks = [
                asyncio.create_task(ask(app, "POST", path, b'{"status":"pass"}'))
                for _ in range(count)
            ]
            with session() as watcher:
                await asyncio.to_thread(wait_for_lock, watcher)
                await asyncio.to_thread(meanwhile, watcher, tasks)
            holder.execute("ROLLBACK")
        return await asyncio.gather(*tasks)


def test_a_crowd_of_pushes_is_answered_429(team):
    (monitor,) = make_monitors(team, 1)

    def until_some_are_refused(watcher: Any, tasks: list[Any]) -> None:
        time.sleep(1.2)  # longer than a push waits for a place

    slug = slug_of(monitor)
    replies = asyncio.run(_push_at_once(monitor, slug, 80, until_some_are_refused))
    statuses = [reply.status for reply in replies]
    assert set(statuses) <= {201, 429, 503}
    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert all("problem+json" in reply.headers["content-type"] for reply in refused)
    assert len(results(monitor)) == 1 + statuses.count(201)


def test_a_burst_of_a_hundred_is_stored_whole(team):
    (monitor,) = make_monitors(team, 1)
    slug = slug_of(monitor)
    replies = asyncio.run(_push_at_once(monitor, slug, 100, lambda *_: None))
    assert [reply.status for reply in replies] == [201] * 100
    assert len(results(monitor)) == 101


def test_what_may_not_have_been_stored_is_answered_503(team):
    (monitor,) = make_monitors(team, 1)

    def kill(watcher: Any, tasks: list[Any]) -> None:
        watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        wait_for(lambda: tasks[0].done())

    (reply,) = asyncio.run(_push_at_once(monitor, slug_of(monitor), 1, kill))
    assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (503, True)
    assert "problem+json" in reply.headers["content-type"]
    assert len(results(monitor)) == 1, "Django must not try again what the lane may have stored"
