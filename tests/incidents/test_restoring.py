"""After the database went back in time: what was due is not sent again, what lies ahead waits."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Team
from incidents.delivery.pool import deliver_here
from incidents.engine import run_round
from incidents.models import Escalation
from monitors.models import Monitor
from monitors.queries import database_now
from tests.incidents.ladders import add_member, policy_of, webhook_method
from tests.incidents.telling import (
    channel_to,
    deliveries,
    go,
    incidents,
    page,
    route_to,
)
from tests.monitors.pushing import age, listen, make_monitors, push
from tests.providers import Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider() -> Any:
    with Provider() as running:
        yield running


def restore(*, ago: float = 300) -> dict[str, Any]:
    """Run the command as if the database were that of `ago` seconds before."""
    with connection.cursor() as cursor:  # what stamped and was due then has not done so since
        cursor.execute("UPDATE monitors_enginestamp SET at = at - %s", [timedelta(seconds=ago)])
    listen(seconds_ago=ago)
    said = io.StringIO()
    call_command("after_restore", stdout=said)
    answer: dict[str, Any] = json.loads(said.getvalue())
    return answer


def age_messages(seconds: float) -> None:
    for delivery in deliveries():
        delivery.created_at -= timedelta(seconds=seconds)
        delivery.next_attempt_at -= timedelta(seconds=seconds)
        delivery.save()


def test_a_page_that_was_due_is_taken_as_sent_and_its_end_is_told(team, monitor, provider):
    page(team, monitor, provider)
    age_messages(300)
    said = restore()
    assert said["taken_as_sent"] == 1
    assert [each["monitor"] for each in said["open_incidents"]] == ["m"]
    deliver_here()
    assert provider.got == []
    [taken] = deliveries()
    assert (taken.state, taken.attempts[-1]["outcome"]) == ("delivered", "restored")
    assert "restored" in incidents()[0].timeline.last().text
    go(monitor, "pass")
    deliver_here()
    assert [got.json["type"] for got in provider.got] == ["incident.resolved"]


def test_a_page_that_was_being_tried_is_taken_as_sent(team, monitor, provider):
    provider.answer = lambda n: 503
    page(team, monitor, provider)
    deliver_here()
    assert deliveries()[0].state == "pending"
    provider.answer = lambda n: 200
    restore()
    deliver_here()
    assert len(provider.got) == 1
    assert deliveries()[0].state == "delivered"


def test_changes_that_nobody_had_looked_at_open_their_incidents_in_silence(team, monitor, provider):
    route_to(team, channel_to(team, provider))
    push(monitor, "fail")
    restore()
    assert [incident.state for incident in incidents(monitor)] == ["open"]
    run_round()
    deliver_here()
    assert provider.got == []


def test_a_silence_that_was_due_opens_its_incident_in_silence(team, provider):
    (monitor,) = make_monitors(team, 1, silent_after=60)
    route_to(team, channel_to(team, provider))
    push(monitor)
    age(monitor, 400)  # due 340 s ago, 40 s before the database's last moment
    restore(ago=300)
    assert len(incidents(monitor)) == 1
    deliver_here()
    assert provider.got == []


def test_steps_and_second_contact_methods_wait_for_the_quiet_time(
    team: Team, monitor: Monitor, provider: Provider
):
    ana = add_member(team, "ana@acme.example")
    webhook_method(ana, provider.url, position=1, delay=120)
    policy_of(team, (0, [ana]), (60, [ana]))
    go(monitor, "fail")
    ahead = [d for d in deliveries() if d.next_attempt_at > database_now()]
    assert ahead
    restore()
    quiet = database_now() + timedelta(seconds=590)
    assert all(d.next_attempt_at > quiet for d in deliveries() if d.state == "pending")
    assert all(each.next_step_at > quiet for each in Escalation.objects.all())
    run_round()
    deliver_here()
    assert provider.got == []


def test_messages_that_repeat_while_their_incident_lasts_go_on(team, monitor, provider):
    page(team, monitor, provider)
    [message] = deliveries()
    message.event = "incident.firing"
    message.save()
    age_messages(300)
    assert restore()["taken_as_sent"] == 0
    assert deliveries()[0].state == "pending"


def test_while_processes_run_it_is_refused(team, monitor, provider):
    page(team, monitor, provider)
    listen()
    with pytest.raises(CommandError, match="stop them first"):
        call_command("after_restore")
    assert deliveries()[0].state == "pending"


def test_it_may_be_run_twice(team, monitor, provider):
    page(team, monitor, provider)
    age_messages(300)
    restore()
    assert restore()["taken_as_sent"] == 0
