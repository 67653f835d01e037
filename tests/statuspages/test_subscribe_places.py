"""Subscribing where a page has a gate, a domain, another slug, or looks of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Team
from tests.statuspages.pages import make_component
from tests.statuspages.subscriptions import (
    PAGE,
    ask,
    confirm_path,
    leave_path,
    manage_path,
    only,
    read,
    subscribed,
    subscribers,
)
from tests.statuspages.test_html import Reader
from tests.statuspages.visiting import (
    PASSWORD,
    Visitor,
    by_lane,
    change,
    get,
    make_page,
    own_domain,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)
HOST = b"status.acme.example"


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


def test_the_page_s_own_form_leads_here(team: Team) -> None:
    page = make_page(team)
    api = make_component(page)
    change(page, description="with a component")
    for path in ("", "de/"):
        shown = Reader()
        shown.feed(get(PAGE + path).body.decode())
        (form,) = shown.all("form")
        assert form["action"] == ("./subscribe" if not path else "../subscribe")
        names = {a["name"] for a in shown.all("input")}
        assert names == {"email", "url", "components", "locale", "subject"}
        assert api.code in {a.get("value") for a in shown.all("input")}


def test_a_page_with_a_password_asks_for_it_first(team: Team) -> None:
    make_page(team, password=PASSWORD, locale="de")
    stranger = Client()
    for answer in (stranger.get(f"{PAGE}subscribe"), ask(stranger)):
        assert answer.status_code == 401
        assert "Passwort" in read(answer).text
    assert stranger.get(f"{PAGE}subscribe/asked").status_code == 401
    assert subscribers() == []
    # No password was given, so none was wrong.
    for _ in range(30):
        assert ask(stranger).status_code == 401
    opened = stranger.post(f"{PAGE}subscribe", {"password": PASSWORD})
    assert (opened.status_code, opened["Location"]) == (303, f"{PAGE}subscribe")
    assert ask(stranger).status_code == 303
    # The link is enough, and shows nothing of the page but names.
    found = only()
    reader = Client()
    assert reader.post(confirm_path(found)).status_code == 303
    assert "assets/" not in reader.get(manage_path(found)).content.decode()
    assert reader.post(leave_path(found)).status_code == 200
    assert subscribers() == []


def test_a_page_for_members_tells_strangers_nothing(team: Team) -> None:
    page = make_page(team, visibility="members")
    assert ask().status_code == 302
    assert subscribers() == []
    found = subscribed(page)
    for path in (f"{PAGE}subscribe/manage/x/", f"{PAGE}subscribe/confirm/x/"):
        answer = Client().get(path)
        assert (answer.status_code, b"Acme" in answer.content) == (404, False)
    shown = read(Client().get(manage_path(found)))
    assert [a["href"] for a in shown.all("a")] == []


def test_who_follows_a_page_may_leave_when_it_is_hidden(team: Team) -> None:
    page = make_page(team)
    found = subscribed(page)
    change(page, published=False)
    assert Client().get(f"{PAGE}subscribe").status_code == 404
    assert ask().status_code == 404
    hidden, missing = (
        Client().get(path)
        for path in (f"{PAGE}subscribe/manage/x/", "/status/nobody/subscribe/manage/x/")
    )
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    assert Client().post(leave_path(found)).status_code == 200
    assert subscribers() == []


def test_old_mails_lead_here_when_the_page_has_another_slug(team: Team) -> None:
    page = make_page(team)
    found = subscribed(page)
    change(page, slug="acme-new")
    read(Client().get(manage_path(found)))
    make_page(team, "other")
    assert Client().get(manage_path(found, "/status/other/")).status_code == 404
    assert Client().post(leave_path(found)).status_code == 200
    assert subscribers() == []


def test_all_of_it_works_on_the_page_s_own_domain(team: Team) -> None:
    page = own_domain(make_page(team))

    async def script(visitor: Visitor) -> Any:
        form = await visitor.get("/subscribe", host=HOST)
        asked = await visitor.post("/subscribe", b"email=ana%40example.org&locale=fr", host=HOST)
        said = await visitor.get(asked.headers["location"], host=HOST)
        return form, asked, said

    form, asked, said = visit(script)
    assert form.status == 200
    assert b'action="/subscribe"' in form.body
    assert (asked.status, asked.headers["location"]) == (303, "/subscribe/asked?locale=fr")
    assert "messagerie" in said.body.decode()
    found = only()
    assert found.page_id == page.pk

    async def rest(visitor: Visitor) -> Any:
        shown = await visitor.get(confirm_path(found, "/"), host=HOST)
        done = await visitor.post(confirm_path(found, "/"), b"", host=HOST)
        manage = await visitor.get(done.headers["location"], host=HOST)
        left = await visitor.post(leave_path(found, "/"), b"List-Unsubscribe=One-Click", host=HOST)
        stranger = await visitor.get("/subscribe", host=b"evil.example")
        return shown, done, manage, left, stranger

    shown, done, manage, left, stranger = visit(rest)
    assert shown.status == 200
    assert (done.status, done.headers["location"]) == (
        303,
        f"{manage_path(found, '/')}?done=confirmed",
    )
    assert manage.status == left.status == 200
    assert f'action="{leave_path(found, "/")}"'.encode() in manage.body
    for reply in (form, asked, said, shown, done, manage, left):
        assert "set-cookie" not in reply.headers
        assert reply.headers["cache-control"] == "private, no-store"
    assert subscribers() == []
    assert stranger.status == 404


def test_on_our_own_host_it_passes_the_lane_to_django(team: Team) -> None:
    make_page(team)

    async def script(visitor: Visitor) -> Any:
        return (
            await visitor.get(f"{PAGE}subscribe"),
            await visitor.post(f"{PAGE}subscribe", b"email=ana%40example.org"),
            await visitor.get(f"{PAGE}subscribe/nothing"),
        )

    form, asked, nothing = visit(script)
    assert [form.status, asked.status, nothing.status] == [200, 303, 404]
    assert not by_lane(form)
    assert len(subscribers()) == 1


def test_colours_and_logo_are_the_page_s_where_everybody_may_see_them(team: Team) -> None:
    from statuspages.services.assets import set_asset
    from tests.statuspages.test_gate import PNG

    page = make_page(team, colours={"accent": "#00695c", "background": "#fff7e6"})
    logo = set_asset(page=page, kind="logo", content=PNG)
    answer = Client().get(f"{PAGE}subscribe")
    source = read(answer).all("img")[0]["src"]
    assert source == f"{PAGE}assets/logo-{logo.sha256[:12]}"
    assert Client().get(source).status_code == 200
    assert "--bg:#fff7e6" in answer.content.decode()
    # The policy lets in the styles that are there and no others.
    styles = re.findall(r"<style>(.*?)</style>", answer.content.decode(), re.DOTALL)
    assert answer["Content-Security-Policy"].count("'sha256-") == len(styles) == 3
