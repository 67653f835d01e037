"""A new monitor like one that there is."""

from __future__ import annotations

import re

from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Monitor, PushKey
from monitors.services import create_monitor, token_is_valid
from tests.console.personas import make_monitor


def fields_of(page):
    found = dict(re.findall(r'name="([a-z_]+)"[^>]* value="([^"]*)"', page))
    labels = re.search(r'name="labels"[^>]*>([^<]*)<', page)
    found["labels"] = labels[1].strip() if labels else ""
    found["severity"] = re.search(r'<option value="(\w+)" selected', page)[1]
    return found


def test_a_clone_has_the_settings_and_credentials_of_its_own(owner, people):
    like, token = create_monitor(
        team=people.team,
        name="nightly",
        labels={"env": "prod"},
        silent_after=7200,
        interval=3600,
        severity="warning",
        timeout=7,
        runbook_url="https://wiki.acme.example/",
    )
    address = f"/t/acme/monitors/{like.pk}/clone"
    page = owner.get(address).content.decode()
    assert "New monitor like nightly" in page
    fields = fields_of(page)
    assert fields["name"] == "nightly-2"
    answer = owner.post(address, fields)
    assert answer["Cache-Control"] == "no-store"
    fresh = re.search(r'id="push-token">([^<]+)<', answer.content.decode())[1]
    with scopes_disabled():
        made = Monitor.objects.select_related("secret").get(name="nightly-2")
        assert PushKey.objects.count() == 2
        for name in ("labels", "silent_after", "interval", "severity", "timeout", "runbook_url"):
            assert getattr(made, name) == getattr(like, name), name
        assert token_is_valid(made, fresh)
        assert not token_is_valid(made, token)
    assert fields_of(owner.get(address).content.decode())["name"] == "nightly-3"
    page = owner.get(f"/t/acme/monitors/{made.pk}/clone").content.decode()
    assert fields_of(page)["name"] == "nightly-3"


def test_a_clone_is_refused_by_name_and_plan(owner, people, monitor):
    address = f"/t/acme/monitors/{monitor.pk}/clone"
    fields = fields_of(owner.get(address).content.decode())
    answer = owner.post(address, fields | {"name": monitor.name})
    assert b"A monitor of that name exists" in answer.content
    Team.objects.filter(pk=people.team.pk).update(monitor_quota=1)
    assert b"Your plan allows 1 monitor" in owner.post(address, fields).content
    with scopes_disabled():
        assert Monitor.objects.count() == 1


def test_the_longest_name_still_has_room_for_a_number(owner, people):
    like = make_monitor(people.team, name="x" * 253)
    fields = fields_of(owner.get(f"/t/acme/monitors/{like.pk}/clone").content.decode())
    assert len(fields["name"]) <= 253
    assert fields["name"].endswith("-2")
