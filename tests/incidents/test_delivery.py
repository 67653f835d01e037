"""Delivery: at least once, with the same key, fairly, and each message's trouble its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import InterfaceError, OperationalError, connection, transaction
from django_scopes import scopes_disabled

from accounts.database.standing import as_owner
from incidents.delivery.outbox import (
    LEASE_SECONDS,
    MOST_ATTEMPTS,
    MOST_PER_TEAM,
    SENDING_SECONDS,
    backoff_seconds,
    claim,
)
from incidents.delivery.pool import SenderPool, deliver_here
from incidents.delivery.sender import LEASE_LEFT_SECONDS, send_leased
from incidents.models import Channel, Delivery
from incidents.notifications import test_channel as queue_test
from monitors.queries import database_now
from tests.factories import TeamFactory
from tests.incidents.telling import (
    channel_to,
    deliveries,
    events,
    go,
    ids,
    incidents,
    kinds,
    make_due,
    page,
    route_to,
    states,
    timeline,
)
from tests.monitors.pushing import make_monitors
from tests.providers import Answer, Provider
from tests.racing import at_once, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def paged(team, monitor, provider) -> Delivery:
    """The message of an incident, on its way to the provider."""
    page(team, monitor, provider)
    return deliveries()[0]


def outcomes(delivery: Delivery) -> list[str]:
    delivery.refresh_from_db()
    return [attempt["outcome"] for attempt in delivery.attempts]


def test_a_2xx_is_delivered_by_one_attempt(provider, paged):
    """N1."""
    assert deliver_here() == 1
    assert outcomes(paged) == ["sent"]
    assert (paged.state, paged.attempt_count, paged.finished_at is None) == ("delivered", 1, False)
    assert kinds(incidents()[0])[-1] == "notified"
    assert ids(provider) == [str(paged.pk)]


@pytest.mark.parametrize(
    "answer", [500, 503, 429, 408, Answer(reset=True), Answer(raw=b"nope\r\n")]
)
def test_what_may_pass_is_tried_again_with_the_same_key(provider, paged, answer):
    """N2."""
    provider.answer = lambda n: answer if n == 1 else 200
    deliver_here()
    paged.refresh_from_db()
    assert (paged.state, paged.lease_token) == ("pending", None)
    wait = (paged.next_attempt_at - database_now()).total_seconds()
    assert 2 < wait < 6
    assert deliver_here() == 0  # not before its time
    make_due()
    deliver_here()
    assert outcomes(paged) == ["retry", "sent"]
    assert len(set(ids(provider))) == 1
    assert provider.got[0].body == provider.got[1].body


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_4xx_is_not_tried_again(provider, paged, status):
    """N3."""
    provider.answer = lambda n: status
    deliver_here()
    make_due()
    paged.refresh_from_db()
    assert (paged.state, outcomes(paged)) == ("failed", ["failed"])
    assert Channel.objects.get().disabled_at is None
    assert ("failed", f"Could not tell hook (webhook): answered {status}") in [
        (kind, text.partition(": redirects")[0]) for kind, text in timeline(incidents()[0])
    ]


def test_410_disables_the_channel(provider, paged):
    """N3."""
    provider.answer = lambda n: 410
    deliver_here()
    channel = Channel.objects.get()
    assert channel.disabled_at is not None
    assert "410" in channel.disabled_reason
    assert len(provider.got) == 1
    subjects = [letter.subject for letter in mail.outbox]
    assert len(subjects) == 2  # the owners hear of the channel and of the incident
    assert "[Tocsin] Channel disabled: hook" in subjects


def test_retry_after_is_honoured_and_capped(provider, paged):
    """N4."""
    for value, least, most in (("120", 115, 121), ("999999", 3590, 3601), ("0", 6, 11)):
        provider.answer = lambda n, v=value: Answer(429, headers={"Retry-After": v})
        make_due()
        deliver_here()
        paged.refresh_from_db()
        wait = (paged.next_attempt_at - database_now()).total_seconds()
        assert least < wait < most or value == "0"
    assert wait < 30


def test_the_backoff_doubles_with_jitter_up_to_five_minutes():
    for attempt, middle in ((1, 4), (2, 8), (5, 64), (7, 256), (8, 300), (20, 300)):
        waits = {backoff_seconds(attempt, None) for _ in range(50)}
        assert len(waits) > 1
        assert middle * 0.8 <= min(waits) <= max(waits) <= middle * 1.2
    assert backoff_seconds(1, 60) == 60
    assert backoff_seconds(1, 1) >= 3.2


def test_it_gives_up_at_last(provider, paged):
    provider.answer = lambda n: 500
    Delivery.objects.update(attempt_count=MOST_ATTEMPTS - 1)
    deliver_here()
    assert states(event="incident.opened", channel__isnull=False) == ["failed"]
    assert len(mail.outbox) == 1


def test_a_sender_that_died_before_sending_is_made_good_after_its_lease(provider, paged):
    """N5."""
    assert len(claim(limit=10)) == 1  # committed, and then the process is killed
    assert deliver_here() == 0
    make_due()  # the lease runs out
    assert deliver_here() == 1
    assert outcomes(paged) == ["lost", "sent"]
    assert ids(provider) == [str(paged.pk)]


def test_a_sender_that_died_after_sending_sends_a_second_copy_with_the_same_key(provider, paged):
    """N6."""
    (leased,) = claim(limit=10)
    make_due()
    deliver_here()
    assert send_leased(leased) == "delivered"  # the first one was not dead but slow
    assert ids(provider) == [str(paged.pk)] * 2
    assert outcomes(paged) == ["lost", "sent"]  # what came too late is not recorded


def test_a_slow_failure_does_not_undo_what_another_sender_has_delivered(provider, paged):
    (slow,) = claim(limit=10)
    make_due()
    deliver_here()
    provider.answer = lambda n: 404
    send_leased(slow)
    assert (outcomes(paged), paged.state) == (["lost", "sent"], "delivered")
    assert kinds(incidents()[0]) == ["opened", "notified"]


def test_a_message_that_kills_its_sender_each_time_is_given_up(provider, paged):
    Delivery.objects.update(attempt_count=MOST_ATTEMPTS, state="sending")
    make_due()
    deliver_here()
    assert provider.got == []
    paged.refresh_from_db()
    assert paged.state == "failed"
    assert len(mail.outbox) == 1


def test_two_senders_never_hold_the_same_message(team, provider):
    route_to(team, channel_to(team, provider))
    for monitor in make_monitors(team, 30):
        go(monitor, "fail")
    held = at_once(*[lambda: claim(limit=10, per_team=10)] * 6)
    keys = [leased.id for part in held for leased in part]
    assert len(keys) == len(set(keys)) > 0
    assert len({leased.lease_token for part in held for leased in part}) == len(keys)


def test_one_poison_payload_fails_alone(team, provider):
    """N7: nothing that a row holds can keep the others from going out."""
    route_to(team, channel_to(team, provider))
    for monitor in make_monitors(team, 3):
        go(monitor, "fail")
    first, second, third = deliveries()
    Delivery.objects.filter(pk=first.pk).update(payload=["not", "what", "anybody", "reads"])
    Delivery.objects.filter(pk=second.pk).update(kind="pigeon")
    broken = {"to": "x", "secret": "whsec_!"}
    other = channel_to(team, provider, name="broken")
    Channel.objects.filter(pk=other.pk).update(config=broken)
    queue_test(channel=other, actor="ann")
    pool = SenderPool(4)
    pool.deliver_due(round_seconds=3)
    pool.close()
    third.refresh_from_db()
    assert third.state == "delivered"
    second.refresh_from_db()
    assert second.state == "failed"
    first.refresh_from_db()
    assert first.state == "pending"
    assert "Our own error" in first.attempts[0]["detail"]
    (test,) = deliveries(event="channel.test")
    assert test.state == "pending"
    assert "Our own error" in test.attempts[0]["detail"]


def test_hostile_answers_are_recorded_and_not_sent_again(provider, paged):
    """A NUL in the log's text would make the record impossible, and the message eternal."""
    body = b"\x00\xff\xed\xa0\x80<script>\r\n\xe2\x80\xae" * 500
    provider.answer = lambda n: Answer(400, body=body)
    deliver_here()
    assert outcomes(paged) == ["failed"]
    assert "\x00" not in paged.attempts[0]["detail"]


