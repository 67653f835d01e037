"""Reading documents out of bytes: of YAML and JSON no more than manifests need.

YAML is read from the parser's events, so nothing is ever built that was not written: no aliases
(a few lines could stand for gigabytes), no tags (which make objects), no merge keys, no key twice.
Words are read as YAML 1.2 has them: only true and false are booleans, `yes`, `on`, `1:30` and
dates are texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml
from rest_framework.exceptions import ParseError

from accounts.api.parsers import check_text, parse_json
from manifests.problems import Problem, Refused

MOST_DOCUMENTS = 2000
MOST_DEPTH = 32
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_MOST_DIGITS = 18
_HANDLE = re.compile(r"^%TAG\b", re.MULTILINE)
_MOST_HANDLES = 100
# libyaml's parser is some twenty times as fast; it comes with PyYAML's wheels.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_KEY: Any = object()


@dataclass(frozen=True, slots=True)
class Document:
    """One document, with its place among those that were sent, from 0."""

    index: int
    value: Any

    @property
    def path(self) -> str:
        """How problems name it."""
        return f"documents[{self.index}]"


def read_yaml(data: bytes) -> list[Document]:
    """Return the documents of a YAML stream; empty ones count but are left out. Raises Refused."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("documents[0]", "encoding", "The body is not UTF-8.")]) from error
    builder = _Builder()
    if len(_HANDLE.findall(text)) > _MOST_HANDLES:
        # The parser compares each with all before it: a megabyte of them takes half a minute.
        text = "There are %TAG lines; leave them out: tags are not taken."
        raise Refused([Problem("documents[0]", "tag", text)])
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise Refused([Problem(builder.path, "yaml", _place(error))]) from error
    return [document for document in builder.documents if document.value is not None]


def read_json(data: bytes) -> list[Document]:
    """Return the one document of a JSON object, or those of a list.

    Raises Refused, and ParseError for what is not JSON.
    """
    value = parse_json(data, object_pairs_hook=_object)
    _check_depth(value)
    check_text(value)
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_DOCUMENTS:
        raise Refused([_too_many()])
    return [Document(index, each) for index, each in enumerate(values) if each is not None]


class _Builder:
    """Builds plain values out of a parser's events, with a list of what is still open."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._open: list[Any] = []
        self._keys: list[Any] = []  # for each open mapping the key whose value comes next
        self._root: Any = None

    @property
    def path(self) -> str:
        return f"documents[{len(self.documents)}]"

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._check_plain(event)
            plain = event.implicit[0]
            self._put(self._scalar(event) if plain else self._text(event), event, plain=plain)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._check_plain(event)
            if len(self._open) >= MOST_DEPTH:
                self._refuse(event, "depth", f"is nested deeper than {MOST_DEPTH} levels")
            value: Any = {} if kind is yaml.MappingStartEvent else []
            self._put(value, event, plain=False)
            self._open.append(value)
            self._keys.append(_NO_KEY)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._open.pop()
            self._keys.pop()
        elif kind is yaml.AliasEvent:
            self._refuse(event, "alias", "has an alias (*); write the value out")
        elif kind is yaml.DocumentStartEvent:
            if len(self.documents) >= MOST_DOCUMENTS:
                raise Refused([_too_many()])
            self._root = None
        elif kind is yaml.DocumentEndEvent:
            self.documents.append(Document(len(self.documents), self._root))

    def _check_plain(self, event: Any) -> None:
        if event.anchor is not None:
            self._refuse(event, "alias", "has an anchor (&); write the value out")
        if event.tag is not None:
            self._refuse(event, "tag", "has a tag (!); leave it out")

    def _put(self, value: Any, event: Any, *, plain: bool) -> None:
        if not self._open:
            self._root = value
            return
        holder, key = self._open[-1], self._keys[-1]
        if type(holder) is list:
            holder.append(value)
        elif key is not _NO_KEY:
            holder[key] = value
            self._keys[-1] = _NO_KEY
        else:
            self._keys[-1] = self._key(value, holder, event, plain=plain)

    def _key(self, value: Any, holder: Any, event: Any, *, plain: bool) -> str:
        if not isinstance(value, str):
            self._refuse(event, "key", "has a key that is no text; put it in quotes")
        if plain and value == "<<":
            self._refuse(event, "key", "has a merge key (<<); write the values out")
        if value in holder:
            shown = value if len(value) <= 80 else value[:79] + "…"
            self._refuse(event, "duplicate", f"has the key “{shown}” twice in one mapping")
        return str(value)

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in "+-.0123456789":
            if INTEGER.fullmatch(text):
                if len(text) > _MOST_DIGITS:
                    self._refuse(event, "invalid", "has a number that is too large")
                return int(text)
            if NUMBER.fullmatch(text):
                return float(text)
        return self._text(event)

    def _text(self, event: Any) -> str:
        text: str = event.value
        if "\x00" in text:
            self._refuse(event, "nul", "has a NUL character, which cannot be stored")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse(event, "surrogate", "has a lone surrogate, which is no character")
        return text

    def _refuse(self, event: Any, code: str, what: str) -> None:
        mark = event.start_mark
        line = f"Line {mark.line + 1}, column {mark.column + 1}, {what}."
        raise Refused([Problem(self.path, code, line)])


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not valid YAML"
    if mark is None:
        return f"This is not YAML: {problem}."
    return f"This is not YAML: line {mark.line + 1}, column {mark.column + 1}: {problem}."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ParseError("The body has an object with the same name twice.")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH + 2):  # the list of documents, and what each holds
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ParseError(f"The body is nested deeper than {MOST_DEPTH} levels.")


def _too_many() -> Problem:
    text = f"There are more than {MOST_DOCUMENTS} documents. A MonitorSet holds many monitors."
    return Problem(f"documents[{MOST_DOCUMENTS}]", "max_length", text)
