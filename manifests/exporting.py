"""All that a team has, as documents that apply back without changing anything.

Values of Secrets are not stored, so they are never here. The order is always the same: a diff of
two exports is a diff of two states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from accounts.models import Team
from manifests.kinds.base import ThingKind
from manifests.kinds.channels import ChannelThing
from manifests.kinds.maintenances import MaintenanceThing
from manifests.kinds.named import MonitorNames
from manifests.kinds.oncall import People, PolicyThing, RotationThing
from manifests.kinds.pages import PageThing
from manifests.kinds.routes import Routes, own_channels
from manifests.kinds.rules import RuleThing
from manifests.kinds.secrets import Secrets
from manifests.kinds.state import State
from manifests.kinds.wanted import DEFAULTS, Route
from manifests.problems import Problems
from manifests.reading.kinds import OURS, YUPTIME
from monitors.models import Monitor, Secret

# Beyond this many, monitors are written as sets: an apply takes a bounded number of documents.
MOST_SINGLE_MONITORS = 1000
MOST_OF_A_SET = 5000
# What a document of the other kind can say; anything else must be as it is by default.
_YUPTIME_COLUMNS = frozenset({"interval", "timeout", "silent_after", "grace"})


def export_documents(
    *, team: Team, namespace: str | None = None, kind: str | None = None
) -> list[dict[str, Any]]:
    """Return the team's documents: monitors by namespace and name, then the rest by kind and name.

    With `namespace` only what lies in it, with `kind` only documents of that kind.
    """
    state = State(team=team, documents=[], problems=Problems())
    routes, secrets = Routes(state), Secrets(state)
    documents = list(_monitors(team, namespace, routes))
    if namespace is None:
        people, names = People(), MonitorNames(state)
        things: list[ThingKind] = [
            ChannelThing(secrets),
            RotationThing(people),
            PolicyThing(people),
            RuleThing(),
            PageThing(names, secrets),
            MaintenanceThing(names),
        ]
        for each in things:
            documents += _things(each, team)
    return [document for document in documents if kind in (None, document["kind"])]


def used_secrets(team: Team, namespace: str | None = None) -> list[str]:
    """Return the Secrets that must be at hand where the documents are applied, with their keys."""
    keys: dict[str, list[str]] = defaultdict(list)
    rows = Secret.objects.filter(team=team).select_related("namespace")
    for row in rows.order_by("namespace__name", "name", "key"):
        if namespace in (None, row.namespace.name):
            keys[f"{row.namespace.name}/{row.name}"].append(row.key)
    return [f"{name} ({', '.join(each)})" for name, each in keys.items()]


def _things(kind: ThingKind, team: Team) -> Iterator[dict[str, Any]]:
    position = 0
    # Monitors' own routes make these again.
    hidden = own_channels(team) if isinstance(kind, ChannelThing) else frozenset()
    for name, row in kind.load(team).items():
        if row.pk in hidden:
            continue
        spec = kind.show(row)
        if isinstance(kind, ChannelThing) and (refs := kind.show_secrets(row)):
            spec["secrets"] = refs
        if isinstance(kind, RuleThing) and not row.is_catch_all:
            spec["position"] = position
            position += 1
        yield _document(OURS, kind.name, {"name": name}, _plain(spec))


def _monitors(team: Team, namespace: str | None, routes: Routes) -> Iterator[dict[str, Any]]:
    rows = Monitor.objects.filter(team=team).select_related("namespace", "secret__namespace")
    if namespace is not None:
        rows = rows.filter(namespace__name=namespace)
    by_space: dict[str, list[Monitor]] = defaultdict(list)
    for row in rows.order_by("namespace__name", "name"):
        by_space[row.namespace.name].append(row)
    as_sets = sum(map(len, by_space.values())) > MOST_SINGLE_MONITORS
    for space, monitors in by_space.items():
        if as_sets:
            yield from _sets(space, monitors, routes)
            continue
        for row in monitors:
            route = routes.present((space, row.name))
            metadata = {"name": row.name, "namespace": space}
            if _fits_yuptime(row, space):
                yield _document(YUPTIME, "Monitor", metadata, _yuptime_spec(row, route))
            else:
                yield _document(OURS, "Monitor", metadata, _our_spec(row, route))


def _sets(space: str, rows: list[Monitor], routes: Routes) -> Iterator[dict[str, Any]]:
    for number, at in enumerate(range(0, len(rows), MOST_OF_A_SET), start=1):
        part = rows[at : at + MOST_OF_A_SET]
        specs = [_our_spec(row, routes.present((space, row.name))) for row in part]
        shared = {
            name: value
            for name, value in specs[0].items()
            if all(spec.get(name) == value for spec in specs)
        }
        entries = [
            {"name": row.name, **{k: v for k, v in spec.items() if k not in shared}}
            for row, spec in zip(part, specs, strict=True)
        ]
        metadata = {"name": f"{space}-{number}", "namespace": space}
        spec = {"defaults": shared, "monitors": entries} if shared else {"monitors": entries}
        yield _document(OURS, "MonitorSet", metadata, spec)


def _fits_yuptime(row: Monitor, space: str) -> bool:
    if row.secret is None or row.secret.namespace.name != space:
        return False
    return all(
        getattr(row, name) == value
        for name, value in DEFAULTS.items()
        if name not in _YUPTIME_COLUMNS
    )


def _yuptime_spec(row: Monitor, route: Route | None) -> dict[str, Any]:
    assert row.secret is not None
    schedule = {"intervalSeconds": row.interval}
    if row.timeout is not None:
        schedule["timeoutSeconds"] = row.timeout
    push = {
        "tokenSecretRef": {"name": row.secret.name, "key": row.secret.key},
        "expireSeconds": row.silent_after,
        "gracePeriodSeconds": row.grace,
    }
    spec: dict[str, Any] = {"type": "push", "schedule": schedule, "target": {"push": push}}
    if route is not None:
        spec["alerting"] = {"alertmanagerUrl": route.url, **_labels(route)}
    return spec


def _our_spec(row: Monitor, route: Route | None) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for name, default in DEFAULTS.items():
        value = getattr(row, name)
        if value != default and name not in ("cron", "cron_timezone"):
            spec[name] = value
    if row.schedule is not None:
        spec["schedule"] = {"cron": row.schedule.expression, "timezone": row.schedule.timezone}
    if row.secret is not None:
        spec["token_secret"] = {"name": row.secret.name, "key": row.secret.key}
    if route is not None:
        spec["alertmanager"] = {"url": route.url, **_labels(route)}
    return spec


def _labels(route: Route) -> dict[str, Any]:
    return {"labels": dict(route.labels)} if route.labels else {}


def _document(
    version: str, kind: str, metadata: dict[str, str], spec: dict[str, Any]
) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _plain(value: Any) -> Any:
    """Return plain values only: a choice is a text, and what is None is left out."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value
