"""The load suite's part of docs/performance.md: a marked section for each scenario.

Each run writes the sections of the scenarios that it ran and leaves all others as they are, those
of `python -m bench` included, which in its turn keeps these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.strain.verdict import Found
from config.installation import PROJECT

PAGE = PROJECT / "docs" / "performance.md"
PLOTS = PROJECT / "docs" / "plots"
ORDER = ("sustained", "herd", "silence", "tenant", "curve", "soak")
_SECTION = re.compile(r"<!-- load: (\w+) -->\n.*?<!-- end of load: \1 -->\n", re.DOTALL)
_HEAD = """<!-- load: head -->
# Under load

Written by `make load`, scenario by scenario; do not edit. What is promised, and how it is measured,
is in [load.md](load.md). MISSED is a figure that is owed and was not reached in that run; BROKEN is
what must not happen on any machine.

<!-- end of load: head -->
"""


def kept_sections(text: str) -> dict[str, str]:
    """Return the suite's sections of a page, by scenario."""
    return {match[1]: match[0] for match in _SECTION.finditer(text)}


def join_page(rest: str, sections: dict[str, str]) -> str:
    """Return a page: everything but the suite's sections, then these in their order."""
    rest = _SECTION.sub("", rest).rstrip("\n") + "\n"
    ordered = [sections[name] for name in ORDER if name in sections]
    return "\n".join([rest, _HEAD, *ordered]) if ordered else rest


def write_section(found: Found, facts: dict[str, str]) -> str:
    """Return the section of one scenario."""
    said = "; ".join(f"{name}: {value}" for name, value in facts.items())
    parts = [
        f"<!-- load: {found.scenario} -->",
        f"## {found.title}\n",
        f"`make load ONLY={found.scenario}`. {found.words}\n",
        f"{said}.\n",
        write_claims(found),
    ]
    parts += [write_rows(head, rows) for head, rows in found.tables]
    parts += [f"![{alt}](plots/{name}.svg)\n" for name, (alt, _) in found.plots.items()]
    return "\n".join([*parts, f"<!-- end of load: {found.scenario} -->\n"])


def write_claims(found: Found) -> str:
    """Return the claims as a table: what was found, what is owed, whether it is met."""
    rows = [(claim.name, claim.figure, claim.owed, claim.verdict) for claim in found.claims]
    return write_rows(("measured", "figure", "owed", ""), rows)


def write_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)]) + "\n"


def write_text(found: Found) -> str:
    """Return the claims and tables for a terminal."""
    claims = [(c.name, c.figure, c.owed, c.verdict) for c in found.claims]
    parts = [f"\n{found.title}", _aligned(claims)]
    parts += [_aligned([head, *rows]) for head, rows in found.tables]
    return "\n".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def publish(found: Found, facts: dict[str, str], *, page: Path = PAGE, plots: Path = PLOTS) -> None:
    """Write a scenario's section into the page, and its plots beside it."""
    plots.mkdir(parents=True, exist_ok=True)
    for name, (_, drawing) in found.plots.items():
        (plots / f"{name}.svg").write_text(drawing)
    text = page.read_text() if page.exists() else "# Performance\n"
    sections = kept_sections(text) | {found.scenario: write_section(found, facts)}
    page.write_text(join_page(text, sections))


def as_json(found: Found) -> dict[str, Any]:
    """Return everything but the drawings, for var/bench."""
    return {
        "scenario": found.scenario,
        "claims": [{**claim.__dict__, "verdict": claim.verdict} for claim in found.claims],
        "figures": found.figures,
    }
