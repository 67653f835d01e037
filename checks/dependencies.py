"""What is locked, against what is known: `python -m checks.dependencies`. Needs no network.

Every locked package has hashes, no version lies in an advisory's range without a decision
(requirements/advisories.toml), and each licence of what is installed is one that is allowed.
`make audit` asks an advisory service besides.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER = Path(__file__).resolve().parent.parent / "requirements"
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def read_lock(text: str) -> dict[str, tuple[Requirement, int]]:
    """Return each locked requirement with its number of hashes, by name."""
    found = {}
    for entry in text.replace("\\\n", " ").splitlines():
        line = entry.strip()
        if line and not line.startswith("#"):
            requirement = Requirement(line.split(" --hash")[0])
            found[canonicalize_name(requirement.name)] = (requirement, len(_HASH.findall(line)))
    return found


def judge_lock(text: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a lock: pins, hashes, versions of which something is known."""
    lock = read_lock(text)
    versions = {}
    for name, (requirement, hashes) in lock.items():
        pins = list(requirement.specifier)
        if len(pins) != 1 or pins[0].operator != "==" or "*" in pins[0].version:
            yield f"{name}: not locked to one version"
            continue
        versions[name] = Version(pins[0].version)
        if not hashes:
            yield f"{name}: has no hash"
    for advisory in known.get("advisory", ()):
        name = canonicalize_name(advisory["package"])
        if name not in versions or advisory.get("decision"):
            continue
        version = versions[name]
        affected = "" if advisory["affected"] == "*" else advisory["affected"]
        if SpecifierSet(affected).contains(version, prereleases=True):
            yield f"{name} {version}: {advisory['id']}: {advisory['about']}"


def licence_of(name: str) -> str:
    """Return what an installed package's metadata say of its licence; raises if it is absent."""
    said = metadata.metadata(name)
    classified = [
        each.rsplit(" :: ", 1)[-1]
        for each in said.get_all("Classifier") or ()
        if each.startswith("License ::")
    ]
    text = said.get("License-Expression") or " / ".join(classified) or said.get("License") or ""
    return text.strip().splitlines()[0] if text.strip() else ""


def judge_licence(text: str, allowed: list[str]) -> bool:
    """Return whether any way to take the package is allowed, with all that this way asks."""
    ways = re.split(r" OR | / ", text)
    words = [re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Z])") for word in allowed]
    return any(
        all(any(word.search(part) for word in words) for part in way.split(" AND "))
        for way in ways
        if way
    )


def judge_licences(lock: str, known: Mapping[str, Any], *, tools: bool) -> Iterator[str]:
    """Yield what is installed of a lock and has a licence that is not allowed."""
    rules = known["licences"]
    allowed = rules["allowed"] + (rules["allowed_tools"] if tools else [])
    for name, (requirement, _) in read_lock(lock).items():
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            text = rules["known"].get(name) or licence_of(name)
        except metadata.PackageNotFoundError:
            yield f"{name}: is locked and not installed"
            continue
        if not judge_licence(text, allowed):
            yield f"{name}: the licence “{text}” is not among those allowed"


def main() -> int:
    """Return 1 and say what is wrong."""
    known = tomllib.loads((FOLDER / "advisories.toml").read_text())
    wrong = []
    for path in sorted(FOLDER.glob("*.txt")):
        lock, tools = path.read_text(), path.name == "dev.txt"
        wrong += [f"{path.name}: {each}" for each in judge_lock(lock, known)]
        wrong += [f"{path.name}: {each}" for each in judge_licences(lock, known, tools=tools)]
    sys.stderr.write("".join(f"{each}\n" for each in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
