"""The form of a rotation in the console: layers, edits, and deleting."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django_scopes import scope, scopes_disabled

from incidents.models import EscalationPolicy, EscalationStep, EscalationTarget, Rotation
from tests.console.rotas import (
    NEW,
    body,
    fields_of,
    make_rotation,
    only_rotation,
    page_of,
    places,
    who_now,
)


def test_a_rotation_is_made(owner, people):
    here = places(people)
    sent = fields_of(here["owner"], here["member"]) | {
        "layer-0-from": ["09:00"],
        "layer-0-to": ["17:00"],
        "layer-0-weekdays-0": ["0", "4"],
        "name": "storage",
        "timezone": "Europe/Berlin",
    }
    page = body(owner.post(NEW, sent, follow=True))
    assert "“storage” is ready" in page
    assert "only Mon, Fri 09:00–17:00" in page
    with scopes_disabled():
        layer = only_rotation().layers.get()
        assert (layer.unit, layer.length, layer.handoff) == ("week", 1, "2026-03-02T09:00")
        assert layer.restrictions == [{"weekdays": [0, 4], "from": "09:00", "to": "17:00"}]
        slots = layer.slots.order_by("position").values_list("membership", flat=True)
        assert list(slots) == [here["owner"].pk, here["member"].pk]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Give the rotation a name"),
        ({"name": "a\x00b"}, "Null characters are not allowed"),
        ({"name": "taken"}, "A rotation of that name exists"),
        ({"name": "x" * 121}, "at most 120"),
        ({"timezone": "Mars/Olympus"}, "Choose a zone such as"),
        ({"timezone": "../../etc/passwd"}, "Choose a zone such as"),
        ({"layer-0-length": "0"}, "greater than or equal to 1"),
        ({"layer-0-length": "9" * 5000}, "invalid-feedback"),
        ({"layer-0-length": "54"}, "less than or equal to 53"),
        ({"layer-0-unit": "fortnight"}, "Choose hours, days or weeks"),
        ({"layer-0-handoff": "soon"}, "Choose a date and a time"),
        ({"layer-0-handoff": "2027-02-30T09:00"}, "Choose a date and a time"),
        ({"layer-0-handoff": "0001-01-01T00:00"}, "between 1970 and 9000"),
        ({"layer-0-member": [str(uuid4())]}, "has left the team"),
        ({"layer-0-member": ["\x00"]}, "has left the team"),
        ({"layer-0-from": ["9"], "layer-0-to": ["17:00"]}, "Tick at least one weekday"),
        (
            {"layer-0-from": ["25:00"], "layer-0-to": ["x"], "layer-0-weekdays-0": "0"},
            "Give both times",
        ),
        ({"layer": []}, "A rotation needs a layer"),
    ],
)
def test_a_refused_rotation_says_why(owner, people, change, words):
    make_rotation(people, name="taken")
    here = places(people)
    sent = fields_of(here["owner"]) | {"name": "new", "timezone": "UTC"} | change
    answer = owner.post(NEW, sent)
    assert answer.status_code == 200
    assert words in body(answer)
    assert only_rotation().name == "taken"


def test_the_buttons_of_the_form_work_without_a_script(owner, people):
    here = places(people)
    sent = fields_of(here["owner"], here["member"]) | {"name": "typed so far", "timezone": "UTC"}

    def press(do, **change):
        page = body(owner.post(NEW, sent | {"do": do} | change))
        assert 'value="typed so far"' in page
        assert "invalid-feedback" not in page
        chosen = re.findall(r'<option value="([^"]+)" selected>(?!hours|days|weeks)', page)
        return page, [value for value in chosen if len(value) == 36]

    both = [str(here["owner"].pk), str(here["member"].pk)]
    assert press("up:0:1")[1] == both[::-1]
    assert press("down:0:0")[1] == both[::-1]
    assert press("drop-slot:0:0")[1] == both[1:]
    assert len(re.findall('name="layer-0-member"', press("add-slot:0")[0])) == 3
    assert "Layer 2" in press("add-layer")[0]
    assert 'name="layer-0-from"' in press("add-hours:0")[0]
    assert "Layer" not in press("drop-layer:0")[0].replace("layer", "")
    hours = {"layer-0-from": ["01:00"], "layer-0-to": ["02:00"], "layer-0-weekdays-0": ["6"]}
    assert 'name="layer-0-from"' not in press("drop-hours:0:0", **hours)[0]
    for nonsense in ("", "up:0:0", "up:9:9", "down:0:1", "drop-slot:0:99", "fly", "up:x", "up:0"):
        assert press(nonsense)[1] == both
    with scopes_disabled():
        assert not Rotation.objects.exists()


def test_an_edit_keeps_the_present_person_and_says_so(owner, people):
    rotation = make_rotation(people, "owner", "member")
    here = {row.pk: row for row in places(people).values()}
    present = who_now(rotation)
    page = body(owner.get(page_of(rotation, "edit")))
    assert f"<bdi>{here[present].user.email}</bdi> is on call now and stays it" in page
    assert 'value="2026-03-02T09:00"' in page
    viewer = places(people)["viewer"]
    others = [row for pk, row in places(people).items() if row.pk != present]
    sent = fields_of(viewer, *others, here[present]) | {
        "name": "archive",
        "timezone": "Europe/Berlin",
    }
    page = body(owner.post(page_of(rotation, "edit"), sent, follow=True))
    assert "“archive” is saved" in page
    assert who_now(rotation) == present


def test_what_the_api_stored_comes_back_from_the_form_as_it_was(owner, people):
    hours = [{"weekdays": [5, 6], "from": "20:00", "to": "24:00"}]
    rotation = make_rotation(people, unit="hour", length=12, restrictions=hours)
    page = body(owner.get(page_of(rotation, "edit")))
    assert re.search(r'name="layer-0-to" value="00:00"', page)
    assert len(re.findall(r'name="layer-0-weekdays-0" value="[56]" checked', page)) == 2
    assert 'value="12"' in page


def test_delete_asks_by_name(owner, people):
    rotation = make_rotation(people)
    assert "Delete storage?" in body(owner.get(page_of(rotation, "delete")))
    assert "“storage” is deleted" in body(owner.post(page_of(rotation, "delete"), follow=True))
    with scopes_disabled():
        assert not Rotation.objects.exists()


def test_a_rotation_that_a_policy_pages_stays(owner, people):
    rotation = make_rotation(people)
    with scope(team=people.team):
        policy = EscalationPolicy.objects.create(team=people.team, name="first line")
        step = EscalationStep.objects.create(team=people.team, policy=policy, position=0, delay=0)
        EscalationTarget.objects.create(team=people.team, step=step, position=0, rotation=rotation)
    page = body(owner.post(page_of(rotation, "delete")))
    assert "It is paged by “first line”. Take it out there first." in page
    assert only_rotation() == rotation
