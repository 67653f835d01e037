"""Everything a team owns as a ZIP: all of it, nothing of others, no secret, and flat memory."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts import erasing, exporting
from accounts.erasing import tenant_models
from accounts.exporting import HIDDEN, LEFT_OUT, exported_tables, hidden_columns, stream_export
from accounts.models import ApiKey, Team
from incidents.destinations import create_channel
from incidents.models import ContactMethod
from monitors import exporting as results_exporting
from monitors.models import Monitor, PushKey
from monitors.partitions import make_partitions
from monitors.services import create_monitor, delete_monitor
from tests.api.test_pages import results_of
from tests.factories import MonitorFactory, TeamFactory, make_key
from tests.full_team import fill_team

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def unpack(team: Team) -> dict[str, str]:
    """The files of a team's export by name."""
    data = io.BytesIO(b"".join(stream_export(team, now=now())))
    with zipfile.ZipFile(data) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_every_table_of_the_team_is_there_with_all_its_rows_and_no_others(monkeypatch):
    monkeypatch.setattr(exporting, "PAGE_ROWS", 2)
    monkeypatch.setattr(erasing, "PARENTS", 2)  # and big tables by two of their parents at a time
    team, rival = TeamFactory(slug="acme"), TeamFactory(slug="rival")
    fill_team(team, rows=3)
    fill_team(rival, rows=3)
    monkeypatch.setattr(exporting, "_documents", {})  # what canaries fill is no valid channel
    files = unpack(team)
    for model in exported_tables():
        rows = lines(files[f"{model._meta.app_label}/{model._meta.model_name}.jsonl"])
        stored = model._base_manager.filter(team=team)
        pk = model._meta.pk.attname
        assert len(rows) == stored.count() >= 3, model
        if pk in hidden_columns(model):
            continue
        assert [row[pk] for row in rows] == [
            each if isinstance(each, int | str) else str(each)
            for each in stored.order_by("pk").values_list("pk", flat=True)
        ], model
    assert "team_id" not in "".join(files.values())
    assert json.loads(files["team.json"])["slug"] == "acme"
    assert "README.txt" in files
    text = "".join(files.values())
    for model in tenant_models():
        for row in model._base_manager.filter(team=rival).values_list("pk", flat=True):
            assert len(str(row)) < 20 or str(row) not in text, model


def test_a_document_that_fails_does_not_cut_the_rest_short(team, monkeypatch):
    def fails(team: Team) -> str:
        raise RuntimeError

    broken = exporting.Document("broken.yaml", "never written", fails)
    monkeypatch.setitem(exporting._documents, broken.name, broken)
    files = unpack(team)
    assert "could not be written" in files["broken.yaml"]
    assert "monitors/monitor.jsonl" in files


def test_no_value_of_a_hidden_column_is_in_it(monkeypatch):
    monkeypatch.setattr(exporting, "_documents", {})
    team = TeamFactory(slug="acme")
    made = fill_team(team)
    text = "".join(unpack(team).values())
    seen = 0
    for model in exported_tables():
        for column in hidden_columns(model):
            field = model._meta.get_field(column.removesuffix("_id"))
            for row in made[model._meta.db_table]:
                value = getattr(row, field.attname)
                if isinstance(value, bytes):
                    assert value.decode() not in text, (model, column)
                    value = base64.b64encode(value).decode()
                elif isinstance(value, dict):
                    value = value["canary"]
                if value:
                    assert str(value) not in text, (model, column)
                    seen += 1
    assert seen > 20
    assert "name-canary-" in text, "others are shown"


def test_secrets_of_channels_keys_and_push_urls_are_hidden_in_earnest():
    team = TeamFactory(slug="acme")
    text_of_key = make_key(team)
    monitor, token = create_monitor(team=team, name="m")
    channel = create_channel(
        team=team,
        name="hook",
        kind="slack",
        config={"url": "https://hooks.slack.com/services/T0/B0/verysecretpath"},
    )
    files = unpack(team)
    text = "".join(files.values())
    slug = PushKey.objects.get(monitor=monitor).value
    for secret in (text_of_key, text_of_key.split("_")[2], token, slug, "verysecretpath"):
        assert secret not in text
    shown = lines(files["incidents/channel.jsonl"])[0]
    assert (shown["id"], shown["name"]) == (str(channel.pk), "hook")
    assert "(hidden)" in str(shown["config"])
    assert lines(files["accounts/apikey.jsonl"])[0]["key_hash"] == "(hidden)"
    assert lines(files["accounts/apikey.jsonl"])[0]["prefix"] == ApiKey.objects.get().prefix
    assert ContactMethod._meta.db_table in HIDDEN


