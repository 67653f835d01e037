"""From a new team to a page that arrives, with forms and links only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from ipaddress import ip_network

import pytest
import yaml
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from accounts.models import Membership, Plan, Team, User
from accounts.teams import verify_address
from incidents.console.onboarding_steps import read_setup
from incidents.delivery.pool import deliver_here
from incidents.destinations import create_channel
from incidents.models import AlertRule, Channel, Delivery
from incidents.policies.policies import StepValues, create_policy
from incidents.routing import ensure_catch_all
from incidents.rules import update_rule
from monitors.console.patterns import PATTERNS, write_pattern
from monitors.models import Monitor
from monitors.services import create_monitor, delete_monitor
from tests.console.personas import make_monitor, push
from tests.providers import Provider

NEW = "/t/acme/monitors/new"
PAGING = "/t/acme/start/paging"
TEST = "/t/acme/start/test"
# Whoever sends gives its connection back meanwhile, so its test is no single transaction.
sends = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def loopback(settings):
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)


def text_of(answer) -> str:
    page = answer.content.decode()
    page = page[page.index("<main") :] if "<main" in page else page
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))


def form_values(answer) -> dict[str, str]:
    """What a browser would send of a page's form, as it stands."""
    form = answer.context["form"]
    values = {}
    for field in form:
        value = field.value()
        if value not in (None, False, ""):
            values[field.html_name] = str(form.fields[field.name].prepare_value(value))
    return values


def keys_left(team) -> list[str]:
    with scope(team=team):
        return [step.key for step in read_setup(team).left]


def deliver() -> None:
    with scopes_disabled():
        deliver_here()


# --- the patterns ---------------------------------------------------------------------------


def test_a_new_monitor_is_offered_the_patterns_first_and_can_be_made_without_one(owner):
    page = owner.get(NEW).content.decode()
    for pattern in PATTERNS:
        assert f"{NEW}?pattern={pattern.key}" in page
        assert str(pattern.purpose).replace("'", "&#x27;") in page
    assert page.index("?pattern=fleet") < page.index('name="interval"')
    assert 'href="#scratch"' in page
    assert 'id="scratch"' in page


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.key)
def test_a_pattern_fills_in_a_form_that_can_be_sent_as_it_is(owner, pattern):
    address = f"{NEW}?pattern={pattern.key}"
    answer = owner.get(address)
    assert "patterns" not in re.findall(r'<ul class="([^"]*)"', answer.content.decode())
    made = owner.post(address, form_values(answer))
    assert "Waiting for the first push" in text_of(made)
    with scopes_disabled():
        monitor = Monitor.objects.get()
        slug = monitor.push_keys.get().value
    assert monitor.name == pattern.monitor_name
    for name, value in pattern.initial.items():
        assert getattr(monitor, name) == value
    page = made.content.decode()
    assert f"?pattern={pattern.key}" in re.search('data-address="([^"]*)"', page)[1]
    assert slug in re.search(r'id="pattern-1">([^<]*)<', page)[1] + page
    again = owner.get(f"/t/acme/monitors/{monitor.pk}/setup?pattern={pattern.key}")
    for number in range(1, len(pattern.files) + 1):
        assert f'id="pattern-{number}"' in again.content.decode()


def test_a_pattern_whose_name_is_taken_proposes_the_next(owner, people):
    for _ in range(2):
        answer = owner.get(f"{NEW}?pattern=backup")
        owner.post(f"{NEW}?pattern=backup", form_values(answer))
    with scopes_disabled():
        names = sorted(Monitor.objects.values_list("name", flat=True))
    assert names == ["nightly-backup", "nightly-backup-2"]


@pytest.mark.parametrize("key", ["", "nothing", "%00", "%ED%A0%80", "a" * 5_000])
def test_an_unknown_pattern_is_none(owner, key):
    assert "Or start from scratch" in text_of(owner.get(f"{NEW}?pattern={key}"))


