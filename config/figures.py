"""What one figure of this installation's health says."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

WELL, BAD, UNKNOWN, PLAIN = "well", "bad", "unknown", "plain"


@dataclass(frozen=True)
class Figure:
    """One thing that is measured: a value in words, its limit, how it is, and the remedy."""

    name: str
    label: str
    value: str
    number: float | None = None
    limit: str = ""
    state: str = PLAIN
    remedy: str = ""

    @property
    def icon(self) -> str:
        """The shape that stands beside the state's word."""
        return {WELL: "up", BAD: "down", UNKNOWN: "pending"}.get(self.state, "")

    @property
    def word(self) -> str:
        """The state in a word."""
        words = {WELL: _("Well"), BAD: _("Not well"), UNKNOWN: _("Unknown")}
        return words.get(self.state, "")
