"""Telling subscribers: whom, once each, with the same key on every try, and nobody starves."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Team
from config.celery import app
from incidents.engine import stamp_ages
from incidents.management.commands.standby import other_parts
from monitors.queries import database_now
from statuspages import tasks
from statuspages.models import PostUpdate, StatusPage, Subscriber, SubscriberMessage
from statuspages.services import components, pages, posts
from statuspages.subscribers import outbox
from statuspages.subscribers.pool import Round
from statuspages.subscribers.sender import send_leased
from statuspages.subscribers.subscribing import ask_email, unsubscribe
from tests.factories import TeamFactory
from tests.providers import Answer, Provider
from tests.racing import at_once, wait_for
from tests.statuspages.following import (
    age,
    follow,
    hook,
    line_up,
    messages,
    open_notices,
    states,
    tell,
    told,
)
from tests.statuspages.pages import make_component, make_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(team: Team) -> StatusPage:
    return make_page(team)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def test_those_are_told_who_confirmed_and_follow_what_it_is_about(page: StatusPage) -> None:
    api, web = make_component(page, name="API"), make_component(page, name="Web")
    follow(page, "all@example.org")
    follow(page, "api@example.org", api.code)
    follow(page, "both@example.org", web.code, api.code)
    follow(page, "web@example.org", web.code)
    follow(page, "waiting@example.org", confirmed_at=None)
    follow(page, "gone@example.org", disabled_at=database_now())
    follow(make_page(page.team, "other"), "stranger@example.org")
    posts.create_post(page=page, title="API slow", components={api: ""})
    assert tell() == 3
    assert told() == ["all@example.org", "api@example.org", "both@example.org"]
    assert {message.subject for message in mail.outbox} == {"[Acme status] Investigating: API slow"}
    assert states() == ["delivered"] * 3
    assert tell() == 0


def test_a_choice_counts_as_long_as_one_of_its_components_is_there(page: StatusPage) -> None:
    api, web = make_component(page, name="API"), make_component(page, name="Web")
    follow(page, "web@example.org", web.code)
    follow(page, "both@example.org", web.code, api.code)
    components.delete_component(component=web)
    posts.create_post(page=page, title="General")
    tell()
    assert told() == ["web@example.org"]
    posts.create_post(page=page, title="API slow", components={api: ""})
    tell()
    assert told() == ["both@example.org", "web@example.org", "web@example.org"]


def test_every_update_is_told_in_its_own_words(page: StatusPage) -> None:
    follow(page)
    post = posts.create_post(page=page, title="API slow", body="We look.")
    posts.add_update(post=post, status="resolved", body="It was the **cable**.")
    posts.add_update(post=post, body="Quiet", notify=False)
    tell()
    assert sorted(str(sent.subject) for sent in mail.outbox) == [
        "[Acme status] Investigating: API slow",
        "[Acme status] Resolved: API slow",
    ]
    bodies = "".join(str(sent.body) for sent in mail.outbox)
    assert "We look." in bodies
    assert "It was the cable." in bodies


def test_planned_maintenance_is_told_with_its_time(page: StatusPage) -> None:
    follow(page)
    start = database_now().replace(hour=1, minute=30) + timedelta(days=2)
    posts.create_maintenance_post(
        page=page, title="New disks", scheduled_for=start, scheduled_until=start.replace(hour=3)
    )
    tell()
    (sent,) = mail.outbox
    assert sent.subject == "[Acme status] Scheduled: New disks"
    assert "01:30–03:30 UTC" in str(sent.body)


def test_a_draft_is_told_to_nobody_until_it_is_published(page: StatusPage) -> None:
    follow(page)
    draft = posts.create_post(page=page, title="API slow", published=False)
    assert tell() == 0
    posts.publish_draft(post=draft)
    assert tell() == 1
    assert told() == ["ann@example.org"]


def test_what_is_on_a_hidden_page_is_told_if_it_is_published_within_a_day(
    page: StatusPage,
) -> None:
    follow(page)
    pages.update_page(page=page, published=False)
    posts.create_post(page=page, title="Early")
    assert (tell(), open_notices()) == (0, 1)
    pages.update_page(page=page, published=True)
    assert (tell(), open_notices()) == (1, 0)
    pages.update_page(page=page, published=False)
    posts.create_post(page=page, title="Late")
    age("postnotice", created_at="25 hours")
    assert (tell(), open_notices()) == (0, 0)
    pages.update_page(page=page, published=True)
    assert tell() == 0


@pytest.mark.parametrize("visibility", ["password", "members"])
def test_a_gated_page_tells_its_subscribers(team: Team, visibility: str) -> None:
    page = make_page(team, visibility=visibility, password_hash="x")
    follow(page)
    posts.create_post(page=page, title="API slow")
    assert tell() == 1


def test_nobody_is_told_twice_however_many_put_it_in_line(page: StatusPage) -> None:
    for number in range(20):
        follow(page, f"n{number}@example.org")
    post = posts.create_post(page=page, title="API slow")
    assert sum(at_once(line_up, line_up, line_up)) == 20
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("UPDATE statuspages_postnotice SET handled_at = NULL")
    assert line_up() == 0
    assert sum(at_once(tell, tell, tell)) == 20
    assert told() == sorted(f"n{number}@example.org" for number in range(20))
    assert post.pk


def test_two_who_claim_get_different_messages(page: StatusPage) -> None:
    for number in range(8):
        follow(page, f"n{number}@example.org")
    posts.create_post(page=page, title="API slow")
    line_up()
    first, second = at_once(lambda: outbox.claim(limit=3), lambda: outbox.claim(limit=3))
    claimed = [leased.id for leased in (*first, *second)]
    assert len(claimed) == len(set(claimed)) == 6
    # A team has three quarters of the senders at most.
    assert outbox.claim(limit=8) == []


def test_what_is_deleted_before_it_is_sent_is_told_to_nobody(page: StatusPage) -> None:
    follow(page)
    post = posts.create_post(page=page, title="One")
    other = posts.create_post(page=page, title="Two")
    update = posts.add_update(post=other, body="x")
    line_up()
    posts.delete_post(post=post)
    posts.delete_update(update=update)
    assert tell() == 1
    assert [sent.subject for sent in mail.outbox] == ["[Acme status] Investigating: Two"]


def test_what_is_hidden_before_it_is_sent_is_cancelled(page: StatusPage) -> None:
    follow(page)
    posts.create_post(page=page, title="One")
    line_up()
    pages.update_page(page=page, published=False)
    tell()
    assert states() == ["cancelled"]
    assert not mail.outbox


def test_unsubscribing_takes_back_what_was_still_to_be_sent(
    page: StatusPage, provider: Provider
) -> None:
    subscriber = hook(page, provider.url)
    posts.create_post(page=page, title="One")
    line_up()
    (leased,) = outbox.claim(limit=1)
    posts.create_post(page=page, title="Two")
    line_up()
    unsubscribe(subscriber=subscriber)
    assert messages() == []
    assert tell() == 0
    assert send_leased(leased) == ""
    assert provider.got == []


def test_ten_thousand_messages_of_one_team_do_not_keep_another_waiting(page: StatusPage) -> None:
    with scopes_disabled():
        Subscriber.objects.bulk_create(
            Subscriber(
                team_id=page.team_id,
                page=page,
                kind="email",
                address=f"n{number}@example.org",
                confirmed_at=database_now(),
            )
            for number in range(10_000)
        )
    posts.create_post(page=page, title="Loud")
    assert line_up() == 10_000
    assert len(outbox.claim(limit=8)) == outbox.MOST_PER_TEAM
    quiet = make_page(TeamFactory(slug="quiet"), "quiet")
    follow(quiet, "patient@example.org")
    posts.create_post(page=quiet, title="Soft")
    line_up()
    (leased,) = outbox.claim(limit=2)
    with scopes_disabled():
        assert SubscriberMessage.objects.get(pk=leased.id).team_id == quiet.team_id
    # And who waits at a screen goes before ten thousand.
    ask_email(page=page, address="fresh@example.org")
    (leased,) = outbox.claim(limit=1, per_team=outbox.MOST_PER_TEAM + 1)
    with scopes_disabled():
        assert SubscriberMessage.objects.get(pk=leased.id).event == "subscription.confirm"


def test_without_anything_to_do_a_second_costs_one_statement(page: StatusPage) -> None:
    follow(page)
    rounds = Round()
    rounds.run(runner="test")
    with CaptureQueriesContext(connection) as queries:
        assert rounds.run(runner="test") == 0
    assert len(queries) == 1


def test_the_task_wakes_one_thread_and_returns(page: StatusPage, provider: Provider) -> None:
    provider.answer = lambda n: Answer(delay_seconds=1)
    hook(page, provider.url)
    posts.create_post(page=page, title="API slow")
    tasks.tell_subscribers()
    provider.wait(1)
    assert tasks.start_telling() is False
    assert wait_for(lambda: states() == ["delivered"])
    assert "subscribers" in stamp_ages()
    assert wait_for(lambda: not tasks._telling.locked())


def test_beat_and_the_standby_know_of_it() -> None:
    assert app.conf.task_routes["statuspages.tasks.tell_subscribers"] == {"queue": "deliver"}
    entry = app.conf.beat_schedule["tell_subscribers"]
    assert entry["task"] == tasks.tell_subscribers.name
    assert tasks.tell_subscribers.expires == tasks.EXPIRES_SECONDS
    parts = other_parts()
    assert parts["pages"] == tasks.start_round
    assert parts["subscribers"] == tasks.start_telling


def test_a_page_that_cannot_be_read_delays_its_own_subscribers_alone(page: StatusPage) -> None:
    follow(page, "stuck@example.org")
    posts.create_post(page=page, title="API slow")
    fine = make_page(page.team, "fine")
    follow(fine, "fine@example.org")
    posts.create_post(page=fine, title="Other")
    line_up()
    with scopes_disabled():
        PostUpdate.objects.filter(post__page=page).update(affected=[{"name": 1, "code": []}, 7])
        StatusPage.objects.filter(pk=page.pk).update(version=99)
    tell()
    assert told() == ["fine@example.org"]
    assert states(subscriber__address="stuck@example.org") == ["pending"]
