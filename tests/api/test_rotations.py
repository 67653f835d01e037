"""Rotations by the REST API: what is stored, who is on call, who stays when people change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Team
from incidents.models import EscalationPolicy, EscalationStep, EscalationTarget, Rotation
from tests.conftest import Api
from tests.factories import UserFactory

MISSING = "01890000-0000-7000-8000-000000000000"
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
HANDOFF = "2027-03-01T09:00"


def join(team: Team, *names: str) -> list[str]:
    """Let people join; return their addresses."""
    addresses = [f"{name}@{team.slug}.example" for name in names]
    with scopes_disabled():
        for name, address in zip(names, addresses, strict=True):
            user = UserFactory(email=address, name=name.title())
            Membership.objects.create(team=team, user=user, role=Role.MEMBER)
    return addresses


@pytest.fixture
def people(team: Team) -> list[str]:
    return join(team, "ana", "bo", "cy")


def make(api: Api, members: list[str], **fields: Any) -> dict[str, Any]:
    layer = {"unit": "day", "length": 1, "handoff": HANDOFF, "members": members}
    layer |= {name: fields.pop(name) for name in list(fields) if name in (*layer, "restrictions")}
    fields.setdefault("name", "Primary")
    made: dict[str, Any] = api.make("rotations", **{**fields, "layers": [layer]})
    return made


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def present(api: Api, rotation: dict[str, Any], when: str | None = None) -> Any:
    query = f"?at={when}" if when else ""
    return api.get(f"rotations/{rotation['id']}/on-call{query}")["member"]


def shifts(api: Api, rotation: dict[str, Any], since: str, until: str) -> list[tuple[str, str]]:
    path = f"rotations/{rotation['id']}/shifts?since={since}&until={until}"
    return [(row["start"], row["end"]) for row in api.get(path)["results"]]


def patch(api: Api, rotation: dict[str, Any], expect: int = 200, **fields: Any) -> Any:
    return api("PATCH", f"rotations/{rotation['id']}", fields, expect=expect).json()


def test_a_rotation_has_the_fields_of_the_contract(api: Api, people: list[str]) -> None:
    hours = [{"weekdays": [4, 0, 4], "from": "09:00", "to": "24:00"}]
    made = make(api, people, timezone=BERLIN, unit="week", restrictions=hours)
    assert set(made) == {"id", "name", "timezone", "layers", "calendar_url", "created_at"}
    assert made["layers"] == [
        {
            "unit": "week",
            "length": 1,
            "handoff": HANDOFF,
            "members": people,
            "restrictions": [{"weekdays": [0, 4], "from": "09:00", "to": "24:00"}],
        }
    ]
    assert made["created_at"].endswith("Z")
    assert api.get(f"rotations/{made['id']}") == made
    assert api.get("rotations")["results"] == [made]
    assert patch(api, made, **made) == made
    api("DELETE", f"rotations/{made['id']}", expect=204)
    assert api.get("rotations")["results"] == []


def test_one_layer_may_be_given_flat(api: Api, people: list[str]) -> None:
    made = api.make(
        "rotations", name="flat", unit="hour", length=12, handoff=HANDOFF + ":00", members=people
    )
    [layer] = made["layers"]
    assert layer == {
        "unit": "hour",
        "length": 12,
        "handoff": HANDOFF,
        "members": people,
        "restrictions": [],
    }
    assert made["timezone"] == "UTC"
    changed = patch(api, made, members=people[:1])
    assert changed["layers"] == [layer | {"members": people[:1]}]
    both = {"name": "x", "unit": "day", "handoff": HANDOFF, "layers": [layer]}
    assert api("POST", "rotations", both, expect=400).json()["errors"][0]["field"] == "layers"
    patch(api, made, expect=400, layers=[layer], length=2)
    two = patch(api, made, layers=[layer, layer])
    assert len(two["layers"]) == 2
    patch(api, made, expect=400, members=people)


def test_members_are_found_whatever_the_case_and_may_be_none(api: Api, people: list[str]) -> None:
    made = make(api, [people[0].upper(), people[1], people[0]])
    assert made["layers"][0]["members"] == [people[0], people[1], people[0]]
    empty = make(api, [], name="empty")
    assert api.get(f"rotations/{empty['id']}/on-call?at=2027-03-01T09:00:00Z") == {
        "at": "2027-03-01T09:00:00Z",
        "member": None,
        "start": None,
        "end": None,
        "layer": None,
        "override": None,
        "results": [],
    }
    assert shifts(api, empty, "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z") == []


def test_a_foreign_member_is_refused_exactly_like_a_missing_one(
    api: Api, rival: Api, people: list[str]
) -> None:
    with scopes_disabled():
        [theirs] = join(Team.objects.get(slug="rival"), "eve")
    answers = set()
    for address in (theirs, "nobody@acme.example", "nonsense"):
        layer = {"unit": "day", "handoff": HANDOFF, "members": [people[0], address]}
        body = {"name": "x", "layers": [layer]}
        answers.add(api("POST", "rotations", body, expect=400).content)
        problem = api("POST", "rotations", {"name": "x", **layer}, expect=400).json()
        assert problem["errors"] == [
            {"field": "members.1", "code": "not_found", "detail": "There is no such member."}
        ]
    assert len(answers) == 1
    assert api.get("rotations")["results"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"unit": "month"}, "unit"),
        ({"unit": None}, "unit"),
        ({"unit": []}, "unit"),
        ({"length": 0}, "length"),
        ({"length": -1}, "length"),
        ({"length": "1"}, "length"),
        ({"length": True}, "length"),
        ({"length": 1.0}, "length"),
        ({"length": 367}, "length"),
        ({"unit": "week", "length": 54}, "length"),
        ({"unit": "hour", "length": 8761}, "length"),
        ({"length": 10**40}, "length"),
        ({"handoff": "2027-03-01"}, "handoff"),
        ({"handoff": "2027-03-01T09:00Z"}, "handoff"),
        ({"handoff": "2027-03-01T09:00+01:00"}, "handoff"),
        ({"handoff": "2027-03-01T09:00:30"}, "handoff"),
        ({"handoff": "2027-02-30T09:00"}, "handoff"),
        ({"handoff": "0001-01-01T00:00"}, "handoff"),
        ({"handoff": "9999-12-31T23:59"}, "handoff"),
        ({"handoff": "٢027-03-01T09:00"}, "handoff"),
        ({"handoff": 5}, "handoff"),
        ({"handoff": None}, "handoff"),
        ({"members": "ana@acme.example"}, "members"),
        ({"members": [5]}, "members.0"),
        ({"members": [None]}, "members.0"),
        ({"members": [{"email": "x"}]}, "members.0"),
        ({"members": ["x"] * 101}, "members"),
        ({"members": None}, "members"),
        ({"restrictions": {}}, "restrictions"),
        ({"restrictions": [5]}, "restrictions.0"),
        ({"restrictions": [{"from": "09:00"}]}, "restrictions.0.to"),
        ({"restrictions": [{"from": "24:00", "to": "09:00"}]}, "restrictions.0.from"),
        ({"restrictions": [{"from": "9:00", "to": "10:00"}]}, "restrictions.0.from"),
        ({"restrictions": [{"from": "09:00", "to": "24:01"}]}, "restrictions.0.to"),
        (
            {"restrictions": [{"from": "09:00", "to": "10:00", "weekdays": []}]},
            "restrictions.0.weekdays",
        ),
        (
            {"restrictions": [{"from": "09:00", "to": "10:00", "weekdays": [7]}]},
            "restrictions.0.weekdays.0",
        ),
        ({"restrictions": [{"from": "09:00", "to": "10:00"}] * 51}, "restrictions"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_layer_is_refused_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    layer = {"unit": "day", "length": 1, "handoff": HANDOFF, "members": []} | change
    flat = api("POST", "rotations", {"name": "x", **layer}, expect=400).json()
    assert {error["field"] for error in flat["errors"]} == {field}
    nested = api("POST", "rotations", {"name": "x", "layers": [layer]}, expect=400).json()
    assert {error["field"] for error in nested["errors"]} == {f"layers.0.{field}"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": 1}, "timezone"),
        ({"layers": None}, "layers"),
        ({"layers": {}}, "layers"),
        ({"layers": [None]}, "layers.0"),
        ({"layers": [[]]}, "layers.0"),
        ({"layers": [{"unit": "day", "handoff": HANDOFF}] * 21}, "layers"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_rotation_is_refused_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"name": "x", "timezone": "UTC", "layers": []}
    problem = api("POST", "rotations", body | change, expect=400).json()
    assert field in {error["field"] for error in problem["errors"]}
    made = api.make("rotations", **body)
    patch(api, made, expect=400, **change)
    assert api.get(f"rotations/{made['id']}") == made


def test_a_name_is_taken_once(api: Api, rival: Api) -> None:
    make(api, [])
    other = make(api, [], name="Secondary")
    body = {"name": "Primary", "unit": "day", "handoff": HANDOFF}
    api("POST", "rotations", body, expect=409)
    patch(api, other, expect=409, name="Primary")
    make(rival, [])


def test_a_rotation_that_a_policy_pages_stays(api: Api, team: Team) -> None:
    made = make(api, [])
    with scopes_disabled():
        policy = EscalationPolicy.objects.create(team=team, name="Nightly")
        step = EscalationStep.objects.create(team=team, policy=policy, position=0)
        EscalationTarget.objects.create(team=team, step=step, position=0, rotation_id=made["id"])
    refused = api("DELETE", f"rotations/{made['id']}", expect=409).json()
    assert "Nightly" in refused["detail"]
    with scopes_disabled():
        policy.delete()
    api("DELETE", f"rotations/{made['id']}", expect=204)


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


def test_an_edit_makes_the_engine_look_at_once(api: Api, people: list[str]) -> None:
    made = make(api, people)
    later = datetime(2030, 1, 1, tzinfo=UTC)
    path = f"rotations/{made['id']}/overrides"
    times = {"start": "2027-03-01T00:00:00Z", "end": "2027-03-02T00:00:00Z"}
    override = {}

    def looked_at_next() -> datetime:
        with scopes_disabled():
            at = Rotation.objects.get().check_at
            Rotation.objects.update(check_at=later)
        assert at is not None
        return at

    assert looked_at_next() < later
    for change in (
        lambda: patch(api, made, name="Other"),
        lambda: override.update(api.make(path, member=people[0], **times)),
        lambda: api("PATCH", f"{path}/{override['id']}", {"member": people[1]}, expect=200),
        lambda: api("DELETE", f"{path}/{override['id']}", expect=204),
    ):
        change()
        assert looked_at_next() < later


def test_lists_take_a_constant_number_of_queries(api: Api, team: Team, people: list[str]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            api.get("rotations")
        return len(captured)

    layer = {"unit": "day", "handoff": HANDOFF, "members": people}
    api.make("rotations", name="0", layers=[layer])
    few = queries()
    for number in range(1, 4):
        api.make("rotations", name=str(number), layers=[layer] * 3)
    assert queries() == few