@pytest.mark.django_db
@pytest.mark.parametrize("token", [None, "s3cret"])
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.key)
def test_the_lines_of_a_pattern_are_what_their_language_takes(people, tmp_path, pattern, token):
    monitor = make_monitor(people.team, require_token=token is not None)
    for caption, text in write_pattern(pattern, monitor, "q8Zk2LmT0xYb", token=token):
        assert "{{" not in text.replace("${{", "")
        file = tmp_path / "lines"
        file.write_text(text)
        if caption.endswith(".yml"):
            steps = yaml.safe_load(text)["jobs"]["walk"]["steps"]
            assert "s3cret" not in text
            assert ("TOCSIN_TOKEN" in steps[1]["env"]) == (token is not None)
        elif ".py" in caption:
            compile(text, caption, "exec")
        elif ".mjs" in caption:
            if node := shutil.which("node"):
                file = file.rename(tmp_path / "lines.mjs")
                subprocess.run([node, "--check", file], check=True, timeout=30)
        else:
            shell = "bash" if text.startswith("#!/bin/bash") else "sh"
            if caption.startswith("crontab"):
                file.write_text(text.split(" ", 5)[5])
                assert "%" not in text, "cron would end the line there"
            subprocess.run([shell, "-n", file], check=True, timeout=30)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("count", "status", "message"),
    [
        ("echo 12", "pass", "12 waiting, the limit is 10000"),
        ("echo 10001", "fail", "10001 waiting, the limit is 10000"),
        ("echo Error: refused", "fail", "the queue cannot be counted"),
        ("false", "fail", "the queue cannot be counted"),
    ],
)
def test_the_queue_script_pushes_a_pass_or_a_fail_by_the_limit(
    people, tmp_path, settings, count, status, message
):
    with Provider(lambda n: 201) as provider:
        settings.BASE_URL = provider.url.removesuffix("/hook")
        pattern = next(each for each in PATTERNS if each.key == "queue-depth")
        monitor = make_monitor(people.team)
        text = write_pattern(pattern, monitor, "q8Zk2LmT0xYb", token=None)[0][1]
        counter = tmp_path / "redis-cli"
        counter.write_text(f"#!/bin/sh\n{count}\n")
        counter.chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        subprocess.run(
            ["sh", "-c", text], check=True, timeout=30, env={"PATH": path, "NO_PROXY": "*"}
        )
        assert provider.got[0].path == "/api/push/q8Zk2LmT0xYb/results"
        assert provider.got[0].json == {"status": status, "message": message}


# --- the quota, and what is gone --------------------------------------------------------------


def test_a_full_plan_says_so_before_the_form_is_filled_in(owner, people):
    make_monitor(people.team)
    plan = Plan.objects.create(name="Small", monitor_quota=1)
    Team.objects.filter(pk=people.team.pk).update(plan=plan)
    assert "Your plan allows 1 monitor, and it is in use." in text_of(owner.get(NEW))
    Team.objects.filter(pk=people.team.pk).update(monitor_quota=2)
    assert "Your plan allows" not in text_of(owner.get(NEW))


def test_a_monitor_that_was_deleted_while_somebody_waits_gives_a_way_on(owner, people, monitor):
    address = f"/t/acme/monitors/{monitor.pk}/setup"
    assert owner.get(address, headers=HTMX).status_code == 200
    delete_monitor(monitor=monitor)
    fragment = owner.get(address, headers=HTMX)
    assert fragment.status_code == 286, "what is gone is not waited for"
    assert NEW in fragment.content.decode()
    page = owner.get(address)
    assert page.status_code == 404
    assert "This monitor is gone" in text_of(page)
    with scopes_disabled():
        elsewhere = Team.objects.get(slug="elsewhere")
    foreign = make_monitor(elsewhere)
    answer = owner.get(f"/t/acme/monitors/{foreign.pk}/setup", headers=HTMX)
    assert answer.content == fragment.content


