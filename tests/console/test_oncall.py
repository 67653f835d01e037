"""On-call in the console: the overview, a rotation's page, its form, overrides and swaps."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django_scopes import scope, scopes_disabled

from accounts.models import Membership, Role, User
from incidents.console.month import Row, Span, draw_month, list_weeks
from incidents.models import (
    EscalationPolicy,
    EscalationStep,
    EscalationTarget,
    Rotation,
    RotationOverride,
)
from incidents.oncall.loading import load_schedule
from incidents.oncall.overrides import create_override
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.oncall.schedule import on_call
from monitors.queries import database_now

HOME = "/t/acme/on-call/"
NEW = f"{HOME}rotations/new"
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 9)


def places(people):
    """Return the memberships by the word before the @ of their address."""
    with scopes_disabled():
        rows = Membership.objects.filter(team=people.team).select_related("user")
        return {row.user.email.partition("@")[0]: row for row in rows}


def make_rotation(people, *names, name="storage", zone="Europe/Berlin", **fields):
    here = places(people)
    members = [here[one] for one in names or ("owner", "member")]
    layer = LayerValues(
        **{"unit": "week", "length": 1, "handoff": MONDAY} | fields, members=members
    )
    return create_rotation(team=people.team, name=name, timezone=zone, layers=[layer])


def page_of(rotation, part=""):
    return f"{HOME}rotations/{rotation.pk}/{part}"


def fields_of(*members, n=0, **change):
    """Return what the form sends for one layer."""
    sent = {"unit": "week", "length": "1", "handoff": "2026-03-02T09:00"} | change
    return {f"layer-{n}-{name}": value for name, value in sent.items()} | {
        "layer": [str(n)],
        f"layer-{n}-member": [str(member.pk) for member in members],
    }


def only_rotation():
    with scopes_disabled():
        return Rotation.objects.get()


def body(answer):
    return answer.content.decode()


def who_now(rotation):
    with scopes_disabled():
        shift = on_call(load_schedule(rotation), database_now())
    return shift.member if shift else None


def wall(at, zone=BERLIN):
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"


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


# --- the form ----------------------------------------------------------------------------------


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


# --- overrides and swaps -----------------------------------------------------------------------


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
