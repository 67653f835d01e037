"""Overrides and swaps in the console."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django_scopes import scopes_disabled

from incidents.models import RotationOverride
from incidents.oncall.overrides import create_override
from monitors.queries import database_now
from tests.console.rotas import BERLIN, HOME, body, make_rotation, page_of, places


def test_an_override_takes_over_at_the_zones_wall_clock(owner, people):
    rotation = make_rotation(people, zone="America/New_York")
    viewer = places(people)["viewer"]
    sent = {"member": viewer.pk, "start": "2027-03-14T02:30", "end": "2027-11-07T01:30"}
    page = body(owner.post(page_of(rotation, "overrides"), sent, follow=True))
    assert "viewer@acme.example takes over from Sun 14 Mar 03:30 to Sun 7 Nov 01:30" in page
    with scopes_disabled():
        row = RotationOverride.objects.get()
    assert row.start == datetime(2027, 3, 14, 7, 30, tzinfo=UTC), "in the gap: moved forward"
    assert row.end == datetime(2027, 11, 7, 5, 30, tzinfo=UTC), "in the fold: the first"
    assert row.created_by == "owner@acme.example"
    page = body(owner.post(f"{HOME}overrides/{row.pk}/delete", follow=True))
    assert "The override is deleted" in page
    with scopes_disabled():
        assert not RotationOverride.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"member": ""}, "Choose who stands in"),
        ({"member": str(uuid4())}, "Select a valid choice"),
        ({"start": ""}, "Choose a date and a time"),
        ({"start": "\x00"}, "Null characters are not allowed"),
        ({"start": "9999-12-31T23:59"}, "Choose a date between"),
        ({"end": "2027-03-10T09:00"}, "Choose a time after"),
        ({"start": "2020-03-10T09:00", "end": "2020-03-11T09:00"}, "That time is over"),
        (
            {"start": "2027-03-20T09:00", "end": "2027-03-22T09:00"},
            "member@acme.example has an override from Sun 21 Mar 09:00 to Tue 23 Mar 09:00",
        ),
    ],
)
def test_a_refused_override_says_why(owner, people, change, words):
    rotation = make_rotation(people)
    here = places(people)
    create_override(
        rotation=rotation,
        start=datetime(2027, 3, 21, 9, tzinfo=BERLIN),
        end=datetime(2027, 3, 23, 9, tzinfo=BERLIN),
        membership=here["member"],
        actor="x",
    )
    sent = {"member": here["viewer"].pk, "start": "2027-03-10T09:00", "end": "2027-03-11T09:00"}
    answer = owner.post(page_of(rotation, "overrides"), sent | change)
    assert answer.status_code == 200
    assert words in body(answer)
    assert f'data-address="{page_of(rotation)}"' in body(answer)
    with scopes_disabled():
        assert RotationOverride.objects.count() == 1


def stand_in(rotation, member, start, end):
    return create_override(rotation=rotation, start=start, end=end, membership=member, actor="x")


def test_an_override_is_changed(owner, people):
    rotation = make_rotation(people, zone="America/New_York")
    here = places(people)
    # The second 01:30 of that night, and some seconds: neither can be read off a wall clock.
    start = datetime(2027, 11, 7, 6, 30, 15, tzinfo=UTC)
    row = stand_in(rotation, here["member"], start, datetime(2027, 11, 8, tzinfo=UTC))
    address = f"{HOME}overrides/{row.pk}/edit"
    assert address in body(owner.get(page_of(rotation)))
    form = body(owner.get(address))
    assert 'value="2027-11-07T01:30"' in form
    assert re.search(rf'value="{here["member"].pk}" selected', form)
    sent = {"member": here["viewer"].pk, "start": "2027-11-07T01:30", "end": "2027-11-08T09:00"}
    page = body(owner.post(address, sent, follow=True))
    assert "viewer@acme.example stands in from Sun 7 Nov 01:30 to Mon 8 Nov 09:00" in page
    with scopes_disabled():
        changed = RotationOverride.objects.get()
    assert (changed.start, changed.end) == (start, datetime(2027, 11, 8, 14, tzinfo=UTC))
    assert (changed.membership_id, changed.created_by) == (here["viewer"].pk, "x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"member": ""}, "Choose who stands in"),
        ({"end": "2027-03-10T09:00"}, "Choose a time after"),
        ({"start": "2020-03-10T09:00", "end": "2020-03-11T09:00"}, "That time is over"),
        ({"end": "2027-03-22T09:00"}, "member@acme.example has an override from Sun 21 Mar"),
    ],
)
def test_a_refused_change_says_why_and_changes_nothing(owner, people, change, words):
    rotation = make_rotation(people)
    here = places(people)
    days = [datetime(2027, 3, day, 9, tzinfo=BERLIN) for day in (10, 11, 21, 23)]
    row = stand_in(rotation, here["viewer"], *days[:2])
    stand_in(rotation, here["member"], *days[2:])
    sent = {"member": here["viewer"].pk, "start": "2027-03-10T09:00", "end": "2027-03-11T09:00"}
    answer = owner.post(f"{HOME}overrides/{row.pk}/edit", sent | change)
    assert answer.status_code == 200
    assert words in body(answer)
    with scopes_disabled():
        kept = RotationOverride.objects.get(pk=row.pk)
    assert (kept.start, kept.end) == (row.start, row.end)


def test_a_day_of_the_month_fills_in_the_form_without_a_script(owner, people):
    rotation = make_rotation(people)
    page = body(owner.get(page_of(rotation), {"month": "2027-03"}))
    link = re.search(r'href="([^"]*day=2027-03-14#override)"', page)[1].replace("&amp;", "&")
    page = body(owner.get(link.partition("#")[0]))
    assert 'value="2027-03-14T00:00"' in page
    assert 'value="2027-03-15T00:00"' in page
    today = database_now().astimezone(BERLIN)
    page = body(owner.get(page_of(rotation), {"day": today.date().isoformat()}))
    assert re.search(rf'name="start" value="{today:%Y-%m-%d}T(?!00:00)|T00:0', page), "begins now"


def test_two_shifts_are_swapped(owner, people):
    rotation = make_rotation(people, "owner", "member")
    page = body(owner.get(page_of(rotation)))
    select = re.search(r'<select name="first".*?</select>', page, re.DOTALL)[0]
    starts = [value for value in re.findall(r'<option value="([^"]*)"', select) if value]
    assert len(starts) >= 7, "weeks of the coming 60 days"
    sent = {"first": starts[0], "second": starts[1]}
    page = body(owner.post(page_of(rotation, "swap"), sent, follow=True))
    assert "The two shifts are swapped" in page
    with scopes_disabled():
        one, two = RotationOverride.objects.order_by("start")
    assert one.membership_id != two.membership_id
    assert one.end == two.start
    for bad in (
        {"first": starts[0], "second": starts[1]},  # somebody stands in already
        {"first": starts[2], "second": starts[4]},  # the same person
        {"first": starts[2], "second": starts[2]},
        {"first": "\x00", "second": ""},
    ):
        answer = owner.post(page_of(rotation, "swap"), bad)
        assert "invalid-feedback" in body(answer)
    with scopes_disabled():
        assert RotationOverride.objects.count() == 2