# --- how far the set-up has come ----------------------------------------------------------------


@sends
def test_what_is_left_is_read_from_the_rows(owner, people, loopback):
    team = people.team
    assert keys_left(team) == ["monitor", "push", "paging", "test"]
    monitor = make_monitor(team)
    assert keys_left(team) == ["push", "paging", "test"]
    with scope(team=team):
        assert str(monitor.pk) in read_setup(team).next.url
    push(monitor)
    assert keys_left(team) == ["paging", "test"]
    owner.post(TEST)
    assert keys_left(team) == ["test"]
    deliver()
    assert keys_left(team) == []
    delete_monitor(monitor=monitor)
    assert keys_left(team) == ["monitor", "push"]


@sends
def test_home_and_empty_lists_lead_back_until_nothing_is_left(owner, people, browse, loopback):
    for address in ("/t/acme/", "/t/acme/monitors/"):
        assert "Finish setting up" in text_of(owner.get(address))
        assert "Finish setting up" not in text_of(browse(people.viewer).get(address))
    push(make_monitor(people.team))
    home = owner.get("/t/acme/").content.decode()
    assert PAGING in home
    owner.post(TEST)
    deliver()
    assert "Finish setting up" not in text_of(owner.get("/t/acme/"))
    assert "Everything is set up" in text_of(owner.get("/t/acme/start/"))


def test_steps_of_other_teams_do_not_count(people):
    with scopes_disabled():
        elsewhere = Team.objects.get(slug="elsewhere")
    push(make_monitor(elsewhere))
    ensure_catch_all(elsewhere)
    assert keys_left(people.team) == ["monitor", "push", "paging", "test"]


def test_the_set_up_costs_one_query_however_much_there_is(people, django_assert_num_queries):
    with scope(team=people.team), django_assert_num_queries(1):
        read_setup(people.team)
    for number in range(20):
        push(make_monitor(people.team, name=f"m-{number}"))
    with scope(team=people.team), django_assert_num_queries(1):
        read_setup(people.team)


def test_a_viewer_sees_how_far_it_is_and_no_button(people, browse):
    page = browse(people.viewer).get("/t/acme/start/").content.decode()
    assert "A member of the team finishes this" in page
    main = page[page.index("<main") :]
    assert "monitors/new" not in main
    assert "start/paging" not in main


def test_a_member_who_was_invited_lands_at_home(people, browse):
    client = browse(people.member)
    assert client.get("/", follow=True).redirect_chain == [("/t/acme/", 302)]
    assert client.get(PAGING).status_code == 200


# --- who is paged -----------------------------------------------------------------------------


def test_it_says_who_would_be_paged_now(owner, people, monitor):
    page = text_of(owner.get(f"{PAGING}?monitor={monitor.pk}"))
    assert "nightly-backup goes silent or fails" in page
    assert "The owners are mailed: owner@acme.example" in page
    assert "The test goes to you alone." in page


@pytest.mark.parametrize("asked", ["nothing", "0", "%00", "%ED%A0%80", "1" * 400])
def test_what_is_asked_wrongly_is_shown_as_if_it_were_not_asked(owner, monitor, asked):
    for address in (
        f"{PAGING}?monitor={asked}",
        f"{PAGING}?kind={asked}",
        f"{TEST}?sent={asked}",
        f"{TEST}?sent={asked},{asked}",
    ):
        assert owner.get(address).status_code == 200, address
    answer = owner.post(
        PAGING, {"channels": ["nothing", "\0", "\ud800".encode("utf-8", "replace")]}
    )
    assert answer["Location"] == PAGING


def test_every_step_works_before_there_is_a_monitor(owner):
    assert "When a monitor goes silent" in text_of(owner.get(PAGING))
    assert "No test page has been sent yet" in text_of(owner.get(TEST))
    assert owner.post(TEST)["Location"].startswith(f"{TEST}?sent=")


