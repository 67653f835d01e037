"""Pages that are not for everybody: no representation gets past the gate."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Membership, Team
from statuspages.rendering.representations import all_paths
from statuspages.services.assets import asset_path, set_asset
from statuspages.serving.gate import MOST_TRIES
from statuspages.serving.snapshots import load_page, render_one
from tests.factories import TeamFactory, UserFactory
from tests.statuspages.visiting import (
    GZIP,
    OURS,
    PASSWORD,
    Visitor,
    again,
    change,
    get,
    make_page,
    own_domain,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAGE = "/status/acme/"


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


def gated(team: Team, **fields: Any) -> Any:
    """A password page that already has every snapshot that it can have."""
    page = make_page(team, password=PASSWORD, **fields)
    for path in every_path(page):
        render_one(page.pk, path)
    return page


def every_path(page: Any) -> list[str]:
    from django.utils.timezone import now

    return all_paths(load_page(page, now=now()))


def basic(password: str, user: str = "reader") -> tuple[bytes, bytes]:
    return (b"authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode()))


def test_every_representation_is_behind_the_gate(team):
    page = gated(team)
    logo = set_asset(page=page, kind="logo", content=PNG)
    paths = [
        *every_path(page),
        asset_path(logo),
        "nothing",
        "nothing.json",
        "components/x/badge.svg",
    ]
    assert len(paths) > 20

    async def script(visitor: Visitor) -> Any:
        asked = []
        for path in paths:
            for method in ("GET", "HEAD", "OPTIONS", "POST"):
                reply = await visitor.get(
                    PAGE + path, GZIP, (b"if-none-match", b"*"), method=method
                )
                asked.append((path, method, reply))
        return asked

    for path, method, reply in visit(script):
        assert reply.status == 401, (path, method)
        assert reply.headers["cache-control"] == "private, no-store"
        assert "etag" not in reply.headers
        assert "access-control-allow-origin" not in reply.headers
        assert "www-authenticate" in reply.headers
        assert b"operational" not in reply.body.lower()


def test_people_get_a_form_and_machines_are_told(team):
    gated(team)
    form = get(PAGE)
    assert form.headers["content-type"].startswith("text/html")
    assert b'type="password"' in form.body
    assert not form.headers["www-authenticate"].startswith("Basic")
    assert "'unsafe-inline'" not in form.headers["content-security-policy"]
    assert "set-cookie" not in form.headers
    machine = get(PAGE + "api/v2/summary.json")
    assert "problem+json" in machine.headers["content-type"]
    assert machine.json["status"] == 401
    assert machine.headers["www-authenticate"].startswith("Basic")


def test_the_right_password_opens_this_page_until_it_is_changed(team):
    page = gated(team)
    make_page(team, "other", password=PASSWORD)
    browser = Client()
    wrong = browser.post(PAGE, {"password": "guess"})
    assert (wrong.status_code, b"not the password" in wrong.content) == (401, True)
    assert not browser.cookies
    right = browser.post(PAGE + "history", {"password": PASSWORD})
    assert (right.status_code, right["Location"]) == (303, PAGE + "history")
    (cookie,) = browser.cookies.values()
    assert cookie["path"] == PAGE
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    for path in ("", "api/v2/summary.json", "history.rss", "badge.svg"):
        answer = browser.get(PAGE + path)
        assert answer.status_code == 200, path
        assert answer["Cache-Control"] == "private, no-store"
        assert "Access-Control-Allow-Origin" not in answer
    # Neither does it open another page, whatever that one's password is, …
    stolen = Client()
    stolen.cookies["tocsin_page_" + again(page).code] = cookie.value
    assert stolen.get("/status/other/").status_code == 401
    # … nor a changed text, nor the page after its password has changed.
    stolen.cookies["tocsin_page_" + again(page).code] = cookie.value[:-1] + "x"
    assert stolen.get(PAGE).status_code == 401
    change(page, password="another one entirely")
    assert browser.get(PAGE).status_code == 401


def test_the_cookie_is_secure_where_we_are(team, settings):
    gated(team)
    answer = Client().post(PAGE, {"password": PASSWORD}, secure=True)
    (cookie,) = answer.cookies.values()
    assert cookie["secure"]


def test_feed_readers_send_the_password_with_any_name(team):
    gated(team)
    for user in ("", "me", ["a", "b"][0]):
        assert get(PAGE + "history.atom", basic(PASSWORD, user)).status == 200
    assert get(PAGE + "history.atom", basic("guess")).status == 401
    for bad in (b"Basic", b"Basic ####", b"Bearer x", b"Basic /w=="):
        assert get(PAGE + "history.atom", (b"authorization", bad)).status == 401


def test_guessing_ends_after_twenty_tries_for_one_address(team):
    gated(team)
    make_page(team, "other", password=PASSWORD)
    guesser = Client(REMOTE_ADDR="203.0.113.9")
    for _ in range(MOST_TRIES):
        assert guesser.post(PAGE, {"password": "guess"}).status_code == 401
    refused = guesser.post(PAGE, {"password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    machine = guesser.get(PAGE + "badge.json", HTTP_AUTHORIZATION=basic(PASSWORD)[1].decode())
    assert (machine.status_code, machine["Content-Type"]) == (429, "application/problem+json")
    # Another address and another page are not meant.
    assert Client(REMOTE_ADDR="203.0.113.10").post(PAGE, {"password": PASSWORD}).status_code == 303
    assert guesser.post("/status/other/", {"password": PASSWORD}).status_code == 303


def test_the_right_password_is_not_counted(team):
    gated(team)
    for _ in range(MOST_TRIES + 5):
        assert get(PAGE + "history.rss", basic(PASSWORD)).status == 200


def test_an_open_redirect_cannot_be_made_of_the_form(team):
    gated(team)
    for path in ("//evil.example", "x\\evil", "https:/evil.example/"):
        answer = Client().post(f"{PAGE}{path}", {"password": PASSWORD})
        if answer.status_code == 303:
            assert answer["Location"].startswith(PAGE)
            assert "evil" not in answer["Location"].replace("//", "")[: len(PAGE)]


def test_members_pages_are_for_the_team_alone(team):
    make_page(team, visibility="members")
    visitor = Client()
    answer = visitor.get(PAGE)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert visitor.get(PAGE + "api/v2/summary.json").status_code == 401
    assert visitor.get(PAGE + "badge.svg").status_code == 401
    stranger = Client()
    stranger.force_login(UserFactory())
    owner_of_other = Client()
    owner_of_other.force_login(_owner(TeamFactory(slug="rival")))
    for client in (stranger, owner_of_other):
        for path in ("", "api/v2/summary.json", "history.rss"):
            assert client.get(PAGE + path).status_code == 404
    member = Client()
    member.force_login(_owner(team))
    for path in ("", "api/v2/summary.json", "history.rss"):
        answer = member.get(PAGE + path)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "private, no-store"
    # A place that was given and not accepted is none.
    invited = UserFactory()
    from django_scopes import scopes_disabled

    with scopes_disabled():
        Membership.objects.create(team=team, user=invited, accepted_at=None)
    client = Client()
    client.force_login(invited)
    assert client.get(PAGE).status_code == 404


def test_a_gate_stands_on_the_pages_own_domain_too(team):
    page = own_domain(gated(team))
    host = b"status.acme.example"

    async def script(visitor: Visitor) -> Any:
        closed = await visitor.get("/api/v2/summary.json", host=host)
        opened = await visitor.post(
            "/", f"password={PASSWORD.replace(' ', '+')}".encode(), host=host
        )
        cookie = opened.headers["set-cookie"]
        value = cookie.split(";")[0].encode()
        shown = await visitor.get("/", (b"cookie", value), host=host)
        return closed, opened, cookie, shown

    closed, opened, cookie, shown = visit(script)
    assert closed.status == 401
    assert (opened.status, opened.headers["location"]) == (303, "/")
    assert "Path=/;" in cookie
    assert "Domain" not in cookie
    assert shown.status == 200
    change(page, visibility="members")
    assert get("/", host=host).status == 404
    assert get(PAGE, host=OURS).status == 302


def test_closing_a_page_is_seen_within_a_second(team):
    page = make_page(team)

    async def script(visitor: Visitor) -> Any:
        import asyncio

        assert (await visitor.get(PAGE)).status == 200
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, _close, page)
        await asyncio.sleep(1.05)
        return await visitor.get(PAGE), await visitor.get(PAGE + "badge.json")

    assert [reply.status for reply in visit(script)] == [401, 401]


def _close(page: Any) -> None:
    from django.db import connection

    try:
        change(page, rendered=False, password=PASSWORD)
    finally:
        connection.close()


def _owner(team: Team) -> Any:
    from django_scopes import scope

    with scope(team=team):
        return Membership.objects.select_related("user").get(role="owner").user


def test_pictures_are_cached_for_ever_and_run_nothing(team):
    page = make_page(team)
    logo = set_asset(page=page, kind="logo", content=PNG)
    for path in (asset_path(logo), f"assets/logo-{logo.sha256[:12]}"):
        reply = get(PAGE + path)
        assert (reply.status, reply.body) == (200, PNG)
        assert reply.headers["content-type"] == "image/png"
        assert "immutable" in reply.headers["cache-control"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in reply.headers["content-security-policy"]
        assert reply.headers["content-disposition"] == 'inline; filename="logo.png"'
    for path in ("assets/logo-000000000000", f"assets/favicon-{logo.sha256[:12]}", "assets/logo-"):
        assert get(PAGE + path).status == 404
    make_page(team, "other")
    assert get(f"/status/other/{asset_path(logo)}").status == 404
