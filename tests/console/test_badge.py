"""A monitor's public badge: off until it is turned on, then there for whoever knows its key."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from xml.etree import ElementTree as Xml

import pytest
from django.test import Client
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.audit import acting
from accounts.models import AuditEvent
from monitors.badges import rotate_badge, turn_badge_off, turn_badge_on
from monitors.models import Badge, Monitor, PushKey
from monitors.overlaps import end_old_slugs
from monitors.services import (
    delete_monitor,
    pause_monitor,
    rotate_slug,
    rotate_token,
    token_is_valid,
    update_monitor,
)
from tests.console.personas import make_incident, make_late, make_monitor, push

SVG = "{http://www.w3.org/2000/svg}"


def words(client, key):
    answer = client.get(f"/badge/{key}.json")
    found = json.loads(answer.content)
    assert found.pop("schemaVersion") == 1
    return found["label"], found["message"], found["color"]


def test_a_badge_says_the_state_in_words_and_colour(people, monitor):
    key, visitor = turn_badge_on(monitor=monitor).key, Client()
    assert words(visitor, key) == ("nightly-backup", "pending", "lightgrey")
    push(monitor)
    assert words(visitor, key) == ("nightly-backup", "up", "brightgreen")
    update_monitor(monitor=monitor, grace=600)
    make_late(monitor, silent_for=timedelta(seconds=120))
    assert words(visitor, key) == ("nightly-backup", "late", "yellow")
    make_incident(monitor)
    assert words(visitor, key) == ("nightly-backup", "down, failing", "red")
    picture = Xml.fromstring(visitor.get(f"/badge/{key}.svg").content)
    assert picture.findtext(f"{SVG}title") == "nightly-backup: down, failing"
    assert "#c3293b" in {each.get("fill") for each in picture.iter(f"{SVG}rect")}
    pause_monitor(monitor=monitor)
    assert words(visitor, key) == ("nightly-backup", "paused", "lightgrey")


def test_a_badge_is_cached_for_a_moment_and_sets_no_cookie(people, monitor):
    key, visitor = turn_badge_on(monitor=monitor).key, Client()
    answer = visitor.get(f"/badge/{key}.svg")
    assert answer["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert answer["Cache-Control"].startswith("public, max-age=30")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert not answer.cookies
    assert "Cookie" not in answer.get("Vary", "")
    for tag in (answer["ETag"], f'"x", W/{answer["ETag"]}', "*"):
        again = visitor.get(f"/badge/{key}.svg", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    push(monitor)
    changed = visitor.get(f"/badge/{key}.svg", headers={"If-None-Match": answer["ETag"]})
    assert changed.status_code == 200
    assert visitor.head(f"/badge/{key}.svg").status_code == 200
    assert visitor.post(f"/badge/{key}.svg").status_code == 405


@pytest.mark.parametrize("style", ["flat", "flat-square", "for-the-badge", "nonsense"])
def test_a_badge_has_styles_and_a_name_of_ones_own(people, style):
    monitor = make_monitor(people.team, name='<script>&"')
    key = turn_badge_on(monitor=monitor).key
    whole = Xml.fromstring(Client().get(f"/badge/{key}.svg?style={style}").content)
    assert whole.get("role") == "img"
    assert not [each for each in whole.iter() if each.tag.endswith("script")]
    own = Client().get(f"/badge/{key}.svg?style={style}&label=%3Cb%3E%00{'x' * 99}").content
    label = Xml.fromstring(own).find(f"{SVG}g/{SVG}text").text
    assert label.lower().startswith("<b>xx")
    assert len(label) == 60


def test_what_is_no_badge_is_not_found(people, monitor):
    visitor, key = Client(), turn_badge_on(monitor=monitor).key
    for missing in ("x" * 22, key[:-1], f"{key}x", key.swapcase()):
        for form in ("svg", "json"):
            answer = visitor.get(f"/badge/{missing}.{form}")
            assert answer.status_code == 404
    fresh = rotate_badge(monitor=monitor).key
    assert fresh != key
    assert visitor.get(f"/badge/{key}.svg").status_code == 404
    assert visitor.get(f"/badge/{fresh}.svg").status_code == 200
    turn_badge_off(monitor=monitor)
    assert visitor.get(f"/badge/{fresh}.svg").status_code == 404
    other = turn_badge_on(monitor=monitor).key
    assert other not in {key, fresh}
    delete_monitor(monitor=monitor)
    assert visitor.get(f"/badge/{other}.svg").status_code == 404


def test_members_turn_it_on_and_off_and_viewers_look(owner, browse, people, monitor):
    page, change = f"/t/acme/monitors/{monitor.pk}/badge", None
    change = f"{page}/change"
    assert b"No badge yet" in owner.get(page).content
    text = owner.post(change, {"do": "on"}, follow=True).content.decode()
    key = re.search(r"/badge/(\w{22})\.svg", text)[1]
    assert f"![State of nightly-backup](http://testserver/badge/{key}.svg)" in text or (
        f"/badge/{key}.svg)" in text
    )
    assert "Turn off the badge of nightly-backup" in text
    assert f"/badge/{key}.svg" in owner.get(f"/t/acme/monitors/{monitor.pk}/").content.decode()
    viewer = browse(people.viewer)
    assert f"/badge/{key}.svg" in viewer.get(page).content.decode()
    assert 'name="do"' not in viewer.get(page).content.decode()
    assert viewer.post(change, {"do": "off"}).status_code == 403
    owner.post(change, {"do": "nonsense"})
    owner.post(change, {"do": "on"})
    with scopes_disabled():
        assert Badge.objects.get().key == key
    owner.post(change, {"do": "rotate"})
    with scopes_disabled():
        assert Badge.objects.get().key != key
    owner.post(change, {"do": "off"})
    with scopes_disabled():
        assert not Badge.objects.exists()


def test_the_audit_log_notes_a_badge_and_never_its_key(people, monitor):
    with acting("ana@acme.example"):
        key = turn_badge_on(monitor=monitor).key
    with acting("ana@acme.example"):
        turn_badge_off(monitor=monitor)
    with scopes_disabled():
        events = list(AuditEvent.objects.order_by("at"))
    assert [each.action for each in events] == ["monitor.updated"] * 2
    assert {each.thing_name for each in events} == {"nightly-backup"}
    assert "badge" in events[0].after
    assert key not in json.dumps([[each.before, each.after] for each in events])


@pytest.mark.parametrize("what", ["slug", "token"])
def test_an_overlap_is_shown_and_ended_before_its_time(owner, people, monitor, what):
    page, path = f"/t/acme/monitors/{monitor.pk}/", f"/t/acme/monitors/{monitor.pk}/old-{what}"
    assert f"old-{what}" not in owner.get(page).content.decode()
    assert b"No old one works any more" in owner.get(path).content
    first = rotate_token(monitor=monitor)
    old_slug = rotate_slug(monitor=monitor).value
    rotate_slug(monitor=monitor, keep_old_for_seconds=7_200)
    rotate_token(monitor=monitor, keep_old_for_seconds=7_200)
    text = owner.get(page).content.decode()
    assert text.count("The old one still works and stops") == 2
    assert path in text
    assert b"It stops working by itself" in owner.get(path).content
    with scopes_disabled():
        fresh = Monitor.objects.get(pk=monitor.pk)
        assert token_is_valid(fresh, first)
    owner.post(path)
    with scopes_disabled():
        fresh = Monitor.objects.get(pk=monitor.pk)
        assert token_is_valid(fresh, first) == (what == "slug")
        assert PushKey.objects.filter(pk=old_slug).exists() == (what == "token")
    assert owner.get(page).content.decode().count("The old one still works and stops") == 1


def test_ending_leaves_the_present_push_url(people, monitor):
    with scopes_disabled():
        present = PushKey.objects.get()
        PushKey.objects.create(
            team=people.team, monitor=monitor, is_current=False, expires_at=now()
        )
    end_old_slugs(monitor=monitor)
    with scopes_disabled():
        assert PushKey.objects.get() == present
