"""Applies that meet each other, or a change by somebody else."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from accounts.models import Namespace
from monitors.models import Monitor
from tests.conftest import Api
from tests.factories import TeamFactory, make_key
from tests.manifests.bundles import YAML, apply, bundle, push_monitor, secret
from tests.racing import at_once, before_sql, session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme() -> Api:
    return Api(make_key(TeamFactory(slug="acme")))


def test_two_applies_of_one_team_come_one_after_the_other(acme: Api) -> None:
    text = bundle(secret("tok"), push_monitor("a"), push_monitor("b"))
    first, second = at_once(*[partial(apply, acme, text)] * 2)
    told = {tuple(sorted({r["action"] for r in answer["results"]})) for answer in (first, second)}
    assert told == {("created",), ("unchanged",)}


def test_two_teams_race_for_a_namespace_and_one_has_it_whole(acme: Api) -> None:
    rival = Api(make_key(TeamFactory(slug="rival")))
    text = bundle(secret("tok", namespace="free"), push_monitor("a", namespace="free"))

    def answer(api: Api) -> int:
        status: int = api("POST", "apply", text.encode(), content_type=YAML).status_code
        return status

    assert sorted(at_once(partial(answer, acme), partial(answer, rival))) == [200, 400]
    with scopes_disabled():
        owner = Namespace.objects.get(name="free").team_id
        assert [row.team_id for row in Monitor.objects.all()] == [owner]


def test_an_apply_that_cannot_begin_is_a_503_and_can_be_repeated(acme: Api) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    try:
        with session() as other, other.transaction():
            other.execute("SELECT 1 FROM accounts_team WHERE slug = 'acme' FOR UPDATE")
            apply(acme, secret("tok"), expect=503)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert apply(acme, secret("tok"))["results"][0]["action"] == "created"


def test_a_wait_in_the_middle_is_a_503_too(acme: Api) -> None:
    rival = TeamFactory(slug="rival")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    try:
        with session() as other, other.transaction():
            other.execute(
                "INSERT INTO accounts_namespace (id, team_id, name, created_at) "
                "VALUES (gen_random_uuid(), %s, 'free', now())",
                [rival.pk],
            )
            apply(acme, bundle(secret("a"), secret("tok", namespace="free")), expect=503)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert acme.get("namespaces?name=free")["results"] == []


def test_a_thing_that_goes_meanwhile_is_a_409_and_nothing_is_applied(acme: Api) -> None:
    channel = (
        "apiVersion: tocsin/v1\nkind: Channel\nmetadata: {name: hook}\n"
        "spec: {kind: webhook, config: {url: https://hooks.example.org/%s}}\n"
    )
    apply(acme, channel % "a")
    pk = acme.get("channels")["results"][0]["id"]

    def delete() -> None:
        with session() as other:
            other.execute("DELETE FROM incidents_channel WHERE id = %s", [pk])

    text = bundle(secret("tok"), push_monitor("a"), channel % "b")
    with before_sql('INSERT INTO "monitors_heartbeat"', delete) as met:
        apply(acme, text, expect=409)
    assert met
    assert acme.get("monitors")["results"] == acme.get("channels")["results"] == []
