"""`/staff/health`: each figure with its limit, its state in a word, and what to do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from config import health
from incidents.engine import stamp
from incidents.models import WatchRound
from monitors.models import Canary, EngineStamp, Heartbeat, ListeningGap
from monitors.partitions import ensure_partitions
from tests.accounts.staffing import make_operator, staff_client
from tests.console.personas import listen_now, make_incident, make_monitor
from tests.factories import TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Client:
    ensure_partitions(now=now())
    listen_now()
    stamp("engine")
    stamp("deliver")
    return staff_client(make_operator())


def figures(desk: Client) -> Any:
    return desk.get("/staff/health?format=json").json()


def test_what_is_not_known_yet_is_not_called_well(desk):
    unknown = [
        name for name, figure in figures(desk)["figures"].items() if figure["state"] == "unknown"
    ]
    assert {"canary_seconds", "watchdog_seconds"} <= {*unknown}
    for part in ("engine", "deliver"):
        stamp(part)
    listen_now()
    page = desk.get("/staff/health").content.decode()
    assert f"{len(unknown)} figures are not known yet" in page
    assert "All is well" not in page


def test_notices_and_gaps_come_before_the_figures(desk):
    page = desk.get("/staff/health").content.decode()
    order = ["What you were told", "When no push could be accepted", "Messages", "Largest tables"]
    at = [page.index(f"<h2>{title}</h2>") for title in order]
    assert at == sorted(at)


def test_all_is_well_and_says_so_in_words(desk):
    Canary.objects.create(next_at=now(), good_at=now())
    WatchRound.objects.create(started_at=now(), ended_at=now(), result="well")
    figures(desk)  # the first look loads what it needs
    for part in ("engine", "deliver"):
        stamp(part)
    listen_now()
    said = figures(desk)
    assert said["well"] is True, {n: f for n, f in said["figures"].items() if f["state"] == "bad"}
    listen_now()
    page = desk.get("/staff/health").content.decode()
    assert "All is well" in page
    assert page.count("<h1") == 1
    # Every judged figure has its shape and its word; none is said by colour alone.
    shapes = re.findall(r'shape-up"></use></svg><span>(\w+)</span>', page)
    assert shapes
    assert set(shapes) == {"Well"}


def test_its_figures_are_those_of_readyz_and_metrics(desk):
    said = figures(desk)["figures"]
    for name in health.read_engine():
        assert name in said, name
    assert said["partition_days"]["value"] >= 3
    assert said["connections"]["value"] >= 1
    assert said["broker"]["said"] == "answers"
    assert {"queue_engine", "queue_deliver", "database_bytes", "tocsin", "stamp_engine"} <= {*said}


@pytest.mark.parametrize(
    ("part", "figure"), [("engine", "engine_seconds"), ("deliver", "deliver_seconds")]
)
def test_a_part_that_stands_still_is_not_well(desk, part, figure):
    EngineStamp.objects.filter(name=part).update(at=now() - timedelta(seconds=40))
    said = figures(desk)
    assert (said["well"], said["figures"][figure]["state"]) == (False, "bad")
    assert "standby" in said["figures"][figure]["remedy"]
    listen_now()
    page = desk.get("/staff/health").content.decode()
    assert "1 figure is not well" in page
    assert "Not well" in page


def test_where_nothing_ever_ran_it_says_so(desk):
    EngineStamp.objects.all().delete()
    said = figures(desk)["figures"]
    assert (said["engine_seconds"]["state"], said["engine_seconds"]["said"]) == ("bad", "never yet")
    assert b"Nothing has reported within a day" in desk.get("/staff/health").content


def test_a_sweep_that_lags_behind(desk):
    team = TeamFactory()
    make_monitor(team, arm_on_create=True)
    with scopes_disabled():
        Heartbeat.objects.update(check_at=now() - timedelta(minutes=2))
    figure = figures(desk)["figures"]["sweep_lag_seconds"]
    assert figure["state"] == "bad"
    assert figure["value"] == pytest.approx(120, abs=10)


def test_a_broker_that_does_not_answer_is_said_within_a_second(desk, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    said = figures(desk)["figures"]
    assert said["broker"]["state"] == "bad"
    assert "does not answer" in said["broker"]["said"]
    assert "queue_engine" not in said


def test_gaps_in_listening_are_listed(desk):
    ListeningGap.objects.create(
        started_at=now() - timedelta(hours=3), ended_at=now() - timedelta(hours=2, minutes=58)
    )
    ListeningGap.objects.create(
        started_at=now() - timedelta(days=41), ended_at=now() - timedelta(days=40)
    )
    assert len(figures(desk)["gaps"]) == 1
    assert ">2 min</td>" in desk.get("/staff/health").content.decode()


def test_nothing_of_a_tenants_is_on_it(desk):
    team = TeamFactory(slug="secretive", name="Secretive")
    make_incident(make_monitor(team, name="reactor-4"), message="core temperature")
    answers = [desk.get("/staff/health"), desk.get("/staff/health?format=json")]
    for answer in answers:
        for word in (b"secretive", b"Secretive", b"reactor-4", b"core temperature"):
            assert word not in answer.content


def test_the_live_part_is_a_fragment_and_queries_do_not_grow(desk):
    fragment = desk.get("/staff/health", headers={"HX-Request": "true"}).content
    assert b"<html" not in fragment
    with CaptureQueriesContext(connection) as asked:
        desk.get("/staff/health")
    few = len(asked)
    for n in range(5):
        stamp(f"part-{n}")
        make_monitor(TeamFactory(), name="one")
    with CaptureQueriesContext(connection) as asked:
        desk.get("/staff/health")
    assert len(asked) == few