def test_a_column_that_sounds_like_a_secret_is_hidden_or_known_not_to_be_one():
    """A new table's secret must not slip out: it is named in `HIDDEN`, or here as none."""
    harmless = {
        "accounts_auditevent.transaction",
        "monitors_monitor.require_token",
        "monitors_monitor.old_token_expires_at",
        "monitors_monitor.secret_id",
        "monitors_secret.key",
        "statuspages_asset.content",
    }
    words = ("hash", "token", "secret", "password", "key", "lease", "code_hash", "payload")
    for model in exported_tables():
        for field in model._meta.concrete_fields:
            name = f"{model._meta.db_table}.{field.attname}"
            suspicious = isinstance(field, models.BinaryField) or any(
                word in field.attname for word in words
            )
            if suspicious and name not in harmless:
                assert field.attname in hidden_columns(model), name
    tables = {model._meta.db_table for model in tenant_models()}
    assert set(HIDDEN) | LEFT_OUT <= tables


def test_results_are_by_month_and_monitor_those_of_deleted_ones_too(monkeypatch):
    monkeypatch.setattr(results_exporting, "PAGE_ROWS", 2)
    team, rival = TeamFactory(slug="acme"), TeamFactory(slug="rival")
    at = now()
    before = at.replace(day=1) - timedelta(days=2)
    make_partitions([before.date(), at.date()])
    monitors: list[Monitor] = [MonitorFactory(team=team) for _ in range(2)]
    for monitor in monitors:
        results_of(monitor, [at] * 5, message='grün \u2028 "x"', labels={"a": "b"})
        results_of(monitor, [before], latency_ms=1.5)
    results_of(MonitorFactory(team=rival), [at])
    ids = {str(each.pk) for each in monitors}
    delete_monitor(monitor=monitors[0])
    files = unpack(team)
    this, last = (lines(files[f"results/{each:%Y-%m}.jsonl"]) for each in (at, before))
    assert len({row["id"] for row in this}) == 10
    assert {row["monitor_id"] for row in this} == ids
    assert this[0]["labels"] == {"a": "b"}
    assert this[0]["message"] == 'grün \u2028 "x"'
    assert [row["latency_ms"] for row in last] == [1.5, 1.5]


def test_monitors_are_looked_for_once_and_big_tables_by_what_they_belong_to(team, monkeypatch):
    """However many months there are, and whoever else has rows."""
    monkeypatch.setattr(results_exporting, "MOST_MONITORS", 2)
    monitors = [MonitorFactory(team=team) for _ in range(5)]
    today = now()
    days = [today - timedelta(days=away) for away in (0, 40, 80)]
    make_partitions([day.date() for day in days])
    for monitor in monitors:
        results_of(monitor, days)
    with CaptureQueriesContext(connection) as asked:
        files = unpack(team)
    months = [text for name, text in files.items() if name.startswith("results/")]
    assert [len(lines(text)) for text in months] == [5, 5, 5]
    looked = [
        query["sql"]
        for query in asked
        if "SELECT monitor_id FROM monitors_transition" in query["sql"]
    ]
    assert len(looked) == 1
    for table in ("monitors_heartbeat", "monitors_pushkey"):
        pages = [q["sql"] for q in asked if f'FROM "{table}"' in q["sql"]]
        assert pages, table
        assert all('"monitor_id" IN (' in sql for sql in pages), table


def test_the_documents_apply_back(team, api):
    MonitorFactory(team=team, name="nightly")
    text = unpack(team)["manifests.yaml"]
    answer = api("POST", "apply", text.encode(), content_type="application/yaml", expect=200)
    assert {row["action"] for row in answer.json()["results"]} == {"unchanged"}


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_between_two_pieces(monkeypatch):
    team = TeamFactory(slug="acme")
    results_of(MonitorFactory(team=team), [now() - timedelta(seconds=n) for n in range(50)])
    monkeypatch.setattr(results_exporting, "PAGE_ROWS", 10)
    held = [connection.connection is not None for _ in stream_export(team, now=now())]
    assert len(held) > 3
    assert not any(held)


@pytest.mark.django_db(transaction=True)
def test_many_results_need_no_more_memory_than_few():
    """What is alive at once is a page or two, not 100,000 rows: some 40 MB as Python has them."""
    team = TeamFactory(slug="acme")
    monitor = MonitorFactory(team=team)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_pushresult "
            "(team_id, monitor_id, received_at, id, status, message) "
            "SELECT %s, %s, now() - n * interval '1 millisecond', gen_random_uuid(), 'pass', "
            "md5(n::text) FROM generate_series(1, 100000) n",
            [team.pk, monitor.pk],
        )
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in stream_export(team, now=now()))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 3_000_000
    assert most < 12_000_000