def test_a_channel_that_is_gone_is_a_failure_that_is_said(team, monitor, provider):
    channel = channel_to(team, provider)
    route_to(team, channel)
    go(monitor, "fail")
    (leased,) = claim(limit=1)
    Channel.objects.all().delete()
    send_leased(leased)  # on its way already
    make_due()
    assert states(event="incident.opened", kind="webhook") == ["delivered"]
    go(monitor, "pass")
    deliver_here()
    assert states(event="incident.resolved") == ["failed"]
    assert kinds(incidents()[0])[-1] == "failed"


def test_a_failed_first_message_takes_its_recovery_with_it(provider, paged, monitor):
    """I4: only those hear of the end who heard of the beginning."""
    go(monitor, "pass")
    provider.answer = lambda n: 404
    deliver_here()
    deliver_here()
    assert events(provider) == ["incident.opened"]
    assert states(event="incident.resolved") == ["cancelled"]


def test_a_message_to_an_owner_goes_by_mail_with_its_key(team, monitor):
    go(monitor, "fail", "pass")
    deliver_here()
    opened, resolved = mail.outbox
    keys = {d.event: str(d.pk) for d in deliveries()}
    assert opened.extra_headers["X-Tocsin-Delivery"] == keys["incident.opened"]
    assert resolved.extra_headers["X-Tocsin-Delivery"] == keys["incident.resolved"]


