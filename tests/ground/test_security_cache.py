"""What limits log-ins is counted for all processes; a broker that is away lets people in."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client, override_settings
from django.utils.timezone import now

from config.cache import AWAY_SECONDS, SharedCache
from incidents.engine import maintain
from tests.accounts.people import log_in, make_person
from tests.factories import PASSWORD, UserFactory

AWAY = "redis://127.0.0.1:1/0"  # nobody listens there


@pytest.fixture
def name() -> str:
    return f"test-{uuid4()}"


def test_two_processes_remember_together(name):
    here, there = (SharedCache(settings.REDIS_URL, {}) for _ in range(2))
    here.set(name, [time.time(), "a", None, True], 60)
    assert there.get(name) == here.get(name) is not None
    assert there.add(name, 1, 60) is False
    there.delete(name)
    assert here.get(name, "gone") == "gone"
    here.set(name, 1, 60)
    assert (there.incr(name), here.get(name)) == (2, 2)
    here.delete(name)


def test_what_is_stored_is_json_and_no_pickle(name):
    cache = SharedCache(settings.REDIS_URL, {})
    with pytest.raises(TypeError):
        cache.set(name, object(), 60)


def test_while_it_is_away_a_process_remembers_alone_and_waits_for_nobody(name, caplog):
    cache = SharedCache(AWAY, {})
    began = time.monotonic()
    for count in range(50):
        cache.set(name, count, 60)
        assert cache.get(name) == count
    assert time.monotonic() - began < AWAY_SECONDS
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def attempts(email: str) -> list[int]:
    return [
        Client().post("/accounts/login/", {"login": email, "password": "wrong"}).status_code
        for _ in range(12)
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("url", [None, AWAY], ids=["shared", "away"])
def test_too_many_wrong_passwords_are_refused_either_way(url):
    shared = {"BACKEND": "config.cache.SharedCache", "LOCATION": url or settings.REDIS_URL}
    mistaken, other = UserFactory(email=f"{uuid4()}@example.org"), UserFactory()
    with override_settings(CACHES={"default": shared}):
        attempts(mistaken.email)
        right = {"login": mistaken.email, "password": PASSWORD}
        assert Client().post("/accounts/login/", right).status_code != 302
        if url is not None:
            return
    with override_settings(CACHES={"default": shared}):  # another process knows of it
        assert Client().post("/accounts/login/", right).status_code != 302
        assert other.email != mistaken.email


@pytest.mark.django_db
def test_sessions_that_ended_by_themselves_are_deleted():
    ended, living = make_person(), make_person("bo@acme.example")
    for user in (ended, living):
        log_in(user)
    [key] = UserSession.objects.filter(user=ended).values_list("session_key", flat=True)
    long_ago = now() - timedelta(days=1)
    Session.objects.filter(session_key=key).update(expire_date=long_ago)
    UserSession.objects.update(created_at=long_ago)
    maintain()
    assert [each.user for each in UserSession.objects.all()] == [living]
    assert not Session.objects.filter(session_key=key).exists()
    assert Session.objects.count() == 1
