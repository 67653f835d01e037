"""Documents of any bytes: applied as a whole or not at all, and never a 5xx."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from rest_framework.exceptions import ParseError

from accounts.api.problems import CONTENT_TYPE
from accounts.database.standing import as_owner
from accounts.models import Team
from manifests.problems import Problems, Refused
from manifests.reading.documents import read_json, read_yaml
from manifests.reading.kinds import check_documents
from tests.conftest import Api
from tests.factories import TeamFactory, UserFactory
from tests.fuzz.asked import CORPUS, Asked, corpus
from tests.fuzz.documents import OWNER, applies
from tests.fuzz.exploring import explore

FOLDER = CORPUS / "apply"
REFUSALS = {400, 402, 409, 413, 415}
SLOW_SECONDS = 5
# Written whatever becomes of the request.
_NOTED = {"accounts_apikey", "django_session"}


@pytest.fixture
def team(db: None) -> Team:
    """The team whose documents the strategies know."""
    return TeamFactory(slug="acme", owner=UserFactory(email=OWNER))


@pytest.fixture
def tables(team: Any) -> str:
    """The statement whose one row tells whether any table holds anything else than before."""
    with as_owner(), connection.cursor() as cursor:
        names = set(connection.introspection.table_names(cursor)) - _NOTED
    parts = [
        f"(SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t)"
        for name in sorted(names)
    ]
    return f"SELECT {', '.join(parts)}"


def everything(statement: str) -> Any:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def send(key: str, asked: Asked, query: bytes) -> Any:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    kinds = [value.decode("latin-1") for name, value in asked.headers if name == b"content-type"]
    began = time.monotonic()
    answer = Client(raise_request_exception=False).generic(
        asked.method,
        asked.target,
        asked.body,
        content_type=kinds[0] if kinds else "",
        QUERY_STRING=query.decode("latin-1"),
        **headers,
    )
    assert time.monotonic() - began < SLOW_SECONDS
    return answer


def check(key: str, tables: str, asked: Asked) -> None:
    """Try the documents, apply them, and apply them again; leave nothing behind."""
    with transaction.atomic():
        before = everything(tables)
        more = asked.query + b"&" if asked.query else b""
        tried = send(key, asked, more + b"dry_run=true")
        assert everything(tables) == before
        answer = send(key, asked, asked.query)
        if answer.status_code == 200:
            _hold_applied(key, asked, tried, answer)
        else:
            assert answer.status_code in REFUSALS, (answer.status_code, answer.content[:300])
            assert everything(tables) == before
            _hold_refused(answer)
        transaction.set_rollback(True)


def _hold_applied(key: str, asked: Asked, tried: Any, answer: Any) -> None:
    said = [(each["kind"], each["name"], each["action"]) for each in answer.json()["results"]]
    if b"dry_run" in asked.query:
        return
    assert tried.status_code == 200
    foretold = tried.json()["results"]
    assert [(each["kind"], each["name"], each["action"]) for each in foretold] == said
    again = send(key, asked, asked.query)
    assert again.status_code == 200
    assert {each["action"] for each in again.json()["results"]} <= {"unchanged"}


def _hold_refused(answer: Any) -> None:
    assert answer["Content-Type"] == CONTENT_TYPE
    body = answer.json()
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail"} <= set(body)
    for error in body.get("errors", []):
        assert set(error) == {"field", "code", "detail"}
    for word in ("Traceback", "psycopg", "SELECT ", "/site-packages/"):
        assert word not in answer.content.decode()


SAVED = corpus("apply")


@pytest.mark.parametrize("name", SAVED)
def test_what_is_saved_is_applied_whole_or_not_at_all(api: Api, key: str, tables: str, name: str):
    check(key, tables, SAVED[name])


def test_what_nobody_meant_to_send_is_applied_whole_or_not_at_all(key: str, tables: str) -> None:
    explore(applies(), lambda asked: check(key, tables, asked), examples=60, folder=FOLDER)


def test_reading_refuses_and_never_fails(db: None) -> None:
    def read(asked: Asked) -> None:
        is_json = asked.headers[0][1] == b"application/json"
        began = time.monotonic()
        try:
            documents = read_json(asked.body) if is_json else read_yaml(asked.body)
        except (Refused, ParseError):
            documents = []
        problems = Problems()
        check_documents(documents, problems)
        assert time.monotonic() - began < SLOW_SECONDS
        assert all(problem.field.startswith("documents[") for problem in problems.found)

    explore(applies(), read, examples=250, folder=FOLDER)


def test_the_documents_that_are_changed_here_are_right_before(key: str, tables: str) -> None:
    asked = SAVED["everything"]
    check(key, tables, asked)
    assert send(key, asked, b"dry_run=true").status_code == 200
