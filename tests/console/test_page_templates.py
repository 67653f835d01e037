"""Templates of a status page in the console."""

from __future__ import annotations

import pytest
from django_scopes import scopes_disabled

from statuspages.models import PostTemplate
from statuspages.services.templates import create_template
from tests.console.status_pages import base_of, main_of, make_page, text_of

WORDS = {
    "name": "Cause found",
    "title": "Slow",
    "status": "identified",
    "impact": "major",
    "body": "We found it.",
}


@pytest.fixture
def page(people):
    return make_page(people.team)


def at(page, then=""):
    return f"{base_of(page)}templates/{then}"


def only():
    with scopes_disabled():
        return PostTemplate.objects.get()


def test_an_empty_list_teaches(owner, page):
    assert "No template yet" in text_of(owner.get(at(page)))


def test_a_template_is_kept_changed_and_forgotten(owner, page):
    shown = text_of(owner.post(at(page, "new"), WORDS, follow=True))
    assert "“Cause found” is ready." in shown
    assert "Incident, identified" in shown
    kept = only()
    assert {name: getattr(kept, name) for name in WORDS} == WORDS
    where = at(page, f"{kept.pk}/edit")
    assert "We found it." in main_of(owner.get(where))
    owner.post(where, WORDS | {"name": "Found", "body": "", "title": ""})
    assert (only().name, only().body, only().title) == ("Found", "", "")
    where = at(page, f"{kept.pk}/delete")
    assert "Delete Found?" in text_of(owner.get(where))
    assert "“Found” is deleted." in text_of(owner.post(where, follow=True))
    with scopes_disabled():
        assert not PostTemplate.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "This field is required."),
        ({"name": "taken"}, "The page has one of this name. Choose another name."),
        ({"status": "odd"}, "Select a valid choice"),
        ({"body": "x" * 20_001}, "at most 20000 characters"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(owner, page, change, said):
    create_template(page=page, name="taken")
    kept = create_template(page=page, name="mine")
    for where in (at(page, "new"), at(page, f"{kept.pk}/edit")):
        shown = owner.post(where, WORDS | change)
        assert said in text_of(shown)
        assert "is-invalid" in main_of(shown)
    assert "<h1>Edit mine</h1>" in main_of(shown)  # not the name that was refused


def test_they_are_found_by_name_and_lead_to_the_form_they_are_for(owner, page):
    words = create_template(page=page, name="Cause")
    works = create_template(page=page, name="Works", status="scheduled")
    shown = main_of(owner.get(at(page)))
    assert f"posts/new?template={words.pk}" in shown
    assert f"maintenance/new?template={works.pk}" in shown
    found = main_of(owner.get(at(page, "?search=WORK")))
    assert "Works" in found
    assert "Cause" not in found
    assert "No template matches" in text_of(owner.get(at(page, "?search=nothing")))


def test_another_page_s_template_is_missing(owner, people, page):
    other = make_page(people.team, slug="other")
    kept = create_template(page=other, name="elsewhere")
    for then in ("edit", "delete"):
        assert owner.post(at(page, f"{kept.pk}/{then}")).status_code == 404


def test_viewers_see_them_and_no_button(browse, people, page):
    create_template(page=page, name="Cause")
    shown = main_of(browse(people.viewer).get(at(page)))
    assert "Cause" in shown
    for word in ("/edit", "/delete", "templates/new", "posts/new"):
        assert word not in shown
