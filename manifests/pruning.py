"""Deleting what earlier applies made and the documents at hand no longer contain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from manifests.changes import DELETED, Result
from manifests.kinds.base import InUse, ThingKind
from manifests.kinds.routes import Routes
from manifests.kinds.state import State
from manifests.models import AppliedThing
from monitors.bulk import delete_monitors
from monitors.models import Monitor, Secret

_LAST = 1 << 31  # deletions are told after all documents


def prune_things(state: State, kinds: Sequence[ThingKind]) -> None:
    """Delete what is no longer contained, users before what they use.

    What something that stays still needs is kept, with a warning.
    """
    old: dict[str, set[UUID]] = defaultdict(set)
    kept = state.contained | set(state.made)
    applied = AppliedThing.objects.filter(team=state.team)
    for name, pk in applied.values_list("kind", "thing_id"):
        if (name, pk) not in kept:
            old[name].add(pk)
    for kind in reversed(kinds):
        if kind.name != "Channel":
            _prune_kind(kind, old[kind.name], state)
    _prune_monitors(state, old["Monitor"])
    for kind in kinds:
        if kind.name == "Channel":
            _prune_kind(kind, old[kind.name], state)
    _prune_secrets(state, old["Secret"])


def _prune_kind(kind: ThingKind, ids: set[UUID], state: State) -> None:
    for name, row in list(state.rows[kind.name].items()):
        if row.pk not in ids or getattr(row, "is_catch_all", False):
            continue
        pk = row.pk
        try:
            kind.delete(row)
        except InUse as error:
            state.warnings.append(f"{kind.name} “{name}” is kept: {error}.")
            ids.discard(pk)
            continue
        state.results.append((_LAST, Result(kind.name, None, name, DELETED)))
    _forget(state, kind.name, ids)


def _prune_monitors(state: State, ids: set[UUID]) -> None:
    rows = list(Monitor.objects.filter(team=state.team, pk__in=ids).select_related("namespace"))
    if rows:
        delete_monitors(team=state.team, monitors=rows)
        Routes(state).apply()  # which drops the routes of monitors that are gone
    for row in sorted(rows, key=lambda row: (row.namespace.name, row.name)):
        result = Result("Monitor", row.namespace.name, row.name, DELETED)
        state.results.append((_LAST, result))
    _forget(state, "Monitor", ids)


def _prune_secrets(state: State, ids: set[UUID]) -> None:
    rows = Secret.objects.filter(team=state.team, pk__in=ids).select_related("namespace")
    used = set(
        Monitor.objects.filter(team=state.team, secret__in=ids).values_list("secret_id", flat=True)
    )
    names: dict[tuple[str, str], bool] = {}
    for row in rows.order_by("namespace__name", "name"):
        key = (row.namespace.name, row.name)
        names[key] = names.get(key, False) or row.pk in used
    for (namespace, name), needed in names.items():
        if needed:
            state.warnings.append(f"Secret “{namespace}/{name}” is kept: monitors use it.")
        else:
            state.results.append((_LAST, Result("Secret", namespace, name, DELETED)))
    gone = [row.pk for row in rows if not names[row.namespace.name, row.name]]
    Secret.objects.filter(team=state.team, pk__in=gone).delete()
    _forget(state, "Secret", (ids - {row.pk for row in rows}) | set(gone))


def _forget(state: State, kind: str, ids: set[UUID]) -> None:
    AppliedThing.objects.filter(team=state.team, kind=kind, thing_id__in=ids).delete()
