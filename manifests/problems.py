"""What is wrong with documents: each problem with the path of its field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_PROBLEMS = 1000  # an answer that nobody could read helps nobody


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: `field` is a path like documents[2].spec.grace."""

    field: str
    code: str
    detail: str


class Refused(Exception):  # noqa: N818 - it names what happened
    """The documents are refused as a whole; `problems` says why."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.detail}" for p in self.problems[:3]))


class Problems:
    """Problems as they are found; all are told at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, field: str, code: str, detail: str) -> None:
        """Note one problem."""
        self.found.append(Problem(field, code, detail))

    def add_details(self, field: str, details: Any) -> None:
        """Note what a serializer found below `field`."""
        self.found += flatten(field, details)

    def check(self) -> None:
        """Raise Refused if there is any problem."""
        if self.found:
            raise Refused(self.found[:MOST_PROBLEMS])


def flatten(path: str, details: Any) -> list[Problem]:
    """Return a serializer's nested details as a flat list, indexes in brackets."""
    if isinstance(details, dict):
        found = []
        for name, value in details.items():
            found += flatten(join(path, name), value)
        return found
    if isinstance(details, list):
        found = []
        for index, value in enumerate(details):
            nested = isinstance(value, dict | list)
            found += flatten(join(path, index) if nested else path, value)
        return found
    return [Problem(path, getattr(details, "code", None) or "invalid", str(details))]


def join(path: str, name: object) -> str:
    """Return the path of what stands under `name` in what stands at `path`."""
    if name == "non_field_errors":
        return path
    return f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}"
