"""`Idempotency-Key`: what is sent twice is done once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import KeptAnswer, Team
from incidents.engine import maintain
from monitors import services
from monitors.models import Monitor
from tests.conftest import Api
from tests.factories import make_key


def send(api: Api, body: Any, key: str, path: str = "monitors", **options: Any) -> Any:
    return api("POST", path, body, headers={"Idempotency-Key": key}, **options)


def monitors() -> int:
    with scopes_disabled():
        return Monitor.objects.count()


def test_a_repeat_gets_the_first_answer_and_does_nothing(api: Api) -> None:
    first = send(api, {"name": "m"}, "k1", expect=201)
    again = send(api, {"name": "m"}, "k1", expect=201)
    assert again.json() == first.json()
    assert again.json()["token"]
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert monitors() == 1
    send(api, {"name": "m"}, "k2", expect=409)


def test_another_body_with_the_same_key_is_refused(api: Api) -> None:
    send(api, {"name": "m"}, "k", expect=201)
    problem = send(api, {"name": "n"}, "k", expect=422)
    assert problem["Content-Type"] == "application/problem+json"
    assert monitors() == 1


def test_a_key_is_one_callers_and_one_paths(api: Api, team: Team, rival: Api) -> None:
    send(api, {"name": "m"}, "k", expect=201)
    config = {"to": "a@example.org"}
    channel = {"name": "c", "kind": "email", "config": config}
    send(api, channel, "k", path="channels", expect=201)
    send(Api(make_key(team)), {"name": "n"}, "k", expect=201)
    send(rival, {"name": "m"}, "k", expect=201)
    assert monitors() == 3


def test_what_was_refused_may_be_mended_and_sent_again(api: Api) -> None:
    send(api, {"name": ""}, "k", expect=400)
    send(api, {"name": "m"}, "k", expect=201)


def test_an_action_is_done_once(api: Api) -> None:
    made = api.make("monitors", name="m")
    path = f"monitors/{made['id']}/rotate-token"
    first, again = (send(api, {}, "k", path=path, expect=200).json() for _ in range(2))
    assert first["token"] == again["token"]


def test_no_token_is_stored_as_it_is(api: Api) -> None:
    token = send(api, {"name": "m"}, "k", expect=201).json()["token"]
    with scopes_disabled():
        [kept] = KeptAnswer.objects.all()
    assert kept.body is not None
    assert token.encode() not in bytes(kept.body)


def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    send(api, {"name": "m"}, "k", expect=201)
    with scopes_disabled():
        KeptAnswer.objects.update(created_at=now() - timedelta(hours=24, seconds=1))
    send(api, {"name": "n"}, "k", expect=201)
    with scopes_disabled():
        KeptAnswer.objects.update(created_at=now() - timedelta(hours=49))
        maintain()
        assert not KeptAnswer.objects.exists()


@pytest.mark.parametrize("name", ["a" * 256, "tab\there"])
def test_what_is_no_key_is_refused(api: Api, name: str) -> None:
    problem = send(api, {"name": "m"}, name, expect=400).json()
    assert problem["errors"][0]["field"] == "Idempotency-Key"


def test_a_failure_of_ours_gives_the_key_free(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(services, "new_token", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(api, {"name": "m"}, "k")
    send(api, {"name": "m"}, "k", expect=201)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_told_to_wait(
    team: Team, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, inside, go_on, answers = Api(key), threading.Event(), threading.Event(), []
    real = services.new_token

    def wait() -> str:
        inside.set()
        assert go_on.wait(20)
        return real()

    monkeypatch.setattr(services, "new_token", wait)

    def first() -> None:
        answers.append(send(api, {"name": "m"}, "k"))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(20)
    waiting = send(api, {"name": "m"}, "k", expect=409)
    assert waiting["Retry-After"] == "1"
    go_on.set()
    thread.join(20)
    assert answers[0].status_code == 201
    assert send(api, {"name": "m"}, "k", expect=201).json() == answers[0].json()


def test_a_request_that_took_too_long_leaves_its_successors_answer_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, answers = services.new_token, []

    def overtaken() -> str:
        monkeypatch.setattr(services, "new_token", real)
        with scopes_disabled():
            KeptAnswer.objects.update(created_at=now() - timedelta(seconds=61))
        answers.append(send(api, {"name": "m"}, "k", expect=201).json())
        return real()

    monkeypatch.setattr(services, "new_token", overtaken)
    send(api, {"name": "m"}, "k", expect=409)  # the name is taken by then
    again = send(api, {"name": "m"}, "k", expect=201)
    assert again.json() == answers[0]
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_does_it(team: Team, key: str) -> None:
    api, start, statuses = Api(key), threading.Barrier(8), []
    body = {"email": "new@example.org"}

    def work() -> None:
        start.wait(20)
        statuses.append(send(api, body, "k", path="invitations").status_code)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(statuses) <= {201, 409}
    assert statuses.count(201) >= 1
    assert len(api.get("invitations")["results"]) == 1
    send(api, body, "k", path="invitations", expect=201)
