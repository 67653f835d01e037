"""Badges of a page or a component: SVG in three styles, and JSON for shields.io.

The JSON is that of https://shields.io/badges/endpoint-badge.
"""

from __future__ import annotations

from monitors.badge_pictures import STYLES, draw_badge, shorten, write_badge_words
from statuspages.rendering.atlassian import state_of
from statuspages.rendering.words import words_of
from statuspages.view import ComponentView, PageView

__all__ = ["STYLES", "write_badge", "write_badge_json"]

# The fill has 4.5:1 to white; the word is what shields.io knows.
_COLOURS = {
    "good": ("#1a7f4b", "brightgreen"),
    "slow": ("#8a5c00", "yellow"),
    "part": ("#b54708", "orange"),
    "down": ("#c3293b", "red"),
    "work": ("#2f5fd0", "blue"),
}
_KINDS = {
    "none": "good",
    "operational": "good",
    "degraded": "slow",
    "degraded_performance": "slow",
    "minor": "slow",
    "partial_outage": "part",
    "major": "part",
    "critical": "down",
    "major_outage": "down",
    "maintenance": "work",
    "under_maintenance": "work",
}


def _parts(view: PageView, component: ComponentView | None) -> tuple[str, str, tuple[str, str]]:
    words = words_of(view.locale)
    if component is None:
        state = state_of(view)
        label, message = view.name, words[_WORDS[state]]
    else:
        state = component.status
        label, message = component.name, words[state]
    return shorten(label) or words["badge_label"], message, _COLOURS[_KINDS[state]]


_WORDS = {
    "none": "operational",
    "degraded": "degraded_performance",
    "minor": "badge_minor",
    "major": "partial_outage",
    "critical": "major_outage",
    "maintenance": "under_maintenance",
}


def write_badge_json(view: PageView, component: ComponentView | None = None) -> bytes:
    """Return the badge as shields.io's endpoint schema."""
    label, message, (_, word) = _parts(view, component)
    return write_badge_words(label=label, message=message, colour=word)


def write_badge(view: PageView, style: str, component: ComponentView | None = None) -> bytes:
    """Return the badge as SVG; `style` is one of STYLES."""
    label, message, (fill, _) = _parts(view, component)
    return draw_badge(label=label, message=message, fill=fill, style=style)