@sends
def test_a_test_page_goes_to_oneself_by_default_and_is_seen_to_arrive(owner, people, mailoutbox):
    where = owner.post(TEST)["Location"]
    assert "The test page is on its way" in text_of(owner.get(where))
    assert owner.get(where, headers=HTMX).status_code == 200
    deliver()
    assert [mail.to for mail in mailoutbox] == [["owner@acme.example"]]
    fragment = owner.get(where, headers=HTMX)
    assert fragment.status_code == 286
    assert "The test page is delivered" in text_of(fragment)
    assert 'href="/t/acme/"' in fragment.content.decode()


@sends
def test_a_slack_webhook_is_added_routed_to_and_tried_in_one_go(
    owner, people, loopback, mailoutbox
):
    with Provider(lambda n: 200) as provider:
        answer = owner.post(
            f"{PAGING}?kind=slack",
            {"config_url": f"{provider.url}", "name": "", "keep_mail": "on"},
        )
        deliver()
        assert len(provider.got) == 1
    where = answer["Location"]
    assert where.startswith(f"{TEST}?sent=")
    assert "The test page is delivered" in text_of(owner.get(where))
    assert [mail.to for mail in mailoutbox] == [["owner@acme.example"]], "the owners are kept"
    with scopes_disabled():
        rule = AlertRule.objects.get(is_catch_all=True)
        assert sorted(rule.channels.values_list("kind", flat=True)) == ["email", "slack"]
    owner.post(f"{PAGING}?kind=slack", {"config_url": f"{provider.url}/second"})
    with scopes_disabled():
        names = Channel.objects.filter(kind="slack").order_by("name")
        assert list(names.values_list("name", flat=True)) == ["Slack", "Slack 2"]
        assert rule.channels.count() == 3, "what was there stays"


def test_mail_to_oneself_is_one_click_for_whoever_is_no_owner(people, browse):
    address = f"{PAGING}?kind=email"
    asked = browse(people.member).get(address)
    assert 'value="member@acme.example"' in asked.content.decode()
    assert 'value="owner@acme.example"' not in browse(people.owner).get(address).content.decode()
    browse(people.member).post(address, {**form_values(asked), "keep_mail": "on"})
    with scopes_disabled():
        rule = AlertRule.objects.get(is_catch_all=True)
        told = sorted(to for channel in rule.channels.all() for to in channel.config["to"])
    assert told == ["member@acme.example", "owner@acme.example"]


def test_without_the_tick_the_owners_are_no_longer_mailed(owner, people):
    owner.post(f"{PAGING}?kind=email", {"config_to": "duty@acme.example"})
    with scopes_disabled():
        rule = AlertRule.objects.get(is_catch_all=True)
        assert [c.config["to"] for c in rule.channels.all()] == [["duty@acme.example"]]


def test_a_refused_address_is_said_beside_its_field_and_nothing_is_kept(owner):
    answer = owner.post(f"{PAGING}?kind=slack", {"config_url": "ftp://x", "keep_mail": "on"})
    assert answer.status_code == 200
    assert answer.context["form"].errors["config_url"]
    with scopes_disabled():
        assert not Channel.objects.exists()
        assert not Delivery.objects.exists()


@sends
def test_a_test_that_fails_says_why_and_what_to_do(owner, people, loopback):
    with Provider(lambda n: 404) as provider:
        answer = owner.post(f"{PAGING}?kind=slack", {"config_url": f"{provider.url}"})
        deliver()
    page = owner.get(answer["Location"])
    with scopes_disabled():
        channel = Channel.objects.get()
        detail = Delivery.objects.get(channel=channel).attempts[-1]["detail"]
    assert "A test page did not arrive" in text_of(page)
    assert detail in text_of(page)
    assert f"/t/acme/channels/{channel.pk}/edit" in page.content.decode()
    assert PAGING in page.content.decode()
    assert keys_left(people.team)[-1] == "test"


