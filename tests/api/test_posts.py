"""Incidents on a page, through the REST API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django_scopes import scopes_disabled

from statuspages.models import Post, PostComponent, PostNotice, PostUpdate
from statuspages.services import posts
from tests.api.status_pages import (
    NOBODY,
    component,
    instant,
    make_page,
    notices,
    page,
    path,
    plan,
    refused,
    version,
)
from tests.conftest import Api

__all__ = ["page", "path"]  # the fixtures


def test_an_incident_has_its_first_update_and_the_defaults(api: Api, page: Any, path: str) -> None:
    part = component(api, page)
    before = version(page)
    post = api.make(path, title="Slow", body="We look.", components=[part])
    [update] = post["updates"]
    assert post == {
        "id": post["id"],
        "title": "Slow",
        "impact": "minor",
        "status": "investigating",
        "components": [part],
        "component_statuses": {},
        "started_at": update["at"],
        "resolved_at": None,
        "scheduled_for": None,
        "scheduled_until": None,
        "published": True,
        "automatic": False,
        "updates": [
            {"id": update["id"], "status": "investigating", "body": "We look.", "at": update["at"]}
        ],
        "created_at": post["created_at"],
    }
    assert api.get(f"{path}/{post['id']}") == post
    assert api.get(path)["results"] == [post]
    assert version(page) == before + 1
    assert notices() == 1


def test_what_was_read_can_be_sent_back_and_changes_nothing(api: Api, page: Any, path: str) -> None:
    part = component(api, page)
    claims = {part: "partial_outage"}
    incident = api.make(path, title="Slow", components=[part], component_statuses=claims)
    for post in (incident, plan(api, path, components=[part])):
        with scopes_disabled():
            Post.objects.update(automatic=True)
        sent = {**post, "automatic": True}
        assert api("PATCH", f"{path}/{post['id']}", sent, expect=200).json() == sent
    assert notices() == 2


def test_updates_say_how_far_it_has_come(api: Api, path: str) -> None:
    post = api.make(path, title="Slow", at=instant(hours=5))
    one = f"{path}/{post['id']}"
    for status, hours in (("identified", 4), ("monitoring", 3), ("resolved", 2)):
        at = instant(hours=hours)
        update = api.make(f"{one}/updates", status=status, body=status.upper(), at=at)
        assert (update["status"], update["at"]) == (status, at)
    read = api.get(one)
    assert (read["status"], read["resolved_at"]) == ("resolved", at)
    assert [u["status"] for u in read["updates"]] == [
        "resolved",
        "monitoring",
        "identified",
        "investigating",
    ]
    assert api.get(f"{one}/updates")["results"] == read["updates"]
    with scopes_disabled():
        row = Post.objects.get()
    assert row.monitoring_at is not None
    assert row.resolved_at is not None
    assert row.resolved_at - row.monitoring_at < timedelta(hours=1, seconds=5)
    api.make(f"{one}/updates", status="postmortem", body="Why")
    read = api.get(one)
    assert (read["status"], read["resolved_at"]) == ("postmortem", at)
    assert notices() == 5


def test_an_incident_may_have_begun_before_it_was_written_down(api: Api, path: str) -> None:
    began = instant(hours=2)
    post = api.make(path, title="Slow", started_at=began)
    assert post["started_at"] == began < post["updates"][0]["at"]
    one = f"{path}/{post['id']}"
    earlier = instant(hours=3)
    assert api("PATCH", one, {"started_at": earlier}, expect=200).json()["started_at"] == earlier
    late = api.make(path, title="Late", at=earlier)
    assert late["started_at"] == earlier
    body = {"started_at": began}
    assert refused(api, "PATCH", f"{path}/{late['id']}", body) == ("started_at", "invalid")


def test_an_update_without_a_status_leaves_it_and_a_later_word_opens_again(
    api: Api, path: str
) -> None:
    one = f"{path}/{api.make(path, title='Slow', status='identified')['id']}"
    assert api.make(f"{one}/updates", body="Still.")["status"] == "identified"
    for nothing in ({}, {"status": "identified"}, {"body": " ", "notify": False}):
        assert refused(api, "POST", f"{one}/updates", nothing) == ("body", "invalid")
    api.make(f"{one}/updates", status="resolved")
    assert api.get(one)["resolved_at"]
    api.make(f"{one}/updates", status="investigating", body="Back.")
    read = api.get(one)
    assert (read["status"], read["resolved_at"]) == ("investigating", None)


def test_an_update_can_be_corrected_and_taken_back(api: Api, path: str) -> None:
    one = f"{path}/{api.make(path, title='Slow', at=instant(hours=3))['id']}"
    first = api.get(one)["updates"][0]["id"]
    update = api.make(f"{one}/updates", status="resolved", body="Over")["id"]
    told = notices()
    changed = api("PATCH", f"{one}/updates/{update}", {"body": "Over."}, expect=200).json()
    assert (changed["body"], changed["status"]) == ("Over.", "resolved")
    api("PATCH", f"{one}/updates/{update}", {"status": "monitoring"}, expect=200)
    read = api.get(one)
    assert (read["status"], read["resolved_at"]) == ("monitoring", None)
    # The order is that of their times, whatever the order of writing.
    api("PATCH", f"{one}/updates/{update}", {"at": instant(hours=4)}, expect=200)
    assert api.get(one)["status"] == "investigating"
    assert notices() == told
    api("DELETE", f"{one}/updates/{update}", expect=204)
    problem = api("DELETE", f"{one}/updates/{first}", expect=409)
    assert problem["Content-Type"] == "application/problem+json"
    assert api.get(f"{one}/updates/{first}")["status"] == "investigating"


def test_a_post_claims_statuses_until_it_is_over(api: Api, page: Any, path: str) -> None:
    a, b, c = (component(api, page, name) for name in "abc")
    post = api.make(path, title="Down", components=[a, b], component_statuses={a: "major_outage"})
    assert (post["impact"], post["components"]) == ("critical", [a, b])
    assert post["component_statuses"] == {a: "major_outage"}
    one = f"{path}/{post['id']}"
    said = {a: "partial_outage", c: "degraded_performance"}
    api.make(f"{one}/updates", body="Better", component_statuses=said)
    read = api.get(one)
    assert (read["components"], read["component_statuses"]) == ([a, b, c], said)
    with scopes_disabled():
        affected = PostUpdate.objects.order_by("-at")[0].affected
    assert [(row["name"], row["new_status"]) for row in affected] == [
        ("a", "partial_outage"),
        ("c", "degraded_performance"),
    ]
    less = api("PATCH", one, {"components": [a]}, expect=200).json()
    assert less["component_statuses"] == {a: "partial_outage"}
    over = api("PATCH", one, {**less, "status": "resolved"}, expect=200).json()
    assert (over["status"], over["components"], over["component_statuses"]) == ("resolved", [a], {})
    with scopes_disabled():
        assert set(PostComponent.objects.values_list("status", flat=True)) == {""}


def test_a_draft_is_told_to_nobody_until_it_is_published(api: Api, path: str) -> None:
    post = api.make(path, title="Slow", published=False)
    one = f"{path}/{post['id']}"
    api.make(f"{one}/updates", status="identified", body="Found")
    assert (post["published"], notices()) == (False, 0)
    assert api("PATCH", one, {"published": True}, expect=200).json()["published"] is True
    assert notices() == 1
    assert refused(api, "PATCH", one, {"published": False}) == ("published", "invalid")
    quiet = api.make(path, title="Quiet", notify=False)
    api.make(f"{path}/{quiet['id']}/updates", body="x", notify=False)
    assert notices() == 1


def test_publishing_with_a_word_tells_that_word_once(api: Api, path: str) -> None:
    one = f"{path}/{api.make(path, title='Slow', published=False)['id']}"
    api("PATCH", one, {"published": True, "status": "monitoring", "body": "Soon"}, expect=200)
    with scopes_disabled():
        [notice] = PostNotice.objects.select_related("post_update")
    assert notice.post_update.body == "Soon"


def test_a_persons_word_takes_over_and_publishing_does_not(api: Api, path: str) -> None:
    one = f"{path}/{api.make(path, title='Slow', published=False)['id']}"

    def is_automatic_after(method: str, where: str, body: Any) -> bool:
        with scopes_disabled():
            Post.objects.update(automatic=True)
        assert api(method, where, body).status_code in (200, 201)
        return bool(api.get(one)["automatic"])

    assert is_automatic_after("PATCH", one, {"published": True})
    assert is_automatic_after("PATCH", one, {"title": "Slow"})
    assert is_automatic_after("PATCH", one, {"automatic": True})
    assert not is_automatic_after("PATCH", one, {"automatic": False})
    assert not api("PATCH", one, {"automatic": True}, expect=200).json()["automatic"]
    assert not is_automatic_after("PATCH", one, {"title": "Slower"})
    assert not is_automatic_after("POST", f"{one}/updates", {"body": "x"})
    update = api.get(one)["updates"][0]["id"]
    assert not is_automatic_after("PATCH", f"{one}/updates/{update}", {"body": "y"})
    with scopes_disabled():
        post = Post.objects.get()
        Post.objects.update(automatic=True)
        posts.add_update(post=post, status="resolved", automatic=True)
    assert api.get(one)["automatic"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "x" * 201},
        {"impact": "huge"},
        {"status": "scheduled"},
        {"status": "postmortem"},
        {"body": "x" * 20_001},
        {"body": 5},
        {"at": "yesterday"},
        {"at": "2999-01-01T00:00:00Z"},
        {"started_at": "2999-01-01T00:00:00Z"},
        {"components": "x"},
        {"components": [NOBODY]},
        {"component_statuses": {NOBODY: "major_outage"}},
        {"component_statuses": {"nonsense": "major_outage"}},
        {"component_statuses": []},
        {"silence": True},
        {"published": "no"},
        {"scheduled_for": "2999-01-01T00:00:00Z"},
        {"scheduled_until": "2999-01-01T00:00:00Z"},
        {"updates_": []},
    ],
    ids=lambda body: ",".join(f"{name}={str(value)[:20]}" for name, value in body.items()),
)
def test_a_bad_incident_is_a_400_that_names_the_field(api: Api, path: str, body: Any) -> None:
    field, _ = refused(api, "POST", path, {"title": "x", **body})
    expected = {"scheduled_for": "scheduled_until", "scheduled_until": "scheduled_for"}
    [name] = body
    assert field.split(".")[0].split("[")[0] == expected.get(name, name)
    assert api.get(path)["results"] == []


def test_what_is_below_a_post_belongs_to_that_post(
    api: Api, rival: Api, page: Any, path: str
) -> None:
    post, other = api.make(path, title="a"), api.make(path, title="b")
    update = post["updates"][0]["id"]
    theirs = make_page(rival, "theirs")["id"]
    answers = set()
    for client, where in (
        (api, f"{path}/{other['id']}/updates/{update}"),
        (api, f"{path}/{post['id']}/updates/{NOBODY}"),
        (api, f"{path}/nonsense/updates/{update}"),
        (rival, f"{path}/{post['id']}/updates/{update}"),
        (rival, f"status-pages/{theirs}/posts/{post['id']}/updates/{update}"),
        (rival, f"status-pages/{theirs}/posts/{post['id']}"),
        (rival, f"{path}/{post['id']}"),
    ):
        for method in ("GET", "PATCH", "DELETE"):
            answers.add(client(method, where, {}, expect=404).content)
    assert len(answers) == 1
    foreign = component(api, make_page(api, "second"), "x")
    missing = refused(api, "POST", path, {"title": "c", "components": [NOBODY]})
    assert missing[1] == "not_found"
    assert refused(api, "POST", path, {"title": "c", "components": [foreign]}) == missing


def test_lists_cost_the_same_however_long_they_are(
    api: Api, page: Any, path: str, django_assert_max_num_queries: Any
) -> None:
    part = component(api, page)
    for number in range(5):
        post = api.make(path, title=f"{number}", components=[part])
        api.make(f"{path}/{post['id']}/updates", body="x")
    with django_assert_max_num_queries(9):
        assert len(api.get(path)["results"]) == 5
