"""What holds on every page: nothing inline, nothing from elsewhere, keys shown once."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import ApiKey
from config.errors import bad_request, server_error
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
        policy = answer["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'nonce-"), address
        assert "unsafe" not in policy, address
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", page), address
        for script in re.findall(r"<script([^>]*)>", page):
            assert "src=" in script, address
            nonce = re.search(r'nonce="([^"]+)"', script)
            assert nonce, (address, script)
            assert f"'nonce-{nonce[1]}'" in policy, address


def test_no_page_asks_another_host(pages, settings):
    for address, answer in pages.items():
        page = answer.content.decode()
        for target in re.findall(r'(?:src|href|action|hx-get)="([^"]*)"', page):
            # An address to push to is shown, and may be opened, as others would write it.
            ours = target.startswith(f"{settings.BASE_URL}/")
            assert ours or target == "" or target[0] in "/?#", (address, target)


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
    assert answer["Content-Security-Policy"].startswith("default-src 'none'; script-src 'nonce-")


@pytest.mark.parametrize(
    ("answer_with", "status", "heading"),
    [
        (bad_request, 400, "This request cannot be read"),
        (server_error, 500, "Something broke on our side"),
    ],
)
def test_what_broke_is_said_in_our_look_without_asking_the_database(
    rf, answer_with, status, heading
):
    # This test has no database: asking it would fail.
    answer = answer_with(rf.get("/t/acme/", headers={"Host": "not\\ours"}))
    page = answer.content.decode()
    assert answer.status_code == status
    assert heading in page
    assert "tocsin.css" in page
    assert 'href="/"' in page, "a way on"
    api = answer_with(rf.get("/api/v1/monitors"))
    assert api["Content-Type"] == "application/problem+json"


def test_a_host_that_is_not_ours_is_answered_in_our_look(db):
    answer = Client().get("/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    assert b"This request cannot be read" in answer.content


def test_each_refusal_says_what_to_do_and_leads_on(people, browse):
    for user, address, status, said in (
        (people.viewer, "/t/acme/settings/keys", 403, "Ask an owner or admin of the team."),
        (people.owner, "/t/acme/nothing", 404, "belong to a team that you are not a member of"),
    ):
        answer = browse(user).get(address)
        assert answer.status_code == status
        assert said in answer.content.decode()
        assert 'href="/">Go to the start' in answer.content.decode()


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
    page = owner.get("/t/acme/settings/members").content.decode()
    found = re.findall(r'<td class="main">\s*<span>([^<\s]+)', page)
    assert found == ["owner@acme.example", "member@acme.example", "viewer@acme.example"]
