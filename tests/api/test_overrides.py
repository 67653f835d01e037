"""Overrides and the calendar feed by the REST API."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection
from django.test import Client
from django.utils.timezone import now
from django_scopes import scopes_disabled
from icalendar import Calendar

from accounts.models import Membership, Team, User
from config.redaction import redact
from incidents.models import Rotation, RotationOverride
from incidents.oncall.loading import load_schedules
from incidents.oncall.overrides import Overlap, swap_shifts
from incidents.oncall.schedule import on_call
from tests.api.rotas import MISSING, at, join, make, people, present, shifts
from tests.conftest import Api
from tests.factories import make_key
from tests.racing import at_once

__all__ = ["people"]  # the fixture


@pytest.fixture
def rotation(api: Api, people: list[str]) -> dict[str, Any]:
    return make(api, people)


def day(number: int, hour: int = 0) -> str:
    return f"2027-03-{number:02}T{hour:02}:00:00Z"


def override(
    api: Api, rotation: dict[str, Any], start: str, end: str, member: str, expect: int = 201
) -> Any:
    body = {"start": start, "end": end, "member": member}
    return api("POST", f"rotations/{rotation['id']}/overrides", body, expect=expect).json()


def test_an_override_takes_over_and_gives_back(
    api: Api, people: list[str], rotation: dict[str, Any]
) -> None:
    made = override(api, rotation, day(2, 12), "2027-03-02T15:00:00+01:00", people[0].upper())
    assert made == {
        "id": made["id"],
        "start": day(2, 12),
        "end": day(2, 14),
        "member": people[0],
    }
    path = f"rotations/{rotation['id']}/overrides"
    assert api.get(f"{path}/{made['id']}") == made
    assert shifts(api, rotation, day(2, 10), day(3, 8)) == [
        (day(2, 9), day(2, 12)),
        (day(2, 12), day(2, 14)),
        (day(2, 14), day(3, 9)),
    ]
    told = api.get(f"rotations/{rotation['id']}/on-call?at={day(2, 13)}")
    assert (told["member"], told["layer"], told["override"]) == (people[0], None, made["id"])
    changed = api("PATCH", f"{path}/{made['id']}", {"end": day(2, 13)}, expect=200).json()
    assert changed == made | {"end": day(2, 13)}
    assert api("PATCH", f"{path}/{made['id']}", changed, expect=200).json() == changed
    assert present(api, rotation, day(2, 13)) == people[1]
    api("DELETE", f"{path}/{made['id']}", expect=204)
    api("GET", f"{path}/{made['id']}", expect=404)
    assert present(api, rotation, day(2, 12)) == people[1]


def test_overrides_are_listed_by_time(
    api: Api, people: list[str], rotation: dict[str, Any]
) -> None:
    made = [override(api, rotation, day(n), day(n + 1), people[0])["id"] for n in (5, 3, 4, 9)]
    path = f"rotations/{rotation['id']}/overrides"

    def listed(query: str) -> list[int]:
        return [made.index(row["id"]) for row in api.get(f"{path}?{query}")["results"]]

    assert listed("") == [1, 2, 0, 3]
    assert listed(f"since={day(4)}&until={day(9)}") == [2, 0]
    assert listed(f"since={day(4, 12)}&until={day(9, 1)}") == [2, 0, 3]
    first = api.get(f"{path}?limit=3")
    assert [made.index(row["id"]) for row in first["results"]] == [1, 2, 0]
    rest = api.get(first["next"].removeprefix(settings.BASE_URL))
    assert [made.index(row["id"]) for row in rest["results"]] == [3]
    api("GET", f"{path}?since=soon", expect=400)


def test_two_overrides_never_overlap(api: Api, people: list[str], rotation: dict[str, Any]) -> None:
    made = override(api, rotation, day(2), day(4), people[0])
    for start, end in (
        (day(1), day(5)),
        (day(3), day(5)),
        (day(2, 1), day(2, 2)),
        (day(2), day(4)),
    ):
        refused = override(api, rotation, start, end, people[1], expect=409)
        assert "overlaps" in refused["detail"]
    after = override(api, rotation, day(4), day(5), people[1])
    override(api, rotation, day(1), day(2), people[1])
    path = f"rotations/{rotation['id']}/overrides"
    api("PATCH", f"{path}/{after['id']}", {"start": day(3)}, expect=409)
    assert api.get(f"{path}/{after['id']}") == after
    api("PATCH", f"{path}/{made['id']}", {"end": day(3)}, expect=200)
    api("PATCH", f"{path}/{after['id']}", {"start": day(3)}, expect=200)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end": day(2)}, "end"),
        ({"end": day(1)}, "end"),
        ({"start": "2027-03-02T00:00:00"}, "start"),
        ({"start": "soon"}, "start"),
        ({"start": 5}, "start"),
        ({"start": None}, "start"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "start"),
        ({"end": "9999-12-31T23:59:59-12:00"}, "end"),
        ({"member": 5}, "member"),
        ({"member": None}, "member"),
        ({"member": ["x"]}, "member"),
        ({"member": "x" * 300}, "member"),
        ({"member": "nobody@acme.example"}, "member"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_override_is_refused_by_field(
    api: Api, people: list[str], rotation: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    good = {"start": day(2), "end": day(3), "member": people[0]}
    path = f"rotations/{rotation['id']}/overrides"
    problem = api("POST", path, good | change, expect=400).json()
    assert [error["field"] for error in problem["errors"]] == [field]
    made = api.make(path, **good)
    problem = api("PATCH", f"{path}/{made['id']}", change, expect=400).json()
    assert [error["field"] for error in problem["errors"]] == [field]
    assert api.get(f"{path}/{made['id']}") == made


def test_overrides_of_others_do_not_exist(
    api: Api, rival: Api, people: list[str], rotation: dict[str, Any], team: Team
) -> None:
    made = override(api, rotation, day(2), day(3), people[0])
    other = make(api, people, name="Other")
    calls = (("GET", {}), ("PATCH", {"end": day(4)}), ("DELETE", {}))
    for method, body in calls:
        for who, parent, row in (
            (rival, rotation["id"], made["id"]),
            (api, other["id"], made["id"]),
            (api, MISSING, made["id"]),
            (api, rotation["id"], MISSING),
            (api, rotation["id"], "nonsense"),
        ):
            who(method, f"rotations/{parent}/overrides/{row}", body, expect=404)
    body = {"start": day(5), "end": day(6), "member": people[0]}
    rival("POST", f"rotations/{rotation['id']}/overrides", body, expect=404)
    rival("GET", f"rotations/{rotation['id']}/overrides", expect=404)
    reader = Api(make_key(team, "read"))  # type: ignore[arg-type]
    reader("POST", f"rotations/{rotation['id']}/overrides", body, expect=403)
    assert reader.get(f"rotations/{rotation['id']}/overrides/{made['id']}") == made
    with scopes_disabled():
        [theirs] = join(Team.objects.get(slug="rival"), "eve")
    foreign = override(api, rotation, day(5), day(6), theirs, expect=400)
    assert foreign == override(api, rotation, day(5), day(6), "nobody@x.example", expect=400)


@pytest.mark.django_db(transaction=True)
def test_of_two_overlapping_overrides_at_the_same_moment_one_wins(
    api: Api, people: list[str], rotation: dict[str, Any]
) -> None:
    path = f"rotations/{rotation['id']}/overrides"

    def attempt(member: str) -> Any:
        body = {"start": day(2), "end": day(4), "member": member}
        return lambda: api("POST", path, body).status_code

    for _ in range(3):
        assert sorted(at_once(*map(attempt, people))) == [201, 409, 409]
        [row] = api.get(path)["results"]
        api("DELETE", f"{path}/{row['id']}", expect=204)


@pytest.mark.django_db(transaction=True)
def test_the_database_itself_refuses_an_overlap(
    people: list[str], rotation: dict[str, Any], team: Team
) -> None:
    # Whatever code writes a row, and without the rotation's lock.
    def attempt(number: int) -> Any:
        def insert() -> str:
            start = at(day(2)) + timedelta(hours=number)
            try:
                RotationOverride.objects.create(
                    team=team,
                    rotation_id=rotation["id"],
                    start=start,
                    end=start + timedelta(days=1),
                    membership=Membership.objects.get(user__email=people[0]),
                )
            except (IntegrityError, OperationalError) as error:
                # Two that wait for each other's row are a deadlock, which refuses one of them too.
                known = "override_no_overlap" in str(error) or "deadlock" in str(error)
                return "refused" if known else repr(error)
            return "stored"

        return insert

    assert sorted(at_once(attempt(0), attempt(1))) == ["refused", "stored"]
    with scopes_disabled():
        assert RotationOverride.objects.count() == 1


def test_two_people_swap_their_shifts_or_nothing_happens(
    api: Api, people: list[str], rotation: dict[str, Any]
) -> None:
    with scopes_disabled():
        row = Rotation.objects.get()
        schedule = load_schedules([row.pk])[row.pk]
        first, second = (on_call(schedule, at(day(number, 12))) for number in (1, 2))
        assert first
        assert second
        swap_shifts(rotation=row, first=first, second=second, actor="ana")
        third = on_call(schedule, at(day(3, 12)))
        assert third
        with pytest.raises(Overlap):
            swap_shifts(rotation=row, first=third, second=second, actor="ana")
    assert [present(api, rotation, day(n, 12)) for n in (1, 2, 3)] == [
        people[1],
        people[0],
        people[2],
    ]
    assert len(api.get(f"rotations/{rotation['id']}/overrides")["results"]) == 2


def test_who_is_on_call_in_many_rotations_is_found_with_few_queries(
    api: Api, people: list[str], rotation: dict[str, Any], django_assert_num_queries: Any
) -> None:
    override(api, rotation, day(2), day(3), people[2])
    other = make(api, people[1:], name="Other")
    ids = [UUID(rotation["id"]), UUID(other["id"]), UUID(MISSING)]
    with scopes_disabled():
        members = {m.pk: m.user.email for m in Membership.objects.select_related("user")}
        noon = at(day(2, 12))
        with django_assert_num_queries(2):
            schedules = load_schedules(ids, since=noon, until=noon)
        found = {pk: on_call(schedules[pk], noon) if pk in schedules else None for pk in ids}
    assert {pk: shift and members[shift.member] for pk, shift in found.items()} == {
        ids[0]: people[2],
        ids[1]: people[2],
        ids[2]: None,
    }


# The calendar feed.


def feed(url: str, expect: int = 200) -> Any:
    response = Client().get(url.removeprefix(settings.BASE_URL))
    assert response.status_code == expect, response.content
    return response


def test_the_calendar_holds_the_same_shifts_as_the_api(api: Api, people: list[str]) -> None:
    hours = {"weekdays": [0, 1, 2, 3, 4], "from": "18:00", "to": "09:00"}
    begun = (now() - timedelta(days=3)).strftime("%Y-%m-%dT09:00")
    layers = [
        {"unit": "day", "handoff": begun, "members": people},
        {"unit": "week", "handoff": begun, "members": people[:2], "restrictions": [hours]},
    ]
    made = api.make("rotations", name="Primary", timezone="America/New_York", layers=layers)
    start = (now() + timedelta(days=2)).replace(microsecond=0)
    end = start + timedelta(hours=30)
    override(api, made, start.isoformat(), end.isoformat(), people[2])
    response = feed(made["calendar_url"])
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert "no-cache" in response["Cache-Control"]
    events = Calendar.from_ical(response.content).walk("VEVENT")
    since = now().replace(microsecond=0)
    until = since + timedelta(days=90)
    shown = [
        (event.decoded("dtstart"), event.decoded("dtend"), str(event["summary"]))
        for event in events
        if event.decoded("dtend") > since and event.decoded("dtstart") < until
    ]
    names = dict(User.objects.values_list("email", "name"))
    path = f"rotations/{made['id']}/shifts"
    query = f"?since={since:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"
    rows = api.get(path + query)["results"]
    assert len(rows) > 150
    assert shown == [
        (at(row["start"]), at(row["end"]), f"{names[row['member']]}: Primary") for row in rows
    ]
    assert min(event.decoded("dtstart") for event in events) < since - timedelta(days=29)
    uids = [str(event["uid"]) for event in events]
    assert len(set(uids)) == len(uids)
    again = Calendar.from_ical(feed(made["calendar_url"]).content).walk("VEVENT")
    assert [str(event["uid"]) for event in again] == uids
    for event in events:
        assert event.decoded("dtstamp") <= now()
        assert "last-modified" not in event  # that would look like a change at every look


def test_the_calendar_is_well_formed_whatever_the_names(api: Api, people: list[str]) -> None:
    User.objects.filter(email=people[0]).update(name="Ana;\r\nX-EVIL:1, \\ \x07\u2028" + "é" * 60)
    User.objects.filter(email=people[1]).update(name="")
    made = make(api, people[:2], name="BEGIN:VEVENT, " + "長" * 90)
    body = feed(made["calendar_url"]).content
    assert body.replace(b"\r\n", b"").find(b"\n") == -1
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    assert not [char for char in body.decode() if ord(char) < 32 and char not in "\r\n"]
    assert b"\r\nX-EVIL" not in body
    calendar = Calendar.from_ical(body)
    assert str(calendar["x-wr-calname"]).replace("\\,", ",") == made["name"]
    summaries = {str(event["summary"]) for event in calendar.walk("VEVENT")}
    assert summaries == {
        f"{people[1]}: {made['name']}",
        "Ana; X-EVIL:1, \\ " + "é" * 60 + f": {made['name']}",
    }


def test_only_the_present_key_opens_the_calendar(api: Api, rival: Api, people: list[str]) -> None:
    made, other = make(api, people), make(rival, [])
    url, path = made["calendar_url"], f"/api/v1/rotations/{made['id']}/calendar.ics"
    assert url.startswith(f"{settings.BASE_URL}{path}?key=")
    secret = url.rsplit("=", 1)[1]
    theirs = other["calendar_url"].rsplit("=", 1)[1]
    wrong = [
        path,
        f"{path}?key=",
        f"{path}?key={theirs}",
        f"{path}?key={secret[:-1]}",
        f"{path}?key=%00",
        f"{path}?key=%F0%9F%98%80%ED%A0%80",
        path.replace(made["id"], MISSING) + f"?key={secret}",
        path.replace(made["id"], MISSING) + "?key=",
        path.replace(made["id"], "nonsense") + f"?key={secret}",
        path.replace(made["id"], other["id"]) + f"?key={secret}",
    ]
    answers = {(feed(u, 404)["Content-Type"], feed(u, 404).content) for u in wrong}
    assert [kind for kind, _ in answers] == ["application/problem+json"]
    assert Client().head(f"{path}?key={secret}").status_code == 200
    assert Client().post(f"{path}?key={secret}").status_code == 405
    renewed = api.post(f"rotations/{made['id']}/rotate-calendar-key")
    feed(url, 404)
    feed(renewed["calendar_url"])
    revoked = api.post(f"rotations/{made['id']}/revoke-calendar-key")
    assert revoked == renewed | {"calendar_url": None}
    answers |= {(feed(u, 404)["Content-Type"], feed(u, 404).content) for u in (url, f"{path}?key=")}
    answers.add((feed(path, 404)["Content-Type"], feed(renewed["calendar_url"], 404).content))
    assert len(answers) == 1
    again = api.post(f"rotations/{made['id']}/rotate-calendar-key")
    feed(again["calendar_url"])
    rival("POST", f"rotations/{made['id']}/rotate-calendar-key", expect=404)


def test_the_calendars_key_reaches_no_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    url = make(api, [])["calendar_url"]
    secret = url.rsplit("=", 1)[1]
    path = url.removeprefix(settings.BASE_URL)
    for line in (
        f'"GET {path} HTTP/1.1" 200',
        f"fetched {url}",
        f"{path.replace('?', '?x=1&')}&y=2",
        f"GET /api/v1/rotations/x/calendar.ics/?key={secret}",
    ):
        cleaned = redact(line)
        assert secret not in cleaned
        assert "key=[redacted]" in cleaned
    assert redact("GET /other?key=visible 200") == "GET /other?key=visible 200"
    with caplog.at_level(logging.DEBUG):
        feed(url)
        feed(url + "x", 404)
    assert secret not in redact(caplog.text)
    assert connection.connection is not None


def test_a_shift_stays_the_same_event_when_somebody_else_gets_it(
    api: Api, people: list[str]
) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    made = make(api, people[:1], handoff=start.strftime("%Y-%m-%dT%H:%M"))

    def event() -> Any:
        events = Calendar.from_ical(feed(made["calendar_url"]).content).walk("VEVENT")
        return next(e for e in events if e.decoded("dtstart") == start)

    before = event()
    end = start + timedelta(days=1)
    override(api, made, start.isoformat(), end.isoformat(), people[1])
    after = event()
    assert str(before["uid"]) == str(after["uid"])
    assert str(before["summary"]) != str(after["summary"])
