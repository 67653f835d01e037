"""Words in templates that no translator would get to see.

Run as a program it names them: python -m tests.ground.untranslated [file or folder …]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
# Attributes that people read or hear.
READ = frozenset(
    {"aria-label", "aria-description", "aria-placeholder", "aria-roledescription"}
    | {"title", "placeholder", "alt", "label", "data-label", "data-title", "data-state"}
)
# What stands in these is code or keys, not language.
CODE = frozenset({"code", "pre", "kbd", "samp", "script", "style", "var"})
# Names are the same in every language.
NAMES = frozenset({"Tocsin", "UTC", "API", "URL", "iCalendar", "RSS", "Atom", "CSV", "JSON", "SVG"})
# Not for translators: code that people paste, marks without words, and visitors' pages, whose six
# languages are in statuspages/rendering/words.
LEFT_OUT = (
    "monitors/snippets/",
    "monitors/patterns/",
    "statuspages/page/",
    "statuspages/subscribe/",
    "allauth/elements/button.html",
)
VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "use", "path", "wbr", "source"})

_TRANSLATED = re.compile(
    r"{%-?\s*blocktrans(?:late)?\b.*?{%-?\s*endblocktrans(?:late)?\s*%}"
    r"|{%\s*comment\b.*?{%\s*endcomment\s*%}|{#.*?#}",
    re.DOTALL,
)
_TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
# Literals that a tag hands on to be shown: {% include "x.html" with caption="Push URL" %}
_HANDED = re.compile(r"""\b\w+=(?P<quote>["'])(?P<text>[^"']*)(?P=quote)(?P<filters>\|\w+)?""")
_HANDING = re.compile(r"{%\s*(?:include|with)\b(?P<rest>.*?)%}", re.DOTALL)
# Filters that say words: {{ x|default:"never" }}, {{ n|pluralize }}, {{ x|yesno:"on,off" }}
_SAYING = re.compile(r"""\|(?:pluralize\b|(?:default|default_if_none|yesno):["'][^"']*[^\W\d_])""")
_LETTER = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of text, and where it stands."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def find_in(source: str, file: str) -> list[Finding]:
    """Return what is not handed to a translator in a template; lines count from 1."""
    bare = _blank(_TRANSLATED, source)
    found = [Finding(file, line, text) for line, text in sorted(set(_handed(bare)))]
    plain = _blank(_TAG, bare)
    if not file.endswith(".html"):  # a mail's text
        lines = enumerate(plain.splitlines(), 1)
        found += [
            Finding(file, line, " ".join(text.split()))
            for line, text in lines
            if _is_language(text)
        ]
    else:
        reader = _Reader()
        reader.feed(plain)
        reader.close()
        found += [Finding(file, line, text) for line, text in reader.found]
    return sorted(found, key=lambda each: each.line)


def find_below(path: Path) -> list[Finding]:
    """Return what is not handed to a translator in a template, or in all of a folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*.*"))
    found = []
    for file in files:
        if file.suffix in {".html", ".txt"}:
            name = str(file.relative_to(TEMPLATES)) if TEMPLATES in file.parents else file.name
            if name.startswith(LEFT_OUT):
                continue
            found += find_in(file.read_text(encoding="utf-8"), name)
    return found


def _blank(pattern: re.Pattern[str], source: str) -> str:
    """Return the source with what matches made blank, its lines kept."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source)


def _is_language(text: str) -> bool:
    words = re.sub(r"https?://\S+|\S+@\S+", " ", text)
    for name in NAMES:
        words = re.sub(rf"\b{name}\b", " ", words)
    return _LETTER.search(words) is not None


def _handed(source: str) -> Iterator[tuple[int, str]]:
    for tag in _HANDING.finditer(source):
        for literal in _HANDED.finditer(tag["rest"]):
            text = literal["text"]
            if _is_language(text) and (" " in text.strip() or text[:1].isupper()):
                yield source.count("\n", 0, tag.start("rest") + literal.start()) + 1, text
    for tag in _TAG.finditer(source):
        if tag[0].startswith("{{") and _SAYING.search(tag[0]) and _is_read(source[: tag.start()]):
            yield source.count("\n", 0, tag.start()) + 1, tag[0]


def _is_read(before: str) -> bool:
    """Return whether what follows is shown: as text, or in an attribute that people read."""
    inside = before[before.rfind("<") :] if before.rfind("<") > before.rfind(">") else ""
    attribute = re.search(r"""([\w-]+)=(?:"[^"]*|'[^']*)$""", inside)
    return not inside or (attribute is not None and attribute[1] in READ)


class _Reader(HTMLParser):
    """Collects the text that people read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0]
        kinds = dict(attrs)
        for name, value in attrs:
            read = name in READ or (
                name == "value" and tag == "input" and kinds.get("type") in {"submit", "button"}
            )
            if read and value and _is_language(value):
                self.found.append((line, f'{name}="{" ".join(value.split())}"'))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        # Templates open and close in branches: an end without a start is no matter of ours.
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at] == tag:
                del self._open[at:]
                return

    def handle_data(self, data: str) -> None:
        if CODE & set(self._open) or not _is_language(data):
            return
        first = self.getpos()[0]
        for number, text in enumerate(data.split("\n")):
            if _is_language(text):
                self.found.append((first + number, " ".join(text.split())))


def main(arguments: list[str]) -> int:
    """Print what is found in the templates named, or in all; 1 if there is anything."""
    found = []
    for path in [Path(each).resolve() for each in arguments] or [TEMPLATES]:
        found += find_below(path)
    sys.stdout.writelines(f"{each}\n" for each in found)
    sys.stderr.write(f"{len(found)} in all\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
