"""Addresses near a page: a language without its slash, and what crawlers ask a domain for."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Team
from statuspages.rendering.words import LOCALES
from tests.statuspages.visiting import (
    PASSWORD,
    Visitor,
    change,
    get,
    make_page,
    own_domain,
    visit,
)

pytestmark = pytest.mark.django_db(transaction=True)
HOST = b"status.acme.example"


def test_a_language_without_its_slash_leads_to_the_page(team: Team) -> None:
    own_domain(make_page(team))

    async def script(visitor: Visitor) -> Any:
        return {
            locale: (
                await visitor.get(f"/status/acme/{locale}?a=1"),
                await visitor.get(f"/{locale}", host=HOST),
            )
            for locale in LOCALES
        }

    for locale, (ours, own) in visit(script).items():
        assert (ours.status, ours.headers["location"]) == (308, f"/status/acme/{locale}/?a=1")
        assert (own.status, own.headers["location"]) == (308, f"/{locale}/")
    assert get("/status/acme/xx").status == 404
    assert get("/status/nobody/de").status == 404


def test_crawlers_are_told_on_the_domain_what_the_page_s_people_chose(team: Team) -> None:
    page = own_domain(make_page(team))
    allowed = get("/robots.txt", host=HOST)
    assert (allowed.status, allowed.body) == (200, b"User-agent: *\nDisallow:\n")
    assert allowed.headers["content-type"] == "text/plain; charset=utf-8"
    change(page, robots=False)
    assert get("/robots.txt", host=HOST).body == b"User-agent: *\nDisallow: /\n"
    # On our own host it is our own file, and below a page there is none.
    assert b"Disallow: /t/" in get("/robots.txt").body
    assert get("/status/acme/robots.txt").status == 404
    change(page, password=PASSWORD)
    assert get("/robots.txt", host=HOST).status == 401


@pytest.mark.parametrize("locale", LOCALES)
def test_the_gate_speaks_the_page_s_language_or_the_one_in_the_path(
    team: Team, locale: str
) -> None:
    words = LOCALES[locale]
    page = make_page(team, password=PASSWORD, locale=locale)
    for path in ("", "history"):
        shown = Client().get(f"/status/acme/{path}")
        assert shown.status_code == 401
        assert words["gate_text"] in shown.content.decode()
        assert f'<html lang="{locale}"' in shown.content.decode()
        assert not shown.cookies
    wrong = Client().post("/status/acme/", {"password": "guess"})
    assert words["gate_wrong"] in wrong.content.decode()
    change(page, locale="fr" if locale == "de" else "de")
    assert words["gate_text"] in Client().get(f"/status/acme/{locale}/").content.decode()


def test_the_gate_has_the_page_s_colours_and_nothing_that_is_behind_it(team: Team) -> None:
    make_page(team, password=PASSWORD, colours={"background": "#fff7e6"})
    shown = Client().get("/status/acme/")
    assert b"--bg:#fff7e6" in shown.content
    assert b"assets/" not in shown.content
    assert "unsafe-inline" not in shown["Content-Security-Policy"]
