"""What is open to everybody tells nothing of what is there, but to whom it is addressed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django_scopes import scopes_disabled

from statuspages.models import StatusPage, Subscriber
from statuspages.subscribers.links import confirm_token, manage_token
from tests.access.asking import Said, ask
from tests.access.world import MISSING, Side
from tests.conftest import Api
from tests.factories import PASSWORD

NOBODY = Api(None)


def bearer(text: str | None) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {text}"} if text else {}}


def test_a_push_by_name_does_not_tell_which_names_there_are(ours: Side, theirs: Side) -> None:
    token = theirs.keys["write"].make("monitors", name="quokka-other")["token"]
    for given in (None, "wrong", token, ours.keys["admin"].key):
        for body in ({"status": "pass"}, b"{", {"status": "nonsense"}):
            answers = {
                ask(NOBODY, "POST", f"/api/push/{path}", body, **bearer(given))
                for path in ("zebra/zebra-m", "zebra/nowhere", "nowhere/nowhere")
            }
            assert len(answers) == 1, (given, answers)
            assert {each.status for each in answers} == {401}


def test_a_slug_that_was_replaced_is_as_missing_as_any(ours: Side) -> None:
    api, monitor = ours.keys["write"], f"monitors/{ours.ids['monitors']}"
    old = api.get(monitor)["slug"]
    assert api.post(f"{monitor}/rotate-slug")["slug"] != old
    for method, path in (
        ("POST", "/api/push/{}/results"),
        ("GET", "/api/ping/{}"),
        ("GET", "/api/ping/{}/fail"),
        ("POST", "/api/ping/{}/alertmanager"),
    ):
        gone, missing = (
            ask(NOBODY, method, path.format(slug), {"status": "pass", "alerts": []})
            for slug in (old, "A" * len(old))
        )
        assert gone == missing, path
        assert gone.status == 404, path


def test_a_calendar_without_its_key_is_as_missing_as_any(ours: Side, theirs: Side) -> None:
    path = "rotations/{}/calendar.ics{}"
    theirs_url = theirs.keys["read"].get(f"rotations/{theirs.ids['rotations']}")["calendar_url"]
    key = theirs_url.partition("?")[2]
    for query in ("", "?key=", "?key=wrong", f"?{key}"):
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            there = ask(NOBODY, method, path.format(ours.ids["rotations"], query))
            missing = ask(NOBODY, method, path.format(MISSING, query))
            assert there == missing, (method, query)
            assert there.status in (404, 405)
    assert ask(NOBODY, "GET", path.format(theirs.ids["rotations"], f"?{key}")).status == 200


PATHS = ("", "en/", "history/", "feed.atom", "api/v2/status.json", "badge.svg", "nonsense")
PATHS += ("subscribe", "subscribe/asked", "robots.txt", "assets/logo-0123456789ab")
PATHS += ("subscribe/confirm/x/", "subscribe/manage/x/", "subscribe/unsubscribe/x/")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE")


def test_a_page_that_is_not_published_is_as_missing_as_any(ours: Side) -> None:
    for path in PATHS:
        for method in METHODS:
            draft, missing = (
                ask(NOBODY, method, f"/status/{slug}/{path}") for slug in ("zebra", "nowhere")
            )
            assert draft == missing, (method, path)
    for slug in ("zebra", "nowhere"):
        answer = NOBODY("GET", f"/status/{slug}", expect=308)
        assert answer["Location"] == f"/status/{slug}/"


def test_a_page_for_members_shows_nothing_of_itself(ours: Side) -> None:
    with scopes_disabled():
        pages = StatusPage.objects.filter(slug="zebra")
        pages.update(published=True, visibility="members", name="Secretive")
    for path in PATHS:
        for method in METHODS:
            assert b"Secretive" not in ask(NOBODY, method, f"/status/zebra/{path}").body
    with scopes_disabled():
        pages.update(visibility="password", password_hash="x")
        name = ours.keys["read"].get("status-pages")["results"][0]["name"]
    assert name
    for path in PATHS:
        said = ask(NOBODY, "GET", f"/status/zebra/{path}")
        assert b"zebra.example" not in said.body, path


def test_a_subscribers_link_opens_one_page_alone(ours: Side, theirs: Side) -> None:
    with scopes_disabled():
        StatusPage.objects.update(published=True)
        pk = theirs.ids["subscriber"]
        subscriber = Subscriber.objects.select_related("page").get(pk=pk)
    made = manage_token(subscriber)
    for path, token in (
        ("confirm", confirm_token(subscriber)),
        ("manage", made),
        ("unsubscribe", made),
    ):
        for method in ("GET", "POST"):
            foreign, missing = (
                ask(NOBODY, method, f"/status/zebra/subscribe/{path}/{text}/")
                for text in (token, "x" + token[1:])
            )
            assert foreign[:3] == missing[:3], (method, path)
            assert foreign.status == 404, (method, path)
    assert ask(NOBODY, "GET", f"/status/quokka/subscribe/manage/{made}/").status == 200


def test_asking_to_subscribe_tells_not_who_has_already(ours: Side) -> None:
    with scopes_disabled():
        page = StatusPage.objects.get(slug="zebra")
        StatusPage.objects.update(published=True)
        Subscriber.objects.create(
            team_id=page.team_id, page=page, kind="email", address="known@example.org"
        )
    shown = [
        Client().post("/status/zebra/subscribe", {"email": f"{name}@example.org"})
        for name in ("known", "unknown")
    ]
    assert {each.status_code for each in shown} == {303}
    assert shown[0].content == shown[1].content
    assert shown[0]["Location"] == shown[1]["Location"]


def test_the_documents_of_the_api_are_the_same_for_all(ours: Side) -> None:
    for path in ("schema", "docs", "manifests/schema"):
        known: set[tuple[Any, ...]] = {
            ask(api, "GET", path)[::2] for api in (NOBODY, ours.keys["admin"], Api("tk_x_x"))
        }
        assert len(known) == 1, path
        ((status, body),) = known
        assert status == 200
        assert b"zebra" not in body, path


@pytest.mark.parametrize("path", ["/metrics", "/internal/tls-ask?domain=status.zebra.example"])
def test_what_is_the_operators_is_there_for_nobody_else(ours: Side, path: str) -> None:
    missing = ask(NOBODY, "GET", "/api/v1/nowhere")
    for api in (NOBODY, ours.keys["admin"]):
        said: Said = ask(api, "GET", path, REMOTE_ADDR="203.0.113.9")
        assert (said.status, said.body) == (404, missing.body)


def test_readiness_names_nobody(ours: Side) -> None:
    assert b"zebra" not in ask(NOBODY, "GET", "/readyz").body


def test_who_has_an_account_is_not_to_be_found_out(ours: Side) -> None:
    fields = {"login": {"login": "{}", "password": "wrong"}, "password/reset": {"email": "{}"}}
    fields["signup"] = {"email": "{}", "password1": PASSWORD}
    for path, form in fields.items():
        said = []
        for address in ("owner@zebra.example", "nobody@zebra.example"):
            cache.clear()
            filled = {name: value.format(address) for name, value in form.items()}
            answer = Client().post(f"/accounts/{path}/", filled, follow=True)
            text = answer.content.decode().replace(address, "{}")
            if answer.context is not None:
                text = text.replace(str(answer.context["csrf_token"]), "")
            text = re.sub(r'nonce="[^"]*"', "", text)
            said.append((answer.status_code, answer.redirect_chain, text))
        assert said[0] == said[1], path
    assert {to for message in mail.outbox for to in message.to} >= {"nobody@zebra.example"}
