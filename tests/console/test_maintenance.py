"""Maintenance windows in the console: planning, changing, ending, and a monitor's page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.maintenance.maintenances import create_maintenance
from incidents.models import Maintenance, MaintenanceSpan
from monitors.queries import database_now
from statuspages.services.pages import create_page, delete_page
from tests.console.personas import make_monitor

LIST = "/t/acme/maintenance/"
NEW = "/t/acme/maintenance/new"
HOUR = timedelta(hours=1)


def plan(owner, **change):
    fields = {
        "name": "deploy",
        "starts_at": "2027-03-22T02:00",
        "ends_at": "2027-03-22T04:00",
        "timezone": "Europe/Berlin",
        "repeats": "",
        "labels": "env=prod",
    }
    return owner.post(NEW, fields | change, follow=True)


def stored():
    with scopes_disabled():
        return Maintenance.objects.get()


def make_window(team, *, begins=-1, lasts=2, **fields):
    starts_at = database_now() + begins * HOUR
    fields = {"name": "deploy", "labels": {"env": "prod"}} | fields
    return create_maintenance(
        team=team, starts_at=starts_at, ends_at=starts_at + lasts * HOUR, **fields
    )


def main_of(answer):
    page = answer.content.decode()
    return page[page.index("<main") : page.index("</main")]


def test_times_are_those_of_the_zone_that_was_chosen(owner):
    page = main_of(plan(owner))
    assert "Mon 22 Mar 2027, 02:00 to 04:00 Europe/Berlin" in page
    window = stored()
    assert window.starts_at == datetime(2027, 3, 22, 1, tzinfo=UTC)
    assert window.labels == {"env": "prod"}


@pytest.mark.parametrize(
    ("change", "rrule", "said"),
    [
        ({"repeats": "daily"}, "FREQ=DAILY", "every day"),
        ({"repeats": "weekly"}, "FREQ=WEEKLY", "every Monday"),
        (
            {"repeats": "weekly", "weekdays": ["SU", "MO", "WE"]},
            "FREQ=WEEKLY;BYDAY=MO,WE,SU",
            "every Monday, Wednesday and Sunday",
        ),
        ({"repeats": "monthly"}, "FREQ=MONTHLY", "every month on day 22"),
        (
            {"repeats": "monthly-day"},
            "FREQ=MONTHLY;BYDAY=4MO",
            "every month on the fourth Monday",
        ),
        (
            {"repeats": "rule", "rrule": "rrule:freq=weekly;interval=2"},
            "FREQ=WEEKLY;INTERVAL=2",
            "<code>FREQ=WEEKLY;INTERVAL=2</code>",
        ),
    ],
)
def test_repetitions_come_in_plain_words_and_back(owner, change, rrule, said):
    page = main_of(plan(owner, **change))
    assert stored().rrule == rrule
    assert said in page
    assert page.count("lasts 2 h") == 5, "the next five occurrences"
    assert said in main_of(owner.get(LIST))
    form = owner.get(f"{LIST}{stored().pk}/edit").content.decode()
    assert f'<option value="{change["repeats"]}" selected>' in form
    for day in change.get("weekdays", []):
        assert re.search(rf'value="{day}"[^>]* checked', form)
    # Saved as it is shown, nothing changes.
    before = stored()
    owner.post(f"{LIST}{before.pk}/edit", form_values(form), follow=True)
    after = stored()
    for name in ("name", "starts_at", "ends_at", "rrule", "timezone", "labels"):
        assert getattr(after, name) == getattr(before, name), name


def form_values(page):
    values = {}
    for tag in re.findall(r"<input[^>]*>", page):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if found.get("type") == "checkbox" and " checked" not in tag:
            continue
        if "name" in found:
            values.setdefault(found["name"], []).append(found.get("value", ""))
    values["labels"] = re.search(r'name="labels"[^>]*>([^<]*)<', page)[1].strip()
    values["repeats"] = re.search(r'<option value="([^"]*)" selected', page)[1]
    return values


def test_a_start_in_the_second_of_two_equal_hours_is_kept(owner, people):
    starts_at = datetime(2027, 11, 7, 6, 30, 15, tzinfo=UTC)  # 01:30:15 in New York, once more
    window = create_maintenance(
        team=people.team,
        name="fold",
        labels={"env": "prod"},
        starts_at=starts_at,
        ends_at=starts_at + 3 * HOUR,
        timezone="America/New_York",
    )
    form = owner.get(f"{LIST}{window.pk}/edit").content.decode()
    owner.post(f"{LIST}{window.pk}/edit", form_values(form) | {"name": "renamed"})
    assert (stored().name, stored().starts_at) == ("renamed", starts_at)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "taken"}, "A window of that name exists"),
        ({"starts_at": "soon"}, "Enter a valid date"),
        ({"starts_at": "0001-01-01T00:00"}, "from 2000 to 2099"),
        ({"ends_at": "2027-03-22T02:00"}, "Must be after the start"),
        ({"ends_at": "2029-03-22T02:00"}, "at most 400 days"),
        ({"timezone": "Mars/Olympus"}, "Choose an IANA time zone"),
        ({"labels": ""}, "Choose at least one monitor or one label"),
        ({"labels": "prod"}, "as key=value"),
        ({"monitors": "nonsense"}, "not a valid"),
        ({"monitors": "01890000-0000-7000-8000-000000000000"}, "is not one of the available"),
        ({"repeats": "hourly"}, "not one of the available"),
        ({"repeats": "weekly", "weekdays": ["TU"]}, "The start is a Monday"),
        ({"repeats": "rule", "rrule": ""}, "NAME=VALUE"),
        ({"repeats": "rule", "rrule": "FREQ=HOURLY"}, "FREQ=HOURLY is not supported"),
        ({"repeats": "rule", "rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "has no day in"),
    ],
)
def test_a_refused_window_says_why(owner, people, change, words):
    make_window(people.team, name="taken")
    assert words in plan(owner, **change).content.decode()
    assert stored().name == "taken"


def test_what_is_on_comes_first_then_what_comes_then_what_is_over(owner, people):
    assert "No maintenance window yet" in main_of(owner.get(LIST))
    make_window(people.team, name="over-once", begins=-9)
    make_window(people.team, name="coming-once", begins=9)
    make_window(people.team, name="on-once")
    make_window(people.team, name="on-daily", rrule="FREQ=DAILY")
    make_window(people.team, name="over-daily", begins=-99, rrule="FREQ=DAILY;COUNT=2")
    make_monitor(people.team, labels={"env": "prod"})
    page = main_of(owner.get(LIST))
    places = [
        page.index(text)
        for text in ("<h2>On now", "on-once", "<h2>Coming up", "coming-once", "<h2>Over")
    ]
    assert places == sorted(places)
    assert page.index("on-daily") < places[2]
    assert min(page.index("over-once"), page.index("over-daily")) > places[4]
    assert page.count("1 monitor<") == 5
    assert page.count("End now") == 1, "a window that repeats is edited or deleted"


def test_end_now_ends_a_window_that_is_once(owner, people):
    window = make_window(people.team)
    page = owner.post(f"{LIST}{window.pk}/end", follow=True)
    assert "is over" in page.content.decode()
    with scopes_disabled():
        assert MaintenanceSpan.objects.get().ends_at <= database_now()
    again = owner.post(f"{LIST}{window.pk}/end", follow=True)
    assert "Only a window that is on" in again.content.decode()


def test_a_window_that_repeats_is_not_ended_by_the_button(owner, people):
    window = make_window(people.team, rrule="FREQ=DAILY")
    assert "Only a window" in owner.post(f"{LIST}{window.pk}/end", follow=True).content.decode()
    assert stored().ends_at == window.ends_at


def test_deleting_asks_once_more(owner, people):
    window = make_window(people.team)
    assert "Delete deploy?" in owner.get(f"{LIST}{window.pk}/delete").content.decode()
    owner.post(f"{LIST}{window.pk}/delete")
    with scopes_disabled():
        assert not Maintenance.objects.exists()


def test_monitors_are_ticked_in_a_list(owner, people, monitor):
    other = make_monitor(people.team, name="web")
    plan(owner, labels="", monitors=[str(monitor.pk)])
    page = main_of(owner.get(f"{LIST}{stored().pk}/"))
    assert "Covers 1 monitor" in page
    assert "nightly-backup" in page
    form = owner.get(f"{LIST}{stored().pk}/edit").content.decode()
    assert re.search(rf'value="{monitor.pk}"[^>]* checked', form)
    assert not re.search(rf'value="{other.pk}"[^>]* checked', form)
    # A refused form keeps the ticks.
    refused = plan(owner, name="", monitors=[str(other.pk)]).content.decode()
    assert re.search(rf'value="{other.pk}"[^>]* checked', refused)


def test_a_monitors_page_says_that_it_is_in_maintenance(owner, people, monitor):
    address = f"/t/acme/monitors/{monitor.pk}/"
    assert "In maintenance" not in owner.get(address).content.decode()
    window = make_window(people.team, monitors=[monitor])
    page = owner.get(address).content.decode()
    assert "In maintenance" in page
    assert f"{LIST}{window.pk}/" in page
    assert "No incident opens until" in page


def make_page(team, name="Acme status"):
    return create_page(team=team, name=name, slug="status-of-" + team.slug)


def test_a_window_is_announced_on_a_page_that_is_chosen(owner, people):
    assert "Announce on status page" not in owner.get(NEW).content.decode(), "there is none"
    page = make_page(people.team)
    assert "Announce on status page" in owner.get(NEW).content.decode()
    address = f"/t/acme/status-pages/{page.pk}/"
    shown = main_of(plan(owner, status_page=str(page.pk)))
    assert f'<a href="{address}">Acme status</a>' in shown
    assert stored().status_page_id == page.pk
    form = owner.get(f"{LIST}{stored().pk}/edit").content.decode()
    assert f'<option value="{page.pk}" selected>Acme status</option>' in form
    owner.post(f"{LIST}{stored().pk}/edit", form_values(form) | {"repeats": "", "status_page": ""})
    assert stored().status_page_id is None
    assert address not in main_of(owner.get(f"{LIST}{stored().pk}/"))


def test_what_was_announced_on_a_deleted_page_is_announced_nowhere(owner, people):
    page = make_page(people.team)
    plan(owner, status_page=str(page.pk))
    delete_page(page=page)
    assert stored().status_page_id is None
    assert "Announced" not in main_of(owner.get(f"{LIST}{stored().pk}/"))


def test_another_teams_page_cannot_be_chosen(owner, browse, people):
    theirs = make_page(people.team)
    stranger = browse(people.stranger)
    make_page(Team.objects.get(slug="elsewhere"), name="Ours")
    answer = stranger.post(
        "/t/elsewhere/maintenance/new",
        {
            "name": "theirs",
            "starts_at": "2027-03-22T02:00",
            "ends_at": "2027-03-22T04:00",
            "timezone": "UTC",
            "labels": "env=prod",
            "status_page": str(theirs.pk),
        },
    )
    page = answer.content.decode()
    assert "is not one of the available choices" in page
    assert ">Ours</option>" in page
    assert "Acme status" not in page
    with scopes_disabled():
        assert not Maintenance.objects.exists()


def test_names_are_inert(owner, people):
    name = "<script>alert(1)</script>\u202ex"
    window = make_window(people.team, name=name)
    for address in (LIST, f"{LIST}{window.pk}/", f"{LIST}{window.pk}/delete"):
        page = owner.get(address).content.decode()
        assert "<script>alert" not in page
        assert "\u202e" not in page


def test_another_teams_monitor_cannot_be_ticked(owner, browse, people, monitor):
    stranger = browse(people.stranger)
    answer = stranger.post(
        "/t/elsewhere/maintenance/new",
        {
            "name": "theirs",
            "starts_at": "2027-03-22T02:00",
            "ends_at": "2027-03-22T04:00",
            "timezone": "UTC",
            "monitors": [str(monitor.pk)],
        },
    )
    assert "is not one of the available" in answer.content.decode()
    assert "nightly-backup" not in answer.content.decode()
