from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from incidents.models import MaintenanceSpan
from monitors.queries import database_now
from tests.conftest import Api

NOBODY = "01890000-0000-7000-8000-000000000000"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@pytest.fixture
def now(db: None) -> datetime:
    return database_now()


def body(now: datetime, begins: float = -1, lasts: float = 2, **fields: Any) -> dict[str, Any]:
    starts_at = now + begins * HOUR
    given = {
        "name": "deploy",
        "labels": {"env": "prod"},
        "starts_at": iso(starts_at),
        "ends_at": iso(starts_at + lasts * HOUR),
    }
    return {**given, **fields}


def names(api: Api, query: str = "") -> list[str]:
    return [row["name"] for row in api.get(f"maintenances{query}")["results"]]


def test_a_window_has_the_fields_of_the_contract(api: Api, now: datetime) -> None:
    monitor = api.make("monitors", name="m")["id"]
    sent = body(now, monitors=[monitor, monitor])
    made = api.make("maintenances", **sent)
    assert made == {
        "id": made["id"],
        "name": "deploy",
        "monitors": [monitor],
        "labels": {"env": "prod"},
        "starts_at": sent["starts_at"],
        "ends_at": sent["ends_at"],
        "rrule": "",
        "timezone": "UTC",
        "status_page": None,
        "active": True,
        "next": None,
    }
    assert api.get(f"maintenances/{made['id']}") == made
    # What was read can be sent back as it is.
    assert api("PATCH", f"maintenances/{made['id']}", made, expect=200).json() == made
    assert names(api) == ["deploy"]
    api("DELETE", f"maintenances/{made['id']}", expect=204)
    assert names(api) == []


def test_times_are_taken_with_any_offset_and_shown_in_utc(api: Api) -> None:
    made = api.make(
        "maintenances",
        name="berlin",
        labels={"env": "prod"},
        starts_at="2027-03-22T02:00:00+01:00",
        ends_at="2027-03-22T04:00:00+01:00",
        rrule="RRULE:FREQ=WEEKLY;COUNT=3",
        timezone="Europe/Berlin",
    )
    assert (made["starts_at"], made["ends_at"]) == ("2027-03-22T01:00:00Z", "2027-03-22T03:00:00Z")
    assert (made["rrule"], made["timezone"]) == ("FREQ=WEEKLY;COUNT=3", "Europe/Berlin")


def test_the_next_occurrence_is_the_one_that_has_not_begun(api: Api, now: datetime) -> None:
    made = api.make("maintenances", **body(now, rrule="FREQ=DAILY"))
    assert made["active"] is True
    assert made["next"] == {
        "starts_at": iso(now - HOUR + DAY),
        "ends_at": iso(now + HOUR + DAY),
    }
    yearly = api.make("maintenances", **body(now, name="y", rrule="FREQ=YEARLY;BYMONTH=1,6"))
    assert yearly["next"] is not None
    later = api.make("maintenances", **body(now, name="later", begins=24 * 200))
    assert (later["active"], later["next"]["starts_at"]) == (False, later["starts_at"])
    over = api.make("maintenances", **body(now, name="over", begins=-9))
    assert (over["active"], over["next"]) == (False, None)
    rare = api.make(
        "maintenances",
        name="rare",
        labels={"env": "prod"},
        starts_at="2024-02-29T09:00:00Z",
        ends_at="2024-02-29T10:00:00Z",
        rrule="FREQ=YEARLY",
    )
    assert rare["next"]["starts_at"] == "2028-02-29T09:00:00Z"


def test_changing_a_window_changes_what_it_covers(api: Api, now: datetime) -> None:
    made = api.make("maintenances", **body(now))
    path = f"maintenances/{made['id']}"
    later = {"starts_at": iso(now + HOUR), "ends_at": iso(now + 2 * HOUR)}
    changed = api("PATCH", path, later, expect=200).json()
    assert (changed["active"], changed["next"]) == (False, later)
    repeated = api("PATCH", path, {"rrule": "FREQ=DAILY"}, expect=200).json()
    assert repeated["next"] == later
    assert api("PATCH", path, {"rrule": None}, expect=200).json()["rrule"] == ""
    assert api("PATCH", path, {}, expect=200).json()["next"] == later


