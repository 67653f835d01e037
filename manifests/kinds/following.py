"""Routes follow their monitors: one that is renamed keeps its own, one that is deleted leaves none.

One whose deletion is undone has its own again.

A route names its monitors in a rule's matchers, so a new monitor of an old name would inherit it.
What is left undone here, because a process died, the next apply does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.signals import post_delete, pre_save
from django_scopes import scope, scopes_disabled

from accounts.models import Team
from incidents.models import Channel
from manifests.kinds.routes import Key, Routes
from manifests.kinds.state import State
from manifests.kinds.wanted import Route
from manifests.models import MonitorRoute
from manifests.problems import Problems
from monitors.kept import Keeper, register_keeper
from monitors.models import Monitor

_NAMES = frozenset({"name", "namespace"})


def connect() -> None:
    """Hear of monitors that are renamed or deleted, and of those that come back."""
    register_keeper("routes", Keeper(keep_routes, restore_routes))
    post_delete.connect(_on_delete, sender=Monitor, dispatch_uid="routes-deleted")
    pre_save.connect(_on_save, sender=Monitor, dispatch_uid="routes-renamed")


def keep_routes(team: Team, ids: Collection[UUID]) -> list[Any]:
    """Return the routes of some monitors as plain values."""
    with scope(team=team):
        if not MonitorRoute.objects.exists():
            return []
        routes = _routes_of(team)
        found = Monitor.objects.filter(pk__in=ids).values_list("namespace__name", "name")
        kept = [(key, routes.present(key)) for key in found]
    return [[*key, route.url, route.labels] for key, route in kept if route is not None]


def restore_routes(team: Team, kept: list[Any]) -> None:
    """Give monitors that are back the routes they had; the team's lock must be held."""
    if not kept:
        return
    with scope(team=team):
        routes = _routes_of(team)
        for namespace, name, url, labels in kept:
            pairs = tuple((key, value) for key, value in labels)
            routes.bring_back((namespace, name), Route(url, pairs))
        routes.apply()


def _routes_of(team: Team) -> Routes:
    state = State(team=team, documents=[], problems=Problems())
    state.rows["Channel"] = {row.name: row for row in Channel.objects.all()}
    return Routes(state)


class _Follow:
    """What is to be done for one team when the transaction is over."""

    def __init__(self, team_id: UUID) -> None:
        self.team_id = team_id
        self.moved: list[tuple[Key, Key]] = []

    def run(self) -> None:
        """Let the team's routes be as its monitors are now."""
        with scopes_disabled():
            if not MonitorRoute.objects.filter(team=self.team_id).exists():
                return
        with scopes_disabled(), transaction.atomic():
            team = Team.objects.select_for_update(no_key=True).get(pk=self.team_id)
            with scope(team=team):
                routes = _routes_of(team)
                for old, new in self.moved:
                    routes.move(old, new)
                routes.apply()


def _on_delete(sender: Any, instance: Monitor, **options: Any) -> None:
    _later(instance.team_id)


def _on_save(sender: Any, instance: Monitor, update_fields: Any = None, **options: Any) -> None:
    if not _NAMES & set(update_fields or ()):
        return
    with scopes_disabled():
        rows = Monitor.objects.filter(pk=instance.pk)
        old = rows.values_list("namespace__name", "name").first()
    new = (instance.namespace.name, instance.name)
    if old is not None and old != new:
        _later(instance.team_id).moved.append((old, new))


def _later(team_id: UUID) -> _Follow:
    """Return what waits for the end of this transaction; what is rolled back is forgotten."""
    for entry in connection.run_on_commit:
        follow = getattr(entry[1], "__self__", None)
        if isinstance(follow, _Follow) and follow.team_id == team_id:
            return follow
    follow = _Follow(team_id)
    transaction.on_commit(follow.run, robust=True)
    return follow
