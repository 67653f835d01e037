"""Colours: every word and every shape can be told from what it stands on, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SHEET = (Path(__file__).resolve().parents[2] / "static" / "tocsin.css").read_text(encoding="utf-8")
GROUNDS = ("page", "surface", "sunken")
WORDS = ("ink", "ink-soft", "accent-ink", "danger")
STATES = ("up", "late", "down", "pending", "paused", "maint")
TEXT, SHAPE = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11


def tokens(selector: str) -> dict[str, str]:
    """Return the colours of the first block of a selector."""
    block = SHEET[SHEET.index(selector) :]
    block = block[block.index("{") : block.index("}")]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


LIGHT = tokens('[data-bs-theme="light"]')
DARK = LIGHT | tokens('[data-bs-theme="dark"]')
THEMES = {"light": LIGHT, "dark": DARK}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mix(colour: str, ground: str, share: float) -> str:
    """Return color-mix(in srgb, colour share, ground)."""
    pairs = [(int(colour[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


@pytest.mark.parametrize("theme", THEMES)
def test_words_and_states_stand_out_from_every_ground(theme):
    found = THEMES[theme]
    for ground in GROUNDS:
        for word in (*WORDS, *(f"state-{state}" for state in STATES)):
            assert contrast(found[word], found[ground]) >= TEXT, (word, ground)
    assert contrast(found["on-accent"], found["accent"]) >= TEXT


@pytest.mark.parametrize("theme", THEMES)
def test_words_stand_out_from_tinted_grounds(theme):
    found = THEMES[theme]
    surface = found["surface"]
    tints = [(found["accent"], 0.12), (found["accent"], 0.14), (found["state-late"], 0.18)]
    tints += [(found["state-down"], 0.07), (found["state-late"], 0.07)]
    for colour, share in tints:
        ground = mix(colour, surface, share)
        assert contrast(found["ink"], ground) >= TEXT
        assert contrast(found["ink-soft"], ground) >= TEXT, (colour, share)
        assert contrast(found["accent-ink"], ground) >= SHAPE


def test_a_dark_system_without_scripts_looks_the_same():
    assert LIGHT | tokens(":root:not([data-bs-theme])") == DARK
