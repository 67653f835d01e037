"""What each kind of which a team has few things answers to, and how its documents are applied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from rest_framework.exceptions import ValidationError

from accounts.models import Team
from incidents import destinations, rules
from incidents.channels.base import InvalidConfig
from incidents.maintenance import maintenances
from incidents.maintenance.recurrence import BadWindow
from incidents.oncall import rotations
from incidents.policies import policies
from manifests.changes import CREATED, UNCHANGED, UPDATED, Change, Result, compare
from manifests.kinds.state import State
from manifests.reading.kinds import Checked
from statuspages.services.components import TooMany
from statuspages.services.errors import BadField, DuplicateName
from statuspages.services.pages import DuplicateSlug

_NAME_TAKEN = (
    destinations.DuplicateName,
    rotations.DuplicateName,
    policies.DuplicateName,
    rules.DuplicateName,
    maintenances.DuplicateName,
)


class InUse(Exception):  # noqa: N818 - it names what happened
    """The thing cannot be deleted: something that stays needs it. The text says what."""


class ThingKind(ABC):
    """One kind. A thing is shown and wanted as the plain values below `spec`, secrets left out."""

    name: ClassVar[str]

    @abstractmethod
    def load(self, team: Team) -> dict[str, Any]:
        """Return the team's things by name, with all that `show` reads: a few queries."""

    @abstractmethod
    def show(self, row: Any) -> dict[str, Any]:
        """Return a thing as a document says it, everything that can be said included."""

    @abstractmethod
    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return what a document wants, everything that it left out included.

        What it names and is not there goes to the problems. `row` is the present thing, or None.
        """

    @abstractmethod
    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Make the thing and return its row."""

    @abstractmethod
    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the thing and return its row."""

    @abstractmethod
    def delete(self, row: Any) -> None:
        """Delete the thing. Raises InUse."""

    def find(self, document: Checked, rows: Mapping[str, Any]) -> Any:
        """Return the present thing that a document speaks of, or None."""
        return rows.get(document.name)

    def more_changes(self, document: Checked, row: Any, state: State) -> list[Change]:
        """Return what differs beside what is shown: secrets, masked, and names."""
        return []

    def ordered(self, documents: list[Checked]) -> list[Checked]:
        """Return the documents in the order in which they are to be applied."""
        return documents

    def finish(self, state: State) -> None:  # noqa: B027 - most kinds have nothing to do
        """Do what can be done once all of this kind are there."""

    def place_changes(self, document: Checked, row: Any, state: State) -> list[Change]:
        """Return how the thing's place among its like changes."""
        return []


def apply_things(kind: ThingKind, state: State) -> None:
    """Apply the documents of one kind."""
    rows = state.rows[kind.name]
    for document in kind.ordered(state.of(kind.name)):
        row = kind.find(document, rows)
        before = _troubles(state)
        with refusals(state, document):
            wanted = kind.want(document, row, state)
            if _troubles(state) == before:
                _apply_one(kind, document, row, wanted, state)
        if _troubles(state) > before and row is None:
            state.failed.add((kind.name, document.name))
    kind.finish(state)


def _troubles(state: State) -> int:
    return len(state.problems.found) + state.missed


def _apply_one(
    kind: ThingKind, document: Checked, row: Any, wanted: dict[str, Any], state: State
) -> None:
    rows = state.rows[kind.name]
    shown = kind.show(row) if row is not None else {}
    changes = [c for c in compare(shown, wanted, "spec") if row is not None or c.after]
    more = kind.more_changes(document, row, state)
    placed = kind.place_changes(document, row, state)
    if row is None:
        row = kind.create(document.name, wanted, document, state)
        state.made.append((kind.name, row.pk))
        action = CREATED
    else:
        if changes or more:
            row = kind.update(row, wanted, changes + more, document, state)
        state.contained.add((kind.name, row.pk))
        action = UPDATED if changes or more or placed else UNCHANGED
    rows[document.name] = row
    result = Result(kind.name, None, document.name, action, changes + more + placed)
    state.done(document, result)


@contextmanager
def refusals(state: State, document: Checked) -> Iterator[None]:
    """Turn what a service refuses into problems of the document."""
    problems, path = state.problems, document.path
    try:
        yield
    except ValidationError as error:
        problems.add_details(path, error.detail)
    except InvalidConfig as error:
        given = document.fields.get("secrets", {})
        for field, text in error.errors.items():
            place = "secrets" if field in given else "config"
            problems.add(f"{path}.{place}.{field}", "invalid", text)
    except BadField as error:
        problems.add(f"{path}.{error.field}", "invalid", error.text)
    except BadWindow as error:
        problems.add(f"{path}.{error.field}", "invalid", str(error))
    except _NAME_TAKEN:
        # Not by a thing that documents speak of: that would have been found by its name.
        text = "Something else of the team's has this name."
        problems.add(f"{document.document.path}.metadata.name", "taken", text)
    except DuplicateSlug:
        text = "This slug is taken by another status page."
        problems.add(f"{document.document.path}.metadata.name", "taken", text)
    except DuplicateName:
        problems.add(f"{path}.components", "duplicate", "Two components have the same name.")
    except TooMany:
        problems.add(f"{path}.components", "max_length", "The page has too many components.")


def defaults_of(model: Any, *names: str) -> Mapping[str, Any]:
    """Return what columns of a model are where nothing is said."""
    return {name: model._meta.get_field(name).get_default() for name in names}