def test_filters(api: Api, rival: Api, now: datetime) -> None:
    prod = api.make("monitors", name="prod", labels={"env": "prod", "tier": "1"})["id"]
    bare = api.make("monitors", name="bare")["id"]
    theirs = rival.make("monitors", name="theirs", labels={"env": "prod"})["id"]
    api.make("maintenances", **body(now, name="label"))
    api.make("maintenances", **body(now, name="named", monitors=[bare], labels={}))
    api.make("maintenances", **body(now, name="both", begins=5, monitors=[bare]))
    api.make("maintenances", **body(now, name="more", labels={"env": "prod", "tier": "2"}))
    assert names(api) == ["more", "both", "named", "label"]
    assert names(api, "?active=true") == ["more", "named", "label"]
    assert names(api, "?active=false") == ["both"]
    assert names(api, f"?monitor={prod}") == ["both", "label"]
    assert names(api, f"?monitor={bare}&active=true") == ["named"]
    for other in (theirs, NOBODY, "nonsense"):
        assert names(api, f"?monitor={other}") == []
    refused = api("GET", "maintenances?active=maybe", expect=400).json()
    assert refused["errors"][0]["field"] == "active"
    page = api.get("maintenances?limit=3")
    assert [row["name"] for row in api.get(page["next"].partition("/api/v1/")[2])["results"]] == [
        "label"
    ]
    assert names(rival) == []


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": ""}, "name", "blank"),
        ({"name": 5}, "name", "invalid"),
        ({"name": "x" * 121}, "name", "max_length"),
        ({"starts_at": None}, "starts_at", "null"),
        ({"starts_at": "2027-03-01T09:00:00"}, "starts_at", "invalid"),
        ({"starts_at": "9999-12-31T23:59:59-23:59"}, "starts_at", "invalid"),
        ({"starts_at": "0001-01-01T00:00:00+23:59"}, "starts_at", "invalid"),
        ({"starts_at": "1985-01-01T00:00:00Z"}, "starts_at", "invalid"),
        ({"starts_at": 1900000000}, "starts_at", "invalid"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at", "invalid"),
        ({"ends_at": "2099-01-01T00:00:00Z"}, "ends_at", "invalid"),
        ({"ends_at": "soon"}, "ends_at", "invalid"),
        ({"timezone": "Mars/Olympus"}, "timezone", "invalid"),
        ({"timezone": "../UTC"}, "timezone", "invalid"),
        ({"timezone": "localtime"}, "timezone", "invalid"),
        ({"timezone": None}, "timezone", "null"),
        ({"rrule": "FREQ=HOURLY"}, "rrule", "invalid"),
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "invalid"),
        ({"rrule": "FREQ=DAILY;COUNT=" + "9" * 450}, "rrule", "invalid"),
        ({"rrule": "x" * 501}, "rrule", "max_length"),
        ({"rrule": ["FREQ=DAILY"]}, "rrule", "invalid"),
        ({"monitors": [NOBODY]}, "monitors.0", "not_found"),
        ({"monitors": ["nonsense"]}, "monitors.0", "not_found"),
        ({"monitors": [5]}, "monitors.0", "invalid"),
        ({"monitors": "x"}, "monitors", "not_a_list"),
        ({"monitors": None}, "monitors", "null"),
        ({"labels": {}}, "monitors", "required"),
        ({"labels": []}, "labels", "invalid"),
        ({"labels": {"": "x"}}, "labels", "invalid"),
        ({"labels": {"a": {}}}, "labels", "invalid"),
        ({"labels": None}, "labels", "null"),
        ({"status_page": NOBODY}, "status_page", "not_found"),
        ({"status_page": 5}, "status_page", "invalid"),
        ({"nmae": "x"}, "nmae", "unknown"),
    ],
)
def test_a_refused_body_names_its_field(
    api: Api, now: datetime, change: dict[str, Any], field: str, code: str
) -> None:
    refused = api("POST", "maintenances", body(now, **change), expect=400)
    assert refused["Content-Type"] == "application/problem+json"
    [error] = refused.json()["errors"]
    assert error["field"] == field
    assert error["code"] == code
    made = api.make("maintenances", **body(now))
    api("PATCH", f"maintenances/{made['id']}", change, expect=400)
    assert api.get(f"maintenances/{made['id']}") == made


