"""Incidents of a status page in the console: writing, publishing, taking over, deleting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django_scopes import scopes_disabled

from incidents.maintenance.maintenances import create_maintenance
from monitors.queries import database_now
from statuspages.engine.automation import write_posts
from statuspages.models import Component, Post
from statuspages.services.pages import update_page
from statuspages.services.posts import create_maintenance_post, create_post
from statuspages.services.templates import create_template
from statuspages.subscribers.subscribing import add_subscriber
from tests.console.personas import make_incident, make_monitor
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
WORDS = {"title": "Sign-in is slow", "status": "investigating", "impact": "", "body": "We look."}


@pytest.fixture
def page(people):
    return make_page(people.team)


@pytest.fixture
def api(page):
    return make_component(page, "API")


@pytest.fixture
def web(page):
    return make_component(page, "Web")


def write(client, page, do="publish", **fields):
    return client.post(f"{base_of(page)}posts/new", {**WORDS, "do": do, **fields}, follow=True)


def add_webhook(page, **fields):
    return add_subscriber(page=page, kind="webhook", address="https://hooks.example/a", **fields)


def test_an_empty_list_teaches(owner, browse, people, page):
    assert "No incident yet" in text_of(owner.get(f"{base_of(page)}posts/"))
    viewer = main_of(browse(people.viewer).get(f"{base_of(page)}posts/"))
    assert "posts/new" not in viewer


def test_an_incident_is_written_with_what_it_says_of_components(owner, page, api, web):
    shown = text_of(
        write(
            owner,
            page,
            notify="on",
            **{f"component-{api.pk}": "major_outage", f"component-{web.pk}": "affected"},
        )
    )
    assert "“Sign-in is slow” is on the page." in shown
    post = only_post()
    assert said_of(post) == {"API": "major_outage", "Web": ""}
    assert (post.impact, post.created_by) == ("critical", "owner@acme.example")
    assert bodies_of(post) == ["We look."]
    assert told_of(post) == 1
    assert "API : Major outage" in shown
    assert "subscribers are being told" in shown


def test_nobody_is_told_without_the_box(owner, page):
    shown = write(owner, page)
    assert told_of(only_post()) == 0
    assert "nobody told" in text_of(shown)


def test_the_form_says_how_many_would_be_told(owner, page):
    add_webhook(page)
    add_subscriber(page=page, kind="email", address="waiting@example.org")
    assert "1 confirmed subscriber" in text_of(owner.get(f"{base_of(page)}posts/new"))


def test_a_post_counts_whom_its_components_concern(owner, page, api, web):
    add_webhook(page, components=[web.code])
    post = create_post(page=page, title="t", components={api: ""})
    assert "Nobody who is concerned" in text_of(owner.get(at_post(page, post)))
    post = create_post(page=page, title="t", components={web: ""})
    assert "1 confirmed subscriber" in text_of(owner.get(at_post(page, post)))
    post = create_post(page=page, title="t")
    assert "Nobody who is concerned" in text_of(owner.get(at_post(page, post)))


def test_the_start_is_a_time_of_the_page_s_zone(owner, page):
    write(owner, page, started_at="2026-07-01T12:00")
    assert only_post().started_at == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": " "}, "This field is required."),
        ({"title": "x" * 201}, "at most 200 characters"),
        ({"status": "postmortem"}, "Select a valid choice"),
        ({"impact": "maintenance"}, "Select a valid choice"),
        ({"body": "x" * 20_001}, "at most 20000 characters"),
        ({"body": "a\x00b"}, "Null characters are not allowed."),
        ({"started_at": "2098-01-01T00:00"}, "Must not lie in the future."),
        ({"started_at": "soon"}, "Enter a valid date/time."),
    ],
)
def test_what_cannot_be_is_said_at_its_field(owner, page, change, said):
    shown = write(owner, page, **change)
    text = text_of(shown)
    assert said in text
    assert "is-invalid" in main_of(shown)
    with scopes_disabled():
        assert not Post.objects.exists()


def test_what_was_typed_stays_when_it_is_refused(owner, page, api):
    shown = main_of(write(owner, page, title="", **{f"component-{api.pk}": "partial_outage"}))
    assert "We look." in shown
    assert '<option value="partial_outage" selected>' in shown


def test_a_preview_is_made_by_the_page_s_renderer_and_saves_nothing(owner, page, api):
    body = "**Slow** <script>alert(1)</script> ![x](https://pixel.example/a.png)"
    shown = main_of(
        write(owner, page, do="preview", title="", body=body, **{f"component-{api.pk}": "affected"})
    )
    preview = shown[shown.index('id="preview"') : shown.index("<form")]
    assert "<strong>Slow</strong>" in preview
    assert "<script" not in shown
    assert "<img" not in preview
    assert "This field is required" not in shown
    assert '<option value="affected" selected>' in shown
    assert 'name="notify"' in shown
    assert 'id="id_notify" checked' not in shown  # it was not ticked
    with scopes_disabled():
        assert not Post.objects.exists()


def test_a_template_fills_the_form(owner, page):
    kept = create_template(
        page=page,
        name="cause found",
        title="Slow",
        status="identified",
        impact="major",
        body="Found.",
    )
    create_template(page=page, name="works begin", status="scheduled")
    empty = main_of(owner.get(f"{base_of(page)}posts/new"))
    assert "cause found" in empty
    assert "works begin" not in empty  # those are for maintenance
    shown = main_of(owner.get(f"{base_of(page)}posts/new?template={kept.pk}"))
    assert 'value="Slow"' in shown
    assert "Found." in shown
    assert '<option value="identified" selected>' in shown
    assert '<option value="major" selected>' in shown
    for odd in ("nonsense", page.pk):
        assert owner.get(f"{base_of(page)}posts/new?template={odd}").status_code == 200


def test_an_incident_of_monitors_fills_the_form(owner, page, people):
    monitor = make_monitor(people.team)
    make_component(page, "Backups", monitor)
    incident = make_incident(monitor)
    shown = main_of(owner.get(f"{base_of(page)}posts/new?incident={incident.pk}"))
    assert 'value="Backups: outage"' in shown
    assert '<option value="affected" selected>' in shown


def test_a_draft_is_published_later(owner, page):
    shown = text_of(write(owner, page, do="draft", notify="on"))
    assert "is kept as a draft" in shown
    post = only_post()
    assert post.published_at is None
    assert told_of(post) == 0
    assert "Draft" in text_of(owner.get(f"{base_of(page)}posts/"))
    owner.post(at_post(page, post, "publish"), {"notify": "1"})
    assert only_post().published_at is not None
    assert told_of(post) == 1


def test_a_draft_is_published_in_silence(owner, page):
    write(owner, page, do="draft")
    owner.post(at_post(page, only_post(), "publish"))
    assert told_of(only_post()) == 0


def test_the_list_has_what_is_open_first_and_filters(owner, page, api):
    old = create_post(page=page, title="Long ago", status="resolved", body="A pump had failed.")
    create_post(page=page, title="Now", components={api: ""})
    create_post(page=page, title="Perhaps", published=False)
    create_maintenance_post(
        page=page,
        title="Works",
        scheduled_for=database_now() + HOUR,
        scheduled_until=database_now() + 2 * HOUR,
    )
    where = f"{base_of(page)}posts/"
    shown = text_of(owner.get(where))
    assert shown.index("Perhaps") < shown.index("Now") < shown.index("Long ago")
    assert "Works" not in shown
    assert "All 3" in shown
    for query, titles in {
        "standing=open": {"Now"},
        "standing=draft": {"Perhaps"},
        "standing=over": {"Long ago"},
        "status=resolved": {"Long ago"},
        "search=PUMP": {"Long ago"},
        "search=now": {"Now"},
        "kind=maintenance": {"Works"},
        "kind=all": {"Works", "Now", "Perhaps", "Long ago"},
        "search=%00": {"Now", "Perhaps", "Long ago"},
        "standing=odd&kind=odd&status=odd": {"Now", "Perhaps", "Long ago"},
    }.items():
        rows = main_of(owner.get(f"{where}?{query}")).partition("<tbody>")[2]
        found = {title for title in ("Works", "Now", "Perhaps", "Long ago") if title in rows}
        assert found == titles, query
    assert "No post matches" in text_of(owner.get(f"{where}?search=nothing"))
    assert old.pk


def test_title_impact_start_and_components_are_changed(owner, page, api, web):
    post = create_post(page=page, title="Slow", components={api: "partial_outage"})
    shown = main_of(owner.get(at_post(page, post, "edit")))
    assert '<option value="partial_outage" selected>' in shown
    owner.post(
        at_post(page, post, "edit"),
        {
            "title": "Slower",
            "impact": "critical",
            "started_at": "2026-07-01T12:00",
            f"component-{web.pk}": "major_outage",
            f"component-{api.pk}": "",
        },
    )
    post = only_post()
    assert (post.title, post.impact) == ("Slower", "critical")
    assert post.started_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert said_of(post) == {"Web": "major_outage"}


def test_a_start_that_is_not_changed_keeps_its_seconds(owner, page):
    post = create_post(page=page, title="Slow")
    wall = main_of(owner.get(at_post(page, post, "edit"))).split('name="started_at" value="')[1]
    owner.post(
        at_post(page, post, "edit"),
        {"title": "Slow", "impact": "none", "started_at": wall.partition('"')[0]},
    )
    assert only_post().started_at == post.started_at


def test_a_start_after_the_first_update_is_refused_at_its_field(owner, page):
    post = create_post(page=page, title="Slow", at=database_now() - 5 * HOUR)
    zone_now = database_now() + HOUR  # Berlin is as far ahead of UTC, or an hour more
    fields = {"title": "Slow", "impact": "none", "started_at": f"{zone_now:%Y-%m-%dT%H:%M}"}
    shown = text_of(owner.post(at_post(page, post, "edit"), fields))
    assert "Must not be later than the first update." in shown


def automatic_post(people, page):
    update_page(page=page, auto_post="publish", auto_post_delay=0)
    monitor = make_monitor(people.team)
    component = make_component(page, "Backups", monitor)
    make_incident(monitor)
    with scopes_disabled():
        Component.objects.filter(pk=component.pk).update(status="major_outage")
    assert write_posts()
    return only_post()


def test_an_automatic_post_says_who_writes_it_and_is_taken_over(owner, browse, people, page):
    post = automatic_post(people, page)
    shown = main_of(owner.get(at_post(page, post)))
    assert "The monitors write this" in shown
    assert f"/t/acme/incidents/{post.incident_id}/" in shown
    assert "Take over" not in main_of(browse(people.viewer).get(at_post(page, post)))
    shown = text_of(owner.post(at_post(page, post, "take-over"), follow=True))
    assert "is yours" in shown
    assert "The monitors write this" not in shown
    assert not only_post().automatic
    again = text_of(owner.post(at_post(page, post, "take-over"), follow=True))
    assert "People write this one already." in again


def test_a_post_is_deleted_after_a_question(owner, page):
    post = create_post(page=page, title="Slow")
    assert "as if it had never been" in text_of(owner.get(at_post(page, post, "delete")))
    shown = text_of(owner.post(at_post(page, post, "delete"), follow=True))
    assert "“Slow” is deleted." in shown
    with scopes_disabled():
        assert not Post.objects.exists()


def test_what_a_window_announces_is_not_deleted(owner, people, page):
    monitor = make_monitor(people.team)
    begins = database_now() + HOUR
    window = create_maintenance(
        team=people.team, name="night", monitors=[monitor], starts_at=begins, ends_at=begins + HOUR
    )
    with scopes_disabled():
        type(window).objects.filter(pk=window.pk).update(status_page_id=page.pk)
    post = create_maintenance_post(
        page=page, title="night", scheduled_for=begins, scheduled_until=begins + HOUR
    )
    with scopes_disabled():
        Post.objects.update(maintenance_id=window.pk, span_start=begins)
    shown = text_of(owner.post(at_post(page, post, "delete"), follow=True))
    assert "A maintenance window announces itself by this post." in shown
    assert "announces itself by this post" in text_of(owner.get(at_post(page, post, "delete")))
    assert "Its times are those of the maintenance window" in text_of(
        owner.get(at_post(page, post, "edit"))
    )
    later = text_of(owner.post(at_post(page, post, "extend"), {"minutes": "30"}, follow=True))
    assert "Its maintenance window sets the times." in later
    with scopes_disabled():
        assert Post.objects.get().scheduled_until == begins + HOUR


def test_viewers_see_posts_and_no_button(browse, people, page, api):
    post = create_post(page=page, title="Slow", body="Words.", components={api: "major_outage"})
    for address in (at_post(page, post), f"{base_of(page)}posts/"):
        shown = main_of(browse(people.viewer).get(address))
        assert "Slow" in shown
        assert 'method="post"' not in shown
        assert "/edit" not in shown
        assert "/delete" not in shown


def test_a_post_of_another_page_or_team_is_missing(owner, people, page):
    other = make_page(people.team, slug="other")
    post = create_post(page=other, title="Elsewhere")
    for then in ("", "edit", "delete"):
        assert owner.get(at_post(page, post, then)).status_code == 404
    for then in ("publish", "take-over", "extend", "updates/new"):
        assert owner.post(at_post(page, post, then)).status_code == 404


def test_what_people_wrote_does_not_turn_the_text_around_it(owner, page):
    post = create_post(page=page, title="a\u202eb<i>", body="[x](javascript:alert(1))")
    shown = main_of(owner.get(at_post(page, post)))
    assert "\u202e" not in shown
    assert "<i>" not in shown
    assert "javascript:" not in shown.replace("[x](javascript:alert(1))", "")
    assert 'href="javascript' not in shown
