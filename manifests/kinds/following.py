"""Routes follow their monitors: one that is renamed keeps its own, one that is deleted leaves none.

A route names its monitors in a rule's matchers, so a new monitor of an old name would inherit it.
What is left undone here, because a process died, the next apply does.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.signals import post_delete, pre_save
from django_scopes import scope, scopes_disabled

from accounts.models import Team
from incidents.models import Channel
from manifests.kinds.routes import Key, Routes
from manifests.kinds.state import State
from manifests.models import MonitorRoute
from manifests.problems import Problems
from monitors.models import Monitor

_NAMES = frozenset({"name", "namespace"})


def connect() -> None:
    """Hear of monitors that are renamed or deleted."""
    post_delete.connect(_on_delete, sender=Monitor, dispatch_uid="routes-deleted")
    pre_save.connect(_on_save, sender=Monitor, dispatch_uid="routes-renamed")


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
                state = State(team=team, documents=[], problems=Problems())
                state.rows["Channel"] = {row.name: row for row in Channel.objects.all()}
                routes = Routes(state)
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
