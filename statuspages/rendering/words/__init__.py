"""What the public page says, in every language that it speaks."""

from __future__ import annotations

from collections.abc import Mapping

from statuspages.rendering.words import de, en, es, fr, ja, pt

Words = Mapping[str, str]

LOCALES: Mapping[str, Words] = {
    "en": en.WORDS,
    "de": de.WORDS,
    "fr": fr.WORDS,
    "es": es.WORDS,
    "pt": pt.WORDS,
    "ja": ja.WORDS,
}


def words_of(locale: str) -> Words:
    """Return the words of the language; English for one that is not spoken here."""
    return LOCALES.get(locale, en.WORDS)
