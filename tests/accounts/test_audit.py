"""What the audit log records, of whom, and that nobody rewrites it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django_scopes import scopes_disabled

from accounts.audit import acting
from accounts.models import AuditEvent, Membership, Namespace, Team
from monitors.models import Monitor
from monitors.services import (
    create_monitor,
    delete_monitor,
    pause_monitor,
    resume_monitor,
    rotate_slug,
    rotate_token,
    update_monitor,
)
from tests.factories import MonitorFactory


def events(**wanted: Any) -> list[AuditEvent]:
    with scopes_disabled():
        return list(AuditEvent.objects.filter(**wanted).order_by("at"))


def test_a_change_is_recorded_with_before_and_after(team: Team) -> None:
    monitor = MonitorFactory(team=team, name="backup", grace=5)
    with acting("ana@acme.example", address="192.0.2.7"):
        update_monitor(monitor=monitor, grace=60, labels={"env": "prod"})
    [event] = events()
    assert (event.actor, event.by, event.address) == ("ana@acme.example", "member", "192.0.2.7")
    assert (event.action, event.kind) == ("monitor.updated", "monitor")
    assert (event.thing_id, event.thing_name) == (monitor.pk, "backup")
    assert event.team_id == team.pk
    assert event.before == {"grace": 5, "labels": {}}
    assert event.after == {"grace": 60, "labels": {"env": "prod"}}


def test_what_nobody_did_is_not_recorded(team: Team) -> None:
    monitor = MonitorFactory(team=team)
    with acting("ana@acme.example"):
        Team.objects.get(pk=team.pk)
    update_monitor(monitor=monitor, grace=60)
    assert events() == []


def test_making_and_deleting_are_one_event_each_without_secrets(team: Team) -> None:
    with acting("key ci", by="key"):
        monitor, token = create_monitor(team=team, name="x", namespace="fresh")
    assert token
    made = {event.action: event for event in events()}
    assert set(made) == {"monitor.created", "namespace.created"}
    created = made["monitor.created"]
    assert created.before == {}
    assert created.after["namespace"] == "fresh"
    assert created.after["token_hash"] == "(hidden)"
    [push_url] = created.after["push_urls"]
    assert push_url["value"] == "(hidden)"
    with acting("key ci", by="key"):
        delete_monitor(monitor=monitor)
    [deleted] = events(action="monitor.deleted")
    assert deleted.after == {}
    assert deleted.before["name"] == "x"


def test_rotating_and_pausing_are_recorded(team: Team) -> None:
    monitor = MonitorFactory(team=team, name="m")
    for change in (pause_monitor, resume_monitor, rotate_token, rotate_slug):
        with acting("ana@acme.example"):
            change(monitor=monitor)
    paused, resumed, token, slug = events()
    assert (paused.action, paused.thing_name) == ("monitor.paused", "m")
    assert (paused.before, paused.after) == ({"state": "pending"}, {"state": "paused"})
    assert resumed.action == "monitor.resumed"
    assert token.before == token.after == {"token_hash": "(hidden)"}
    assert len(slug.before["push_urls"]) == len(slug.after["push_urls"]) == 1


def test_statements_over_many_rows_are_recorded_too(team: Team) -> None:
    MonitorFactory.create_batch(3, team=team)
    with acting("ana@acme.example"), scopes_disabled():
        Monitor.objects.update(grace=7)
        Monitor.objects.filter(grace=7).update(grace=7)
    assert [event.after for event in events()] == [{"grace": 7}] * 3


def test_two_changes_in_a_transaction_are_one_event(team: Team) -> None:
    monitor = MonitorFactory(team=team, grace=1)
    with acting("ana@acme.example"), transaction.atomic():
        update_monitor(monitor=monitor, grace=2)
        update_monitor(monitor=monitor, grace=3, name="new")
    [event] = events()
    assert event.before["grace"] == 1
    assert event.after == {"grace": 3, "name": "new"}


def test_what_is_rolled_back_was_not_done(team: Team) -> None:
    monitor = MonitorFactory(team=team)
    with acting("ana@acme.example"):
        with transaction.atomic():
            update_monitor(monitor=monitor, grace=2)
            transaction.set_rollback(True)
        update_monitor(monitor=monitor, grace=3)
    assert [event.after for event in events()] == [{"grace": 3}]


@pytest.mark.django_db(transaction=True)
def test_each_transaction_says_anew_who_acts_and_the_connection_forgets(team: Team) -> None:
    monitor = MonitorFactory(team=team)
    with acting("ana@acme.example"):
        update_monitor(monitor=monitor, grace=1)
        with scopes_disabled():
            Monitor.objects.update(grace=2)  # in no transaction of ours
            Monitor.objects.update(grace=3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('tocsin.actor', true)")
        assert not cursor.fetchone()[0]
    update_monitor(monitor=monitor, grace=4)
    assert [event.after for event in events()] == [{"grace": 1}, {"grace": 2}, {"grace": 3}]
    assert len({event.transaction for event in events()}) == 3
    assert len({event.request for event in events()}) == 1


@pytest.mark.django_db(transaction=True)
def test_an_event_can_neither_be_changed_nor_deleted(team: Team) -> None:
    with acting("ana@acme.example"), scopes_disabled():
        Namespace.objects.create(team=team, name="fresh")
    with scopes_disabled():
        for change in (
            lambda: AuditEvent.objects.update(actor="nobody"),
            lambda: AuditEvent.objects.all().delete(),
        ):
            with pytest.raises(DatabaseError, match="append-only"):
                change()
    [event] = events()
    assert event.actor == "ana@acme.example"
    with transaction.atomic(), connection.cursor() as cursor, scopes_disabled():
        cursor.execute("SET LOCAL tocsin.audit_purge = on")
        AuditEvent.objects.all().delete()
    assert events() == []


def test_members_are_named_by_their_address(team: Team) -> None:
    with acting("ana@acme.example"), scopes_disabled():
        member = Membership.objects.get(team=team)
        email = member.user.email
        Membership.objects.filter(pk=member.pk).update(role="admin")
        member.delete()
    [event] = events(kind="member")
    assert (event.action, event.thing_name) == ("member.deleted", email)
    assert event.before["email"] == email
    assert event.before["role"] == "owner"
