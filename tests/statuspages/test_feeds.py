from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from statuspages.rendering.representations import render
from tests.statuspages.views import (
    HOSTILE,
    NOW,
    make_code,
    make_incident,
    make_maintenance,
    make_resolved,
    make_update,
    make_view,
    make_views,
)

VIEWS = make_views()
ATOM = "{http://www.w3.org/2005/Atom}"
# XML's own prefix is known to every reader.
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def rss(view) -> Xml.Element:
    rendering = render(view, "history.rss")
    assert rendering.content_type == "application/rss+xml; charset=utf-8"
    channel = Xml.fromstring(rendering.body).find("channel")
    assert channel is not None
    return channel


def atom(view) -> Xml.Element:
    rendering = render(view, "history.atom")
    assert rendering.content_type == "application/atom+xml; charset=utf-8"
    return Xml.fromstring(rendering.body)


def calendar(view) -> Calendar:
    rendering = render(view, "maintenance.ics")
    assert rendering.content_type == "text/calendar; charset=utf-8"
    lines = rendering.body.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    assert b"\n" not in b"".join(lines)
    return Calendar.from_ical(rendering.body)


def later(post, status: str = "monitoring"):
    """Return the post with one more update a minute later."""
    update = make_update("late", status, "More to say.", -1)
    return replace(
        post, status=status, updated_at=update.updated_at, updates=(update, *post.updates)
    )


@pytest.mark.parametrize("name", VIEWS)
def test_feeds_are_well_formed_in_every_state(name):
    view = VIEWS[name]
    posts = len(view.posts) + len(view.maintenances)
    assert len(rss(view).findall("item")) == posts
    entries = atom(view).findall(f"{ATOM}entry")
    assert len(entries) == posts
    for entry in (atom(view), *entries):
        for part in ("id", "title", "updated"):
            assert entry.findtext(f"{ATOM}{part}")
    assert len(calendar(view).walk("VEVENT")) == len(view.maintenances)


def test_an_incident_is_one_entry_that_is_revised_in_place():
    post = make_incident()
    before, after = (make_view(posts=(p,)) for p in (post, later(post)))
    old, new = (atom(view).findall(f"{ATOM}entry") for view in (before, after))
    assert len(old) == len(new) == 1
    assert old[0].findtext(f"{ATOM}id") == new[0].findtext(f"{ATOM}id")
    assert old[0].findtext(f"{ATOM}published") == new[0].findtext(f"{ATOM}published")
    assert old[0].findtext(f"{ATOM}updated") == "2026-11-22T13:50:11Z"
    assert new[0].findtext(f"{ATOM}updated") == "2026-11-22T14:03:11Z"
    assert new[0].findtext(f"{ATOM}title") == "Errors when uploading files — Monitoring"
    assert "More to say." in (new[0].findtext(f"{ATOM}content") or "")
    assert "error 503" in (new[0].findtext(f"{ATOM}content") or "")
    guids = {rss(view).findtext("item/guid") for view in (before, after)}
    assert guids == {f"tag:{make_code('page')}.tocsin,2026:{post.code}"}


def test_an_entry_keeps_its_id_when_the_page_moves_to_another_domain():
    view = make_view(posts=(make_incident(),))
    moved = replace(view, url="https://new.example/")
    assert atom(view).findtext(f"{ATOM}entry/{ATOM}id") == atom(moved).findtext(
        f"{ATOM}entry/{ATOM}id"
    )
    link = atom(moved).find(f"{ATOM}entry/{ATOM}link")
    assert link is not None
    assert link.get("href") == f"https://new.example/posts/{make_code('inc1')}"


def test_the_newest_change_comes_first_and_is_the_feed_s():
    view = make_view(posts=(make_resolved("old", 9), make_incident()))
    titles = [item.findtext("title") or "" for item in rss(view).findall("item")]
    assert titles[0].startswith("Errors")
    assert atom(view).get(LANG) == "en"
    built = parsedate_to_datetime(rss(view).findtext("lastBuildDate") or "")
    assert built == (NOW - timedelta(minutes=9)).replace(microsecond=0)


def test_an_unchanged_page_s_feeds_stay_the_same_bytes():
    view = VIEWS["open_incident"]
    afterwards = replace(view, as_of=NOW + timedelta(hours=1), version=8)
    for path in ("history.rss", "history.atom", "maintenance.ics", "api/v2/summary.json"):
        assert render(view, path) == render(afterwards, path)


def test_hostile_words_are_text_in_feeds():
    view = VIEWS["hostile"]
    title = atom(view).findtext(f"{ATOM}title") or ""
    assert title.startswith("<script>alert(1)</script> ]]> gnp.exe")
    content = atom(view).findtext(f"{ATOM}entry/{ATOM}content") or ""
    assert "<script" not in content
    assert "&lt;script&gt;" in content
    assert 'javascript:alert(1)"' not in content
    event = calendar(view).walk("VEVENT")[0]
    assert "<script>" in str(event["summary"])
    assert not [key for key in event if "EVIL" in key.upper()]


@given(st.text(), st.text())
def test_any_text_makes_valid_feeds_and_calendars(title, body):
    plan = make_maintenance(title=title, updates=(make_update("u", "scheduled", body, 1),))
    view = make_view(name=title, description=body, posts=(), maintenances=(plan,))
    assert len(rss(view).findall("item")) == 1
    assert atom(view).find(f"{ATOM}entry") is not None
    assert len(calendar(view).walk("VEVENT")) == 1


def test_a_maintenance_in_the_calendar_keeps_its_uid_and_counts_its_revisions():
    post = make_maintenance()
    first = calendar(make_view(maintenances=(post,))).walk("VEVENT")[0]
    second = calendar(make_view(maintenances=(later(post, "scheduled"),))).walk("VEVENT")[0]
    assert first["uid"] == second["uid"] == f"{post.code}@{make_code('page')}.tocsin"
    assert first["sequence"] < second["sequence"]
    assert first["dtstart"].dt == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert first["dtend"].dt - first["dtstart"].dt == timedelta(hours=2)
    assert first["summary"] == "Acme: Database upgrade"
    assert "The API may answer slowly" in first["description"]
    assert first["url"] == f"https://status.acme.example/posts/{post.code}"


def test_a_maintenance_without_an_end_has_a_beginning():
    plan = make_maintenance(scheduled_until=None)
    event = calendar(make_view(maintenances=(plan,))).walk("VEVENT")[0]
    assert "dtend" not in event
    none = make_maintenance(scheduled_for=None, scheduled_until=None)
    assert calendar(make_view(maintenances=(none,))).walk("VEVENT") == []


def test_line_ends_in_names_do_not_break_a_calendar_line():
    event = calendar(make_view(maintenances=(make_maintenance(title=HOSTILE),))).walk("VEVENT")[0]
    assert "\n" not in str(event["summary"])
