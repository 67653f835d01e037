"""Saved views of the list: named filters that the team shares."""

from __future__ import annotations

import re

import pytest
from django_scopes import scopes_disabled

from monitors.models import SavedView
from tests.console.personas import make_monitor

NEW = "/t/acme/monitors/views/new"
QUERY = "state=down&label=env%3Aprod&sort=name"


def said(answer):
    return answer.content.decode()


def only():
    with scopes_disabled():
        return SavedView.objects.get()


def test_a_view_is_saved_opened_renamed_and_deleted(owner, browse, people):
    make_monitor(people.team, labels={"env": "prod"})
    page = said(owner.get(f"/t/acme/monitors/?{QUERY}"))
    assert "Save this view" in page
    query = re.search(r'views/new".*?name="query" value="([^"]*)"', page, re.DOTALL)[1]
    answer = owner.post(NEW, {"name": "Down in prod", "query": query.replace("&amp;", "&")})
    assert answer["Location"] == f"/t/acme/monitors/?{QUERY}".replace(
        "state=down&label=env%3Aprod", "state=down&label=env%3Aprod"
    )
    page = said(owner.get(answer["Location"]))
    assert "“Down in prod” is saved for the team." in page
    assert 'aria-current="true">Down in prod</a>' in page
    assert "Save this view" not in page
    viewer = browse(people.viewer)
    page = said(viewer.get("/t/acme/monitors/views/"))
    link = re.search(r'<a href="([^"]+)">Down in prod</a>', page)[1].replace("&amp;", "&")
    assert link == f"/t/acme/monitors/?{QUERY}"
    assert "Label: env=prod" in page
    assert "Rename" not in page
    view = only()
    assert view.created_by == people.owner.email
    owner.post(f"/t/acme/monitors/views/{view.pk}/edit", {"name": "Prod, down"})
    assert only().name == "Prod, down"
    assert "Delete the view Prod, down?" in said(
        owner.get(f"/t/acme/monitors/views/{view.pk}/delete")
    )
    owner.post(f"/t/acme/monitors/views/{view.pk}/delete")
    with scopes_disabled():
        assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "required"),
        ("x" * 81, "at most 80"),
        ("a\0b", "Null characters"),
        ("DOWN", "exists"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_its_reason(owner, people, name, words):
    with scopes_disabled():
        SavedView.objects.create(team=people.team, name="Down", query="state=down")
        other = SavedView.objects.create(team=people.team, name="Other", query="")
    assert words in said(owner.post(NEW, {"name": name, "query": "state=up"}, follow=True))
    address = f"/t/acme/monitors/views/{other.pk}/edit"
    assert words in said(owner.post(address, {"name": name}))
    with scopes_disabled():
        assert sorted(SavedView.objects.values_list("name", flat=True)) == ["Down", "Other"]


def test_only_what_the_list_understands_is_kept(owner, people):
    owner.post(NEW, {"name": "odd", "query": "state=nonsense&evil=<script>&search=%00a&page=3"})
    assert only().query == "search=a"


def test_two_teams_have_the_same_names(owner, browse, people):
    owner.post(NEW, {"name": "mine", "query": "state=up"})
    browse(people.stranger).post("/t/elsewhere/monitors/views/new", {"name": "mine", "query": ""})
    with scopes_disabled():
        assert SavedView.objects.count() == 2
    assert "No view yet" not in said(owner.get("/t/acme/monitors/views/"))


def test_no_views_teach(owner):
    assert "Save this view" in said(owner.get("/t/acme/monitors/views/"))
