"""What holds on every page: nothing inline, nothing from elsewhere, keys shown once."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import ApiKey
from config.csp import POLICY
from tests.console.personas import make_incident, push


@pytest.fixture
def pages(owner, people, monitor):
    incident = make_incident(monitor)
    push(monitor, latency_ms=12.5, labels={"host": "w-1"})
    inside = [
        "/t/acme/",
        "/t/acme/monitors/",
        "/t/acme/monitors/new",
        f"/t/acme/monitors/{monitor.pk}/",
        f"/t/acme/monitors/{monitor.pk}/setup",
        f"/t/acme/monitors/{monitor.pk}/edit",
        f"/t/acme/monitors/{monitor.pk}/delete",
        "/t/acme/incidents/",
        f"/t/acme/incidents/{incident.pk}/",
        "/t/acme/channels/",
        "/t/acme/channels/new",
        "/t/acme/on-call/contacts/",
        "/t/acme/on-call/contacts/new",
        "/t/acme/on-call/contacts/new?kind=email",
        "/t/acme/settings/members",
        "/t/acme/settings/keys",
        "/t/new",
        "/t/acme/nothing",
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/logout/",
    ]
    outside = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
    outside += ["/accounts/confirm-email/", "/accounts/confirm-email/used/"]
    found = {address: owner.get(address) for address in inside}
    return found | {address: Client().get(address) for address in outside}


def test_a_strict_policy_that_no_page_breaks(pages):
    for address, answer in pages.items():
        page = answer.content.decode()
        assert answer["Content-Security-Policy"] == POLICY, address
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", page), address
        for script in re.findall(r"<script([^>]*)>", page):
            assert "src=" in script, address


def test_no_page_asks_another_host(pages):
    for address, answer in pages.items():
        page = answer.content.decode()
        for target in re.findall(r'(?:src|href|action|hx-get)="([^"]*)"', page):
            assert target == "" or target[0] in "/?#", (address, target)


def test_every_static_file_is_there(pages):
    wanted = set()
    for answer in pages.values():
        wanted |= set(re.findall(r'(?:src|href)="/static/([^"]+)"', answer.content.decode()))
    assert {"tocsin.css", "tocsin.js", "bootstrap/css/bootstrap.min.css"} <= wanted
    assert all(finders.find(path) for path in wanted)


def test_each_page_has_one_heading_a_title_and_a_language(pages):
    for address, answer in pages.items():
        page = answer.content.decode()
        assert page.count("<h1") == 1, address
        assert re.search(r"<title>[^<]*Tocsin|<title>[^<]+ · ", page), address
        assert '<html lang="en">' in page


def test_no_id_is_given_twice(pages):
    for address, answer in pages.items():
        ids = re.findall(r'\sid="([^"]+)"', answer.content.decode())
        assert len(ids) == len(set(ids)), (address, sorted(i for i in ids if ids.count(i) > 1))


def test_refusals_of_the_door_have_the_policy_too(people):
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/")
    assert answer.status_code == 403
    assert b"This form is too old" in answer.content
    assert answer["Content-Security-Policy"] == POLICY


def test_a_key_is_shown_once_and_revoked(owner):
    answer = owner.post("/t/acme/settings/keys", {"name": "terraform", "scope": "write"})
    key = re.search(r"tk_[0-9A-Za-z]{8}_[0-9A-Za-z]{40}", answer.content.decode())[0]
    assert answer["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {key}"}
    assert Client().get("/api/v1/monitors", headers=headers).status_code == 200
    page = owner.get("/t/acme/settings/keys").content.decode()
    assert key not in page
    assert "by owner@acme.example" in page
    with scopes_disabled():
        stored = ApiKey.objects.get(name="terraform")
    answer = owner.post(f"/t/acme/settings/keys/{stored.pk}/revoke", follow=True)
    assert b"opens nothing any more" in answer.content
    assert Client().get("/api/v1/monitors", headers=headers).status_code == 401


def test_members_are_listed_from_owner_to_viewer(owner):
    page = owner.get("/t/acme/settings/").headers["Location"]
    found = re.findall(r'<td class="main">\s*<span>([^<\s]+)', owner.get(page).content.decode())
    assert found == ["owner@acme.example", "member@acme.example", "viewer@acme.example"]
