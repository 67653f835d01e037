"""Channels in the console: their forms, their tests, what uses them, where incidents go."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest
from django_scopes import scopes_disabled

from incidents.channels.registry import KINDS
from incidents.destinations import create_channel
from incidents.models import (
    AlertRule,
    Channel,
    Delivery,
    EscalationPolicy,
    EscalationStep,
    EscalationTarget,
)
from incidents.routing import ensure_catch_all
from incidents.rules import create_rule, update_rule
from tests.console.personas import make_incident

NEW = "/t/acme/channels/new"
LIST = "/t/acme/channels/"
KEY = "R0UT1NGKEY0123456789abcdefABCDEF"
PAGERDUTY = {"name": "pager", "config_routing_key": KEY, "config_region": "eu"}


def make_channel(client, kind="email", **change):
    fields = {"name": "storage", "config_to": "storage@acme.example"} | change
    return client.post(f"{NEW}?kind={kind}", fields, follow=True)


def only_channel():
    with scopes_disabled():
        return Channel.objects.get()


def edit(client, **fields):
    return client.post(f"{LIST}{only_channel().pk}/edit", fields, follow=True)


def field(page, name):
    """Return the input called `name` in a page."""
    match = re.search(rf'<(?:input|select)[^>]*name="{name}"[^>]*>', page)
    assert match, f"no field {name}"
    return match[0]


# --- creating -----------------------------------------------------------------------------------


def test_a_kind_is_chosen_from_links_first(owner):
    page = owner.get(NEW).content.decode()
    for kind in KINDS:
        assert f'href="?kind={kind}"' in page
    assert owner.get(f"{NEW}?kind=pigeon").content.decode().count('href="?kind=') == len(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_form_with_a_label_for_each_field(owner, kind):
    page = owner.get(f"{NEW}?kind={kind}").content.decode()
    main = page[page.index("<main") :]
    names = re.findall(r'<(?:input|select)[^>]* name="((?:config_|clear_)?\w+)"', main)
    asked = [name for name in names if name.startswith("config_")]
    assert asked
    for name in ["name", *asked]:
        assert f'for="id_{name}"' in main, name
    for secret in KINDS[kind].secret_fields:
        if f"config_{secret}" in asked:
            assert 'type="password"' in field(main, f"config_{secret}")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_answer_at_all_is_refused_beside_the_fields(owner, kind):
    answer = owner.post(f"{NEW}?kind={kind}", {})
    assert answer.status_code == 200
    assert "invalid-feedback" in answer.content.decode()
    with scopes_disabled():
        assert not Channel.objects.exists()


def test_a_mail_channel_takes_several_addresses(owner):
    answer = make_channel(owner, config_to="a@acme.example, b@acme.example;c@acme.example")
    assert b"is ready" in answer.content
    assert only_channel().config == {"to": ["a@acme.example", "b@acme.example", "c@acme.example"]}


def test_a_webhooks_secret_is_shown_once(owner):
    answer = make_channel(owner, "webhook", config_url="https://hooks.acme.example/in")
    secret = only_channel().config["secret"]
    assert secret in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    for path in (LIST, f"{LIST}{only_channel().pk}/edit"):
        assert secret not in owner.get(path).content.decode()


def test_labels_of_alertmanager_are_written_in_one_line(owner):
    url = "https://am.acme.example"
    fields = {"config_url": url, "config_labels": "cluster=eu, severity=page"}
    make_channel(owner, "alertmanager", **fields)
    assert only_channel().config == {"url": url, "labels": {"cluster": "eu", "severity": "page"}}
    page = owner.get(f"{LIST}{only_channel().pk}/edit").content.decode()
    assert 'value="cluster=eu, severity=page"' in field(page, "config_labels")


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("email", {"name": ""}, "required"),
        ("email", {"name": "taken"}, "A channel of that name exists"),
        ("email", {"config_to": "nobody"}, "Not a mail address: nobody"),
        ("email", {"config_to": ", ;"}, "at least one mail address"),
        ("email", {"config_to": "a\0b@acme.example"}, "Null characters"),
        ("webhook", {"config_url": "http://169.254.169.254/"}, "https"),
        ("pagerduty", {"config_routing_key": "short"}, "32 letters and digits"),
        ("pagerduty", PAGERDUTY | {"config_region": "mars"}, "not one of the available choices"),
        ("twilio_sms", {"config_to": "0151"}, "country code"),
        ("alertmanager", {"config_url": "https://a.b", "config_username": "x"}, "password, too"),
    ],
)
def test_a_refused_channel_says_why_beside_the_field(owner, kind, change, words):
    make_channel(owner, name="taken")
    page = make_channel(owner, kind, **change).content.decode()
    assert words in page
    assert "invalid-feedback" in page
    assert only_channel().name == "taken"


def test_a_refused_secret_is_not_sent_back(owner):
    page = make_channel(owner, "pagerduty", config_routing_key="short-and-secret").content.decode()
    assert "short-and-secret" not in page


# --- editing ------------------------------------------------------------------------------------


def test_a_secret_is_not_shown_and_stays_when_left_empty(owner):
    make_channel(owner, "pagerduty", **PAGERDUTY)
    page = owner.get(f"{LIST}{only_channel().pk}/edit").content.decode()
    assert KEY not in page
    assert "required" not in field(page, "config_routing_key")
    answer = edit(owner, name="night pager", config_routing_key="", config_region="")
    assert "is saved" in answer.content.decode()
    assert only_channel().name == "night pager"
    assert only_channel().config == {"routing_key": KEY}


def test_a_new_secret_and_a_cleared_field_replace_the_old(owner):
    make_channel(owner, "pagerduty", **PAGERDUTY)
    edit(owner, name="pager", config_routing_key="f" * 32, config_region="")
    assert only_channel().config == {"routing_key": "f" * 32}


def test_an_optional_secret_goes_only_when_asked_to(owner):
    url = "https://am.acme.example"
    make_channel(owner, "alertmanager", config_url=url, config_token="tok")
    fields = {"name": "storage", "config_url": url}
    edit(owner, **fields)
    assert only_channel().config == {"url": url, "token": "tok"}
    edit(owner, **fields, clear_token="on")
    assert only_channel().config == {"url": url}


def test_a_secret_does_not_follow_to_another_server(owner):
    make_channel(owner, "alertmanager", config_url="https://am.acme.example", config_token="tok")
    answer = edit(owner, name="storage", config_url="https://evil.example")
    assert "give this again" in answer.content.decode()
    assert only_channel().config["url"] == "https://am.acme.example"


def test_an_edit_of_a_disabled_channel_makes_it_work_again(owner):
    make_channel(owner)
    with scopes_disabled():
        Channel.objects.update(disabled_at="2026-11-01T00:00Z", disabled_reason="410 gone")
    page = owner.get(f"{LIST}{only_channel().pk}/edit").content.decode()
    assert "410 gone" in page
    edit(owner, name="storage", config_to="b@acme.example")
    assert only_channel().disabled_at is None


def test_a_name_that_is_taken_is_refused_in_an_edit(owner):
    make_channel(owner)
    make_channel(owner, name="second")
    with scopes_disabled():
        second = Channel.objects.get(name="second")
    fields = {"name": "storage", "config_to": "a@acme.example"}
    answer = owner.post(f"{LIST}{second.pk}/edit", fields)
    assert "A channel of that name exists" in answer.content.decode()


# --- the list -----------------------------------------------------------------------------------


def test_the_list_says_where_to_in_which_state_and_what_was_last_sent(owner):
    make_channel(owner)
    page = owner.get(LIST).content.decode()
    assert "storage@acme.example" in page
    assert "In use" in page
    assert "none yet" in page
    owner.post(f"{LIST}{only_channel().pk}/test")
    with scopes_disabled():
        delivery = Delivery.objects.get()
        Delivery.objects.update(state="failed")
    page = owner.get(LIST).content.decode().split("Latest deliveries")[0]
    assert f"/t/acme/channels/deliveries/{delivery.pk}/" in page
    assert "Failed" in page
    assert "none yet" not in page


def test_no_secret_is_in_the_list(owner):
    make_channel(owner, "pagerduty", **PAGERDUTY)
    make_channel(
        owner, "slack", name="chat", config_url="https://hooks.slack.com/services/T0/B0/s3cret9999"
    )
    page = owner.get(LIST).content.decode()
    assert "pager" in page
    assert "chat" in page
    assert KEY not in page
    assert "s3cret9999" not in page


def test_test_disable_and_delete(owner, people):
    make_channel(owner)
    channel = only_channel()
    address = f"{LIST}{channel.pk}"
    page = owner.post(f"{address}/test", follow=True).content.decode()
    assert "on its way" in page
    assert "Test, to storage" in page
    with scopes_disabled():
        assert Delivery.objects.get().channel_id == channel.pk
        Channel.objects.update(disabled_at="2026-11-01T00:00Z", disabled_reason="410 gone")
    page = owner.get(LIST).content.decode()
    assert "410 gone" in page
    assert "1 channel disabled" in page
    owner.post(f"{address}/enable")
    assert only_channel().disabled_at is None
    page = owner.get(f"{address}/delete").content.decode()
    assert "Delete storage?" in page
    assert "No alert rule and no escalation policy uses it" in page
    owner.post(f"{address}/delete")
    with scopes_disabled():
        assert not Channel.objects.exists()
    assert b"Test" in owner.get(LIST).content, "the log stays"


def test_deleting_names_what_uses_it(owner, people):
    make_channel(owner)
    channel = only_channel()
    with scopes_disabled():
        create_rule(team=people.team, name="night <b>", match={}, channels=[channel])
        policy = EscalationPolicy.objects.create(team=people.team, name="ladder")
        for position in (0, 1):
            step = EscalationStep.objects.create(team=people.team, policy=policy, position=position)
        EscalationTarget.objects.create(team=people.team, step=step, position=0, channel=channel)
    page = owner.get(f"{LIST}{channel.pk}/delete").content.decode()
    assert "the alert rule <bdi>night &lt;b&gt;</bdi>" in page
    assert "step 2 of the escalation policy <bdi>ladder</bdi>" in page


def test_incidents_go_where_the_catch_all_says(owner, people, monitor):
    make_channel(owner)
    channel = only_channel()
    page = owner.get(LIST).content.decode()
    assert "Every incident goes to" in page
    answer = owner.post("/t/acme/channels/route", {"channels": [channel.pk]}, follow=True)
    assert "go to “storage”" in answer.content.decode()
    assert re.search(rf'value="{channel.pk}"[^>]* checked', answer.content.decode())
    assert b"Incidents go to" in owner.get("/t/acme/").content
    incident = make_incident(monitor)
    with scopes_disabled():
        assert [d.channel_id for d in Delivery.objects.filter(incident=incident)] == [channel.pk]
        create_rule(team=people.team, name="staging", match={})
    page = owner.get(LIST).content.decode()
    assert "staging: the owners" in page
    assert "Everything else goes to" in page
    assert re.search(r"Opened: <a [^>]*>nightly-backup</a>", page)
    owner.post("/t/acme/channels/route", {})
    with scopes_disabled():
        assert not AlertRule.objects.get(is_catch_all=True).channels.exists()


def test_where_incidents_go_names_the_policies_too(owner, browse, people):
    make_channel(owner)
    with scopes_disabled():
        ladder = EscalationPolicy.objects.create(team=people.team, name="ladder")
        night = EscalationPolicy.objects.create(team=people.team, name="night")
        create_rule(team=people.team, name="staging", match={}, policy=night)
        update_rule(rule=ensure_catch_all(people.team), policy=ladder)
    page = owner.get(LIST).content.decode()
    assert re.search(rf'staging: <a href="[^"]*#policy-{night.pk}">night</a>', page)
    assert re.search(rf'The escalation policy <a [^>]*#policy-{ladder.pk}">ladder</a>', page)
    assert 'href="/t/acme/on-call/rules/"' in page
    answer = owner.post(f"{LIST}route", {"channels": [only_channel().pk]}, follow=True)
    assert "go to “ladder”, “storage”" in answer.content.decode()
    seen = browse(people.viewer).get(LIST).content.decode()
    assert re.search(r"Everything else goes to <a [^>]*>ladder</a>, <bdi>storage</bdi>", seen)


def test_hostile_texts_are_inert_in_every_page(owner, people, settings):
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
    name = "</td><script>alert(1)</script>\u202e"
    with scopes_disabled():
        channel = create_channel(
            team=people.team, name=name, kind="webhook", config={"url": "http://127.0.0.1/<b>"}
        )
        Channel.objects.update(disabled_at="2026-11-01T00:00Z", disabled_reason=name)
    owner.post(f"{LIST}{channel.pk}/test")
    address = f"{LIST}{channel.pk}"
    for path in (LIST, f"{address}/edit", f"{address}/delete", f"{LIST}deliveries/"):
        page = owner.get(path).content.decode()
        if path.endswith("edit"):
            page = page.replace(field(page, "name"), "")  # there it stands as it is
        assert "<script>alert" not in page, path
        assert "\u202e" not in page, path


def test_viewers_look_and_find_no_button(owner, browse, people):
    make_channel(owner)
    page = browse(people.viewer).get(LIST).content.decode()
    main = page[page.index("<main") :]
    assert "storage@acme.example" in main
    assert "/edit" not in main
    assert 'method="post"' not in main


def test_another_teams_channel_is_nowhere(owner, browse, people):
    make_channel(owner)
    stranger = browse(people.stranger)
    channel = only_channel()
    assert b"storage" not in stranger.get("/t/elsewhere/channels/").content
    for action in ("test", "enable", "delete", "edit"):
        address = f"/t/elsewhere/channels/{channel.pk}/{action}"
        assert stranger.post(address).status_code == 404
    answer = stranger.post("/t/elsewhere/channels/route", {"channels": [channel.pk]}, follow=True)
    assert b"Choose again" in answer.content
