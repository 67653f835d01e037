"""The updates of posts in the console: adding, resolving, the story afterwards, correcting."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django_scopes import scopes_disabled

from statuspages.models import PostUpdate
from statuspages.services.posts import add_update, create_post
from statuspages.services.templates import create_template
from tests.console.status_pages import (
    at_post,
    bodies_of,
    main_of,
    make_component,
    make_page,
    only_post,
    said_of,
    text_of,
    told_of,
)


@pytest.fixture
def page(people):
    return make_page(people.team)


@pytest.fixture
def api(page):
    return make_component(page, "API")


@pytest.fixture
def post(page, api):
    return create_post(page=page, title="Slow", body="We look.", components={api: "major_outage"})


def say(client, page, post, **fields):
    fields = {"status": "identified", "body": "Found.", "do": "say"} | fields
    return client.post(at_post(page, post, "updates/new"), fields, follow=True)


def first(post):
    with scopes_disabled():
        return post.updates.earliest("at")


def test_an_update_says_how_it_goes_and_how_components_are(owner, page, post, api):
    web = make_component(page, "Web")
    shown = text_of(
        say(
            owner,
            page,
            post,
            **{f"component-{api.pk}": "degraded_performance", f"component-{web.pk}": "keep"},
        )
    )
    assert "It now says: identified." in shown
    assert "API : Degraded performance" in shown
    assert only_post().status == "identified"
    assert bodies_of(post) == ["We look.", "Found."]
    assert said_of(post) == {"API": "degraded_performance"}
    assert told_of(post) == 1  # of the first; the box was not ticked


def test_an_update_that_says_nothing_tells_nobody(owner, page, post):
    shown = text_of(say(owner, page, post, status="investigating", body=" \n"))
    assert "Say something, or how far it has come since." in shown
    assert bodies_of(post) == ["We look."]


def test_a_component_of_the_page_joins(owner, page, post):
    web = make_component(page, "Web")
    say(owner, page, post, notify="on", **{f"component-{web.pk}": "partial_outage"})
    assert said_of(post) == {"API": "major_outage", "Web": "partial_outage"}
    assert told_of(post) == 2


def test_a_component_follows_its_monitors_again(owner, page, post, api):
    say(owner, page, post, **{f"component-{api.pk}": "automatic"})
    assert said_of(post) == {"API": ""}


def test_it_is_resolved_with_words_that_are_there_already(owner, page, post):
    shown = main_of(owner.get(at_post(page, post, "?status=resolved")))
    assert '<option value="resolved" selected>' in shown
    assert "The problem is over; API is working again." in shown
    done = text_of(say(owner, page, post, status="resolved", body="Over."))
    assert only_post().resolved_at is not None
    assert "Over. What was it?" in done
    assert said_of(post) == {"API": ""}


def test_the_end_frees_components_whatever_the_form_says(owner, page, post, api):
    say(owner, page, post, status="resolved", **{f"component-{api.pk}": "major_outage"})
    assert said_of(post) == {"API": ""}


def test_a_post_mortem_comes_after_the_end(owner, page, post):
    early = say(owner, page, post, status="postmortem", body="Because.")
    assert "Select a valid choice" in text_of(early)
    add_update(post=post, status="resolved")
    shown = main_of(owner.get(at_post(page, post, "?status=postmortem")))
    assert '<option value="postmortem" selected>' in shown
    say(owner, page, post, status="postmortem", body="Because.")
    assert only_post().status == "postmortem"
    assert "Over. What was it?" not in text_of(owner.get(at_post(page, post)))


def test_a_preview_shows_the_words_and_saves_nothing(owner, page, post):
    shown = main_of(say(owner, page, post, do="preview", body="- one\n- two"))
    assert "<li>one</li>" in shown
    assert "- one" in shown  # still in the form
    assert bodies_of(post) == ["We look."]


def test_a_refusal_is_said_in_the_form_and_the_words_stay(owner, page, post):
    shown = say(owner, page, post, body="y" * 20_001)
    assert "at most 20000 characters" in text_of(shown)
    assert bodies_of(post) == ["We look."]


def test_a_template_fills_an_update(owner, page, post):
    kept = create_template(page=page, name="watch", status="monitoring", body="We watch.")
    shown = main_of(owner.get(at_post(page, post, f"?template={kept.pk}")))
    assert "We watch." in shown
    assert '<option value="monitoring" selected>' in shown
    story = create_template(page=page, name="story", status="postmortem", body="Why.")
    shown = main_of(owner.get(at_post(page, post, f"?template={story.pk}")))
    assert '<option value="investigating" selected>' in shown


def test_a_person_s_word_takes_an_automatic_post_over(owner, page, post):
    with scopes_disabled():
        type(post).objects.update(automatic=True)
    say(owner, page, post)
    assert not only_post().automatic


def test_a_draft_s_update_asks_about_no_subscriber(owner, page):
    draft = create_post(page=page, title="Draft", published=False)
    assert 'name="notify" id="id_notify"' not in main_of(owner.get(at_post(page, draft)))
    say(owner, page, draft, notify="on")
    assert told_of(draft) == 0


def test_an_update_is_corrected(owner, page, post):
    where = at_post(page, post, f"updates/{first(post).pk}/edit")
    assert "We look." in main_of(owner.get(where))
    owner.post(where, {"status": "investigating", "body": "We looked.", "at": "2026-07-01T12:00"})
    update = first(post)
    assert (update.body, update.at) == ("We looked.", datetime(2026, 7, 1, 10, tzinfo=UTC))
    assert only_post().started_at == update.at
    assert told_of(post) == 1


def test_a_time_that_is_not_changed_keeps_its_seconds(owner, page, post):
    before = first(post)
    where = at_post(page, post, f"updates/{before.pk}/edit")
    wall = main_of(owner.get(where)).split('name="at" value="')[1].partition('"')[0]
    owner.post(where, {"status": "investigating", "body": "Now.", "at": wall})
    assert first(post).at == before.at
    assert first(post).body == "Now."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"at": "2098-01-01T00:00"}, "Must not lie in the future."),
        ({"at": ""}, "This field is required."),
        ({"status": "scheduled"}, "Select a valid choice"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_at_its_field(owner, page, post, change, said):
    where = at_post(page, post, f"updates/{first(post).pk}/edit")
    fields = {"status": "investigating", "body": "x", "at": "2026-07-01T12:00"} | change
    shown = owner.post(where, fields)
    assert said in text_of(shown)
    assert "is-invalid" in main_of(shown)
    assert bodies_of(post) == ["We look."]


def test_a_correction_is_previewed(owner, page, post):
    where = at_post(page, post, f"updates/{first(post).pk}/edit")
    fields = {"status": "investigating", "body": "*so*", "at": "nonsense", "do": "preview"}
    shown = main_of(owner.post(where, fields))
    assert "<em>so</em>" in shown
    assert "nonsense" in shown
    assert bodies_of(post) == ["We look."]


def test_an_update_is_taken_back_but_not_the_last(owner, page, post):
    add_update(post=post, status="resolved", body="Over.")
    with scopes_disabled():
        last = PostUpdate.objects.get(body="Over.")
    where = at_post(page, post, f"updates/{last.pk}/delete")
    assert "Delete this update?" in text_of(owner.get(where))
    owner.post(where)
    assert only_post().resolved_at is None
    where = at_post(page, post, f"updates/{first(post).pk}/delete")
    assert "It is the only update." in text_of(owner.get(where))
    assert "This is the only update." in text_of(owner.post(where, follow=True))
    assert bodies_of(post) == ["We look."]


def test_an_update_of_another_post_is_missing(owner, page, post):
    other = create_post(page=page, title="Other")
    for then in ("edit", "delete"):
        address = at_post(page, other, f"updates/{first(post).pk}/{then}")
        assert owner.get(address).status_code == 404
        assert owner.post(address).status_code == 404


def test_asking_for_the_form_alone_leads_to_the_post(owner, page, post):
    answer = owner.get(at_post(page, post, "updates/new"))
    assert answer["Location"] == at_post(page, post)
