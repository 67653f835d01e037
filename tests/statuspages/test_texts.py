"""Texts, languages, dates and colours that every representation is made with."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspages.rendering.colours import contrast, palette
from statuspages.rendering.text import clean_line, clean_text, render_markdown
from statuspages.rendering.times import Calendar, zone_of
from statuspages.rendering.words import LOCALES, words_of
from statuspages.services.page_values import COLOURS, clean_colours
from tests.statuspages.views import HOSTILE_MARKDOWN


def test_markdown_is_kept_and_pictures_become_links():
    html = render_markdown(HOSTILE_MARKDOWN)
    assert "<strong>bold</strong>" in html
    assert "<li>one</li>" in html
    assert "<h4>Big</h4>" in html
    assert '<a href="https://evil.example/p.png" rel="nofollow noopener noreferrer">pic</a>' in html
    assert not re.search(r"<(script|img)|href=.(?!https:)", html)
    assert render_markdown("a\nb") == "<p>a<br>\nb</p>\n"
    assert render_markdown("[x](//evil.example)").count("href=") <= 1
    assert len(render_markdown("> " * 5_000 + "x")) < 100_000


@given(st.text())
def test_any_text_is_made_fit_for_xml_and_one_line(text):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]", clean_text(text))
    assert "\n" not in clean_line(text)
    assert "<script" not in render_markdown(text).lower()


def test_all_languages_say_everything_with_the_same_blanks():
    english = LOCALES["en"]
    for locale, words in LOCALES.items():
        assert words.keys() == english.keys(), locale
        for key, said in words.items():
            assert said.strip(), (locale, key)
            blanks = {name for _, name, _, _ in string.Formatter().parse(said) if name}
            wanted = {name for _, name, _, _ in string.Formatter().parse(english[key]) if name}
            if key not in ("date_short", "date_long", "date_month"):
                assert blanks == wanted, (locale, key)
            assert said.count("|") == english[key].count("|"), (locale, key)
        same = {k for k in words if words[k] == english[k] and len(words[k].split()) > 2}
        assert locale == "en" or same <= {"months", "date_short", "date_long"}, (locale, same)
    assert words_of("xx") is english


def test_dates_durations_and_numbers_follow_the_language():
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def written(locale: str) -> tuple[str, str, str]:
        calendar = Calendar(words_of(locale), zone_of("UTC"))
        duration = calendar.duration(200).replace("\xa0", " ")
        percent = calendar.percent(Decimal("99.769")).replace("\xa0", " ")
        return calendar.full_day(at.date()), duration, percent

    assert written("en") == ("1 March 2026", "3 min 20 s", "99.769%")
    assert written("de") == ("1. März 2026", "3 Min. 20 s", "99,769 %")
    assert written("fr") == ("1 mars 2026", "3 min 20 s", "99,769 %")
    assert written("es") == ("1 de marzo de 2026", "3 min 20 s", "99,769 %")
    assert written("pt") == ("1 de março de 2026", "3 min 20 s", "99,769%")
    assert written("ja") == ("2026年3月1日", "3 分 20 秒", "99.769%")


HEX = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")


@given(st.dictionaries(st.sampled_from(COLOURS), HEX))
def test_whatever_colours_are_chosen_texts_can_be_read(colours):
    for sheet in re.findall(r":root\{([^}]*)\}", palette(colours)):
        found = dict(re.findall(r"--([\w-]+):(#\w{6})", sheet))
        for ground in ("bg", "raised"):
            for name in ("text", "muted", "accent", "up", "degraded", "partial", "major", "maint"):
                assert contrast(found[name], found[ground]) >= 4.5, (name, ground, found)
        for name in ("accent", "up", "degraded", "partial", "major", "maint", "none"):
            assert contrast(found[f"on-{name}"], found[name]) >= 4.5


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_that_may_be_chosen_is_drawn_with(name):
    colours = clean_colours({name: "#7f3355"})
    assert palette(colours) != palette({})


def test_what_is_no_colour_is_passed_over():
    bad = {"accent": "red;}body{display:none", "background": "url(x)", "text": 7}
    assert palette(bad) == palette({})
    assert "display:none" not in palette(bad)
