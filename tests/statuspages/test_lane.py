"""Status pages past Django: headers, tags, freshness, and what the lane leaves alone."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django_scopes import scopes_disabled

from statuspages.models import PageSnapshot, StatusPage
from statuspages.serving.answers import accepts_gzip
from statuspages.serving.lane import MOST_AGE_SECONDS
from tests.racing import session
from tests.statuspages.visiting import (
    GZIP,
    OURS,
    Visitor,
    by_lane,
    change,
    get,
    make_page,
    own_domain,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)

CACHED = "public, max-age=10, stale-while-revalidate=30, stale-if-error=86400"
SUMMARY = "/status/acme/api/v2/summary.json"


def test_a_page_is_served_past_django_with_what_caches_need(team):
    make_page(team)
    reply = get("/status/acme/", GZIP)
    assert (reply.status, by_lane(reply)) == (200, True)
    body = gzip.decompress(reply.body)
    assert b"Acme" in body
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["cache-control"] == CACHED
    assert reply.headers["vary"] == "Accept-Encoding"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "access-control-allow-origin" not in reply.headers
    assert "set-cookie" not in reply.headers
    plain = get("/status/acme/")
    assert "content-encoding" not in plain.headers
    assert plain.body == body
    assert plain.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
    assert plain.headers["etag"] != reply.headers["etag"]  # strong tags: other bytes, another tag


@pytest.mark.parametrize(
    "path", ["api/v2/summary.json", "history.rss", "history.atom", "badge.svg", "badge.json"]
)
def test_what_machines_read_may_be_read_by_any_site(team, path):
    make_page(team)

    async def script(visitor: Visitor) -> Any:
        return await visitor.get(f"/status/acme/{path}"), await visitor.get(
            f"/status/acme/{path}", method="OPTIONS"
        )

    reply, preflight = visit(script)
    assert (reply.status, by_lane(reply)) == (200, True)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["cache-control"] == CACHED
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "GET" in preflight.headers["access-control-allow-methods"]


def test_head_is_get_without_the_body(team):
    make_page(team)
    for path in ("/status/acme/", SUMMARY, "/status/acme/history", "/status/nobody/"):
        full, head = get(path), get(path, method="HEAD")
        assert head.body == b""
        assert head.status == full.status
        for name in ("content-type", "etag", "cache-control", "vary", "content-security-policy"):
            assert head.headers.get(name) == full.headers.get(name), (path, name)
        assert head.headers["content-length"] == str(len(full.body)), path


def test_a_known_tag_is_answered_304_however_it_is_written(team):
    make_page(team)

    async def script(visitor: Visitor) -> Any:
        etag = (await visitor.get(SUMMARY)).headers["etag"]
        zipped = (await visitor.get(SUMMARY, GZIP)).headers["etag"]
        known = [etag, zipped, f"W/{etag}", f'"other", {etag}', f'W/"x",W/{zipped}', "*"]
        other = ['"other"', etag.strip('"'), "W/*", '""', f'{etag[:-1]}x"']
        ask = [
            [await visitor.get(SUMMARY, (b"if-none-match", tag.encode())) for tag in tags]
            for tags in (known, other)
        ]
        return ask, etag

    (known, other), etag = visit(script)
    assert [reply.status for reply in known] == [304] * 6
    assert [reply.status for reply in other] == [200] * 5
    assert {reply.body for reply in known} == {b""}
    assert known[0].headers["etag"] == etag
    assert known[0].headers["cache-control"] == CACHED
    assert "content-type" not in known[0].headers


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        (b"", False),
        (b"gzip", True),
        (b"GZIP;q=0.5, br", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.0, *", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"br, deflate", False),
        (b"gzip;q=maybe", False),
        (b"identity", False),
    ],
)
def test_gzip_goes_to_those_who_take_it(value, takes):
    assert accepts_gzip(value) is takes


def count(page: StatusPage) -> int:
    with scopes_disabled():
        return PageSnapshot.objects.filter(page=page).count()


OF_BYTES = {"content-type", "content-length", "content-encoding", "etag"}


def test_the_lane_and_django_say_the_same(team):
    make_page(team)
    ours = {"date", "x-frame-options", "cross-origin-opener-policy", "referrer-policy", "vary"}
    ours.add("x-request-id")
    for path in ("/status/acme/", SUMMARY, "/status/acme/badge.svg", "/status/acme/history.atom"):
        whole: dict[str, str] = {}
        for headers in ({}, {"Accept-Encoding": "gzip"}, {"If-None-Match": "*"}):
            lane = get(
                path, *((name.lower().encode(), value.encode()) for name, value in headers.items())
            )
            django = Client().get(path, headers=headers)
            said = {name.lower(): value for name, value in django.items()}
            assert (lane.status, lane.body) == (django.status_code, django.content)
            shown = {n: v for n, v in lane.headers.items() if n not in ours}
            if lane.status == 304:  # what is not said again stays as it was with the bytes
                del said["content-length"]
                shown = whole | shown
            else:
                whole = {n: v for n, v in shown.items() if n not in OF_BYTES}
            assert shown == {n: v for n, v in said.items() if n not in ours}, (path, headers)
            assert said["vary"] == "Accept-Encoding"
            assert not django.cookies


def test_unknown_and_unpublished_pages_look_alike(team):
    make_page(team, "hidden", published=False)
    for ending in ("", "api/v2/summary.json", "nothing/here"):
        replies = [get(f"/status/{slug}/{ending}") for slug in ("hidden", "nobody", "No%20Such")]
        assert {reply.status for reply in replies} == {404}
        assert len({reply.body for reply in replies}) == 1
        assert b"tocsin" not in replies[0].body.lower()
    assert "problem+json" in get("/status/hidden/badge.json").headers["content-type"]


def test_the_address_without_slash_leads_to_the_page(team):
    make_page(team)
    reply = get("/status/acme?lang=de")
    assert (reply.status, reply.headers["location"]) == (308, "/status/acme/?lang=de")


def test_a_query_that_means_nothing_makes_no_page_of_its_own(team):
    page = make_page(team)
    before = count(page)
    replies = [get(f"/status/acme/?utm_source={n}") for n in range(3)]
    assert {(reply.status, by_lane(reply)) for reply in replies} == {(200, True)}
    assert count(page) == before


def test_a_representation_nobody_has_asked_for_is_made_once_and_then_served_by_the_lane(team):
    make_page(team)

    async def script(visitor: Visitor) -> Any:
        first = await visitor.get("/status/acme/de/")
        await asyncio.sleep(MOST_AGE_SECONDS)
        return first, await visitor.get("/status/acme/de/")

    first, second = visit(script)
    assert (first.status, by_lane(first)) == (200, False)
    assert (second.status, by_lane(second), second.body) == (200, True, first.body)


def test_a_change_is_seen_within_a_second_of_its_rendering(team):
    page = make_page(team)

    async def script(visitor: Visitor) -> Any:
        loop = asyncio.get_running_loop()
        assert b"Acme" in (await visitor.get("/status/acme/")).body
        await loop.run_in_executor(None, lambda: _close_after(lambda: change(page, name="Zebra")))
        started = loop.time()
        while b"Zebra" not in (await visitor.get("/status/acme/")).body:
            assert loop.time() - started < MOST_AGE_SECONDS + 0.5
            await asyncio.sleep(0.02)
        # And after a long time without visitors there is nothing old to be seen at all.
        await asyncio.sleep(MOST_AGE_SECONDS)
        await loop.run_in_executor(
            None, lambda: _close_after(lambda: change(page, published=False))
        )
        await asyncio.sleep(MOST_AGE_SECONDS)
        return await visitor.get("/status/acme/")

    assert visit(script).status == 404


def _close_after(work: Any) -> None:
    try:
        work()
    finally:
        connection.close()


def test_other_methods_are_told_what_is_allowed(team):
    make_page(team)
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        assert get("/status/acme/", method=method).status == 405


def test_with_the_database_gone_what_was_read_is_served_on(team, monkeypatch):
    own_domain(make_page(team))
    host = b"status.acme.example"

    async def script(visitor: Visitor) -> None:
        paths = ["/status/acme/", SUMMARY, "/status/acme/badge.svg"]
        before = [await visitor.get(path, GZIP) for path in paths]
        shown = await visitor.get("/", host=host)
        # Its session ends, and no other can be opened: as with a server that is stopped.
        source = visitor.app._pages._source
        monkeypatch.setattr(source, "_conninfo", lambda: {"host": "127.0.0.1", "port": 1})
        with session() as other:
            ended = other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE %s AND pid <> pg_backend_pid()",
                ["%SELECT wanted.n, p.slug%"],
            ).fetchall()
        assert ended == [(True,)]
        for _ in range(3):
            await asyncio.sleep(MOST_AGE_SECONDS + 0.1)
            after = [await visitor.get(path, GZIP) for path in paths]
            assert [(reply.status, reply.body) for reply in after] == [
                (reply.status, reply.body) for reply in before
            ]
            assert all(by_lane(reply) for reply in after)
        etag = before[1].headers["etag"].encode()
        assert (await visitor.get(SUMMARY, (b"if-none-match", etag))).status == 304
        assert (await visitor.get("/", host=host)).body == shown.body
        # Whose a host is that nobody has asked for cannot be known: not ours to say 404.
        unknown = await visitor.get("/", host=b"evil.example")
        assert (unknown.status, unknown.headers["retry-after"]) == (503, "1")
        assert b"tocsin" not in unknown.body.lower()

    visit(script)


def test_a_view_says_503_where_the_database_does_not_answer(team):
    make_page(team)

    def broken(*_: Any) -> Any:
        raise OperationalError("gone")

    with connection.execute_wrapper(broken):
        answer = Client().get("/status/acme/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer["Cache-Control"] == "no-store"


def test_a_request_on_our_host_names_it_in_any_spelling(team):
    make_page(team)
    for host in (OURS, b"LOCALHOST:8000", b"127.0.0.1", b"localhost.", b"[::1]:8000"):
        assert get("/status/acme/", host=host).status == 200, host