def test_another_teams_monitor_is_as_missing_as_any(api: Api, rival: Api, now: datetime) -> None:
    theirs = rival.make("monitors", name="theirs")["id"]
    mine = api.make("monitors", name="mine")["id"]
    answers = [
        api("POST", "maintenances", body(now, monitors=[mine, other]), expect=400).json()
        for other in (theirs, NOBODY, "nonsense")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["errors"] == [
        {"field": "monitors.1", "code": "not_found", "detail": "There is no such monitor."}
    ]


def test_a_name_is_taken_once_in_a_team(api: Api, rival: Api, now: datetime) -> None:
    api.make("maintenances", **body(now))
    other = api.make("maintenances", **body(now, name="other"))
    api("POST", "maintenances", body(now), expect=409)
    api("PATCH", f"maintenances/{other['id']}", {"name": "deploy"}, expect=409)
    rival.make("maintenances", **body(now))


def test_a_list_costs_the_same_however_long(api: Api, now: datetime) -> None:
    monitor = api.make("monitors", name="m")["id"]

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get("maintenances")
        return len(captured)

    api.make("maintenances", **body(now, name="0", monitors=[monitor]))
    few = queries()
    for n in range(1, 6):
        api.make("maintenances", **body(now, name=str(n), monitors=[monitor], rrule="FREQ=DAILY"))
    assert queries() == few


def test_a_window_names_the_page_that_announces_it(api: Api, now: datetime) -> None:
    first, second = (api.make("status-pages", name=n, slug=n)["id"] for n in ("one", "two"))
    made = api.make("maintenances", **body(now, status_page=first))
    path = f"maintenances/{made['id']}"
    assert made["status_page"] == api.get(path)["status_page"] == first
    assert api("PATCH", path, made, expect=200).json() == made
    assert api("PATCH", path, {"name": "x"}, expect=200).json()["status_page"] == first
    for chosen in (second, None, second):
        changed = api("PATCH", path, {"status_page": chosen}, expect=200).json()
        assert changed["status_page"] == chosen
    api("DELETE", f"status-pages/{second}", expect=204)
    assert api.get(path)["status_page"] is None
    api("PATCH", path, {"status_page": second}, expect=400)


def test_deleting_a_monitor_takes_it_out_of_its_windows(api: Api, now: datetime) -> None:
    monitor = api.make("monitors", name="m")["id"]
    made = api.make("maintenances", **body(now, monitors=[monitor]))
    api("DELETE", f"monitors/{monitor}", expect=204)
    assert api.get(f"maintenances/{made['id']}")["monitors"] == []
    with scopes_disabled():
        assert MaintenanceSpan.objects.count() == 1


def test_bytes_that_no_column_holds_are_a_400(api: Api, now: datetime) -> None:
    for change in (
        {"name": "x\0"},
        {"labels": {"a": "\0"}},
        {"labels": {"\ud800": "x"}},
        {"rrule": "FREQ=DAILY\0"},
        {"rrule": "\ud800"},
        {"timezone": "UTC\0"},
        {"timezone": "\ud800"},
        {"starts_at": "\ud800"},
        {"monitors": ["\ud800"]},
    ):
        api("POST", "maintenances", body(now, **change), expect=400)
    api("POST", "maintenances", b"[" * 100_000, expect=400)
    assert names(api) == []
