"""Real answers of every sort, and the headers without which none of them may leave."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from config.csp import NOTHING
from tests.accounts.staffing import make_operator, staff_client
from tests.factories import PASSWORD, UserFactory
from tests.ground.test_deploy import run
from tests.monitors.pushing import ask, make_monitors, slug_of
from tests.statuspages.visiting import Visitor, make_page, visit

EVERYWHERE = {"x-content-type-options": "nosniff"}
DJANGO = {
    **EVERYWHERE,
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def directives(policy: str) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in policy.split(";"))
    return {name: value for name, _, value in parts}


def assert_inert(headers: Any) -> None:
    assert headers["content-security-policy"] == NOTHING


def assert_page(headers: Any) -> None:
    said = directives(headers["content-security-policy"])
    assert said["default-src"] == said["frame-ancestors"] == said["base-uri"] == "'none'"
    assert "unsafe" not in said["script-src"]
    assert "*" not in headers["content-security-policy"]
    assert "camera=()" in headers["permissions-policy"]
    assert "geolocation=()" in headers["permissions-policy"]


@pytest.mark.django_db(transaction=True)
def test_what_a_server_answers_says_what_a_browser_may_do_with_it(team):
    make_page(team)
    [monitor] = make_monitors(team, 1)
    push = f"/api/push/{slug_of(monitor)}/results"

    async def script(visitor: Visitor) -> dict[str, Any]:
        return {
            "console": await visitor.get("/accounts/login/"),
            "redirect": await visitor.get("/accounts/password/change/"),
            "no page": await visitor.get("/nowhere/at/all"),
            "status page": await visitor.get("/status/acme/"),
            "no status page": await visitor.get("/status/nobody/"),
            "status JSON": await visitor.get("/status/acme/api/v2/summary.json"),
            "API": await visitor.get("/api/v1/monitors"),
            "no API": await visitor.get("/api/v1/nothing"),
            "foreign host": await visitor.get("/api/v1/monitors", host=b"evil.example"),
            "alive": await visitor.get("/healthz"),
            "ready": await visitor.get("/readyz"),
            "static": await visitor.get("/static/tocsin.css"),
            "201": await ask(visitor.app, "POST", push, b'{"status":"pass"}'),
            "201 by Django": await ask(visitor.app, "POST", push, b'{"status":"pass","x":1}'),
            "400": await ask(visitor.app, "POST", push, b"{"),
            "404": await ask(
                visitor.app, "POST", "/api/push/000000000000/results", b'{"status":"up"}'
            ),
            "405": await visitor.get(push),
            "413": await ask(visitor.app, "POST", push, b"x" * 70_000),
        }

    replies = visit(script)
    said = {name: reply.status for name, reply in replies.items()}
    assert said["console"] == said["status page"] == said["alive"] == said["static"] == 200
    assert (said["201"], said["201 by Django"], said["redirect"]) == (201, 201, 302)
    assert [said[n] for n in ("400", "404", "405", "413", "API")] == [400, 404, 405, 413, 401]
    for name, reply in replies.items():
        for header, value in EVERYWHERE.items():
            assert reply.headers.get(header) == value, (name, header)
        assert "server" not in reply.headers
        assert "x-powered-by" not in reply.headers
    for name in ("console", "redirect", "no page", "API", "no API", "400", "405", "413"):
        for header, value in DJANGO.items():
            assert replies[name].headers.get(header) == value, (name, header)
    for name in ("console", "no page", "status page"):
        assert_page(replies[name].headers)
    for name in ("API", "no API", "alive", "400", "404", "405", "413", "static"):
        assert_inert(replies[name].headers)


@pytest.mark.django_db(transaction=True)
def test_a_status_page_runs_no_script_at_all(team):
    make_page(team)

    async def script(visitor: Visitor) -> list[Any]:
        return [await visitor.get(f"/status/acme/{path}") for path in ("", "history", "subscribe")]

    for reply in visit(script):
        assert reply.status == 200
        assert b"<script" not in reply.body
        assert directives(reply.headers["content-security-policy"])["script-src"] == "'none'"
        assert "set-cookie" not in reply.headers
        assert reply.headers["referrer-policy"] in {"same-origin", "no-referrer"}
        assert "camera=()" in reply.headers["permissions-policy"]


@pytest.mark.django_db
def test_the_pages_of_staff_and_those_of_failures_say_it_too(monkeypatch):
    operator = staff_client(make_operator())
    answers = [operator.get("/staff/"), operator.get("/staff/nothing/")]
    assert [answer.status_code for answer in answers] == [200, 404]
    pattern = next(
        each for each in get_resolver().url_patterns if str(each.pattern) == "robots.txt"
    )

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(pattern, "callback", fail)
    failed = Client(raise_request_exception=False).get("/robots.txt")
    assert failed.status_code == 500
    assert "on purpose" not in failed.content.decode()
    for answer in (*answers, failed):
        assert_page(answer.headers)
        for header, value in DJANGO.items():
            assert answer.headers[header] == value, header


@pytest.mark.django_db
@pytest.mark.parametrize("secure", [True, False])
def test_cookies_are_out_of_reach_and_over_https_stay_there(settings, secure):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = secure
    user = UserFactory()
    client = Client()
    client.get("/accounts/login/", secure=secure)
    answer = client.post(
        "/accounts/login/", {"login": user.email, "password": PASSWORD}, secure=secure
    )
    assert answer.status_code == 302
    assert set(client.cookies) >= {"sessionid", "csrftoken"}
    for name in ("sessionid", "csrftoken"):
        cookie = client.cookies[name]
        assert (bool(cookie["secure"]), cookie["httponly"]) == (secure, True), name
        assert (cookie["samesite"], cookie["domain"]) == ("Lax", ""), name


HTTPS = """
import django; django.setup()
from django.conf import settings
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.test import RequestFactory
def said(**options):
    request = RequestFactory().get("/", **options)
    answer = SecurityMiddleware(lambda request: HttpResponse())(request)
    return answer.headers.get("Strict-Transport-Security")
print(said(secure=True), said(HTTP_X_FORWARDED_PROTO="https"), settings.USE_X_FORWARDED_HOST,
      settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, sep="|")
"""


def test_https_is_what_a_trusted_proxy_says_and_no_header_of_a_stranger():
    done = run("-c", HTTPS)
    assert done.stdout.strip() == "max-age=31536000|None|False|True|True", done.stderr
    plain = run("-c", HTTPS, BASE_URL="http://tocsin.example.org")
    assert plain.stdout.strip() == "None|None|False|False|False", plain.stderr


WORKER = "from config.httpserver import Worker; print(Worker.CONFIG_KWARGS['proxy_headers'])"


@pytest.mark.parametrize(("named", "believed"), [("", "False"), ("10.0.0.1", "True")])
def test_a_proxy_is_believed_only_where_the_operator_names_it(named, believed):
    done = run("-c", WORKER, FORWARDED_ALLOW_IPS=named)
    assert done.stdout.strip() == believed, done.stderr


def test_each_check_that_is_silenced_has_its_reason():
    line = "from django.conf import settings; print(*settings.SILENCED_SYSTEM_CHECKS)"
    silenced = run("-c", line).stdout.split()
    # https by the proxy; subdomains and preload lists are not ours to bind: config/settings.py
    assert silenced == ["security.W005", "security.W008", "security.W021"]
