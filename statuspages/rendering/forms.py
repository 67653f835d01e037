"""The small pages around a status page: its gate, and what subscribers see.

They are made when they are asked for, out of little: nobody waits for 90 days of history to give
a password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.safestring import mark_safe

from statuspages.rendering.colours import palette
from statuspages.rendering.html import (
    STYLE,
    Choice,
    draw_favicon,
    squeeze,
    write_template,
)
from statuspages.rendering.text import clean_line
from statuspages.rendering.words import LOCALES, Words, words_of

_FORMS = squeeze((Path(__file__).parent / "forms.css").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a form. `root` is the way to the page's root, with a slash at its end.

    `pictures` are addresses by kind; `leads_home` says if the visitor may look at the page.
    """

    name: str
    locale: str
    root: str
    own_locale: str = "en"
    colours: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    leads_home: bool = True

    @property
    def words(self) -> Words:
        """Return the words of the visitor's language."""
        return words_of(self.locale)


def write_gate(frame: Frame, *, wrong: bool, throttled: bool) -> bytes:
    """Return the form that asks for the page's password."""
    return _write("gate", frame, "title", wrong=wrong, throttled=throttled)


def write_subscribe(
    frame: Frame,
    choices: Sequence[Choice],
    *,
    email: str = "",
    url: str = "",
    problem: str = "",
) -> bytes:
    """Return the form to subscribe; `problem` is the word's key for what was wrong with it."""
    return _write(
        "subscribe/form",
        frame,
        "subscribe_title",
        choices=choices,
        opened=any(choice.chosen for choice in choices),
        email=email,
        url=url,
        problem=frame.words[problem] if problem else "",
        bad=problem.removeprefix("bad_"),
        languages=[
            {"code": code, "name": words["language"], "current": code == frame.locale}
            for code, words in LOCALES.items()
        ],
    )


def write_asked(frame: Frame, *, webhook: bool) -> bytes:
    """Return the page that says where the link was sent."""
    key = "asked_webhook" if webhook else "asked"
    return _write("subscribe/said", frame, key, text=frame.words[f"{key}_text"])


def write_gone(frame: Frame) -> bytes:
    """Return the page for a link that leads to nothing (any more)."""
    return _write("subscribe/said", frame, "gone", text=frame.words["gone_text"], offers=True)


def write_confirm(frame: Frame, *, address: str, chosen: Sequence[str]) -> bytes:
    """Return the button that confirms; `chosen` are names of components, none for all."""
    text = _about("confirm_text", frame, address)
    return _write("subscribe/confirm", frame, "confirm", text=text, chosen=chosen)


def write_manage(
    frame: Frame,
    choices: Sequence[Choice],
    *,
    address: str,
    secret: str,
    language: str,
    leave: str,
    said: str = "",
    silent: str = "",
    problem: str = "",
) -> bytes:
    """Return the form to change a subscription.

    `leave` is the path to post to for its end, `secret` a webhook's; `said`, `silent` and `problem`
    are keys of words: what was done, why nothing is sent, and what was wrong.
    """
    words = frame.words
    return _write(
        "subscribe/manage",
        frame,
        "manage",
        text=_about("manage_text", frame, address),
        choices=choices,
        secret=secret,
        language=language,
        languages=[(code, spoken["language"]) for code, spoken in LOCALES.items()],
        leave=leave,
        leave_text=_about("unsubscribe_text", frame, address),
        said=words[said] if said else "",
        silent=words[silent] if silent else "",
        problem=words[problem] if problem else "",
    )


def write_unsubscribe(frame: Frame, *, address: str) -> bytes:
    """Return the button that ends a subscription."""
    text = _about("unsubscribe_text", frame, address)
    return _write("subscribe/unsubscribe", frame, "unsubscribe", text=text)


def write_unsubscribed(frame: Frame, *, address: str) -> bytes:
    """Return the page that says that it has ended."""
    text = _about("unsubscribed_text", frame, address)
    return _write("subscribe/said", frame, "unsubscribed", text=text)


def _about(key: str, frame: Frame, address: str) -> str:
    return frame.words[key].format(address=clean_line(address), name=clean_line(frame.name))


def _write(template: str, frame: Frame, heading: str, **shown: Any) -> bytes:
    words, name = frame.words, clean_line(frame.name)
    page_title = words["title"].format(name=name)
    said = words[heading].format(name=name)
    own = frame.locale == frame.own_locale
    pictures = frame.pictures
    return write_template(
        template,
        {
            "w": words,
            "locale": frame.locale,
            "root": frame.root,
            "home": frame.root if own else f"{frame.root}{frame.locale}/",
            "leads_home": frame.leads_home,
            "name": name,
            "heading": said,
            "page_title": page_title,
            "title": page_title if heading == "title" else f"{said} – {page_title}",
            "logo": pictures.get("logo") or pictures.get("dark_logo", ""),
            "dark_logo": pictures.get("dark_logo", "") if "logo" in pictures else "",
            "favicon": pictures.get("favicon") or draw_favicon("none"),
            "palette": mark_safe(palette(frame.colours)),  # noqa: S308
            "style": mark_safe(STYLE),  # noqa: S308
            "forms_style": mark_safe(_FORMS),  # noqa: S308
            **shown,
        },
    )
