"""The page's colours as CSS variables, moved until every text can be read on them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# WCAG 2.2, 1.4.3; the little more is for rounding.
READABLE = 4.55
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})")

Rgb = tuple[float, float, float]

_LIGHT = {
    "background": "#ffffff",
    "text": "#1f2328",
    "accent": "#2f5fd0",
    "up": "#1a7f4b",
    "degraded": "#9a6700",
    "partial": "#b54708",
    "major": "#c3293b",
    "maintenance": "#2f5fd0",
    "no_data": "#57606a",
}
_DARK = {
    "background": "#12161c",
    "text": "#e6e9ed",
    "accent": "#7aa2ff",
    "up": "#3ecf8e",
    "degraded": "#e3b341",
    "partial": "#ff9a57",
    "major": "#ff6b78",
    "maintenance": "#7aa2ff",
    "no_data": "#9aa4af",
}
# The variables of these, where they are called otherwise in the style sheet.
_SHORT = {"maintenance": "maint", "no_data": "none"}
_BLACK: Rgb = (0, 0, 0)
_WHITE: Rgb = (255, 255, 255)


def _parse(colour: str) -> Rgb:
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))


def _write(colour: Rgb) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in colour)


def _mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def _luminance(colour: Rgb) -> float:
    parts = [part / 255 for part in colour]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG 2 defines it."""
    return _contrast(_parse(first), _parse(second))


def _contrast(first: Rgb, second: Rgb) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _least(colour: Rgb, grounds: Sequence[Rgb]) -> float:
    return min(_contrast(colour, ground) for ground in grounds)


def _end_away_from(grounds: Sequence[Rgb]) -> Rgb:
    """Return black or white, whichever can be read better on all of them."""
    return max((_BLACK, _WHITE), key=lambda extreme: _least(extreme, grounds))


def _readable(colour: Rgb, grounds: Sequence[Rgb]) -> Rgb:
    """Return the colour, moved towards black or white as little as makes it readable."""
    end = _end_away_from(grounds)
    for step in range(21):
        moved = _mix(colour, end, step / 20)
        # What is written to the page is rounded, so that is what is measured.
        if _least(_parse(_write(moved)), grounds) >= READABLE:
            return moved
    return end


def _chosen(colours: Mapping[str, str], name: str, otherwise: str) -> Rgb:
    value = str(colours.get(name, "")).strip().lower()
    return _parse(value if _HEX.fullmatch(value) else otherwise)


def _variables(colours: Mapping[str, str], prefix: str, defaults: Mapping[str, str]) -> str:
    found = {name: _chosen(colours, prefix + name, value) for name, value in defaults.items()}
    ground = found["background"]
    end = _end_away_from([ground])
    grounds = [ground]
    raised = _mix(ground, end, 0.04)
    # A ground in the middle of the scale has no room for a second one.
    if _least(end, [ground, raised]) >= READABLE:
        grounds.append(raised)
    text = _readable(found["text"], grounds)
    out = {
        "bg": ground,
        "raised": grounds[-1],
        "text": text,
        "muted": _readable(_mix(text, ground, 0.35), grounds),
        "line": _mix(ground, end, 0.16),
        "field": _mix(ground, end, 0.5),
    }
    for name in ("accent", "up", "degraded", "partial", "major", "maintenance", "no_data"):
        colour = _readable(found[name], grounds)
        out[_SHORT.get(name, name)] = colour
        out[f"on-{_SHORT.get(name, name)}"] = _end_away_from([colour])
    return ";".join(f"--{name}:{_write(colour)}" for name, colour in out.items())


def palette(colours: Mapping[str, str]) -> str:
    """Return the style sheet that sets the page's variables for light and dark.

    `colours` may hold background, text, accent, up, degraded, partial, major, maintenance and
    no_data, and the same with "dark_" before; what is no #rgb or #rrggbb is passed over. In the
    dark all but background and text are the light ones unless they are set of their own.
    """
    known = {str(key): str(value) for key, value in colours.items()}
    for name in set(_DARK) - {"background", "text"}:
        if name in known:
            known.setdefault(f"dark_{name}", known[name])
    light = _variables(known, "", _LIGHT)
    dark = _variables(known, "dark_", _DARK)
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"@media print{{:root{{color-scheme:light;{_variables({}, '', _LIGHT)}}}}}"
    )
