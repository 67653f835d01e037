"""A monitor that was deleted and is back has its own Alertmanager again."""

from __future__ import annotations

import pytest
from django_scopes import scope, scopes_disabled

from accounts.models import Team
from incidents.lifecycle.lanes import advance
from incidents.models import AlertRule, Channel, Delivery
from manifests.models import MonitorRoute
from monitors import undo
from monitors.models import Monitor
from tests.conftest import Api
from tests.console.personas import push
from tests.manifests.bundles import ALERTING, actions, apply, bundle, push_monitor, secret

pytestmark = pytest.mark.django_db(transaction=True)


def delete(team: Team, *names: str) -> undo.UndoStep:
    with scope(team=team):
        monitors = list(Monitor.objects.filter(name__in=names))
        step = undo.change_monitors(
            team=team, actor="x", verb=undo.DELETE, monitors=monitors, say=str
        )
    assert step is not None
    return step


def count_routes() -> list[int]:
    with scopes_disabled():
        return [
            MonitorRoute.objects.count(),
            AlertRule.objects.filter(is_catch_all=False).count(),
            Channel.objects.filter(kind="alertmanager").count(),
        ]


def test_a_deleted_monitor_comes_back_with_its_route(team: Team, api: Api) -> None:
    text = bundle(secret("tok"), push_monitor("a*", extra=ALERTING), push_monitor("plain"))
    apply(api, text)
    assert count_routes() == [1, 1, 1]
    step = delete(team, "a*", "plain")
    assert count_routes() == [0, 0, 0]
    with scope(team=team):
        assert undo.undo_step(step=step).count == 2
    assert count_routes() == [1, 1, 1]
    assert set(actions(apply(api, text)).values()) == {"unchanged"}
    with scopes_disabled():
        monitor = Monitor.objects.get(name="a*")
    push(monitor)
    push(monitor, fail=True)
    advance()
    with scopes_disabled():
        assert Delivery.objects.filter(channel__kind="alertmanager").count() == 1


def test_a_route_that_others_kept_is_joined(team: Team, api: Api) -> None:
    both = [push_monitor(name, extra=ALERTING) for name in ("a", "b")]
    text = bundle(secret("tok"), *both)
    apply(api, text)
    step = delete(team, "a")
    assert count_routes() == [1, 1, 1]
    with scope(team=team):
        undo.undo_step(step=step)
    assert count_routes() == [1, 1, 1]
    assert set(actions(apply(api, text)).values()) == {"unchanged"}


def test_another_monitor_of_the_name_keeps_a_route_away(team: Team, api: Api) -> None:
    apply(api, bundle(secret("tok"), push_monitor("a", extra=ALERTING)))
    step = delete(team, "a")
    apply(api, push_monitor("a"))
    with scope(team=team), pytest.raises(undo.NameTaken):
        undo.undo_step(step=step)
    assert count_routes() == [0, 0, 0]
