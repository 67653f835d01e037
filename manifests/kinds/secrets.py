"""Secrets: values that other documents use. Of what is stored only a hash is kept."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.timezone import now

from accounts.keys import hash_token
from manifests.changes import CREATED, UNCHANGED, UPDATED, Change, Result, masked
from manifests.kinds.state import State
from manifests.reading.kinds import Checked
from monitors.models import Secret

_TOKEN = re.compile(r"[\x21-\x7e]{1,2000}")
_WEAK = 16

Key = tuple[str, str, str]  # namespace, name and key


@dataclass(frozen=True, slots=True)
class Value:
    """One key of a Secret. `text` is None where only the hash is known."""

    row: Secret
    text: str | None
    path: str | None  # where it was given in these documents


class Secrets:
    """The team's stored Secrets, and those of the documents."""

    def __init__(self, state: State) -> None:
        self._state = state
        rows = Secret.objects.filter(team=state.team).select_related("namespace")
        self._found: dict[Key, Value] = {
            (row.namespace.name, row.name, row.key): Value(row, None, None) for row in rows
        }
        self._names: dict[tuple[str, str], set[UUID]] = defaultdict(set)
        for (namespace, name, _), value in self._found.items():
            self._names[namespace, name].add(value.row.pk)
        self._judged: set[Key] = set()
        self._by_hash: dict[bytes, dict[str, str]] | None = None

    def apply(self) -> None:
        """Store the hashes of the documents' values."""
        fresh: list[Secret] = []
        changed: list[Secret] = []
        for document in self._state.of("Secret"):
            self._apply_one(document, fresh, changed)
        Secret.objects.bulk_create(fresh)
        Secret.objects.bulk_update(changed, ["token_hash", "updated_at"], batch_size=500)

    def find(self, ref: dict[str, str], namespace: str, path: str) -> Value | None:
        """Return what a reference names; None, with the problem noted, if that is not there."""
        key = (namespace, ref["name"], ref["key"])
        if value := self._found.get(key):
            return value
        field, text = "name", f"There is no Secret “{ref['name']}” in “{namespace}”: add it."
        if key[:2] in self._names:
            field, text = "key", f"The Secret “{ref['name']}” has no key “{ref['key']}”."
        self._state.miss("Secret", f"{namespace}/{ref['name']}", f"{path}.{field}", text)
        return None

    def find_token(self, ref: dict[str, str], namespace: str, path: str) -> Secret | None:
        """Return the stored Secret that monitors use as their token; None as in `find`."""
        value = self.find(ref, namespace, path)
        if value is None:
            return None
        key = (namespace, ref["name"], ref["key"])
        if value.text is not None and value.path is not None and key not in self._judged:
            self._judged.add(key)
            if not _TOKEN.fullmatch(value.text):
                text = "A token has 1 to 2000 visible ASCII characters, no space and no line end."
                self._state.problems.add(value.path, "invalid", text)
            elif len(value.text) < _WEAK:
                self._state.warnings.append(
                    f"{value.path}: A token of fewer than {_WEAK} characters can be guessed."
                )
        return value.row

    def _apply_one(self, document: Checked, fresh: list[Secret], changed: list[Secret]) -> None:
        namespace = self._state.namespaces.get(self._state.space_of(document))
        if namespace is None:
            return
        existed = (namespace.name, document.name) in self._names
        changes: list[Change] = []
        values: dict[str, str] = document.fields["values"]
        for key, text in values.items():
            place = document.fields["places"][key]
            path = f"{document.path}.{place}.{key}"
            present = self._found.get((namespace.name, document.name, key))
            hashed = hash_token(text)
            if present is None:
                row = Secret(
                    team=self._state.team,
                    namespace=namespace,
                    name=document.name,
                    key=key,
                    token_hash=hashed,
                )
                fresh.append(row)
                self._state.made.append(("Secret", row.pk))
                changes.append(masked(f"{place}.{key}", existed=False))
            else:
                row = present.row
                if bytes(row.token_hash) != hashed:
                    row.token_hash, row.updated_at = hashed, now()
                    changed.append(row)
                    changes.append(masked(f"{place}.{key}", existed=True))
            self._found[namespace.name, document.name, key] = Value(row, text, path)
            self._names[namespace.name, document.name].add(row.pk)
        keys = self._names[namespace.name, document.name]
        self._state.contained |= {("Secret", pk) for pk in keys}
        action = UNCHANGED if not changes else UPDATED if existed else CREATED
        self._state.done(document, Result("Secret", namespace.name, document.name, action, changes))

    def reference_to(self, text: Any) -> dict[str, str] | None:
        """Return the first stored Secret, by name, that holds this text; None if none does."""
        if not isinstance(text, str):
            return None
        if self._by_hash is None:
            self._by_hash = {}
            for (namespace, name, key), value in sorted(
                self._found.items(), key=lambda each: each[0]
            ):
                ref = {"namespace": namespace, "name": name, "key": key}
                self._by_hash.setdefault(bytes(value.row.token_hash), ref)
        return self._by_hash.get(hash_token(text))
