"""Kinds that keep their own account: told that an outage lasts, and that somebody is on it."""

from __future__ import annotations

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from incidents.delivery.pool import deliver_here
from incidents.destinations import create_channel, delete_channel
from incidents.lifecycle.actions import acknowledge_incident
from incidents.models import Channel, Delivery
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.telling import deliveries, go, incidents, kinds, make_due, route_to
from tests.providers import Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def monitor(provider):
    return MonitorFactory(team=TeamFactory())


def told_by(monitor, kind, config):
    with scopes_disabled():
        channel = create_channel(team=monitor.team, name="ops", kind=kind, config=config)
    route_to(monitor.team, channel)


def alerts(provider):
    return [alert for got in provider.got for alert in got.json]


def test_alertmanager_hears_every_minute_that_it_lasts_with_the_same_start(monitor, provider):
    told_by(monitor, "alertmanager", {"url": provider.url})
    go(monitor, "fail")
    deliver_here()
    for _ in range(3):
        make_due()
        deliver_here()
    said = alerts(provider)
    assert len(said) == 4
    assert len({alert["startsAt"] for alert in said}) == 1
    assert len({str(sorted(alert["labels"].items())) for alert in said}) == 1
    (again,) = deliveries(event="incident.firing")
    assert (again.state, again.attempt_count) == ("pending", 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM next_attempt_at - now()) FROM incidents_delivery"
            " WHERE event = 'incident.firing'"
        )
        assert 50 < cursor.fetchone()[0] < 61
    assert kinds(incidents()[0]).count("notified") == 1


def test_it_goes_on_while_acknowledged_and_ends_with_the_recovery(monitor, provider):
    told_by(monitor, "alertmanager", {"url": provider.url})
    go(monitor, "fail")
    deliver_here()
    acknowledge_incident(incident=incidents()[0], actor="ana@example.org")
    make_due()
    deliver_here()
    assert len(alerts(provider)) == 2
    go(monitor, "pass")
    make_due()
    deliver_here()
    make_due()
    deliver_here()
    said = alerts(provider)
    assert len(said) == 3
    resolved = incidents()[0].resolved_at
    assert said[-1]["endsAt"][:19] == resolved.isoformat()[:19]
    assert Delivery.objects.get(event="incident.firing").state == "cancelled"


def test_a_provider_that_is_away_for_long_hears_it_again_when_it_is_back(monitor, provider):
    told_by(monitor, "alertmanager", {"url": provider.url})
    go(monitor, "fail")
    deliver_here()
    provider.answer = lambda n: 503
    for _ in range(25):
        make_due()
        deliver_here()
    provider.answer = lambda n: 200
    make_due()
    deliver_here()
    (again,) = deliveries(event="incident.firing")
    assert again.state == "pending"
    assert again.attempt_count == 0
    assert len(again.attempts) < 30


def test_pagerduty_hears_the_acknowledgement_and_the_end_under_one_key(monitor, provider):
    told_by(monitor, "pagerduty", {"routing_key": "R" * 32, "api_url": provider.url})
    provider.answer = lambda n: 202
    go(monitor, "fail")
    deliver_here()
    acknowledge_incident(incident=incidents()[0], actor="ana@example.org")
    deliver_here()
    go(monitor, "pass")
    deliver_here()
    said = [got.json for got in provider.got]
    assert [event["event_action"] for event in said] == ["trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in said} == {str(incidents()[0].pk)}


def test_a_webhook_is_not_told_of_acknowledgements(monitor, provider):
    told_by(monitor, "webhook", {"url": provider.url})
    go(monitor, "fail")
    deliver_here()
    acknowledge_incident(incident=incidents()[0], actor="ana@example.org")
    deliver_here()
    assert len(provider.got) == 1


def test_it_ends_with_its_channel(monitor, provider):
    told_by(monitor, "alertmanager", {"url": provider.url})
    go(monitor, "fail")
    deliver_here()
    with scopes_disabled():
        delete_channel(channel=Channel.objects.get())
    make_due()
    deliver_here()
    assert [again.state for again in deliveries(event="incident.firing")] == ["failed"]
