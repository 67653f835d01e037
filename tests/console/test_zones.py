"""Times stand in the reader's zone, with UTC on hover; outside the console they stay UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts.durations import say_ago, say_both, say_time
from accounts.zones import find_zone, read_in, reader_zone, zone_names
from tests.console.personas import push

AT = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
ZONES = st.sampled_from(sorted(zone_names()))
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
)
SAID = re.compile(r"(\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d) (?:([A-Za-z]+)|UTC([+-])(\d\d):(\d\d))")


def render(source: str, zone: str) -> str:
    with read_in(lambda: zone):
        return Template("{% load wording %}" + source).render(Context({"at": AT, "now": AT}))


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("UTC", "22 Nov 2026 14:02:11 UTC"),
        ("Etc/UTC", "22 Nov 2026 14:02:11 UTC"),
        ("Europe/Berlin", "22 Nov 2026 15:02:11 CET"),
        ("America/New_York", "22 Nov 2026 09:02:11 EST"),
        ("Asia/Dubai", "22 Nov 2026 18:02:11 UTC+04:00"),
        ("Asia/Kathmandu", "22 Nov 2026 19:47:11 UTC+05:45"),
        ("America/Sao_Paulo", "22 Nov 2026 11:02:11 UTC-03:00"),
        ("Pacific/Kiritimati", "23 Nov 2026 04:02:11 UTC+14:00"),
    ],
)
def test_letters_where_the_zone_has_them_else_the_offset(zone, said):
    assert say_time(AT, find_zone(zone)) == said
    assert render("{{ at|exact }}", zone) == said


def test_the_two_same_hours_of_autumn_are_told_apart():
    berlin = find_zone("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert say_time(first, berlin) == "25 Oct 2026 02:30:00 CEST"
    assert say_time(first + timedelta(hours=1), berlin) == "25 Oct 2026 02:30:00 CET"


def test_no_time_lies_within_the_hour_that_spring_leaves_out():
    berlin = find_zone("Europe/Berlin")
    last = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    assert say_time(last, berlin) == "29 Mar 2026 01:59:59 CET"
    assert say_time(last + timedelta(seconds=1), berlin) == "29 Mar 2026 03:00:00 CEST"


@given(ZONES, INSTANTS)
def test_in_every_zone_the_wall_clock_is_right(name, at):
    zone = find_zone(name)
    found = SAID.fullmatch(say_time(at, zone))
    assert found
    wall = datetime.strptime(found[1], "%d %b %Y %H:%M:%S")
    local = at.astimezone(zone)
    assert wall == local.replace(tzinfo=None, microsecond=0)
    if found[2] is None:  # the offset alone leads back to the instant
        offset = timedelta(hours=int(found[4]), minutes=int(found[5]))
        away = offset if found[3] == "+" else -offset
        assert abs(wall.replace(tzinfo=UTC) - away - at) < timedelta(seconds=31)


@given(ZONES, INSTANTS)
def test_the_second_line_leads_back_to_the_instant(name, at):
    last = say_both(at, find_zone(name)).split("\n")[-1]
    read = datetime.strptime(last, "%d %b %Y %H:%M:%S UTC").replace(tzinfo=UTC)
    assert read == at.replace(microsecond=0)


@given(ZONES, INSTANTS, st.integers(min_value=-7, max_value=7))
def test_a_far_date_is_the_readers_own(name, at, days):
    zone = find_zone(name)
    local = at.astimezone(zone)
    now = at + timedelta(days=60 + days)
    assert say_ago(at, now, zone) == f"{local.day} {local:%b %Y}"


@pytest.mark.parametrize("kind", ["ago", "countdown", "lasting"])
def test_the_hover_says_both(kind):
    said = render(f"{{% {kind} at %}}", "Europe/Berlin")
    assert 'title="22 Nov 2026 15:02:11 CET\n22 Nov 2026 14:02:11 UTC"' in said
    assert 'datetime="2026-11-22T14:02:11.000Z"' in said
    assert 'tabindex="0"' in said


def test_a_moment_can_be_read_hovered_and_reached_by_key():
    assert render("{{ at|moment }}", "Europe/Berlin") == (
        '<time datetime="2026-11-22T14:02:11.000Z" '
        'title="22 Nov 2026 15:02:11 CET\n22 Nov 2026 14:02:11 UTC" tabindex="0">'
        "22 Nov 2026 15:02:11 CET</time>"
    )
    assert 'title="22 Nov 2026 14:02:11 UTC"' in render("{{ at|moment }}", "UTC")


def test_a_zone_that_nobody_knows_any_more_is_utc():
    assert find_zone("Mars/Olympus_Mons") is UTC
    assert find_zone("../../etc/passwd") is UTC
    assert find_zone("") is UTC


def test_nothing_outside_a_page_has_a_zone():
    assert reader_zone() is UTC
    with read_in(lambda: "Europe/Berlin"):
        assert reader_zone() == ZoneInfo("Europe/Berlin")
        with read_in(lambda: "UTC"):
            assert reader_zone() is UTC
        assert reader_zone() == ZoneInfo("Europe/Berlin")
    assert reader_zone() is UTC


def test_each_member_reads_their_own_zone(people, monitor, browse):
    push(monitor)
    people.owner.timezone = "Asia/Kathmandu"
    people.owner.save()
    address = f"/t/acme/monitors/{monitor.pk}/"
    page = browse(people.owner).get(address).content.decode()
    titles = re.findall(r'<time [^>]*title="([^"]*)"', page)
    assert titles
    assert all(re.search(r" UTC\+05:45\n.* UTC$", title) for title in titles)
    page = browse(people.member).get(address).content.decode()
    titles = re.findall(r'<time [^>]*title="([^"]*)"', page)
    assert titles
    assert all(re.fullmatch(r"[^\n]* UTC", title) for title in titles)
    assert "+05:45" not in page


def test_nobody_is_looked_up_for_pages_of_visitors(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/accounts/login/").status_code == 200
