"""Badges of a page or a component: SVG in three styles, and JSON for shields.io.

The JSON is that of https://shields.io/badges/endpoint-badge.
"""

from __future__ import annotations

import json
from html import escape

from statuspages.rendering.atlassian import state_of
from statuspages.rendering.words import words_of
from statuspages.view import ComponentView, PageView

STYLES = ("flat", "flat-square", "for-the-badge")

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
_LONGEST = 60
_NARROW = frozenset("fijlrtI.,:;'!|()[]{} ")
_WIDE = frozenset("mwMW@%")


def _width(text: str, size: float) -> float:
    """Return about how wide Verdana sets the text, in pixels."""
    width = 0.0
    for letter in text:
        if ord(letter) >= 0x1100:
            width += 1.0
        elif letter in _NARROW:
            width += 0.4
        elif letter in _WIDE:
            width += 0.95
        elif letter.isupper():
            width += 0.72
        else:
            width += 0.62
    return width * size


def _parts(view: PageView, component: ComponentView | None) -> tuple[str, str, tuple[str, str]]:
    words = words_of(view.locale)
    if component is None:
        state = state_of(view)
        label, message = view.name, words[_WORDS[state]]
    else:
        state = component.status
        label, message = component.name, words[state]
    return _shorten(label) or words["badge_label"], message, _COLOURS[_KINDS[state]]


_WORDS = {
    "none": "operational",
    "degraded": "degraded_performance",
    "minor": "badge_minor",
    "major": "partial_outage",
    "critical": "major_outage",
    "maintenance": "under_maintenance",
}


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def write_badge_json(view: PageView, component: ComponentView | None = None) -> bytes:
    """Return the badge as shields.io's endpoint schema."""
    label, message, (_, word) = _parts(view, component)
    shape = {"schemaVersion": 1, "label": label, "message": message, "color": word}
    return json.dumps(shape, separators=(",", ":")).encode()


def write_badge(view: PageView, style: str, component: ComponentView | None = None) -> bytes:
    """Return the badge as SVG; `style` is one of STYLES."""
    label, message, (fill, _) = _parts(view, component)
    loud = style == "for-the-badge"
    if loud:
        label, message = label.upper(), message.upper()
    size, pad, height = (10, 12, 28) if loud else (11, 6, 20)
    spaced = 1.25 if loud else 0.0
    first, second = (round(_width(text, size) + spaced * len(text), 1) for text in (label, message))
    left = round(first + 2 * pad, 1)
    whole, base = round(left + second + 2 * pad, 1), (18 if loud else 14)
    title = escape(f"{label}: {message}")
    corner = 3 if style == "flat" else 0
    shade = (
        '<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#fff"'
        ' stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>'
        if style == "flat"
        else ""
    )
    shape = f'<rect width="{whole}" height="{height}" rx="{corner}" fill='
    gloss = f'{shape}"url(#s)"/>' if shade else ""
    bold = ' font-weight="bold"' if loud else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{height}" role="img"'
        f' aria-label="{title}"><title>{title}</title>{shade}'
        f'{shape}"{fill}"/>'
        f'<path d="M{left} 0H{corner}Q0 0 0 {corner}V{height - corner}'
        f'Q0 {height} {corner} {height}H{left}Z" fill="#444c56"/>{gloss}'
        f'<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="{size}"'
        ' text-rendering="geometricPrecision">'
        f'<text x="{pad}" y="{base}" textLength="{first}">{escape(label)}</text>'
        f'<text x="{round(left + pad, 1)}" y="{base}" textLength="{second}"{bold}>'
        f"{escape(message)}</text></g></svg>"
    ).encode()
