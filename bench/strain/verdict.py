"""What a scenario found: claims that hold or do not, tables, plots, and the bare figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MET, MISSED, BROKEN = "met", "MISSED", "BROKEN"


@dataclass(frozen=True)
class Claim:
    """One thing that is owed, and what was found.

    What `is_meaning` is right or wrong on every machine: a lost push, a false silence. The others
    are figures, which a busy machine may miss.
    """

    name: str
    figure: str
    owed: str = ""
    holds: bool | None = None  # None: nothing is owed, it is only told
    is_meaning: bool = False

    @property
    def verdict(self) -> str:
        """Return met, MISSED for a figure, BROKEN for what must never be; nothing if unowed."""
        if self.holds is None:
            return ""
        return MET if self.holds else BROKEN if self.is_meaning else MISSED


@dataclass
class Found:
    """What one scenario found. `tables` are heads with rows, `plots` SVG by file name."""

    scenario: str
    title: str
    words: str
    claims: list[Claim] = field(default_factory=list)
    tables: list[tuple[Sequence[str], Sequence[Sequence[str]]]] = field(default_factory=list)
    plots: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: (what it shows, SVG)
    figures: dict[str, Any] = field(default_factory=dict)

    def tell(self, name: str, figure: str) -> None:
        """Note a figure of which nothing is owed."""
        self.claims.append(Claim(name, figure))

    def owe(self, name: str, value: float, relation: str, limit: float, form: str) -> None:
        """Note a figure with its limit, such as `"<=", 20, "{:.1f} s"`."""
        held = {
            ">=": value >= limit,
            "<": value < limit,
            "<=": value <= limit,
            "==": value == limit,
        }[relation]
        said = f"{relation} {form.format(limit)}" if relation != "==" else form.format(limit)
        self.claims.append(Claim(name, form.format(value), said, held))

    def must(self, name: str, value: float, wanted: float = 0) -> None:
        """Note what must be exactly so on every machine, by default that there is none of it."""
        self.claims.append(
            Claim(name, f"{value:,.0f}", f"{wanted:,.0f}", value == wanted, is_meaning=True)
        )

    def must_hold(self, name: str, holds: bool, figure: str, owed: str) -> None:
        """Note what must hold on every machine, in words."""
        self.claims.append(Claim(name, figure, owed, holds, is_meaning=True))

    def is_sound(self, *, strictly: bool) -> bool:
        """Return whether nothing is broken and, `strictly`, no figure missed either."""
        return not any(
            claim.holds is False and (strictly or claim.is_meaning) for claim in self.claims
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lie; nan of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
