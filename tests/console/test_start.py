"""The way in, with forms and links only: no script is needed."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django_scopes import scopes_disabled

from accounts.console.start import suggest_slug
from accounts.models import Membership, Team, User
from monitors.models import Monitor
from tests.console.personas import PASSWORD, push


def link_in(mail):
    return re.search(r"^http\S+$", mail.body, re.MULTILINE)[0]


@pytest.mark.django_db
def test_from_sign_up_to_the_first_push(mailoutbox, settings):
    settings.BASE_URL = "https://tocsin.example"
    client = Client()
    assert b"Sign up" in client.get("/").content
    answer = client.post(
        "/accounts/signup/",
        {"email": "Ana@Northwind.example", "password1": PASSWORD},
        headers={"host": "localhost"},
        follow=True,
    )
    assert b"Look into your mail" in answer.content
    link = link_in(mailoutbox[0])
    assert link.startswith("https://tocsin.example/accounts/confirm-email/")
    assert "localhost" not in mailoutbox[0].body + mailoutbox[0].subject

    path = link.removeprefix("https://tocsin.example")
    page = client.get(path)
    assert b"Confirm your address" in page.content
    assert not EmailAddress.objects.get().verified, (
        "a GET confirms nothing: mail scanners follow links"
    )
    answer = client.post(path, follow=True)
    assert answer.redirect_chain[-1][0] == "/t/new"
    assert b'value="northwind"' in answer.content

    answer = client.post("/t/new", {"name": "Northwind", "slug": "northwind"}, follow=True)
    assert answer.redirect_chain == [("/t/northwind/monitors/new", 302)]
    answer = client.post(
        "/t/northwind/monitors/new",
        {
            "name": "nightly",
            "interval": "1 min",
            "failures_to_open": 1,
            "passes_to_close": 1,
            "severity": "critical",
        },
    )
    page = answer.content.decode()
    assert "Waiting for the first push" in page
    assert answer["Cache-Control"] == "no-store"
    with scopes_disabled():
        monitor = Monitor.objects.select_related("team").get()
        slug = monitor.push_keys.get().value
    assert monitor.silent_after == 90
    assert f"https://tocsin.example/api/push/{slug}/results" in page
    token = re.search(r'id="push-token">([^<]+)<', page)[1]
    again = client.get(f"/t/northwind/monitors/{monitor.pk}/setup").content.decode()
    assert token not in again
    assert slug in again

    waiting = client.get(
        f"/t/northwind/monitors/{monitor.pk}/setup", headers={"HX-Request": "true"}
    )
    assert waiting.status_code == 200
    assert b"<html" not in waiting.content
    push(monitor)
    arrived = client.get(
        f"/t/northwind/monitors/{monitor.pk}/setup", headers={"HX-Request": "true"}
    )
    assert b"It works: <bdi>nightly</bdi> is up" in arrived.content
    assert arrived.status_code == 286, "what has arrived is not asked for again"


@pytest.mark.django_db
def test_a_forgotten_password(people, mailoutbox, settings):
    client = Client()
    client.post("/accounts/password/reset/", {"email": "owner@acme.example"})
    path = link_in(mailoutbox[0]).removeprefix(settings.BASE_URL)
    page = client.get(path, follow=True)
    assert b"Choose a new password" in page.content
    new = "another-horse-82"
    answer = client.post(
        page.redirect_chain[-1][0], {"password1": new, "password2": new}, follow=True
    )
    assert b"Your new password is saved" in answer.content
    assert client.login(email="owner@acme.example", password=new)


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["owner@acme.example", "nobody@acme.example"])
def test_mails_to_known_and_unknown_addresses_link_to_us_alone(people, mailoutbox, settings, email):
    settings.BASE_URL = "https://tocsin.example"
    client = Client()
    hostile = {"host": "localhost"}
    client.post("/accounts/signup/", {"email": email, "password1": PASSWORD}, headers=hostile)
    client.post("/accounts/password/reset/", {"email": email}, headers=hostile)
    assert mailoutbox
    for mail in mailoutbox:
        links = re.findall(r"https?://\S+", mail.body)
        assert links
        assert all(link.startswith("https://tocsin.example/") for link in links), mail.body


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "X", "slug": "acme"}, "is taken"),
        ({"name": "X", "slug": "api"}, "reserved word"),
        ({"name": "X", "slug": "No Good"}, "lower-case letters"),
        ({"name": "", "slug": "fine"}, "required"),
    ],
)
def test_a_team_needs_a_free_name(owner, data, words):
    answer = owner.post("/t/new", data)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert Team.objects.count() == 2


def test_members_are_led_to_the_team_they_last_saw(owner, people):
    owner.post("/t/new", {"name": "Second", "slug": "second"})
    assert owner.get("/")["Location"] == "/t/acme/"
    owner.get("/t/second/")
    assert owner.get("/")["Location"] == "/t/second/"
    with scopes_disabled():
        Membership.objects.filter(team__slug="second").delete()
    assert owner.get("/")["Location"] == "/t/acme/"


def test_a_person_without_a_team_makes_one(browse, people):
    client = browse(User.objects.create_user("new@acme.example", PASSWORD))
    assert client.get("/")["Location"] == "/t/new"


def test_an_address_typed_without_its_slash_leads_to_the_page(owner):
    assert owner.get("/t/acme")["Location"] == "/t/acme/"
    assert owner.get("/t/acme/monitors?state=up")["Location"] == "/t/acme/monitors/?state=up"
    assert owner.get("/t/acme/nothing").status_code == 404
    assert owner.get("/t/acme/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("email", "slug"),
    [
        ("ana@northwind.example", "northwind"),
        ("ana.b@gmail.com", "ana-b"),
        ("Ünal@gmx.de", "unal"),
        ("jo@x.org", "jo"),
    ],
)
def test_a_short_name_is_suggested(email, slug):
    assert suggest_slug(email) == slug
