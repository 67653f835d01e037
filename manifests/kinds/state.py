"""What one apply knows and has done so far; kinds read it and add to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.models import Namespace, Team
from manifests.changes import Result
from manifests.problems import Problems
from manifests.reading.kinds import Checked


@dataclass
class State:
    """One apply under way.

    `rows` are the team's things by kind and name, present ones and those just made. `failed` are
    those that were to be made but are wrong: what names them is not blamed for that as well.
    `missed` counts the names of things that are not there. `made` are the ids, by kind, of what
    this apply created, and `contained` of all that it names.
    """

    team: Team
    documents: list[Checked]
    problems: Problems
    warnings: list[str] = field(default_factory=list)
    results: list[tuple[int, Result]] = field(default_factory=list)
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: set[tuple[str, str]] = field(default_factory=set)
    missed: int = 0
    made: list[tuple[str, UUID]] = field(default_factory=list)
    contained: set[tuple[str, UUID]] = field(default_factory=set)

    def of(self, *kinds: str) -> list[Checked]:
        """Return the documents of these kinds."""
        return [document for document in self.documents if document.kind.name in kinds]

    def space_of(self, document: Checked) -> str:
        """Return the namespace that a document's thing is in."""
        return document.namespace or self.team.slug

    def done(self, document: Checked, result: Result) -> None:
        """Note what became of a document's thing."""
        self.results.append((document.document.index, result))

    def find(self, kind: str, name: str, path: str) -> Any:
        """Return the row of that name; None, with the problem noted at `path`, if there is none."""
        row = self.rows[kind].get(name)
        if row is None:
            self.miss(kind, name, path, f"There is no {kind} “{name}”.")
        return row

    def miss(self, kind: str, name: str, path: str, text: str) -> None:
        """Note that a thing is not there, and at `path` as a problem unless its own is known."""
        self.missed += 1
        if (kind, name) not in self.failed:
            self.problems.add(path, "not_found", text)