def test_a_fail_and_a_pass_within_a_second_are_sent_in_order_by_many_senders(team, provider):
    """I3."""
    provider.answer = lambda n: Answer(delay_seconds=0.02)
    route_to(team, channel_to(team, provider))
    for monitor in make_monitors(team, 12):
        go(monitor, "fail", "pass")
    pool = SenderPool(8)
    wait_for(lambda: pool.deliver_due(round_seconds=1) == 0 and len(provider.got) == 24)
    pool.close()
    told: dict[Any, list[str]] = {}
    for received in provider.got:
        told.setdefault(received.json["data"]["incident"]["id"], []).append(received.json["type"])
    assert list(told.values()) == [["incident.opened", "incident.resolved"]] * 12


def test_a_team_whose_provider_crawls_holds_nobody_else_up(team):
    """N9: 200 messages that drip, and then a page of another team."""
    rival = TeamFactory(slug="calm")
    with Provider(lambda n: Answer(drip_seconds=1, body=b"x" * 30)) as slow, Provider() as quick:
        route_to(team, channel_to(team, slow))
        route_to(rival, channel_to(rival, quick))
        for monitor in make_monitors(team, 200):
            go(monitor, "fail")
        pool = SenderPool()
        pool.deliver_due(round_seconds=0.3)
        (page,) = make_monitors(rival, 1)
        go(page, "fail")
        began = time.monotonic()
        pool.deliver_due(round_seconds=0.3)
        quick.wait(1)
        assert time.monotonic() - began < 2
        busy = Delivery.objects.filter(state="sending").count()
        assert busy == 8, "a quarter of the senders is the most that one team holds"
        slow.stopping.set()
        pool.close()


