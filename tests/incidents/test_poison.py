"""One bad row costs its neighbours nothing."""

from __future__ import annotations

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from accounts.database.standing import as_owner
from incidents.lifecycle.lanes import advance
from incidents.models import AlertRule, Delivery, Incident
from monitors.models import Transition
from monitors.sweep import sweep_batch
from tests.factories import MonitorFactory, TeamFactory
from tests.monitors.pushing import age, heartbeat, listen, push

pytestmark = pytest.mark.django_db


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'poison'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON incidents_incident FOR EACH ROW
  WHEN (new.monitor_name = 'poison') EXECUTE FUNCTION refuse();
"""


@pytest.mark.django_db(transaction=True)
def test_a_transition_that_cannot_be_handled_holds_up_no_other() -> None:
    team = TeamFactory()
    poison, monitor = MonitorFactory(team=team, name="poison"), MonitorFactory(team=team)
    with scopes_disabled(), connection.cursor() as cursor:
        for each in (poison, monitor):
            push(each, "fail")
        with as_owner():
            cursor.execute(REFUSE)
        try:
            assert advance() == (1, 1)
            assert [i.monitor_id for i in Incident.objects.all()] == [monitor.pk]
            assert Transition.objects.get(handled_at=None).monitor_id == poison.pk
        finally:
            with as_owner():
                cursor.execute("DROP FUNCTION refuse CASCADE")
        assert advance() == (1, 1)
        assert Incident.objects.filter(monitor_id=poison.pk).exists()


def test_a_rule_that_cannot_be_read_is_passed_over() -> None:
    team = TeamFactory()
    monitor = MonitorFactory(team=team)
    with scopes_disabled():
        # What no API would store: a zone that existed when it was saved.
        match = {"hours": [{"timezone": "Mars/Olympus"}]}
        AlertRule.objects.create(team=team, name="lost", position=0, match=match)
        push(monitor, "fail")
        assert advance() == (1, 1)
        assert Delivery.objects.get().contact.startswith("email:")


def test_a_schedule_that_cannot_be_read_holds_up_no_other_monitor() -> None:
    team = TeamFactory()
    broken = MonitorFactory(team=team, cron="* * * * *", cron_timezone="Mars/Olympus")
    silent = MonitorFactory(team=team, silent_after=5)
    with scopes_disabled():
        for each in (broken, silent):
            assert push(each).state == "up"
            age(each, 600)
        listen()
        assert sweep_batch() == (2, 1)
        assert heartbeat(silent).state == "down"
        assert heartbeat(broken).state == "up"
        assert sweep_batch() == (0, 0)
