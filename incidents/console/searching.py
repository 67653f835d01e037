"""Searching in lists that are short enough to be read whole: rules, policies, rotations, ways."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.http import HttpRequest

MOST_SEARCH = 200


def read_search(request: HttpRequest, name: str = "search") -> str:
    """Return what the address searches for."""
    return request.GET.get(name, "").replace("\0", "").strip()[:MOST_SEARCH]


def read_word(request: HttpRequest, name: str, words: Collection[str]) -> str:
    """Return a word of the address, if it is one of ours; else nothing."""
    word = request.GET.get(name, "")
    return word if word in words else ""


def says(search: str, texts: Iterable[str | None]) -> bool:
    """Return whether every word that is searched for stands in one of the texts, in any case."""
    folded = [text.casefold() for text in texts if text]
    return all(any(word in text for text in folded) for word in search.casefold().split())


def offer_search(
    *,
    here: str,
    label: str,
    search: str,
    param: str = "",
    chosen: str = "",
    choices: Iterable[tuple[str, str, int]] = (),
) -> dict[str, object]:
    """Return what `incidents/_search.html` needs.

    `choices` are (word of the address, how it is said, how many); the first, of no word, is all.
    """
    return {
        "here": here,
        "label": label,
        "search": search,
        "param": param,
        "chosen": chosen,
        "choices": list(choices),
        "kept": [(param, chosen)] if chosen else [],
        "active": bool(search or chosen),
    }