def test_a_pool_goes_on_to_what_its_own_sends_have_freed(team, provider):
    """A recovery becomes due the moment its first message is out: no round is waited for."""
    route_to(team, channel_to(team, provider))
    (monitor,) = make_monitors(team, 1)
    go(monitor, "fail", "pass")
    pool = SenderPool(2)
    began = time.monotonic()
    assert pool.deliver_due(round_seconds=5) == 2
    pool.close()
    assert time.monotonic() - began < 2
    assert threading.active_count() < 40


def test_no_transaction_is_open_while_a_provider_answers(team, monitor, provider):
    seen: list[Any] = []

    def look(n: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state LIKE 'idle in transaction%'"
            )
            seen.append(cursor.fetchone()[0])
        connection.close()
        return 200

    page(team, monitor, provider)
    provider.answer = look
    deliver_here()
    assert seen == [0]


def test_a_lease_is_longer_than_any_send(provider, paged):
    (leased,) = claim(limit=1)
    paged.refresh_from_db()
    assert paged.next_attempt_at - database_now() > timedelta(seconds=25)
    assert paged.lease_token == leased.lease_token


@contextmanager
def held_rows() -> Iterator[threading.Event]:
    """Hold the lock of every message from another session, until the event is set."""
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(OperationalError, InterfaceError), scopes_disabled(), transaction.atomic():
            list(Delivery.objects.select_for_update())
            held.set()
            free.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        yield free
    finally:
        free.set()
        holder.join()


@pytest.fixture
def short_locks(monkeypatch):
    """Sessions that are opened from now on wait for a lock for 0.1 s, where it is ten seconds."""
    options = "-c lock_timeout=100ms"
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", options)


def test_an_outcome_that_waits_for_a_lock_for_too_long_is_written_again(
    provider, paged, short_locks, caplog
):
    (leased,) = claim(limit=1)
    with held_rows() as free:
        threading.Timer(0.6, free.set).start()
        assert send_leased(leased) == "delivered"
    assert "not recorded yet" in caplog.text
    make_due()
    deliver_here()
    assert (outcomes(paged), ids(provider)) == (["sent"], [str(paged.pk)])


def test_an_outcome_is_written_again_when_the_database_ends_its_session(provider, paged, caplog):
    (leased,) = claim(limit=1)

    def end_who_waits() -> None:
        with as_owner(), connection.cursor() as cursor:
            ended = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            wait_for(lambda: cursor.execute(ended) and cursor.fetchall())
        connection.close()
        free.set()

    with held_rows() as free:  # so that the record is under way when its session ends
        killer = threading.Thread(target=end_who_waits)
        killer.start()
        assert send_leased(leased) == "delivered"
        killer.join()
    assert "not recorded yet" in caplog.text
    assert (outcomes(paged), ids(provider)) == (["sent"], [str(paged.pk)])


def test_what_cannot_be_recorded_is_given_up_before_its_lease_ends(provider, paged, short_locks):
    (leased,) = claim(limit=1)
    old = replace(leased, claimed_at=time.monotonic() - LEASE_SECONDS + LEASE_LEFT_SECONDS)
    with held_rows(), pytest.raises(OperationalError):
        send_leased(old)
    assert (outcomes(paged), paged.state) == ([], "sending")
    make_due()
    deliver_here()  # nobody knows, so it goes out again, with the same key
    assert ids(provider) == [str(paged.pk)] * 2


def test_a_killed_senders_leases_hold_their_team_up_no_longer_than_a_send_lasts(team, provider):
    route_to(team, channel_to(team, provider))
    for monitor in make_monitors(team, MOST_PER_TEAM + 4):
        go(monitor, "fail")
    lost = claim(limit=32)
    assert len(lost) == MOST_PER_TEAM
    assert claim(limit=32) == []
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_delivery SET next_attempt_at = next_attempt_at - make_interval("
            "secs => %s) WHERE state = 'sending'",
            [SENDING_SECONDS],
        )
    others = claim(limit=32)
    assert len(others) == 4
    assert not {leased.id for leased in others} & {leased.id for leased in lost}
