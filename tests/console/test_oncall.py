"""On-call in the console: the overview, a rotation's page, and who may."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, User
from incidents.console.month import Row, Span, draw_month, list_weeks
from incidents.models import Rotation, RotationOverride
from incidents.oncall.overrides import create_override
from incidents.oncall.rotations import LayerValues, create_rotation
from monitors.queries import database_now
from tests.console.rotas import (
    BERLIN,
    HOME,
    MONDAY,
    NEW,
    body,
    fields_of,
    make_rotation,
    only_rotation,
    page_of,
    places,
    wall,
)

# --- the overview ------------------------------------------------------------------------------


def test_the_first_visit_teaches(owner, browse, people):
    page = body(owner.get(HOME))
    assert "Make your first rotation" in page
    assert NEW in page
    assert NEW not in body(browse(people.viewer).get(HOME))


def test_the_overview_says_who_is_on_call_and_who_comes_next(owner, people):
    make_rotation(people, "owner", "member")
    make_rotation(people, name="night")
    answer = owner.get(HOME)
    table = re.search(r"<table class=\"table cards\">.*?</table>", body(answer), re.DOTALL)[0]
    assert {"owner@acme.example", "member@acme.example"} == set(
        re.findall(r"<bdi>(.*?)</bdi>", table)
    )
    assert "All rotations" in body(answer)
    with scopes_disabled():
        night = Rotation.objects.get(name="night")
    page = body(owner.get(HOME, {"rotation": night.pk, "month": "2027-03"}))
    assert "March 2027" in page
    assert "Europe/Berlin" in page
    assert 'class="lane-name"' not in page, "one rotation needs no name at each bar"
    assert f"month=2027-02&amp;rotation={night.pk}" in page or (
        f"rotation={night.pk}&amp;month=2027-02" in page
    )


@pytest.mark.parametrize(
    "query",
    ["month=2027-13", "month=0000-01", "month=9999-12", "month=%00", "rotation=nonsense", "month="],
)
def test_nonsense_in_the_address_shows_this_month(owner, people, query):
    make_rotation(people)
    answer = owner.get(f"{HOME}?{query}")
    assert answer.status_code == 200
    assert "day-today" in body(answer)
    assert owner.get(f"{page_of(only_rotation())}?{query}&day=x").status_code == 200


def test_somebody_whom_no_page_reaches_is_named(owner, people):
    with scopes_disabled():
        late = User.objects.create_user("late@acme.example", "correct-horse-71")
        place = Membership.objects.create(
            team=people.team, user=late, role=Role.MEMBER, accepted_at=None
        )
        mute = User.objects.create_user("mute@acme.example", "correct-horse-71")
        Membership.objects.create(team=people.team, user=mute, role=Role.MEMBER)
    rotation = make_rotation(people, "mute", "late", "owner")
    page = body(owner.get(page_of(rotation)))
    assert "late@acme.example has not accepted their place" in page
    assert "mute@acme.example cannot be reached" in page
    assert "owner@acme.example cannot" not in page
    form = page[page.index('id="override"') :]
    assert str(place.pk) not in form, "nobody is asked to stand in who hears nothing"


def test_an_empty_rotation_says_so(owner, people):
    layer = LayerValues(unit="week", length=1, handoff=MONDAY)
    rotation = create_rotation(team=people.team, name="empty", timezone="UTC", layers=[layer])
    assert "Nobody takes turns" in body(owner.get(page_of(rotation)))
    assert "nobody" in body(owner.get(HOME))


# --- the month ---------------------------------------------------------------------------------


def days_of(page):
    """Return for each day of the month view what is written and said in its cell."""
    cells = re.findall(r'<td class="(day[^"]*)" data-day="([-\d]+)">(.*?)</td>', page, re.DOTALL)
    return {
        day: (kind, " ".join(re.sub(r"<[^>]+>", " ", text).split())) for kind, day, text in cells
    }


def test_a_day_of_23_or_25_hours_is_marked_and_its_hand_off_is_in_place(owner, people):
    make_rotation(people, unit="day")
    rotation = only_rotation()
    days = days_of(body(owner.get(page_of(rotation), {"month": "2027-03"})))
    assert len(days) == 35
    assert "23 h" in days["2027-03-28"][1]
    assert "23 h" not in days["2027-03-27"][1]
    assert "until 09:00" in days["2027-03-28"][1]
    assert "day-other" in days["2027-04-01"][0]
    assert (
        "25 h" in days_of(body(owner.get(page_of(rotation), {"month": "2027-10"})))["2027-10-31"][1]
    )
    page = body(owner.get(page_of(rotation), {"month": "2027-03"}))
    bars = [
        (float(x), float(width))
        for x, width in re.findall(
            r'<svg class="bar bar-\d[^"]*" x="([\d.]+)%" width="([\d.]+)%"', page
        )
    ]
    # 09:00 is the eighth hour of the short Sunday, the last day of its week.
    assert (
        pytest.approx(100 * (6 + 8 / 23) / 7, abs=0.01),
        pytest.approx(100 * 15 / 23 / 7, abs=0.01),
    ) in bars
    assert all(0 <= x <= 100 and x + width <= 100.2 for x, width in bars)


def test_gaps_and_overrides_are_told_by_text_and_shape(owner, people):
    hours = [{"weekdays": [0, 1, 2, 3, 4], "from": "09:00", "to": "17:00"}]
    rotation = make_rotation(people, restrictions=hours)
    create_override(
        rotation=rotation,
        start=datetime(2027, 3, 9, 18, tzinfo=BERLIN),
        end=datetime(2027, 3, 9, 20, tzinfo=BERLIN),
        membership=places(people)["viewer"],
        actor="owner@acme.example",
    )
    page = body(owner.get(page_of(rotation), {"month": "2027-03"}))
    said = days_of(page)["2027-03-09"][1]
    assert re.search(
        r"Nobody until 09:00, then \S+ until 17:00, then Nobody until 18:00, "
        r"then viewer@acme.example \(override\) until 20:00, then Nobody",
        said,
    )
    assert "bar-override" in page
    assert "viewer@acme.example (override), Tue 9 Mar 18:00 to Tue 9 Mar 20:00" in page
    assert "bar-nobody" in page
    assert "only Mon–Fri 09:00–17:00" in page


def test_layers_are_said_in_words(owner, people):
    rotation = make_rotation(people, "owner", "member", "viewer")
    page = re.sub(r"</?bdi>", "", body(owner.get(page_of(rotation))))
    assert (
        "Weekly, hands off Mondays 09:00 Europe/Berlin: "
        "owner@acme.example, member@acme.example, viewer@acme.example" in page
    )


def test_the_calendar_feed_is_shown_renewed_and_revoked(owner, people):
    rotation = make_rotation(people)
    page = body(owner.get(page_of(rotation)))
    address = re.search(r'<code id="feed">([^<]+)</code>', page)[1]
    path = "/" + address.partition("://")[2].partition("/")[2]
    assert Client().get(path).status_code == 200
    page = body(owner.post(page_of(rotation, "calendar"), {"do": "renew"}, follow=True))
    renewed = re.search(r'<code id="feed">([^<]+)</code>', page)[1]
    assert renewed != address
    assert Client().get(path).status_code == 404
    page = body(owner.post(page_of(rotation, "calendar"), {"do": "revoke"}, follow=True))
    assert "Off: its address was revoked" in page
    assert Client().get("/" + renewed.partition("://")[2].partition("/")[2]).status_code == 404


# --- who may -----------------------------------------------------------------------------------


def test_viewers_look_and_see_no_button(browse, people):
    rotation = make_rotation(people)
    viewer = browse(people.viewer)
    for address in (HOME, page_of(rotation)):
        page = body(viewer.get(address))
        main = page[page.index("<main") :]
        assert 'method="post"' not in main
        assert "/edit" not in main
        assert "day-link" not in main
        assert NEW not in main
    assert viewer.post(page_of(rotation, "overrides")).status_code == 403


def test_another_teams_rotation_is_nowhere(browse, people):
    rotation = make_rotation(people)
    stranger = browse(people.stranger)
    theirs = f"/t/elsewhere/on-call/rotations/{rotation.pk}/"
    assert stranger.get(theirs).status_code == 404
    for part in ("overrides", "swap", "calendar", "edit", "delete"):
        assert stranger.post(theirs + part).status_code == 404
        assert stranger.post(page_of(rotation, part)).status_code == 404
    row = create_override(
        rotation=rotation,
        start=database_now(),
        end=database_now() + timedelta(days=1),
        membership=places(people)["owner"],
        actor="x",
    )
    for team in ("acme", "elsewhere"):
        assert stranger.post(f"/t/{team}/on-call/overrides/{row.pk}/delete").status_code == 404
    assert browse(people.viewer).post(f"{HOME}overrides/{row.pk}/delete").status_code == 403
    with scopes_disabled():
        assert RotationOverride.objects.exists()
    assert "storage" not in body(stranger.get("/t/elsewhere/on-call/"))
    assert "storage" not in body(stranger.get(f"/t/elsewhere/on-call/?rotation={rotation.pk}"))


def test_another_teams_member_takes_no_turn_and_no_override(owner, people):
    with scopes_disabled():
        foreign = Membership.objects.get(user=people.stranger)
    sent = fields_of(foreign) | {"name": "x", "timezone": "UTC"}
    assert "has left the team" in body(owner.post(NEW, sent))
    rotation = make_rotation(people)
    start = database_now() + timedelta(days=1)
    sent = {"member": foreign.pk, "start": wall(start), "end": wall(start + timedelta(days=1))}
    assert "Select a valid choice" in body(owner.post(page_of(rotation, "overrides"), sent))
    with scopes_disabled():
        assert not RotationOverride.objects.exists()


def test_names_of_people_and_rotations_are_inert(owner, people):
    people.member.name = "<script>alert(1)</script>\u202e x"
    people.member.save()
    rotation = make_rotation(people, "member", name="<b>\u202erot")
    for address in (
        HOME,
        page_of(rotation),
        page_of(rotation, "edit"),
        page_of(rotation, "delete"),
    ):
        page = body(owner.get(address))
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "\u202e" not in re.sub(r"<input[^>]*>", "", page)


def test_a_month_in_a_zone_without_a_midnight_and_one_without_a_day(owner, people):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    cairo = ZoneInfo("Africa/Cairo")
    weeks = list_weeks(date(2027, 4, 1), zone=cairo, now=now)
    days = [day for week in weeks for day in week.days]
    assert all(one.end == two.start for one, two in pairwise(days))
    assert {day.hours for day in days} == {"", "23 h"}
    apia = ZoneInfo("Pacific/Apia")
    weeks = list_weeks(date(2011, 12, 1), zone=apia, now=now)
    days = [day for week in weeks for day in week.days]
    gone = next(day for day in days if day.date == date(2011, 12, 30))
    assert gone.start == gone.end, "this day never was"
    span = Span(days[0].start, days[-1].end, "ana", "Ana", 1)
    drawn = draw_month(weeks, [Row("", [span])], zone=apia)
    assert all(
        [(bar.x, bar.width) for bar in w.lanes[0].bars] == [("0.000", "100.000")] for w in drawn
    )
