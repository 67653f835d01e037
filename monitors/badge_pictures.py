"""Badges as SVG in three styles, and as JSON for shields.io, from plain words.

The JSON is that of https://shields.io/badges/endpoint-badge.
"""

from __future__ import annotations

import json
from html import escape

STYLES = ("flat", "flat-square", "for-the-badge")
LONGEST = 60
_NARROW = frozenset("fijlrtI.,:;'!|()[]{} ")
_WIDE = frozenset("mwMW@%")


def draw_badge(*, label: str, message: str, fill: str, style: str = "flat") -> bytes:
    """Return a badge as SVG; `style` is one of STYLES, `fill` a colour with 4.5:1 to white."""
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


def write_badge_words(*, label: str, message: str, colour: str) -> bytes:
    """Return a badge as shields.io's endpoint schema; `colour` is a word that it knows."""
    shape = {"schemaVersion": 1, "label": label, "message": message, "color": colour}
    return json.dumps(shape, separators=(",", ":")).encode()


def shorten(text: str) -> str:
    """Return a text that a badge has room for."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


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
