"""Planned maintenance of a status page in the console: announcing, silencing, ending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django_scopes import scopes_disabled

from incidents.models import Maintenance
from monitors.queries import database_now
from statuspages.engine.planned import run_plans
from statuspages.models import Post
from statuspages.services.posts import add_update, create_maintenance_post
from statuspages.services.templates import create_template
from tests.console.personas import make_monitor
from tests.console.status_pages import (
    at_post,
    base_of,
    bodies_of,
    main_of,
    make_component,
    make_page,
    only_post,
    said_of,
    text_of,
    told_of,
)

HOUR = timedelta(hours=1)
PLAN = {
    "title": "Database upgrade",
    "body": "Sign-in will not work.",
    "scheduled_for": "2027-07-01T02:00",
    "scheduled_until": "2027-07-01T04:00",
}


@pytest.fixture
def page(people):
    return make_page(people.team)


@pytest.fixture
def api(page, people):
    return make_component(page, "API", make_monitor(people.team))


def plan(client, page, do="publish", **fields):
    return client.post(f"{base_of(page)}maintenance/new", {**PLAN, "do": do, **fields}, follow=True)


def planned(page, *, begins=1.0, lasts=1.0, **fields):
    start = database_now() + begins * HOUR
    return create_maintenance_post(
        **{
            "page": page,
            "title": "Works",
            "scheduled_for": start,
            "scheduled_until": start + lasts * HOUR,
            "actor": "owner@acme.example",
            **fields,
        }
    )


def windows():
    with scopes_disabled():
        return list(Maintenance.objects.all())


def test_an_empty_list_teaches(owner, page):
    assert "No maintenance planned" in text_of(owner.get(f"{base_of(page)}maintenance/"))


def test_times_are_those_of_the_page_s_zone(owner, page, api):
    shown = text_of(plan(owner, page, notify="on", **{f"component-{api.pk}": "on"}))
    assert "“Database upgrade” is announced." in shown
    assert "Thu 1 Jul 2027, 02:00 to 04:00 Europe/Berlin" in shown
    assert "begins and ends by itself" in shown
    post = only_post()
    assert post.is_maintenance
    assert post.scheduled_for == datetime(2027, 7, 1, 0, tzinfo=UTC)
    assert post.scheduled_until == datetime(2027, 7, 1, 2, tzinfo=UTC)
    assert said_of(post) == {"API": ""}
    assert told_of(post) == 1
    assert windows() == []


def test_its_monitors_are_silenced_if_that_is_asked_for(owner, page, api):
    shown = plan(owner, page, silence="on", **{f"component-{api.pk}": "on"})
    [window] = windows()
    assert (window.starts_at, window.ends_at) == (
        only_post().scheduled_for,
        only_post().scheduled_until,
    )
    assert f"/t/acme/maintenance/{window.pk}/" in main_of(shown)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": ""}, "This field is required."),
        ({"scheduled_for": ""}, "This field is required."),
        ({"scheduled_until": "2027-07-01T02:00"}, "Must be later than when it begins."),
        ({"scheduled_until": "2029-07-01T02:00"}, "Must be at most 400 days later."),
        (
            {"scheduled_for": "2020-07-01T02:00", "scheduled_until": "2020-07-01T04:00"},
            "Must lie in the future.",
        ),
        ({"silence": "on"}, "None of the components has a monitor to silence."),
    ],
)
def test_what_cannot_be_is_said_at_its_field(owner, page, change, said):
    shown = plan(owner, page, **change)
    assert said in text_of(shown)
    assert "is-invalid" in main_of(shown)
    with scopes_disabled():
        assert not Post.objects.exists()


def test_a_preview_and_a_template(owner, page):
    assert "<em>so</em>" in main_of(plan(owner, page, do="preview", body="*so*"))
    kept = create_template(page=page, name="w", title="Works", status="scheduled", body="Soon.")
    shown = main_of(owner.get(f"{base_of(page)}maintenance/new?template={kept.pk}"))
    assert 'value="Works"' in shown
    assert "Soon." in shown


def test_a_draft_does_not_begin_and_says_so(owner, page):
    plan(owner, page, do="draft")
    shown = text_of(owner.get(at_post(page, only_post())))
    assert "It does not begin by itself before it is published." in shown
    assert "Draft" in text_of(owner.get(f"{base_of(page)}maintenance/"))


def test_what_is_on_comes_before_what_comes_and_what_is_over(owner, page):
    planned(page, title="Later")
    planned(page, title="Now", begins=-0.5)
    run_plans()
    add_update(post=planned(page, title="Past", begins=-2, lasts=3), status="completed")
    shown = text_of(owner.get(f"{base_of(page)}maintenance/"))
    places = [shown.index(word) for word in ("On now", "Now", "Coming up", "Later", "Over", "Past")]
    assert places == sorted(places)


def test_a_change_moves_the_window_that_it_made(owner, page, api):
    post = planned(page, components={api: ""}, silence=True)
    fields = {
        "title": "Works",
        "impact": "maintenance",
        "scheduled_for": "2027-07-01T02:00",
        "scheduled_until": "2027-07-01T03:00",
        f"component-{api.pk}": "on",
    }
    shown = owner.post(at_post(page, post, "edit"), fields, follow=True)
    assert "“Works” is saved." in text_of(shown)
    assert (
        windows()[0].ends_at == only_post().scheduled_until == datetime(2027, 7, 1, 1, tzinfo=UTC)
    )
    wrong = owner.post(
        at_post(page, post, "edit"), fields | {"scheduled_until": "2027-07-01T01:00"}
    )
    assert "Must be later than when it begins." in text_of(wrong)


def test_a_window_needs_a_monitor_when_components_change(owner, page, api):
    post = planned(page, components={api: ""}, silence=True)
    shown = owner.post(
        at_post(page, post, "edit"),
        {
            "title": "Works",
            "impact": "maintenance",
            "scheduled_for": "2027-07-01T02:00",
            "scheduled_until": "2027-07-01T03:00",
        },
    )
    assert "delete the maintenance window instead" in text_of(shown)
    assert said_of(post) == {"API": ""}


def test_it_ends_later(owner, page, api):
    post = planned(page, components={api: ""}, silence=True)
    shown = owner.post(at_post(page, post, "extend"), {"minutes": "60"}, follow=True)
    assert "ends 60 min later" in text_of(shown)
    assert only_post().scheduled_until == post.scheduled_until + HOUR
    assert windows()[0].ends_at == post.scheduled_until + HOUR
    for odd in ("", "7", "-60"):
        shown = owner.post(at_post(page, post, "extend"), {"minutes": odd}, follow=True)
        assert "Only maintenance that is not over can end later." in text_of(shown)
    assert only_post().scheduled_until == post.scheduled_until + HOUR


def test_it_is_cancelled_with_words_of_one_s_own(owner, page, api):
    post = planned(page, components={api: ""}, silence=True)
    asked = text_of(owner.get(at_post(page, post, "cancel")))
    assert "The maintenance window that it made ends" in asked
    shown = owner.post(at_post(page, post, "cancel"), {"body": "Not today."}, follow=True)
    assert "“Works” is cancelled." in text_of(shown)
    assert bodies_of(post)[-1] == "Not today."
    assert only_post().status == "completed"
    assert told_of(post) == 1  # of the plan alone
    assert windows() == []
    again = owner.post(at_post(page, post, "cancel"), {"body": ""}, follow=True)
    assert "Only maintenance that is not over can be cancelled." in text_of(again)


def test_subscribers_are_told_of_the_end_if_asked(owner, page):
    post = planned(page)
    owner.post(at_post(page, post, "cancel"), {"notify": "1"})
    assert told_of(post) == 2
    assert bodies_of(post)[-1] == "This maintenance was cancelled."


def test_words_too_long_to_cancel_with_are_refused(owner, page):
    post = planned(page)
    shown = owner.post(at_post(page, post, "cancel"), {"body": "x" * 20_001}, follow=True)
    assert "Must be at most 20000 characters." in text_of(shown)
    assert only_post().resolved_at is None


def test_an_update_cannot_say_how_components_are_before_it_begins(owner, page, api):
    post = planned(page, components={api: ""})
    shown = owner.post(
        at_post(page, post, "updates/new"),
        {"status": "scheduled", "body": "x", f"component-{api.pk}": "major_outage"},
    )
    assert "Planned maintenance says nothing of its components" in text_of(shown)
    owner.post(
        at_post(page, post, "updates/new"),
        {"status": "in_progress", "body": "x", f"component-{api.pk}": "under_maintenance"},
    )
    assert said_of(post) == {"API": "under_maintenance"}
    assert only_post().automatic  # still ends by itself


def test_what_lies_across_the_turn_of_the_clocks_can_be_edited(owner, page):
    begins = datetime(2027, 10, 31, 0, 50, tzinfo=UTC)  # 02:50 in Berlin, and at its end 02:10
    post = planned(page, scheduled_for=begins, scheduled_until=begins + timedelta(minutes=20))
    times = {"scheduled_for": "2027-10-31T02:50", "scheduled_until": "2027-10-31T02:10"}
    sent = {"title": "Other works", "impact": "maintenance"} | times
    shown = owner.post(at_post(page, post, "edit"), sent, follow=True)
    assert "“Other works” is saved." in text_of(shown)
    assert only_post().scheduled_until == post.scheduled_until
