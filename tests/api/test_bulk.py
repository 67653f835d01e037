"""Many monitors in one request, all or none; results as files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Scope, Team
from monitors.api import export
from monitors.models import Heartbeat, Monitor
from tests.api.test_pages import results_of
from tests.conftest import Api
from tests.factories import MonitorFactory, make_key
from tests.monitors.pushing import Reply, ask, running_application


def names() -> set[str]:
    with scopes_disabled():
        return set(Monitor.objects.values_list("name", flat=True))


def fields(response: Any) -> dict[str, str]:
    return {error["field"]: error["code"] for error in response.json()["errors"]}


def test_many_monitors_are_made_at_once(api: Api) -> None:
    wanted = [{"name": f"m{n}", "grace": n, "labels": {"n": str(n)}} for n in range(200)]
    wanted[7]["namespace"] = "web"
    made = api("POST", "monitors/bulk", wanted, expect=201).json()["results"]
    assert [row["name"] for row in made] == [row["name"] for row in wanted]
    assert [row["grace"] for row in made] == list(range(200))
    assert made[7]["namespace"] == "web"
    assert len({row["token"] for row in made}) == len({row["slug"] for row in made}) == 200
    pusher = Api(made[3]["token"])
    pusher("POST", "/api/push/acme/m3", {"status": "pass"}, expect=201)
    pusher("POST", "/api/push/acme/m4", {"status": "pass"}, expect=401)
    single = api.get(f"monitors/{made[9]['id']}")
    assert {k: v for k, v in made[9].items() if k != "token"} == single
    assert len(api.get("audit-events?kind=monitor&limit=1000")["results"]) == 200


def test_one_mistake_refuses_all_and_is_named_by_index(api: Api) -> None:
    wanted: list[Any] = [{"name": "a"}, {"name": ""}, {"name": "c", "grce": 1}, 5]
    answer = api("POST", "monitors/bulk", wanted, expect=400)
    assert fields(answer) == {"[1].name": "blank", "[2].grce": "unknown", "[3]": "invalid"}
    assert names() == set()


def test_taken_names_and_namespaces_are_named_by_index(api: Api, rival: Api) -> None:
    api.make("monitors", name="there")
    rival.make("monitors", name="x", namespace="theirs")
    twice = [{"name": "a"}, {"name": "there"}, {"name": "b"}, {"name": "b"}]
    answer = api("POST", "monitors/bulk", twice, expect=409)
    assert set(fields(answer)) == {"[1].name", "[2].name", "[3].name"}
    mixed = [{"name": "a", "namespace": "fresh"}, {"name": "b", "namespace": "theirs"}]
    answer = api("POST", "monitors/bulk", mixed, expect=400)
    assert fields(answer) == {"[1].namespace": "taken"}
    assert names() == {"there", "x"}
    assert api.get("namespaces?name=fresh")["results"] == []


@pytest.mark.parametrize("body", [{}, [], "x", None, 5, [{"name": "x"}] * 1001])
def test_what_is_no_list_is_refused(api: Api, body: Any) -> None:
    api("POST", "monitors/bulk", json.dumps(body).encode(), expect=400)


def test_a_quota_holds_for_all_of_them(api: Api, team: Team) -> None:
    Team.objects.filter(pk=team.pk).update(monitor_quota=2)
    api("POST", "monitors/bulk", [{"name": n} for n in "abc"], expect=402)
    assert names() == set()
    api("POST", "monitors/bulk", [{"name": n} for n in "ab"], expect=201)
    api("POST", "monitors", {"name": "c"}, expect=402)


def states() -> dict[str, str]:
    with scopes_disabled():
        return dict(Heartbeat.objects.values_list("monitor__name", "state"))


def test_a_filter_takes_one_label_as_a_text_or_several_as_a_list(api: Api, team: Team) -> None:
    for name, labels in (("a", {"env": "p"}), ("b", {"env": "p", "tier": "1"}), ("c", {})):
        MonitorFactory(team=team, name=name, labels=labels)
    for label, count in (("env:p", 2), (["env:p"], 2), (["env:p", "tier:1"], 1)):
        answer = api.post("monitors/bulk-action", action="pause", filter={"label": label})
        assert answer["count"] == count
    for odd in (5, {"env": "p"}, None, [["env:p"]], "env", ""):
        body = {"action": "pause", "filter": {"label": odd}}
        error = api("POST", "monitors/bulk-action", body, expect=400).json()["errors"][0]
        assert error["field"].startswith("filter.label")


def test_monitors_are_paused_resumed_and_deleted_together(api: Api, team: Team) -> None:
    made = [
        MonitorFactory(team=team, name=n, labels={"env": e})
        for n, e in zip("abc", "ppq", strict=True)
    ]
    ids = [str(monitor.pk) for monitor in made[:2]]
    answer = api.post("monitors/bulk-action", action="pause", ids=ids)
    assert (answer["action"], answer["count"], set(answer["ids"])) == ("pause", 2, set(ids))
    assert states() == {"a": "paused", "b": "paused", "c": "pending"}
    api.post("monitors/bulk-action", action="resume", filter={"state": "paused"})
    assert set(states().values()) == {"pending"}
    answer = api.post("monitors/bulk-action", action="delete", filter={"label": ["env:p"]})
    assert answer["count"] == 2
    assert names() == {"c"}
    deeds = [e["action"] for e in api.get("audit-events")["results"]]
    assert deeds.count("monitor.paused") == deeds.count("monitor.deleted") == 2


def test_an_id_that_is_not_ours_refuses_all(api: Api, rival: Api, team: Team) -> None:
    mine = MonitorFactory(team=team, name="mine")
    theirs = rival.make("monitors", name="theirs")["id"]
    answers = []
    for other in (theirs, "01890000-0000-7000-8000-000000000000", "nonsense"):
        body = {"action": "delete", "ids": [str(mine.pk), other]}
        answers.append(api("POST", "monitors/bulk-action", body, expect=400).json())
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["errors"][0]["field"] == "ids[1]"
    assert answers[0]["errors"][0]["code"] == "not_found"
    assert names() == {"mine", "theirs"}
    rival.post("monitors/bulk-action", action="delete", filter={"search": "mine"})
    assert names() == {"mine", "theirs"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode", "ids": []},
        {"action": "pause"},
        {"action": "pause", "ids": [], "filter": {"name": "x"}},
        {"action": "delete", "filter": {}},
        {"action": "delete", "filter": {"name": ""}},
        {"action": "delete", "filter": {"label": ["nocolon"]}},
        {"action": "delete", "filter": {"state": "odd"}},
        {"action": "delete", "filter": {"nme": "x"}},
        {"action": "delete", "filter": "x"},
        {"action": "delete", "ids": "x"},
        {"action": "delete", "ids": [5, None]},
    ],
)
def test_an_unclear_action_does_nothing(api: Api, team: Team, body: Any) -> None:
    MonitorFactory(team=team, name="m")
    api("POST", "monitors/bulk-action", body, expect=400)
    assert names() == {"m"}


def test_a_read_key_does_nothing_in_bulk(team: Team) -> None:
    reader = Api(make_key(team, Scope.READ))
    reader("POST", "monitors/bulk", [{"name": "a"}], expect=403)
    reader("POST", "monitors/bulk-action", {"action": "pause", "ids": []}, expect=403)


@pytest.mark.parametrize("path", ["results.csv", "results?format=csv"])
def test_results_are_exported_as_csv(
    api: Api, team: Team, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 3)
    monitor = MonitorFactory(team=team, name="näch/tly")
    at = now()
    times = [at - timedelta(minutes=n) for n in range(1, 8)]
    results_of(monitor, times, message="=cmd|' /C calc'!A0", labels={"az": "b"}, latency_ms=1.5)
    answer = api("GET", f"monitors/{monitor.pk}/{path}", headers={"Accept": "text/csv"}, expect=200)
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == 'attachment; filename="n-ch-tly-results.csv"'
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(rows) == 7
    assert [row["received_at"] for row in rows] == [
        time.isoformat().replace("+00:00", "Z") for time in times
    ]
    assert rows[0]["message"] == "'=cmd|' /C calc'!A0"
    assert json.loads(rows[0]["labels"]) == {"az": "b"}
    assert rows[0]["latency_ms"] == "1.5"


def test_results_are_exported_as_json_with_filters(api: Api, team: Team) -> None:
    monitor = MonitorFactory(team=team)
    at = now()
    results_of(monitor, [at - timedelta(minutes=n) for n in range(1, 5)])
    path = f"monitors/{monitor.pk}/results"

    def read(query: str) -> Any:
        answer = api("GET", f"{path}.json{query}", expect=200)
        return json.loads(b"".join(answer.streaming_content))

    assert read("") == api.get(path)["results"]
    assert read("?status=fail") == []
    since = (at - timedelta(minutes=2, seconds=30)).isoformat()
    assert len(read(f"?since={since}")) == 2
    api("GET", f"{path}.json?since=yesterday", expect=400)


@pytest.mark.django_db(transaction=True)
def test_an_export_is_streamed_by_the_server(team: Team, key: str) -> None:
    monitor = MonitorFactory(team=team)
    at = now()
    results_of(monitor, [at - timedelta(seconds=n) for n in range(1, 2501)])

    async def fetch() -> Reply:
        async with running_application() as app:
            return await ask(
                app,
                "GET",
                f"/api/v1/monitors/{monitor.pk}/results.csv",
                headers=((b"authorization", f"Bearer {key}".encode()),),
                host=b"127.0.0.1:8000",
            )

    reply = asyncio.run(fetch())
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert len({row["id"] for row in rows}) == len(rows) == 2500


def test_an_export_is_the_teams_own(api: Api, rival: Api, team: Team) -> None:
    monitor = MonitorFactory(team=team)
    for form in ("results.csv", "results.json", "results?format=csv"):
        rival("GET", f"monitors/{monitor.pk}/{form}", expect=404)
        Api(None)("GET", f"monitors/{monitor.pk}/{form}", expect=401)
