"""Many monitors at once, from the list: what is chosen, what is done, what is refused."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from monitors.bulk import create_monitors
from monitors.models import Heartbeat, Monitor, UndoStep
from tests.console.personas import make_monitor, push

BULK = "/t/acme/monitors/bulk"


@pytest.fixture
def three(people):
    return [
        make_monitor(people.team, name=f"m-{n}", labels={"env": "prod" if n else "test"})
        for n in range(3)
    ]


def ids(monitors):
    return [str(monitor.pk) for monitor in monitors]


def states():
    with scopes_disabled():
        rows = Heartbeat.objects.order_by("monitor__name")
        return [state for (state,) in rows.values_list("state")]


def labels():
    with scopes_disabled():
        return [row.labels for row in Monitor.objects.order_by("name")]


def said(answer):
    return answer.content.decode()


def test_ticked_monitors_are_paused_and_watched_again(owner, three):
    answer = owner.post(BULK, {"action": "pause", "ids": ids(three[:2])}, follow=True)
    assert states() == ["paused", "paused", "pending"]
    assert "2 monitors are paused" in said(answer)
    assert answer.redirect_chain == [("/t/acme/monitors/", 302)]
    answer = owner.post(BULK, {"action": "resume", "ids": ids(three)}, follow=True)
    assert states() == ["pending"] * 3
    assert "2 monitors are watched again" in said(answer)
    answer = owner.post(BULK, {"action": "resume", "ids": ids(three)}, follow=True)
    assert "nothing that you chose is paused" in said(answer)


def test_all_that_match_are_changed_across_pages(owner, people):
    with scopes_disabled():
        space = make_monitor(people.team, name="other").namespace
        rows = [(space, {"name": f"w-{n:03}", "labels": {"env": "prod"}}) for n in range(60)]
        create_monitors(team=people.team, monitors=rows)
    page = said(owner.get("/t/acme/monitors/?label=env:prod"))
    assert "All 60 that match" in page
    query = re.search(r'id="bulk".*?name="query" value="([^"]*)"', page, re.DOTALL)[1]
    answer = owner.post(
        BULK, {"action": "pause", "everything": "1", "query": query, "page": "2"}, follow=True
    )
    assert "60 monitors are paused" in said(answer)
    assert states().count("paused") == 60
    assert answer.redirect_chain[0][0] == "/t/acme/monitors/?label=env%3Aprod&page=2"


def test_labels_are_put_on_and_taken_away(owner, three):
    chosen = ids(three)
    answer = owner.post(
        BULK, {"action": "label", "ids": chosen, "label": "team = a=b"}, follow=True
    )
    assert [found["team"] for found in labels()] == ["a=b"] * 3
    assert "3 monitors have the label team=a=b now" in said(answer)
    owner.post(BULK, {"action": "unlabel", "ids": chosen, "label": "env=prod"})
    assert [found.get("env") for found in labels()] == ["test", None, None]
    owner.post(BULK, {"action": "unlabel", "ids": chosen, "label": "team"})
    assert labels() == [{"env": "test"}, {}, {}]


def test_a_full_set_of_labels_takes_no_more(owner, people):
    full = make_monitor(people.team, name="full", labels={f"k{n}": "v" for n in range(32)})
    free = make_monitor(people.team, name="free")
    answer = owner.post(
        BULK, {"action": "label", "ids": ids([full, free]), "label": "new=1"}, follow=True
    )
    assert "1 monitor has the label" in said(answer)
    owner.post(BULK, {"action": "label", "ids": ids([full]), "label": "k0=changed"})
    with scopes_disabled():
        found = Monitor.objects.get(pk=full.pk).labels
    assert len(found) == 32
    assert found["k0"] == "changed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": []}, "Tick at least one monitor"),
        ({"ids": ["nonsense", str(uuid4()), "\0"]}, "Tick at least one monitor"),
        ({"action": "explode"}, "Choose what to do"),
        ({"action": ""}, "Choose what to do"),
        ({"action": "label", "label": "production"}, "as key=value"),
        ({"action": "label", "label": "=v"}, "as key=value"),
        ({"action": "label", "label": "k" * 64 + "=v"}, "at most 63 characters"),
        ({"action": "label", "label": "k=" + "v" * 256}, "at most 63 characters"),
        ({"action": "label", "label": "k=\0"}, "cannot be stored"),
        ({"action": "unlabel", "label": " "}, "write the key"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(owner, three, change, words):
    before = labels(), states()
    answer = owner.post(
        BULK, {"action": "pause", "ids": ids(three), "query": "sort=name"} | change, follow=True
    )
    assert words in said(answer)
    assert answer.redirect_chain[0][0] == "/t/acme/monitors/?sort=name"
    assert (labels(), states()) == before
    with scopes_disabled():
        assert not UndoStep.objects.exists()


def test_deleting_asks_once_more_with_names_and_number(owner, three, people):
    answer = owner.post(BULK, {"action": "delete", "ids": ids(three[:2]), "query": "sort=name"})
    page = said(answer)
    assert "<h1>Delete 2 monitors?</h1>" in page
    assert "<bdi>m-0</bdi>" in page
    assert "<bdi>m-1</bdi>" in page
    assert "m-2" not in page
    assert states() == ["pending"] * 3
    fields = dict(re.findall(r'name="(query|chosen|confirmed)" value="([^"]*)"', page))
    make_monitor(people.team, name="came-meanwhile")
    answer = owner.post(BULK, fields | {"action": "delete"}, follow=True)
    assert "2 monitors are deleted" in said(answer)
    with scopes_disabled():
        assert set(Monitor.objects.values_list("name", flat=True)) == {"m-2", "came-meanwhile"}


def test_a_thousand_go_through_the_same_page(owner, people):
    with scopes_disabled():
        space = make_monitor(people.team, name="first").namespace
        rows = [(space, {"name": f"w-{n:04}"}) for n in range(1_200)]
        create_monitors(team=people.team, monitors=rows)
    page = said(owner.post(BULK, {"action": "delete", "everything": "1", "query": "search=w-"}))
    assert "Delete 1200 monitors?" in page
    assert "and 1150 more" in page
    fields = dict(re.findall(r'name="(query|chosen|confirmed)" value="([^"]*)"', page))
    with CaptureQueriesContext(connection) as done:
        owner.post(BULK, fields | {"action": "delete"})
    with scopes_disabled():
        assert Monitor.objects.count() == 1
    assert len(done) < 260, "six slices, not 1,200 monitors"


def test_another_teams_monitors_are_not_to_be_chosen(browse, people, three):
    stranger = browse(people.stranger)
    answer = stranger.post(
        "/t/elsewhere/monitors/bulk", {"action": "pause", "ids": ids(three)}, follow=True
    )
    assert "Tick at least one monitor" in said(answer)
    assert states() == ["pending"] * 3


def test_viewers_have_no_boxes(browse, people, three):
    page = said(browse(people.viewer).get("/t/acme/monitors/"))
    assert 'name="ids"' not in page
    assert browse(people.viewer).post(BULK, {"action": "pause"}).status_code == 403


def test_an_incident_of_a_monitor_that_is_paused_with_others_is_resolved(owner, three):
    from incidents.lifecycle.lanes import advance
    from incidents.models import Incident

    push(three[0])
    push(three[0], fail=True)
    advance()
    owner.post(BULK, {"action": "pause", "ids": ids(three)})
    advance()
    with scopes_disabled():
        assert Incident.objects.get().state == "resolved"