def test_channels_that_are_there_can_be_put_to_use(owner, people, loopback):
    config = {"to": ["a@acme.example"]}
    channel = create_channel(team=people.team, name="Duty", kind="email", config=config)
    with scopes_disabled():
        elsewhere = Team.objects.get(slug="elsewhere")
    foreign = create_channel(team=elsewhere, name="Theirs", kind="email", config=config)
    assert "Duty" in text_of(owner.get(PAGING))
    owner.post(PAGING, {"channels": [str(channel.pk), str(foreign.pk)]})
    with scopes_disabled():
        rule = AlertRule.objects.get(is_catch_all=True, team=people.team)
        assert list(rule.channels.all()) == [channel]
    refused = owner.post(PAGING, {"channels": [str(foreign.pk)]}, follow=True)
    assert "Choose a channel of the list." in text_of(refused)


@sends
def test_others_are_left_in_peace_and_one_stands_in_for_them(people, browse, mailoutbox):
    client = browse(people.member)  # the owners would be paged, and this is none of them
    assert "it goes to you instead" in text_of(client.get(PAGING))
    client.post(TEST)
    deliver()
    assert [mail.to for mail in mailoutbox] == [["member@acme.example"]]


@sends
def test_a_policy_is_tried_at_its_channels_and_at_oneself(owner, people, loopback, mailoutbox):
    with scopes_disabled():
        members = {m.user.email: m for m in Membership.objects.select_related("user")}
    steps = [
        StepValues(delay=0, targets=[members["owner@acme.example"]]),
        StepValues(delay=300, targets=[members["member@acme.example"]]),
    ]
    policy = create_policy(team=people.team, name="Ladder", steps=steps)
    update_rule(rule=ensure_catch_all(people.team), policy=policy)
    page = text_of(owner.get(PAGING))
    assert "Ladder" in page
    assert "Other people are left in peace" in page
    owner.post(TEST)
    deliver()
    assert [mail.to for mail in mailoutbox] == [["owner@acme.example"]]


def test_whoever_cannot_be_reached_is_told_where_to_mend_that(people, browse):
    unproved = User.objects.create_user("late@acme.example")
    with scopes_disabled():
        Membership.objects.create(team=people.team, user=unproved, role="member")
    client = browse(unproved)
    answer = client.post(TEST, follow=True)
    assert answer.redirect_chain == [(PAGING, 302)]
    assert "Nothing could be sent" in text_of(answer)
    assert "/t/acme/on-call/contacts/" in answer.content.decode()
    verify_address(unproved)
    assert client.post(TEST)["Location"].startswith(TEST + "?")


def test_tests_of_other_teams_are_not_shown(owner, people, browse):
    where = browse(people.stranger).post("/t/elsewhere/start/test")["Location"]
    sent = where.partition("=")[2]
    assert "No test page has been sent yet" in text_of(owner.get(f"{TEST}?sent={sent}"))


def test_the_pages_cost_the_same_however_many_monitors_there_are(owner, people):
    def count(address: str) -> int:
        owner.get(address)  # the session and the rule that is always there are made once
        with CaptureQueriesContext(connection) as done:
            assert owner.get(address).status_code == 200
        return len(done)

    make_monitor(people.team, name="first")
    addresses = (NEW, PAGING, TEST, "/t/acme/start/")
    before = [count(address) for address in addresses]
    for number in range(15):
        create_monitor(team=people.team, name=f"m-{number}")
    assert [count(address) for address in addresses] == before


# --- visitors ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_visitors_read_what_it_does_and_find_the_way_in():
    page = Client().get("/").content.decode()
    assert "Know when something stops." in page
    for name in ("account_signup", "account_login"):
        assert f'href="{reverse(name)}"' in page
    for fact in ("Air-gapped", "10,000", "flat rate per monitor", "90 s after the last push"):
        assert fact in page
