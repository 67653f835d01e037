"""The domain of a page in its settings: named, proved by a real DNS answer, taken away."""

from __future__ import annotations

import pytest
from django_scopes import scopes_disabled

from statuspages.services.pages import create_page, domain_record
from tests.console.test_status_pages import at, read, text_of
from tests.statuspages.test_domains import server  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)
DOMAIN = "status.acme.example"


@pytest.fixture
def page(people):
    return create_page(team=people.team, name="Acme status", slug="acme")


def send(owner, page, what, domain=""):
    return owner.post(at(page, "domain"), {"do": what, "domain": domain}, follow=True)


def test_a_domain_is_named_and_its_record_shown(owner, page):
    shown = text_of(send(owner, page, "save", f" {DOMAIN.upper()}. "))
    page = read(page)
    assert page.domain == DOMAIN
    assert f"_tocsin.{DOMAIN}</code>" in shown
    assert f"{domain_record(page)}</code>" in shown
    assert "Not proved yet" in shown
    send(owner, page, "save", DOMAIN)
    assert read(page).domain_token == page.domain_token, "the same domain keeps its proof"


@pytest.mark.parametrize("name", ["localhost", "10.0.0.1", "a b.example", "x" * 300, "\0.example"])
def test_a_domain_that_cannot_be_is_refused_at_its_field(owner, page, name):
    shown = text_of(send(owner, page, "save", name))
    assert 'id="domain-error"' in shown
    assert read(page).domain is None


def test_check_now_says_what_was_found(owner, page, server):  # noqa: F811
    send(owner, page, "save", DOMAIN)
    assert f"There is no TXT record at _tocsin.{DOMAIN} yet." in text_of(send(owner, page, "check"))
    assert read(page).domain_verified_at is None
    server.prove(read(page))
    shown = text_of(send(owner, page, "check"))
    assert f"{DOMAIN} is proved. The page is served there." in shown
    assert f"https://{DOMAIN}/" in shown
    assert "There is no TXT record" not in shown


def test_a_domain_is_taken_away(owner, page):
    send(owner, page, "save", DOMAIN)
    assert "no domain of its own now" in text_of(send(owner, page, "remove"))
    with scopes_disabled():
        page.refresh_from_db()
    assert (page.domain, page.domain_token) == (None, "")
    assert "The page has no domain." in text_of(send(owner, page, "check"))
