"""A person's sessions: what the list says, how one is ended, and what noting them costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.devices import say_device
from accounts.models import User
from tests.accounts.people import PASSWORD, let_pass, log_in, make_person
from tests.factories import make_key

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Safari/604.1"


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def ana(db: Any) -> User:
    return make_person()


def test_the_list_says_device_and_address(ana: User) -> None:
    here = log_in(ana)
    log_in(ana, agent=PHONE)
    page = here.get("/accounts/sessions/").content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert page.count("127.0.0.1") >= 2
    assert page.count("This one") == 1


def test_one_session_is_ended(ana: User) -> None:
    here, there = log_in(ana), log_in(ana, agent=PHONE)
    row = UserSession.objects.get(user_agent=PHONE)
    answer = here.post(f"/accounts/sessions/{row.pk}/end/", follow=True)
    assert "The session is ended" in answer.content.decode()
    assert "Safari on iPhone" not in answer.content.decode()
    assert there.get("/accounts/profile/").status_code == 302
    assert here.get("/accounts/profile/").status_code == 200


def test_all_others_are_ended(ana: User) -> None:
    here, others = log_in(ana), [log_in(ana), log_in(ana, agent=PHONE)]
    here.post("/accounts/sessions/")
    assert here.get("/accounts/profile/").status_code == 200
    assert [other.get("/accounts/profile/").status_code for other in others] == [302, 302]


def test_nobody_ends_sessions_of_others_nor_the_present_one(ana: User) -> None:
    mine, theirs = log_in(ana), log_in(make_person("bo@acme.example"))
    for row in UserSession.objects.all():
        assert mine.post(f"/accounts/sessions/{row.pk}/end/").status_code == 404
    assert mine.post(f"/accounts/sessions/{2**40}/end/").status_code == 404
    assert mine.post("/accounts/sessions/0/end/").status_code == 404
    for client in (mine, theirs):
        assert client.get("/accounts/profile/").status_code == 200


def test_a_new_password_keeps_this_session_and_ends_the_others(ana: User) -> None:
    here, there = log_in(ana), log_in(ana, agent=PHONE)
    sent = {"oldpassword": PASSWORD, "password1": "tall-kettle-92", "password2": "tall-kettle-92"}
    assert here.post("/accounts/password/change/", sent).status_code == 302
    assert there.get("/accounts/profile/").status_code == 302
    page = here.get("/accounts/sessions/").content.decode()
    assert "Safari on iPhone" not in page
    assert "Firefox on Linux" in page


def test_logging_in_changes_the_session_key(ana: User) -> None:
    client = Client()
    client.get("/accounts/login/")
    session = client.session
    session["before"] = 1
    session.save()
    client.cookies["sessionid"] = session.session_key
    client.post("/accounts/login/", {"login": ana.email, "password": PASSWORD})
    assert client.cookies["sessionid"].value != session.session_key
    assert not Session.objects.filter(session_key=session.session_key).exists()


def test_the_cookie_lasts_only_for_whoever_asks_for_that(ana: User) -> None:
    for remember, lasts in ((None, False), ("on", True)):
        client = Client()
        sent = {"login": ana.email, "password": PASSWORD} | ({"remember": "on"} if remember else {})
        client.post("/accounts/login/", sent)
        cookie = client.cookies["sessionid"]
        assert bool(cookie["max-age"]) is lasts
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"


def test_the_number_of_queries_does_not_grow_with_the_sessions(ana: User) -> None:
    here = log_in(ana)
    here.get("/accounts/sessions/")
    with CaptureQueriesContext(connection) as few:
        here.get("/accounts/sessions/")
    for _ in range(6):
        cache.clear()
        log_in(ana)
    here.get("/accounts/sessions/")
    with CaptureQueriesContext(connection) as many:
        page = here.get("/accounts/sessions/").content.decode()
    assert page.count("Firefox on Linux") >= 7
    assert len(many) == len(few)


def test_a_session_in_use_is_noted_once_a_minute(ana: User) -> None:
    client = log_in(ana)
    let_pass(client, 90)
    began = UserSession.objects.get().last_seen_at
    client.get("/accounts/profile/", headers={"User-Agent": PHONE})
    noted = UserSession.objects.get()
    assert noted.last_seen_at > began
    assert noted.user_agent == PHONE
    with CaptureQueriesContext(connection) as asked:
        client.get("/accounts/profile/")
    assert not [q for q in asked if "usersessions" in q["sql"]]


def test_keys_pushes_and_visitors_ask_for_no_session(ana: User, team: Any) -> None:
    key = make_key(team)
    with CaptureQueriesContext(connection) as asked:
        Client().get("/api/v1/monitors/", headers={"Authorization": f"Bearer {key}"})
        Client().get("/api/push/nothing-here")
        Client().get("/accounts/login/")
    said = [query["sql"] for query in asked if "session" in query["sql"]]
    assert said == []


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("", "Unknown browser"),
        ("curl/8.5.0", "curl"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/128 Safari/537.36 Edg/128.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Chrome/128 Safari/537", "Chrome on macOS"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/128 Mobile Safari/537", "Chrome on Android"),
        ("\0<script>", "Unknown browser"),
    ],
)
def test_devices_in_words(agent: str, words: str) -> None:
    assert say_device(agent) == words


def test_an_old_session_without_a_stamp_still_works(ana: User) -> None:
    client = log_in(ana)
    session = client.session
    del session["signed_in_at"]
    session.save()
    UserSession.objects.all().delete()
    assert client.get("/accounts/profile/").status_code == 200
    assert UserSession.objects.get().created_at.timestamp() <= time.time()
