"""Whose turn it is, by the REST API: through changes of clocks, people and rotations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from tests.api.rotas import (
    BERLIN,
    HANDOFF,
    NEW_YORK,
    at,
    join,
    make,
    patch,
    people,
    present,
    shifts,
)
from tests.conftest import Api
from tests.factories import UserFactory

__all__ = ["people"]  # the fixture


def test_new_york_is_on_call_for_23_and_for_25_hours(api: Api, people: list[str]) -> None:
    made = make(api, people, timezone=NEW_YORK)
    assert shifts(api, made, "2027-03-13T14:00:00Z", "2027-03-14T13:00:00Z") == [
        ("2027-03-13T14:00:00Z", "2027-03-14T13:00:00Z")
    ]
    assert shifts(api, made, "2027-11-06T13:00:00Z", "2027-11-07T14:00:00Z") == [
        ("2027-11-06T13:00:00Z", "2027-11-07T14:00:00Z")
    ]


def test_a_handoff_in_a_gap_is_moved_and_one_in_a_fold_comes_once(
    api: Api, people: list[str]
) -> None:
    gap = make(api, people, timezone=NEW_YORK, handoff="2027-03-01T02:30", name="gap")
    assert shifts(api, gap, "2027-03-14T07:30:00Z", "2027-03-15T06:30:00Z") == [
        ("2027-03-14T07:30:00Z", "2027-03-15T06:30:00Z")
    ]
    fold = make(api, people, timezone=NEW_YORK, handoff="2027-03-01T01:30", name="fold")
    assert shifts(api, fold, "2027-11-07T05:29:00Z", "2027-11-07T06:31:00Z") == [
        ("2027-11-06T05:30:00Z", "2027-11-07T05:30:00Z"),
        ("2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"),
    ]


def test_berlin_has_weeks_of_167_and_169_hours_and_hours_are_elapsed_ones(
    api: Api, people: list[str]
) -> None:
    week = make(api, people, timezone=BERLIN, unit="week", name="week")
    lengths = {}
    for since in ("2027-03-22T08:00:00Z", "2027-10-25T07:00:00Z"):
        [(start, end)] = shifts(api, week, since, (at(since) + timedelta(hours=1)).isoformat())
        lengths[start] = (at(end) - at(start)) / timedelta(hours=1)
    assert lengths == {"2027-03-22T08:00:00Z": 167, "2027-10-25T07:00:00Z": 169}
    half = make(api, people, timezone=BERLIN, unit="hour", length=12, name="half")
    rows = shifts(api, half, "2027-03-27T00:00:00Z", "2027-03-30T00:00:00Z")
    assert {at(end) - at(start) for start, end in rows} == {timedelta(hours=12)}


def test_at_the_handoff_it_is_the_one_who_comes(api: Api, people: list[str]) -> None:
    made = make(api, people)
    assert present(api, made, "2027-03-01T09:00:00Z") == people[0]
    assert present(api, made, "2027-03-02T08:59:59.999999Z") == people[0]
    assert present(api, made, "2027-03-02T09:00:00Z") == people[1]
    assert present(api, made, "2027-03-01T08:59:59Z") == people[2]
    told = api.get(f"rotations/{made['id']}/on-call?at=2027-03-02T12:00:00%2B02:00")
    assert told == {
        "at": "2027-03-02T10:00:00Z",
        "member": people[1],
        "start": "2027-03-02T09:00:00Z",
        "end": "2027-03-03T09:00:00Z",
        "layer": 0,
        "override": None,
        "results": [
            {
                "start": "2027-03-02T09:00:00Z",
                "end": "2027-03-03T09:00:00Z",
                "member": people[1],
            }
        ],
    }


def make_present(api: Api, members: list[str], turn: int) -> dict[str, Any]:
    """Return a daily rotation in which the member at `turn` is on call now."""
    begun = datetime.now(UTC) - timedelta(days=turn, hours=5)
    made = make(api, members, handoff=begun.strftime("%Y-%m-%dT%H:%M"))
    assert present(api, made) == members[turn % len(members)]
    return made


@pytest.mark.parametrize("turn", [0, 1, 2, 7, -4])
def test_whoever_is_on_call_stays_when_somebody_joins(
    api: Api, team: Team, people: list[str], turn: int
) -> None:
    made = make_present(api, people, turn)
    now = people[turn % 3]
    [dee] = join(team, "dee")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for members in ([*people, dee], [dee, *people], people[::-1], people):
        patch(api, made, members=members)
        assert present(api, made) == now, members
        after = members[(members.index(now) + 1) % len(members)]
        assert present(api, made, tomorrow) == after, members


@pytest.mark.parametrize("turn", [0, 1, 2, 5])
def test_the_next_takes_over_when_the_present_one_is_removed(
    api: Api, people: list[str], turn: int
) -> None:
    made = make_present(api, people, turn)
    gone, following, last = (people[(turn + step) % 3] for step in range(3))
    layer = made["layers"][0]
    before = api.get(f"rotations/{made['id']}/on-call")
    patch(api, made, layers=[layer | {"members": [p for p in people if p != last]}])
    assert api.get(f"rotations/{made['id']}/on-call")["results"] == before["results"]
    patch(api, made, layers=[layer | {"members": people}])
    assert present(api, made) == gone
    patch(api, made, layers=[layer | {"members": [p for p in people if p != gone]}])
    assert present(api, made) == following
    patch(api, made, members=[last])
    assert present(api, made) == last
    patch(api, made, members=[])
    assert present(api, made) is None
    assert api.get(f"rotations/{made['id']}")["layers"][0]["members"] == []


def test_a_changed_length_zone_or_handoff_holds_as_it_is_given(api: Api, people: list[str]) -> None:
    made = make_present(api, people, 2)
    patch(api, made, members=people[1:] + people[:1])
    assert present(api, made) == people[2]
    handoff = made["layers"][0]["handoff"]
    begun = (at(handoff) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    changed = patch(api, made, handoff=begun)
    members = changed["layers"][0]["members"]
    assert present(api, made) == members[1]
    patch(api, made, timezone="Etc/GMT+1")
    assert present(api, made, begun + ":00-01:00") == members[0]


def test_somebody_who_leaves_the_team_leaves_their_turns_to_the_next(
    api: Api, people: list[str]
) -> None:
    made = make(api, people)
    with scopes_disabled():
        Membership.objects.get(user__email=people[1]).delete()
    days = [present(api, made, f"2027-03-0{day}T12:00:00Z") for day in (1, 2, 3, 4)]
    assert days == [people[0], people[2], people[2], people[0]]
    shown = api.get(f"rotations/{made['id']}")["layers"][0]["members"]
    assert shown == [people[0], people[2]]


def test_somebody_who_has_yet_to_accept_has_turns_too(api: Api, team: Team) -> None:
    with scopes_disabled():
        invited = UserFactory(email="dee@acme.example")
        Membership.objects.create(team=team, user=invited, accepted_at=None)
    made = make(api, ["dee@acme.example"])
    assert made["layers"][0]["members"] == ["dee@acme.example"]
    assert present(api, made) == "dee@acme.example"


def test_a_higher_layer_wins_in_its_hours(api: Api, people: list[str]) -> None:
    night = {
        "unit": "week",
        "handoff": "2027-03-01T00:00",
        "members": people[2:],
        "restrictions": [{"weekdays": [0, 1, 2, 3, 4], "from": "18:00", "to": "09:00"}],
    }
    day = {"unit": "day", "handoff": HANDOFF, "members": people[:2]}
    made = api.make("rotations", name="both", timezone=BERLIN, layers=[day, night])
    path = f"rotations/{made['id']}/shifts?since=2027-03-01T08:00:00Z&until=2027-03-02T17:00:00Z"
    assert api.get(path)["results"] == [
        {
            "start": "2027-03-01T08:00:00Z",
            "end": "2027-03-01T17:00:00Z",
            "member": people[0],
        },
        {
            "start": "2027-03-01T17:00:00Z",
            "end": "2027-03-02T08:00:00Z",
            "member": people[2],
        },
        {
            "start": "2027-03-02T08:00:00Z",
            "end": "2027-03-02T17:00:00Z",
            "member": people[1],
        },
    ]
    told = api.get(f"rotations/{made['id']}/on-call?at=2027-03-01T20:00:00Z")
    assert (told["layer"], told["member"]) == (1, people[2])


def test_shifts_are_of_now_and_the_next_thirty_days_unless_asked_otherwise(
    api: Api, people: list[str]
) -> None:
    made = make(api, people)
    path = f"rotations/{made['id']}/shifts"
    assert len(api.get(path)["results"]) == 31
    since = datetime(2027, 3, 1, 9, tzinfo=ZoneInfo("UTC"))
    assert len(api.get(f"{path}?since=2027-03-01T09:00:00Z")["results"]) == 30
    longest = (since + timedelta(days=400)).isoformat().replace("+00:00", "Z")
    assert len(api.get(f"{path}?since=2027-03-01T09:00:00Z&until={longest}")["results"]) == 400
    for query, field in (
        ("since=2027-03-01T09:00:00Z&until=2027-03-01T09:00:00Z", "until"),
        ("since=2027-03-01T09:00:00Z&until=2028-04-05T09:00:01Z", "until"),
        ("until=2020-01-01T00:00:00Z", "until"),
        ("since=tomorrow", "since"),
        ("since=2027-03-01T09:00:00", "since"),
        ("since=", "since"),
        ("until=9999-99-99T00:00:00Z", "until"),
    ):
        problem = api("GET", f"{path}?{query}", expect=400).json()
        assert [error["field"] for error in problem["errors"]] == [field], query
    for when in ("now", "", "2027-03-01", "2027-03-01T09:00", "0001-01-01T00:00:00Z", "%00"):
        problem = api("GET", f"rotations/{made['id']}/on-call?at={when}", expect=400).json()
        assert [error["field"] for error in problem["errors"]] == ["at"], when
    present(api, made, "9000-12-31T00:00:00-12:00")
    present(api, made, "1970-01-01T00:00:00Z")
