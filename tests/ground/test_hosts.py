"""Console and API on our own host, a page on its domain, and nothing anywhere else."""

from __future__ import annotations

from typing import Any

import pytest

from config.hosts import Hosts, host_name
from tests.statuspages.visiting import (
    OURS,
    Visitor,
    by_lane,
    change,
    get,
    make_page,
    own_domain,
    visit,
)

DOMAIN = b"status.acme.example"
CONSOLE = ("/", "/accounts/login/", "/api/v1/monitors", "/api/v1/schema", "/static/tocsin.css")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"Tocsin.Example.org", "tocsin.example.org"),
        (b"tocsin.example.org.:8443", "tocsin.example.org"),
        (b"[::1]:8000", "[::1]"),
        (b"127.0.0.1", "127.0.0.1"),
        (b"", ""),
        (b"a/b", ""),
        (b"a@b", ""),
        (b"a b", ""),
        (b"a..b", ""),
        (b"a:b", ""),
        (b"\xff.example", ""),
        (b"a" * 300, ""),
    ],
)
def test_host_names_are_read_strictly(value, name):
    assert host_name(value) == name


def test_loopback_is_ours_only_where_we_are_embedded_or_named_so():
    def foreign(base: str, host: bytes, *, embedded: bool) -> str | None:
        return Hosts(base, embedded=embedded).foreign([(b"host", host)])

    assert foreign("https://tocsin.example.org", b"tocsin.example.org", embedded=False) is None
    assert foreign("https://tocsin.example.org", b"127.0.0.1", embedded=False) == "127.0.0.1"
    assert foreign("https://tocsin.example.org", b"127.0.0.1:8000", embedded=True) is None
    assert foreign("http://localhost:8000", b"127.0.0.1:8000", embedded=False) is None
    assert Hosts("http://localhost", embedded=True).foreign([]) == ""
    twice = [(b"host", b"localhost"), (b"host", b"other")]
    assert Hosts("http://localhost", embedded=True).foreign(twice) == ""


@pytest.mark.django_db(transaction=True)
def test_an_unknown_host_is_answered_404_and_never_by_the_console(team):
    own_domain(make_page(team))

    async def script(visitor: Visitor) -> list[Any]:
        hosts = (b"evil.example", b"acme", b"", b"a/b", b"status.acme.example.evil.example")
        return [
            await visitor.get(path, host=host, method=method)
            for host in hosts
            for path in (*CONSOLE, "/status/acme/", "/metrics-not", "/robots.txt")
            for method in ("GET", "POST")
        ]

    for reply in visit(script):
        assert reply.status == 404
        assert by_lane(reply)
        assert b"tocsin" not in reply.body.lower()
        assert "set-cookie" not in reply.headers


@pytest.mark.django_db(transaction=True)
def test_x_forwarded_host_opens_nothing(team):
    own_domain(make_page(team))
    forged = (b"x-forwarded-host", OURS)
    assert get("/accounts/login/", forged, host=b"evil.example").status == 404
    assert get("/", (b"x-forwarded-host", DOMAIN), host=OURS).body != get("/", host=DOMAIN).body


@pytest.mark.django_db(transaction=True)
def test_how_we_are_and_pushes_answer_on_any_host(team):
    async def script(visitor: Visitor) -> list[int]:
        paths = ("/healthz", "/readyz", "/metrics", "/api/push/unknownslug1/results")
        return [(await visitor.get(path, host=b"anything.internal")).status for path in paths]

    health, ready, metrics, push = visit(script)
    assert (health, metrics) == (200, 200)
    assert ready in (200, 503)
    assert push in (404, 405)


@pytest.mark.django_db(transaction=True)
def test_a_proved_domain_serves_its_page_at_the_root_and_nothing_else(team):
    page = own_domain(make_page(team))
    make_page(team, "other")

    async def script(visitor: Visitor) -> Any:
        shown = [
            await visitor.get(path, host=DOMAIN)
            for path in ("/", "/api/v2/summary.json", "/badge.svg", "/history", "/de/")
        ]
        paths = (*CONSOLE[1:], "/status/acme/", "/status/other/", "/internal/x", "/t/acme/")
        hidden = [await visitor.get(path, host=DOMAIN) for path in paths]
        capital = await visitor.get("/", host=b"Status.Acme.Example:443")
        return shown, hidden, capital, await visitor.get("/status/acme/")

    shown, hidden, capital, ours = visit(script)
    assert [reply.status for reply in shown] == [200] * 5
    assert by_lane(shown[0])
    assert shown[0].body == capital.body == ours.body
    assert shown[1].json["page"]["id"] == page.code
    assert {reply.status for reply in hidden} == {404}
    assert all(b"tocsin" not in reply.body.lower() for reply in hidden)


@pytest.mark.django_db(transaction=True)
def test_a_claimed_domain_serves_nothing_before_it_is_proved(team):
    page = change(make_page(team), domain=DOMAIN.decode())
    assert get("/", host=DOMAIN).status == 404
    assert get("/", host=DOMAIN).status == 404
    own_domain(page)
    assert get("/", host=DOMAIN).status == 200
    change(page, published=False)
    assert get("/", host=DOMAIN).status == 404


@pytest.mark.django_db(transaction=True)
def test_what_is_no_representation_reaches_django_on_a_domain_of_an_unpublished_page_too(team):
    """A link out of a mail works as long as there is the page: who follows it may still leave."""
    change(own_domain(make_page(team)), published=False)
    shown, link, stranger = (
        get(path, host=host)
        for path, host in (
            ("/", DOMAIN),
            ("/subscribers/token", DOMAIN),
            ("/subscribers/token", b"evil.example"),
        )
    )
    assert [reply.status for reply in (shown, link, stranger)] == [404] * 3
    assert [by_lane(reply) for reply in (shown, link, stranger)] == [True, False, True]
