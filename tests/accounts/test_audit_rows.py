"""What keeps the audit log small, true and harmless: age, names, and triggers that cost little."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from django.utils.timezone import now
from django_scopes import scope, scopes_disabled

from accounts.audit import acting
from accounts.database.standing import as_owner
from accounts.models import AuditEvent, Namespace, Team
from incidents.engine import maintain, run_round
from monitors.models import Heartbeat
from monitors.services import update_monitor
from tests.console.personas import listen_now
from tests.factories import MonitorFactory


def deeds() -> list[tuple[str, str]]:
    with scopes_disabled():
        return list(AuditEvent.objects.order_by("at").values_list("actor", "action"))


def make_namespaces(team: Team, *names: str) -> None:
    with scopes_disabled():
        for name in names:
            Namespace.objects.create(team=team, name=name)


def make_event(team: Team, *, days: int) -> None:
    with scope(team=team), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_auditevent (id, team_id, at, transaction, request, actor, by, "
            "address, action, kind, thing_id, thing_name, before, after) VALUES "
            "(gen_random_uuid(), %s, %s, 1, gen_random_uuid(), 'a', 'key', '', 'monitor.updated', "
            "'monitor', gen_random_uuid(), %s, '{}', '{}')",
            [team.pk, now() - timedelta(days=days), f"{days} days"],
        )


@pytest.mark.parametrize(("kept_days", "left"), [(400, {"3 days", "399 days"}), (0, None)])
def test_old_events_are_dropped_and_no_others(
    team: Team, kept_days: int, left: set[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.audit_log.PURGED_AT_ONCE", 2)
    every = [3, 399, 401, 402, 403, 404, 405]
    for days in every:
        make_event(team, days=days)
    with override_settings(AUDIT_DAYS=kept_days):
        maintain()
    with scopes_disabled():
        names = set(AuditEvent.objects.values_list("thing_name", flat=True))
    assert names == (left or {f"{days} days" for days in every})


def test_what_the_engine_does_while_people_work_is_nobodys(team: Team) -> None:
    monitor = MonitorFactory(team=team, arm_on_create=True)
    with acting("ana@acme.example"):
        update_monitor(monitor=monitor, grace=1)
    past = now() - timedelta(hours=1)
    with scopes_disabled():
        Heartbeat.objects.update(clock_from=past, check_at=past)
    listen_now()
    run_round()
    with scopes_disabled():
        assert Heartbeat.objects.get().state == "down"
    assert deeds() == [("ana@acme.example", "monitor.updated")]


@pytest.mark.django_db(transaction=True)
def test_a_name_is_said_again_after_a_part_was_rolled_back(team: Team) -> None:
    with acting("ana@acme.example"), transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            make_namespaces(team, "fresh", "fresh")
        make_namespaces(team, "other")
    with pytest.raises(IntegrityError), acting("bob@acme.example"), transaction.atomic():
        make_namespaces(team, "third", "third")
    make_namespaces(team, "nobodys")
    with acting("cleo@acme.example"):
        make_namespaces(team, "hers")
    assert deeds() == [
        ("ana@acme.example", "namespace.created"),
        ("cleo@acme.example", "namespace.created"),
    ]


@pytest.mark.django_db(transaction=True)
def test_who_acts_within_another_gives_the_word_back(team: Team) -> None:
    with acting("outer@acme.example"), transaction.atomic():
        make_namespaces(team, "a")
        with acting("inner@acme.example"):
            make_namespaces(team, "b")
        make_namespaces(team, "c")
    assert [actor for actor, _ in deeds()] == [
        "outer@acme.example",
        "inner@acme.example",
        "outer@acme.example",
    ]


@pytest.mark.django_db(transaction=True)
def test_two_threads_have_each_their_own_name(team: Team) -> None:
    go = threading.Barrier(2)

    def work(name: str) -> None:
        with acting(f"{name}@acme.example"), scopes_disabled():
            for n in range(20):
                go.wait(20)
                Namespace.objects.create(team=team, name=f"{name}-{n}")
        connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ana", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with scopes_disabled():
        rows = list(AuditEvent.objects.values_list("actor", "thing_name"))
    assert len(rows) == 40
    assert all(name.startswith(actor.partition("@")[0]) for actor, name in rows)


def test_no_trigger_is_on_what_every_push_writes(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'audit\\_%'"
        )
        watched = {table for (table,) in cursor.fetchall()}
    assert "monitors_monitor" in watched
    assert not watched & {
        "monitors_heartbeat",
        "monitors_pushresult",
        "monitors_pushreceipt",
        "monitors_listeningstamp",
        "incidents_delivery",
        "incidents_notification",
    }


@pytest.mark.django_db(transaction=True)
def test_triggers_that_nobody_declares_any_more_go_with_the_next_migrate(team: Team) -> None:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION audit_gone() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'still here'; END $$;"
            "CREATE TRIGGER audit_gone BEFORE INSERT ON accounts_namespace FOR EACH ROW "
            "EXECUTE FUNCTION audit_gone();"
            "COMMENT ON FUNCTION audit_gone() IS '0123456789abcdef0123456789abcdef'"
        )
    call_command("migrate", verbosity=0)
    with acting("ana@acme.example"):
        make_namespaces(team, "fresh")
    assert deeds() == [("ana@acme.example", "namespace.created")]
