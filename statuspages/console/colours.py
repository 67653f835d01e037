"""A page's colours as its settings show them: what is set, what is drawn, and why if not the same.

The page moves a colour until it can be read; what it draws is asked of the palette itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.forms import BoundField

from statuspages.rendering.colours import contrast, palette
from statuspages.services.page_values import COLOURS

DARK = "dark_"
NEEDED = 4.5  # WCAG 2.2, 1.4.3
_NAMES = {"bg": "background", "maint": "maintenance", "none": "no_data"}
_LABELS = {
    "accent": "Links",
    "background": "Background",
    "text": "Text",
    "up": "Operational",
    "degraded": "Degraded",
    "partial": "Partial outage",
    "major": "Major outage",
    "maintenance": "Maintenance",
    "no_data": "No data",
}
LIGHT_NAMES = tuple(name for name in COLOURS if not name.startswith(DARK))
DARK_NAMES = tuple(name for name in COLOURS if name.startswith(DARK))


@dataclass(frozen=True, slots=True)
class ColourRow:
    """A colour's field, what it is now and would be if empty, and advice if it cannot be read."""

    field: BoundField
    shown: str
    usual: str
    advice: str


def label_of(name: str) -> str:
    """Return what a colour is called."""
    base = name.removeprefix(DARK)
    return _LABELS.get(base, base.replace("_", " ").capitalize())


def drawn_colours(colours: Mapping[str, str]) -> dict[str, str]:
    """Return every colour as the page draws it, by its name."""
    light, dark = palette(colours).split("@media")[:2]
    found = {}
    for prefix, rules in (("", light), (DARK, dark)):
        for name, value in re.findall(r"--([\w-]+):(#[0-9a-f]{6})", rules):
            found[prefix + _NAMES.get(name, name)] = value
    return found


def force_theme(colours: Mapping[str, str], theme: str) -> dict[str, str]:
    """Return colours that look `light` or `dark` whatever the visitor's system is set to."""
    drawn = drawn_colours(colours)
    taken = [(name, drawn[(DARK if theme == "dark" else "") + name]) for name in LIGHT_NAMES]
    return {prefix + name: value for prefix in ("", DARK) for name, value in taken}


def advise(colours: Mapping[str, str], name: str) -> str:
    """Return why a colour that is set is not drawn as it is; "" if it is."""
    chosen, drawn = colours.get(name, ""), drawn_colours(colours)
    if not chosen or drawn.get(name, chosen) == chosen:
        return ""
    ground = drawn[(DARK if name.startswith(DARK) else "") + "background"]
    ratio = int(contrast(chosen, ground) * 10) / 10
    where = f"{ratio} : 1 on {ground}" if ratio < NEEDED else f"it is, on the shade of {ground}"
    return f"Hard to read: {where}, where {NEEDED} : 1 is needed. The page uses {drawn[name]}."
