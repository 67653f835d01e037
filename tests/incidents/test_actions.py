"""What people do to incidents, alone and against the engine."""

from __future__ import annotations

import contextlib

import pytest
from django.db import transaction

from incidents.delivery.outbox import claim
from incidents.delivery.pool import deliver_here
from incidents.delivery.sender import send_leased
from incidents.lifecycle.actions import (
    AlreadyResolved,
    acknowledge_incident,
    add_note,
    resolve_incident,
)
from incidents.lifecycle.lanes import advance
from incidents.models import Delivery, Incident
from monitors.services import delete_monitor
from tests.incidents.telling import (
    deliveries,
    events,
    go,
    incidents,
    kinds,
    make_due,
    page,
    states,
    timeline,
)
from tests.monitors.pushing import age, heartbeat, listen, push
from tests.providers import Provider
from tests.racing import at_once, session, start, wait_for_lock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def incident(monitor) -> Incident:
    go(monitor, "fail")
    return incidents()[0]


def test_acknowledging_cancels_what_was_not_sent(incident):
    """E2."""
    acknowledge_incident(incident=incident, actor="ann@example.org")
    found = incidents()[0]
    assert (found.state, found.acknowledged_by) == ("acknowledged", "ann@example.org")
    assert states() == ["cancelled"]
    assert timeline(found)[-1] == ("acknowledged", "Acknowledged; 1 unsent message cancelled")
    assert deliver_here() == 0


def test_acknowledging_twice_changes_nothing(incident):
    acknowledge_incident(incident=incident, actor="ann")
    acknowledge_incident(incident=incident, actor="bob")
    assert incidents()[0].acknowledged_by == "ann"
    assert kinds(incident) == ["opened", "acknowledged"]


def test_acknowledging_at_the_same_moment_counts_once(incident):
    names = ["ann", "bob", "cy", "di"]
    at_once(*(lambda n=n: acknowledge_incident(incident=incident, actor=n) for n in names))
    assert kinds(incident).count("acknowledged") == 1


def test_acknowledging_while_it_is_being_sent_leaves_that_one_send(team, monitor):
    """E3: the attempt that runs may finish; whatever comes of it, there is no other."""
    with Provider(lambda n: 503) as provider:
        page(team, monitor, provider)
        (leased,) = claim(limit=10)
        acknowledge_incident(incident=incidents()[0], actor="ann")
        send_leased(leased)
        make_due()
        deliver_here()
    assert len(provider.got) == 1
    assert states() == ["cancelled"]


def test_acknowledging_after_the_sender_died_sends_nothing_again(team, monitor):
    with Provider() as provider:
        page(team, monitor, provider)
        claim(limit=10)  # and the sender dies
        acknowledge_incident(incident=incidents()[0], actor="ann")
        make_due()  # its lease runs out
        deliver_here()
    assert provider.got == []
    assert states() == ["cancelled"]


def test_a_recovery_after_a_failed_attempt_tells_that_contact_nothing(team, monitor):
    with Provider(lambda n: 503) as provider:
        page(team, monitor, provider)
        deliver_here()
        go(monitor, "pass")
        make_due()
        deliver_here()
    assert events(provider) == ["incident.opened"]
    assert set(states()) == {"cancelled"}


def test_a_recovery_while_the_first_message_is_being_sent_follows_it(team, monitor):
    with Provider() as provider:
        page(team, monitor, provider)
        (leased,) = claim(limit=10)
        go(monitor, "pass")
        assert claim(limit=10) == []  # the recovery waits for its turn
        send_leased(leased)
        deliver_here()
    assert events(provider) == ["incident.opened", "incident.resolved"]


def test_a_recovery_while_the_first_message_fails_tells_nobody(team, monitor):
    with Provider(lambda n: 500) as provider:
        page(team, monitor, provider)
        (leased,) = claim(limit=10)
        go(monitor, "pass")
        send_leased(leased)
        make_due()
        deliver_here()
    assert events(provider) == ["incident.opened"]
    assert set(states()) == {"cancelled"}


