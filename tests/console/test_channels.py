"""Channels in the console: where messages go, and the log of what was sent."""

from __future__ import annotations

import re

import pytest
from django_scopes import scopes_disabled

from incidents.models import AlertRule, Channel, Delivery
from incidents.rules import create_rule
from tests.console.personas import make_incident

NEW = "/t/acme/channels/new"


def make_channel(owner, **change):
    return owner.post(
        NEW,
        {"name": "storage", "kind": "email", "target": "storage@acme.example"} | change,
        follow=True,
    )


def only_channel():
    with scopes_disabled():
        return Channel.objects.get()


def test_a_mail_channel_takes_several_addresses(owner):
    answer = make_channel(owner, target="a@acme.example, b@acme.example;c@acme.example")
    assert b"is ready" in answer.content
    assert only_channel().config == {"to": ["a@acme.example", "b@acme.example", "c@acme.example"]}


def test_a_webhooks_secret_is_shown_once(owner):
    answer = make_channel(owner, kind="webhook", target="https://hooks.acme.example/in")
    secret = only_channel().config["secret"]
    assert secret in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    assert secret not in owner.get("/t/acme/channels/").content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "taken"}, "A channel of that name exists"),
        ({"target": "nobody"}, "Not a mail address: nobody"),
        ({"target": ", ;"}, "at least one mail address"),
        ({"kind": "webhook", "target": "http://169.254.169.254/"}, "invalid-feedback"),
        ({"kind": "pigeon"}, "not one of the available choices"),
    ],
)
def test_a_refused_channel_says_why(owner, change, words):
    make_channel(owner, name="taken")
    answer = make_channel(owner, **change)
    assert words in answer.content.decode()
    assert only_channel().name == "taken"


def test_test_disable_and_delete(owner, people):
    make_channel(owner)
    channel = only_channel()
    address = f"/t/acme/channels/{channel.pk}"
    page = owner.post(f"{address}/test", follow=True).content.decode()
    assert "on its way" in page
    with scopes_disabled():
        assert Delivery.objects.get().channel_id == channel.pk
        Channel.objects.update(disabled_at="2026-11-01T00:00Z", disabled_reason="410 gone")
    assert b"410 gone" in owner.get("/t/acme/channels/").content
    owner.post(f"{address}/enable")
    assert only_channel().disabled_at is None
    assert b"Delete storage?" in owner.get(f"{address}/delete").content
    owner.post(f"{address}/delete")
    with scopes_disabled():
        assert not Channel.objects.exists()
    assert b"Test" in owner.get("/t/acme/channels/").content, "the log stays"


def test_incidents_go_where_the_catch_all_says(owner, people, monitor):
    make_channel(owner)
    channel = only_channel()
    page = owner.get("/t/acme/channels/").content.decode()
    assert "Every incident goes to" in page
    answer = owner.post("/t/acme/channels/route", {"channels": [channel.pk]}, follow=True)
    assert "go to “storage”" in answer.content.decode()
    assert re.search(rf'value="{channel.pk}"[^>]* checked', answer.content.decode())
    assert b"Incidents go to" in owner.get("/t/acme/").content
    incident = make_incident(monitor)
    with scopes_disabled():
        assert [d.channel_id for d in Delivery.objects.filter(incident=incident)] == [channel.pk]
        create_rule(team=people.team, name="staging", match={})
    page = owner.get("/t/acme/channels/").content.decode()
    assert "staging: the owners" in page
    assert "Everything else goes to" in page
    assert "Opened: nightly-backup" in page
    owner.post("/t/acme/channels/route", {})
    with scopes_disabled():
        assert not AlertRule.objects.get(is_catch_all=True).channels.exists()


def test_another_teams_channel_is_nowhere(owner, browse, people):
    make_channel(owner)
    stranger = browse(people.stranger)
    channel = only_channel()
    assert b"storage" not in stranger.get("/t/elsewhere/channels/").content
    for action in ("test", "enable", "delete"):
        address = f"/t/elsewhere/channels/{channel.pk}/{action}"
        assert stranger.post(address).status_code == 404
    answer = stranger.post("/t/elsewhere/channels/route", {"channels": [channel.pk]}, follow=True)
    assert b"Choose again" in answer.content
