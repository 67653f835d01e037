"""Monitors: thousands at once, in a number of statements that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from manifests.changes import CREATED, UNCHANGED, UPDATED, Change, Result
from manifests.kinds.routes import Routes
from manifests.kinds.secrets import Secrets
from manifests.kinds.state import State
from manifests.kinds.wanted import DEFAULTS, Route, Wanted
from monitors.bulk import create_monitors, update_monitors
from monitors.models import Monitor

Key = tuple[str, str]


def apply_monitors(
    state: State, wanted: Sequence[Wanted], secrets: Secrets, routes: Routes
) -> None:
    """Create and change monitors as the documents want them."""
    present = load_monitors(state, [each.key for each in wanted])
    fresh: list[tuple[Wanted, dict[str, Any]]] = []
    changed: list[tuple[Monitor, dict[str, Any]]] = []
    for each in wanted:
        if each.namespace not in state.namespaces:
            state.failed.add(("Monitor", f"{each.namespace}/{each.name}"))
            continue
        columns = dict(each.columns)
        if each.secret is None:
            columns["secret"] = None
        else:
            columns["secret"] = secrets.find_token(each.secret, each.namespace, each.secret_path)
        route = routes.want(each)
        row = present.get(each.key)
        if row is None:
            fresh.append((each, columns))
            changes = _differences(_New(), columns, each) + _rerouted(None, route, each)
            action = CREATED
            if columns.get("require_token") and columns["secret"] is None:
                state.warnings.append(
                    f"{each.path}: The monitor asks for a token and has none: give it a Secret, "
                    "or rotate its token."
                )
        else:
            state.contained.add(("Monitor", row.pk))
            differing = {
                name: value for name, value in columns.items() if _differs(row, name, value)
            }
            changes = _differences(row, differing, each)
            if differing:
                changed.append((row, differing))
            changes += _rerouted(routes.present(each.key), route, each)
            action = UPDATED if changes else UNCHANGED
        result = Result("Monitor", each.namespace, each.name, action, changes)
        state.done(each.document, result)
    if state.problems:
        # Nothing of this stays: what remains to be found needs no rows.
        state.failed |= {("Monitor", f"{each.namespace}/{each.name}") for each, _ in fresh}
        return
    if fresh:
        rows = create_monitors(
            team=state.team,
            monitors=[
                (state.namespaces[each.namespace], {**columns, "name": each.name})
                for each, columns in fresh
            ],
        )
        state.made += [("Monitor", row.pk) for row in rows]
    if changed:
        update_monitors(team=state.team, changes=changed)


def load_monitors(state: State, keys: Iterable[Key]) -> dict[Key, Monitor]:
    """Return the team's monitors of these namespaces and names: one query."""
    wanted = set(keys)
    rows = Monitor.objects.filter(
        team=state.team,
        namespace__name__in={namespace for namespace, _ in wanted},
        name__in={name for _, name in wanted},
    ).select_related("namespace", "secret")
    found = {(row.namespace.name, row.name): row for row in rows} if wanted else {}
    return {key: row for key, row in found.items() if key in wanted}


class _New:
    """What a monitor is before it is anything."""

    secret_id = None
    secret = None


for _name, _value in DEFAULTS.items():
    setattr(_New, _name, _value)


def _differs(row: Monitor, name: str, value: Any) -> bool:
    if name == "secret":
        return bool(row.secret_id != (value.pk if value else None))
    return bool(getattr(row, name) != value)


def _differences(row: Any, columns: Mapping[str, Any], wanted: Wanted) -> list[Change]:
    changes = []
    for name, value in columns.items():
        before = getattr(row, name)
        if name == "secret":
            path = wanted.says.get(name, "token_secret")
            before, value = _say_secret(before), wanted.secret
        else:
            path = wanted.says.get(name, name)
        if before != value:
            changes.append(Change(f"spec.{path}", before, value))
    return changes


def _say_secret(secret: Any) -> dict[str, str] | None:
    return {"name": secret.name, "key": secret.key} if secret else None


def _rerouted(before: Route | None, after: Route | None, wanted: Wanted) -> list[Change]:
    if before == after:
        return []
    path = f"spec.{wanted.says.get('alerting', 'alertmanager')}"
    return [Change(path, _say_route(before), _say_route(after))]


def _say_route(route: Route | None) -> dict[str, Any] | None:
    return {"url": route.url, "labels": dict(route.labels)} if route else None