def test_a_lost_first_message_still_goes_out_before_the_recovery(team, monitor):
    """The sender died with it: whether it went out is not known, so it goes again."""
    with Provider() as provider:
        page(team, monitor, provider)
        claim(limit=10)
        go(monitor, "pass")
        make_due()
        deliver_here()
    assert events(provider) == ["incident.opened", "incident.resolved"]


def test_an_acknowledged_incident_still_tells_of_its_end(team, monitor):
    with Provider() as provider:
        page(team, monitor, provider)
        deliver_here()
        acknowledge_incident(incident=incidents()[0], actor="ann")
        go(monitor, "pass")
        deliver_here()
    assert events(provider) == ["incident.opened", "incident.resolved"]
    assert incidents()[0].state == "resolved"


def test_resolving_by_hand_tells_those_who_were_paged(incident):
    Delivery.objects.update(state="delivered")
    resolve_incident(incident=incident, actor="ann@example.org")
    found = incidents()[0]
    assert (found.state, found.resolved_reason) == ("resolved", "resolved by ann@example.org")
    assert [d.event for d in deliveries()] == ["incident.opened", "incident.resolved"]
    assert kinds(found)[-1] == "resolved"


def test_resolving_what_nobody_heard_of_tells_nobody(incident):
    resolve_incident(incident=incident, actor="ann")
    assert states() == ["cancelled"]


def test_nothing_can_be_done_to_a_resolved_incident_but_a_note(incident):
    resolve_incident(incident=incident, actor="ann")
    with pytest.raises(AlreadyResolved):
        resolve_incident(incident=incident, actor="bob")
    with pytest.raises(AlreadyResolved):
        acknowledge_incident(incident=incident, actor="bob")
    note = add_note(incident=incident, actor="bob", text="It was the disk.\n" + "x" * 20_000)
    assert len(note.text) == 10_000
    assert kinds(incident)[-1] == "note"


def test_a_monitor_that_is_still_down_opens_anew_with_its_next_fail(monitor, incident):
    resolve_incident(incident=incident, actor="ann")
    assert heartbeat(monitor).state == "down"
    go(monitor, "fail")
    first, second = incidents()
    assert (second.state, second.previous_id) == ("open", first.pk)
    go(monitor, "fail")
    assert len(incidents()) == 2


def test_a_monitor_that_was_silent_opens_anew_with_its_next_silence(monitor):
    push(monitor)
    for _ in range(2):
        age(monitor, 91)
        listen()
        go(monitor)
        resolve_incident(incident=incidents()[-1], actor="ann")
        listen()
        go(monitor)
        push(monitor, "fail")  # it is heard of again, but not well
        advance()
        resolve_incident(incident=incidents()[-1], actor="ann")
    assert [i.cause for i in incidents()] == ["silence", "failure"] * 2


def test_resolving_by_hand_after_the_monitor_is_gone(monitor, incident):
    delete_monitor(monitor=monitor)
    resolve_incident(incident=incident, actor="ann")
    assert advance()[0] == 1
    assert incidents()[0].resolved_reason == "resolved by ann"


def test_a_hand_and_a_recovery_at_once_end_it_once(monitor, incident):
    Delivery.objects.update(state="delivered")
    push(monitor, "pass")

    def by_hand() -> None:
        with contextlib.suppress(AlreadyResolved):
            resolve_incident(incident=incident, actor="ann")

    at_once(by_hand, advance)
    advance()
    assert kinds(incident).count("resolved") == 1
    assert [d.event for d in deliveries()].count("incident.resolved") == 1


def test_a_fail_that_waits_for_a_resolving_hand_opens_a_new_incident(monitor, incident):
    """The causes are forgotten under the heartbeat's lock, so the fail counts as a new one."""
    with session() as watcher, transaction.atomic():
        resolve_incident(incident=incident, actor="ann")
        failing = start(lambda: push(monitor, "fail"))
        wait_for_lock(watcher)
    failing.result(10)
    advance()
    assert [i.state for i in incidents()] == ["resolved", "open"]
