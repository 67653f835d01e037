"""I9: a mass outage is a digest per contact and minute, and machines get everything."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from incidents.delivery import pacing
from incidents.delivery.outbox import claim
from incidents.delivery.pacing import MOST_A_MINUTE, MOST_AT_ONCE
from incidents.delivery.pool import deliver_here
from incidents.engine import run_round
from incidents.lifecycle.actions import acknowledge_incident
from incidents.models import ContactPace, Delivery
from monitors.models import Monitor
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.ladders import add_member, policy_of, webhook_method
from tests.incidents.telling import (
    channel_to,
    deliveries,
    events,
    go,
    incidents,
    make_due,
    route_to,
    states,
    timeline,
)
from tests.monitors.pushing import push
from tests.providers import Provider
from tests.racing import before_sql

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def team():
    return TeamFactory()


@pytest.fixture
def ana(team):
    return add_member(team, "ana@example.org")


def fail_all(team, count: int, prefix: str = "m") -> list[Monitor]:
    monitors = [MonitorFactory(team=team, name=f"{prefix}-{n}") for n in range(count)]
    for monitor in monitors:
        push(monitor, "fail")
    run_round()
    return monitors


def pass_a_minute():
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_contactpace SET last_at = last_at - interval '61 s',"
            " since = since - interval '61 s', hold_until = hold_until - interval '61 s'"
        )
    make_due()


def send():
    for _ in range(3):
        deliver_here()


def test_many_at_once_are_one_message_that_names_them(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 12)
    send()
    (digest,) = mail.outbox
    assert digest.subject == f"[Tocsin] {team.name}: 12 down"
    assert all(f"m-{n} ({team.slug})" in digest.body for n in range(12))
    assert f"/t/{team.slug}/incidents/" in digest.body
    assert states(event="incident.opened") == ["delivered"] * 12
    assert all(
        ("notified", "Told ana@example.org (email), in one message for many") in timeline(i)
        for i in incidents()
    )


def test_what_follows_within_the_minute_waits_and_is_one_message_again(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    send()
    fail_all(team, 8, "n")
    send()
    assert len(mail.outbox) == 1
    waiting = deliveries(event="incident.opened", state="pending")
    assert len(waiting) == 8
    pass_a_minute()
    send()
    assert [letter.subject for letter in mail.outbox] == [f"[Tocsin] {team.name}: 8 down"] * 2


def test_a_single_page_after_a_digest_is_not_held_back_but_few_are_let_through(team, ana):
    policy_of(team, (0, [ana]))
    for n in range(MOST_A_MINUTE + 2):
        fail_all(team, 1, f"x{n}")
        send()
    assert len(mail.outbox) == MOST_A_MINUTE
    pass_a_minute()
    send()
    assert len(mail.outbox) == MOST_A_MINUTE + 1
    assert mail.outbox[-1].subject == f"[Tocsin] {team.name}: 2 down"


def test_a_few_at_once_are_told_one_by_one(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, MOST_AT_ONCE)
    send()
    assert len(mail.outbox) == MOST_AT_ONCE
    assert ContactPace.objects.get().count == MOST_AT_ONCE


def test_the_recoveries_of_a_mass_outage_are_one_message_too(team, ana):
    policy_of(team, (0, [ana]))
    monitors = fail_all(team, 9)
    send()
    for monitor in monitors:
        push(monitor, "pass")
    run_round()
    pass_a_minute()
    send()
    assert [letter.subject for letter in mail.outbox] == [
        f"[Tocsin] {team.name}: 9 down",
        f"[Tocsin] {team.name}: 9 over",
    ]


def test_what_recovers_while_it_waits_for_the_minute_is_not_told(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    send()
    blips = fail_all(team, 8, "blip")
    send()
    for monitor in blips:
        push(monitor, "pass")
    run_round()
    pass_a_minute()
    send()
    assert len(mail.outbox) == 1


def test_what_is_acknowledged_while_it_waits_is_left_out(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    send()
    fail_all(team, 5, "n")
    send()
    for incident in incidents()[-1:]:
        acknowledge_incident(incident=incident, actor="ana@example.org")
    pass_a_minute()
    send()
    assert mail.outbox[-1].subject == f"[Tocsin] {team.name}: 4 down"


def test_a_machine_gets_each(team):
    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        fail_all(team, 12)
        send()
        assert events(provider) == ["incident.opened"] * 12


def test_a_machines_pages_that_come_in_the_middle_of_a_look_are_no_digest(team):
    """Between letting go what needs no pace and looking at the rest."""

    def fail_now() -> None:
        fail_all(team, 8)
        make_due()

    with Provider() as provider:
        route_to(team, channel_to(team, provider))
        with before_sql("count(*), clock_timestamp()", fail_now) as met:
            deliver_here()
        assert met
        send()
        assert events(provider) == ["incident.opened"] * 8


def test_a_person_who_is_reached_by_a_webhook_gets_one(team, ana):
    with Provider() as provider:
        webhook_method(ana, provider.url)
        policy_of(team, (0, [ana]))
        fail_all(team, 12)
        send()
        (got,) = provider.got
    assert got.json["type"] == "incident.digest"
    assert got.json["data"]["counts"] == {"opened": 12, "total": 12}
    assert len(got.json["data"]["incidents"]) == 12


def test_a_digest_that_fails_for_good_brings_the_owners_in(team, ana):
    with Provider(lambda n: 404) as gone:
        webhook_method(ana, gone.url)
        policy_of(team, (0, [ana]))
        fail_all(team, 5)
        send()
    assert set(states(event="incident.opened", contact_method__isnull=False)) == {"failed"}
    assert [letter.subject for letter in mail.outbox] == [f"[Tocsin] {team.name}: 5 down"]


def test_a_digest_that_is_tried_again_keeps_its_key_and_its_words(team, ana):
    with Provider(lambda n: 503 if n == 1 else 200) as provider:
        webhook_method(ana, provider.url)
        policy_of(team, (0, [ana]))
        fail_all(team, 6)
        send()
        fail_all(team, 1, "later")
        make_due()
        deliver_here()
        first, second = [got for got in provider.got if "digest" in got.json["type"]]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_one_teams_flood_does_not_slow_anothers_page(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 30)
    other = TeamFactory()
    monitor = MonitorFactory(team=other)
    go(monitor, "fail")
    send()
    assert {letter.subject.split(":")[0] for letter in mail.outbox} == {
        f"[Tocsin] {team.name}",
        "[Tocsin] Down",
    }
    assert Delivery.objects.filter(team=other, state="delivered").count() == 1


def test_what_waits_is_not_overtaken_for_ever_by_a_trickle(team, ana):
    """A page every 40 s must not move the end of the minute away from those that wait for it."""
    policy_of(team, (0, [ana]))
    fail_all(team, 1)
    send()
    fail_all(team, 5, "held")
    send()
    assert states(event="incident.opened", state="pending") == ["pending"] * 5
    fail_all(team, 1, "trickle")
    send()
    assert len(mail.outbox) == 1
    pass_a_minute()
    send()
    assert mail.outbox[-1].subject == f"[Tocsin] {team.name}: 6 down"


def test_after_a_digest_everything_waits_for_the_end_of_its_minute(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    send()
    for n in range(3):
        fail_all(team, 1, f"late{n}")
        send()
    assert len(mail.outbox) == 1
    pass_a_minute()
    send()
    assert [letter.subject for letter in mail.outbox[1:]] == [f"[Tocsin] {team.name}: 3 down"]
    fail_all(team, 1, "alone")
    send()
    assert len(mail.outbox) == 2  # still within a minute of the last
    pass_a_minute()
    send()
    assert mail.outbox[-1].subject.startswith("[Tocsin] Down: alone-0")


def test_a_digest_that_is_tried_again_ends_when_all_in_it_were_seen(team, ana):
    with Provider(lambda n: 503) as provider:
        webhook_method(ana, provider.url)
        policy_of(team, (0, [ana]))
        fail_all(team, 5)
        send()
        for incident in incidents():
            acknowledge_incident(incident=incident, actor="ana@example.org")
        tried = len(provider.got)
        make_due()
        send()
        assert len(provider.got) == tried
    assert set(states(contact_method__isnull=False)) == {"cancelled"}


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(pacing, "MOST_ROWS", 10)


@pytest.fixture
def small_looks(monkeypatch):
    """Five rows of one contact in a look, as if they were thousands."""
    monkeypatch.setattr(pacing, "MOST_ROWS", 5)


def test_a_digest_of_more_than_one_look_takes_is_one_message_all_the_same(team, ana, small_looks):
    policy_of(team, (0, [ana]))
    fail_all(team, 12)
    for taken in (5, 10):
        assert claim(limit=32) == []
        assert len(states(event="incident.opened", state="bundled")) == taken
    send()
    (digest,) = mail.outbox
    assert digest.subject == f"[Tocsin] {team.name}: 12 down"
    assert states(event="incident.opened") == ["delivered"] * 12


def test_a_digest_that_nobody_fills_up_goes_out_and_the_rest_is_the_next(team, ana, small_looks):
    """What takes the first look dies, or there is too much for the time that a digest is open."""
    policy_of(team, (0, [ana]))
    fail_all(team, 12)
    assert claim(limit=32) == []
    make_due()  # the digest has been open for long enough
    send()
    assert [letter.subject for letter in mail.outbox] == [f"[Tocsin] {team.name}: 5 down"]
    pass_a_minute()
    send()
    assert len(mail.outbox) == 1  # a minute from when it went out at the latest
    pass_a_minute()
    send()
    assert mail.outbox[1].subject == f"[Tocsin] {team.name}: 7 down"
    assert states(event="incident.opened") == ["delivered"] * 12


def test_what_comes_after_a_digest_was_taken_up_does_not_join_it(team, ana, small_looks):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    assert claim(limit=32) == []
    (leased,) = claim(limit=32)
    fail_all(team, 2, "late")
    assert claim(limit=32) == []
    assert leased.payload["counts"]["total"] == 8
    assert Delivery.objects.filter(bundle=leased.id).count() == 8
    assert len(states(event="incident.opened", state="pending")) == 2


def test_a_flood_of_one_does_not_keep_anothers_page_for_its_later_looks(team, ana, small_looks):
    policy_of(team, (0, [ana]))
    fail_all(team, 20)
    go(MonitorFactory(team=TeamFactory()), "fail")
    (page,) = claim(limit=32)
    assert page.event == "incident.opened"
    assert page.team_id != team.pk


def page_many_teams(count: int) -> list[Team]:
    """Let so many teams have had a digest just now, and six more pages each that are due."""
    teams = [TeamFactory() for _ in range(count)]
    for team in teams:
        policy_of(team, (0, [add_member(team, f"{team.slug}@example.org")]))
        fail_all(team, 6)
        send()
    for team in teams:
        fail_all(team, 6, "then")
    return teams


def test_the_pages_of_all_who_wait_are_put_off_by_one_statement(small_pieces):
    teams = page_many_teams(4)
    assert len(mail.outbox) == len(teams)
    make_due()
    with CaptureQueriesContext(connection) as asked:
        assert claim(limit=32) == []
    changed = [q["sql"] for q in asked if "SET next_attempt_at" in q["sql"]]
    assert len(changed) == 3, "24 rows in pieces of ten, and none for each contact"
    ends = dict(ContactPace.objects.values_list("contact", "hold_until"))
    waiting = deliveries(state="pending", event="incident.opened")
    assert len(waiting) == 24
    assert all(page.next_attempt_at == ends[page.contact] for page in waiting)
    assert len(set(ends.values())) == len(teams)


def test_what_comes_after_an_unsent_message_is_not_put_off_with_the_others(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    send()
    fail_all(team, 2, "n")
    first, second = deliveries(state="pending")
    Delivery.objects.filter(pk=second.pk).update(after=first)
    assert claim(limit=32) == []
    (held,) = ContactPace.objects.values_list("hold_until", flat=True)
    first.refresh_from_db()
    assert first.next_attempt_at == held
    before = second.next_attempt_at
    second.refresh_from_db()
    assert second.next_attempt_at == before


def test_pages_to_somebody_who_is_left_alone_wait_from_the_start(team, ana):
    with Provider() as provider:
        policy_of(team, (0, [ana, channel_to(team, provider)]))
        fail_all(team, 8)
        send()
        fail_all(team, 5, "n")
        held = ContactPace.objects.get(contact__contains="ana").hold_until
        waiting = deliveries(state="pending", contact__contains="ana")
        assert [page.next_attempt_at for page in waiting] == [held] * 5
        send()
        assert events(provider) == ["incident.opened"] * 13, "machines get each at once"
    assert len(mail.outbox) == 1
    pass_a_minute()
    send()
    assert mail.outbox[-1].subject == f"[Tocsin] {team.name}: 5 down"


def test_what_recovers_at_once_while_its_contact_is_left_alone_is_not_told(team, ana):
    policy_of(team, (0, [ana]))
    fail_all(team, 8)
    send()
    [blip] = fail_all(team, 1, "n")
    push(blip, "pass")
    run_round()
    assert incidents(blip)[0].state == "resolved"
    pass_a_minute()
    send()
    assert len(mail.outbox) == 1
