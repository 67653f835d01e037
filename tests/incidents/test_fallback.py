"""The last resort: if nobody was reached, the owners are."""

from __future__ import annotations

import pytest
from django.core import mail

from incidents.delivery.aftermath import rescue_unreached
from incidents.delivery.outbox import claim
from incidents.delivery.pool import deliver_here
from incidents.delivery.sender import send_leased
from incidents.destinations import delete_channel
from incidents.lifecycle.actions import acknowledge_incident
from monitors.services import delete_monitor
from tests.incidents.telling import (
    channel_to,
    deliveries,
    go,
    incidents,
    kinds,
    make_due,
    page,
    route_to,
    states,
    timeline,
)
from tests.providers import Provider
from tests.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refusing():
    with Provider(lambda n: 404) as provider:
        yield provider


def test_the_owners_are_mailed_when_every_channel_has_failed(team, monitor, refusing):
    """E6."""
    route_to(team, channel_to(team, refusing, "a"), channel_to(team, refusing, "b"))
    go(monitor, "fail")
    deliver_here()
    (letter,) = mail.outbox
    assert "m" in letter.subject
    assert "No channel could be reached" in letter.body
    assert ("notified", "No channel could be reached: mailing the owners.") in timeline(
        incidents()[0]
    )
    go(monitor, "pass")
    deliver_here()
    assert len(mail.outbox) == 2  # who was paged hears of the end


def test_one_channel_that_was_reached_is_enough(team, monitor, refusing):
    with Provider() as fine:
        route_to(team, channel_to(team, refusing, "a"), channel_to(team, fine, "b"))
        go(monitor, "fail")
        deliver_here()
    assert mail.outbox == []
    assert sorted(states()) == ["delivered", "failed"]


def test_a_channel_that_is_still_being_tried_is_waited_for(team, monitor, refusing):
    with Provider(lambda n: 503) as busy:
        route_to(team, channel_to(team, refusing, "a"), channel_to(team, busy, "b"))
        go(monitor, "fail")
        deliver_here()
        assert mail.outbox == []
        busy.answer = lambda n: 404
        make_due()
        deliver_here()
    assert len(mail.outbox) == 1


def test_a_channel_that_was_deleted_before_it_was_told_counts_as_unreached(team, monitor, refusing):
    gone = channel_to(team, "http://127.0.0.1:9/", "b")
    route_to(team, channel_to(team, refusing, "a"), gone)
    go(monitor, "fail")
    delete_channel(channel=gone)
    deliver_here()
    assert len(mail.outbox) == 1


def test_deleting_the_only_channel_before_it_was_told_tells_the_owners(team, monitor):
    only = channel_to(team, "http://127.0.0.1:9/")
    route_to(team, only)
    go(monitor, "fail")
    delete_channel(channel=only)
    deliver_here()
    assert len(mail.outbox) == 1


def test_owners_who_were_told_already_are_not_told_again(team, monitor, refusing):
    route_to(team, channel_to(team, refusing), continue_matching=True)  # and then the catch-all
    go(monitor, "fail")
    deliver_here()
    assert len(mail.outbox) == 1
    assert len(deliveries()) == 2


def test_failures_at_the_same_moment_mail_once(team, monitor, refusing):
    page(team, monitor, refusing)
    for leased in claim(limit=10):
        send_leased(leased)
    assert len(deliveries()) == 1
    at_once(*[rescue_unreached] * 4)
    assert len(deliveries()) == 2
    at_once(*[rescue_unreached] * 4)
    assert len(deliveries()) == 2


def test_an_incident_that_somebody_has_seen_mails_nobody(team, monitor, refusing):
    page(team, monitor, refusing)
    (incident,) = incidents()
    for leased in claim(limit=10):
        send_leased(leased)
    acknowledge_incident(incident=incident, actor="ann")
    deliver_here()
    assert len(deliveries()) == 1
    assert mail.outbox == []


def test_a_monitor_that_is_gone_is_no_obstacle(team, monitor, refusing):
    page(team, monitor, refusing)
    delete_monitor(monitor=monitor)  # and the engine has not seen that yet
    deliver_here()
    assert len(mail.outbox) == 1
    assert "opened" in kinds(incidents()[0])
