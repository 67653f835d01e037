"""Monitors as other things name them: `namespace/name`, or the name alone in the team's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from manifests.kinds.monitors import load_monitors
from manifests.kinds.state import State
from monitors.models import Monitor


class MonitorNames:
    """The monitors that documents name, asked for once for all of them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._found: dict[tuple[str, str], Monitor] | None = None

    def find(self, names: Iterable[str], path: str) -> list[str]:
        """Return the monitors' full names in order; what is not there goes to the problems."""
        if self._found is None:
            self._found = load_monitors(self._state, [self._key(name) for name in self._all()])
        whole = []
        for index, name in enumerate(names):
            key = self._key(name)
            full = "/".join(key)
            if key in self._found:
                whole.append(full)
            else:
                text = f"There is no monitor “{full}”."
                self._state.miss("Monitor", full, f"{path}[{index}]", text)
        return sorted(set(whole))

    def rows(self, names: Iterable[str]) -> list[Monitor]:
        """Return the monitors of names that were found."""
        found = self._found or {}
        return [found[self._key(name)] for name in names]

    def _key(self, name: str) -> tuple[str, str]:
        namespace, slash, rest = name.partition("/")
        return (namespace, rest) if slash else (self._state.team.slug, name)

    def _all(self) -> set[str]:
        names = set()
        for document in self._state.of("Maintenance"):
            names |= set(document.fields.get("monitors", ()))
        for document in self._state.of("StatusPage"):
            groups = document.fields.get("groups", ())
            parts = [document.fields.get("components", ()), *(g["components"] for g in groups)]
            names |= {name for part in parts for each in part for name in each.get("monitors", ())}
        return names


def full_names(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return `namespace/name` of monitors by their ids: one query."""
    wanted = set(ids)
    rows: Any = Monitor.objects.filter(pk__in=wanted).values_list("pk", "namespace__name", "name")
    return {pk: f"{namespace}/{name}" for pk, namespace, name in rows} if wanted else {}
