"""Texts cut to a limit, as each provider counts."""

from __future__ import annotations

import html
import json

import pytest

from incidents.channels.clipping import (
    count_bytes,
    count_json_bytes,
    count_utf16,
    fit,
    fit_lines,
)


@pytest.mark.parametrize(
    ("text", "characters", "utf16", "in_bytes", "in_json"),
    [
        ("abc", 3, 3, 3, 3),
        ("é", 1, 1, 2, 2),
        ("🔥", 1, 2, 4, 4),
        ('"\\', 2, 2, 2, 4),
        ("a\nb", 3, 3, 3, 4),
    ],
)
def test_each_way_of_counting(text, characters, utf16, in_bytes, in_json):
    assert len(text) == characters
    assert count_utf16(text) == utf16
    assert count_bytes(text) == in_bytes
    assert count_json_bytes(text) == in_json


@pytest.mark.parametrize("size", [len, count_utf16, count_bytes, count_json_bytes])
@pytest.mark.parametrize("text", ["abcdefghij", "éééééééééé", "🔥🔥🔥🔥🔥", 'a"b\\c"d\\e"', ""])
@pytest.mark.parametrize("limit", range(3, 45))
def test_a_text_fits_and_is_cut_no_more_than_needed(text, size, limit):
    fitted = fit(text, limit, size=size)
    assert size(fitted) <= limit
    if size(text) <= limit:
        assert fitted == text
    else:
        kept = fitted.removesuffix("…")
        assert text.startswith(kept)
        assert size(kept + text[len(kept)] + "…") > limit


@pytest.mark.parametrize("limit", range(1, 40))
def test_no_cut_leaves_half_an_escape(limit):
    fitted = fit((html.escape(char) for char in "a<b>&c" * 3), limit)
    assert len(fitted) <= limit
    assert html.escape(html.unescape(fitted)) == fitted


@pytest.mark.parametrize("limit", range(20, 80))
def test_lines_stay_whole_and_what_is_left_out_is_said(limit):
    lines = [f"line {n}" for n in range(10)]
    fitted = fit_lines(lines, limit)
    assert len(fitted) <= limit
    if fitted != "\n".join(lines):
        *kept, last = fitted.split("\n") if fitted else [""]
        assert kept == lines[: len(kept)]
        assert "more" in last or limit < 30


def test_a_huge_text_is_not_counted_to_its_end():
    def endless():
        while True:
            yield "x"

    assert fit(endless(), 5) == "xxxx…"
    assert json.dumps(fit(endless(), 5, size=count_bytes), ensure_ascii=False) == '"xx…"'
