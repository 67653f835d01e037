"""Taking changes to monitors back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils.timezone import now
from django_scopes import scope, scopes_disabled

from accounts.models import Namespace, Team
from incidents.lifecycle.lanes import advance
from incidents.maintenance.maintenances import create_maintenance
from incidents.models.maintenance import MaintenanceMonitor
from monitors.models import Badge, Heartbeat, Monitor, PushKey, Transition, UndoStep
from monitors.services import (
    create_monitor,
    delete_monitor,
    pause_monitor,
    rotate_slug,
    token_is_valid,
)
from monitors.undo import purge_steps
from statuspages.models import ComponentMonitor
from statuspages.services.components import create_component, delete_component
from statuspages.services.pages import create_page
from tests.console.personas import make_incident, make_monitor, push

BULK = "/t/acme/monitors/bulk"


def said(answer):
    return answer.content.decode()


def act(client, verb, monitors, **more):
    fields = {"action": verb, "ids": [str(each.pk) for each in monitors], "confirmed": "1"} | more
    return client.post(BULK, fields, follow=True)


def undo(client, answer):
    """Press the button of the message."""
    address = re.search(r'action="(/t/acme/monitors/undo/[^"]+)"', said(answer))[1]
    return client.post(address, follow=True)


def beat(monitor):
    with scopes_disabled():
        return Heartbeat.objects.get(monitor=monitor.pk)


def test_pausing_and_resuming_can_be_undone(owner, people):
    first, second = make_monitor(people.team, "a"), make_monitor(people.team, "b")
    pause_monitor(monitor=second)
    answer = act(owner, "pause", [first, second])
    assert "1 monitor is paused" in said(answer)
    answer = undo(owner, answer)
    assert "Undone: 1 monitor is watched again, from now." in said(answer)
    assert "Incidents that the pause ended stay ended." in said(answer)
    assert (beat(first).state, beat(second).state) == ("pending", "paused")
    answer = undo(owner, act(owner, "resume", [first, second]))
    assert beat(second).state == "paused"


def test_labels_come_back_unless_somebody_changed_them(owner, people):
    mine = make_monitor(people.team, "a", labels={"env": "prod", "x": "1"})
    theirs = make_monitor(people.team, "b")
    answer = act(owner, "label", [mine, theirs], label="env=test")
    with scopes_disabled():
        Monitor.objects.filter(pk=theirs.pk).update(labels={"env": "by hand"})
    answer = undo(owner, answer)
    assert "Undone: 1 monitor is as it was before." in said(answer)
    assert "1 was changed or deleted since" in said(answer)
    with scopes_disabled():
        assert Monitor.objects.get(pk=mine.pk).labels == {"env": "prod", "x": "1"}
        assert Monitor.objects.get(pk=theirs.pk).labels == {"env": "by hand"}
    undo(owner, act(owner, "unlabel", [mine], label="env"))
    with scopes_disabled():
        assert Monitor.objects.get(pk=mine.pk).labels == {"env": "prod", "x": "1"}


def test_what_was_deleted_comes_back_as_it_was(owner, people, client):
    monitor, token = create_monitor(
        team=people.team,
        name="nightly",
        labels={"env": "prod"},
        cron="15 3 * * *",
        cron_timezone="Europe/Berlin",
        latency_limit_ms=12.5,
    )
    quiet = make_monitor(people.team, "quiet")
    push(monitor)
    push(quiet)
    pause_monitor(monitor=quiet)
    rotate_slug(monitor=monitor, keep_old_for_seconds=3600)
    window = create_maintenance(
        team=people.team,
        name="night",
        monitors=[monitor],
        starts_at=now(),
        ends_at=now() + timedelta(hours=1),
    )
    page = create_page(team=people.team, name="Acme", slug="acme")
    kept = create_component(page=page, name="API", monitors=[monitor])
    gone = create_component(page=page, name="Old", monitors=[monitor])
    with scopes_disabled():
        Badge.objects.create(team=people.team, monitor=monitor)
        before = Monitor.objects.filter(pk=monitor.pk).values().get()
        keys = set(PushKey.objects.values_list("value", "monitor_id", "is_current"))
        badge = Badge.objects.get().key
    answer = act(owner, "delete", [monitor, quiet])
    with scopes_disabled():
        assert not Monitor.objects.exists()
        assert not MaintenanceMonitor.objects.exists()
        (slug,) = [value for value, pk, current in keys if pk == monitor.pk and current]
    assert client.post(f"/api/push/{slug}/results", {"status": "pass"}).status_code == 404
    delete_component(component=gone)
    answer = undo(owner, answer)
    assert "2 monitors are back" in said(answer)
    with scopes_disabled():
        after = Monitor.objects.filter(pk=monitor.pk).values().get()
        assert {**after, "updated_at": None} == {**before, "updated_at": None}
        assert set(PushKey.objects.values_list("value", "monitor_id", "is_current")) == keys
        assert MaintenanceMonitor.objects.get().maintenance_id == window.pk
        assert ComponentMonitor.objects.get().component_id == kept.pk
        assert Badge.objects.get().key == badge
        row = Monitor.objects.select_related("secret").get(pk=monitor.pk)
        assert token_is_valid(row, token)
    assert (beat(monitor).state, beat(quiet).state) == ("pending", "paused")
    assert beat(monitor).check_at is not None
    assert beat(quiet).check_at is None
    assert client.post(f"/api/push/{slug}/results", {"status": "pass"}).status_code == 201
    assert beat(monitor).state == "up"


def test_a_monitor_that_never_pushed_waits_unarmed(owner, people):
    monitor = make_monitor(people.team, "a")
    undo(owner, act(owner, "delete", [monitor]))
    assert (beat(monitor).state, beat(monitor).check_at) == ("pending", None)


def test_the_incident_stays_resolved_and_the_history_says_so(owner, people):
    monitor = make_monitor(people.team, "a")
    incident = make_incident(monitor)
    answer = act(owner, "delete", [monitor])
    undo(owner, answer)
    advance()
    with scopes_disabled():
        found = type(incident).objects.get()
        assert found.resolved_reason is not None
        rows = Transition.objects.filter(monitor=monitor.pk).order_by("-id")
        assert list(rows.values_list("from_state", "to_state")[:2]) == [
            ("deleted", "pending"),
            ("down", "deleted"),
        ]
    assert owner.get(f"/t/acme/monitors/{monitor.pk}/").status_code == 200
    push(monitor, fail=True)
    advance()
    with scopes_disabled():
        assert type(incident).objects.filter(resolved_at=None).count() == 1


def test_the_page_of_one_monitor_gives_the_same_way_back(owner, people, monitor):
    answer = owner.post(f"/t/acme/monitors/{monitor.pk}/delete", follow=True)
    assert "“nightly-backup” is deleted." in said(answer)
    assert "1 monitor is back" in said(undo(owner, answer))


def test_it_refuses_when_the_name_is_taken_and_says_whose(owner, people, monitor):
    answer = act(owner, "delete", [monitor])
    usurper = make_monitor(people.team, "nightly-backup")
    answer = undo(owner, answer)
    assert "a monitor of the same name has been made since (“nightly-backup”)" in said(answer)
    with scopes_disabled():
        assert Monitor.objects.get().pk == usurper.pk
    delete_monitor(monitor=usurper)
    assert "1 monitor is back" in said(undo(owner, answer))


def test_it_refuses_beyond_the_plan(owner, people, monitor):
    answer = act(owner, "delete", [monitor])
    make_monitor(people.team, "another")
    Team.objects.filter(pk=people.team.pk).update(monitor_quota=1)
    answer = undo(owner, answer)
    assert "your plan allows 1 monitor" in said(answer)
    with scopes_disabled():
        assert Monitor.objects.count() == 1


def test_it_refuses_when_the_namespace_is_gone(owner, people):
    monitor = make_monitor(people.team, "a", namespace="acme-eu")
    answer = act(owner, "delete", [monitor])
    with scope(team=people.team):
        Namespace.objects.filter(name="acme-eu").delete()
    assert "the namespace has been deleted since" in said(undo(owner, answer))


def test_a_step_is_taken_back_once(owner, people, monitor):
    answer = act(owner, "delete", [monitor])
    undo(owner, answer)
    assert "can no longer be undone" in said(undo(owner, answer))
    with scopes_disabled():
        assert UndoStep.objects.get().data == {}


def test_a_step_ends_after_ten_minutes_and_is_forgotten(owner, people, monitor):
    answer = act(owner, "delete", [monitor])
    page = said(owner.get("/t/acme/monitors/undo/"))
    assert "“nightly-backup” is deleted." in page
    with scopes_disabled():
        UndoStep.objects.update(expires_at=F("expires_at") - timedelta(minutes=11))
    assert "Nothing to undo" in said(owner.get("/t/acme/monitors/undo/"))
    assert "can no longer be undone" in said(undo(owner, answer))
    assert purge_steps(now=now()) == 1
    with scopes_disabled():
        assert not UndoStep.objects.exists()


def test_steps_are_ones_own(owner, browse, people, monitor):
    answer = act(owner, "pause", [monitor])
    address = re.search(r'action="(/t/acme/monitors/undo/[^"]+)"', said(answer))[1]
    member = browse(people.member)
    assert "Nothing to undo" in said(member.get("/t/acme/monitors/undo/"))
    assert member.post(address).status_code == 404
    assert beat(monitor).state == "paused"


def test_the_button_is_offered_once_and_found_again_on_its_page(owner, people, monitor):
    answer = act(owner, "pause", [monitor])
    assert "“nightly-backup” is paused" in said(answer)
    assert "is paused: pushes" not in said(owner.get("/t/acme/monitors/"))
    page = said(owner.get("/t/acme/monitors/undo/"))
    assert "“nightly-backup” is paused" in page
    undo(owner, answer)
    page = said(owner.get("/t/acme/monitors/undo/"))
    assert "Undone" in page
    assert "monitors/undo/" not in re.search(r"<main.*</main>", page, re.DOTALL)[0]


@pytest.mark.django_db(transaction=True)
def test_a_deleted_thing_at_the_other_end_stops_nothing_at_commit(owner, people, monitor):
    window = create_maintenance(
        team=people.team,
        name="night",
        monitors=[monitor],
        starts_at=now(),
        ends_at=now() + timedelta(hours=1),
    )
    answer = act(owner, "delete", [monitor])
    with scopes_disabled():
        type(window).objects.all().delete()
    assert "1 monitor is back" in said(undo(owner, answer))
    with scopes_disabled():
        assert Monitor.objects.get().pk == monitor.pk
