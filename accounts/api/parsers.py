"""JSON as RFC 8259 has it, no more: what PostgreSQL cannot store never gets past here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's parser would take."""
    raise ValueError(f"{name} is not JSON")


def check_text(value: Any) -> None:
    """Raise ParseError if any text within `value` holds a NUL or a lone surrogate."""
    if isinstance(value, str):
        if "\x00" in value:
            raise ParseError("The body holds a NUL character, which cannot be stored.")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ParseError("The body holds a lone surrogate, which is no character.") from error
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(key)
            check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            check_text(inner)


def parse_json(data: bytes, **options: Any) -> Any:
    """Return the decoded JSON. Raises ParseError for bytes that are not strictly JSON."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    try:
        return json.loads(text, parse_constant=refuse_constant, **options)
    except RecursionError as error:
        raise ParseError("The body is nested too deeply.") from error
    except ValueError as error:
        raise ParseError(f"The body is not valid JSON: {_place(error)}.") from error


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "a number or constant in it is not allowed"


class StrictJSONParser(BaseParser):
    """`application/json`, checked text, no NaN."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body. Raises ParseError (400)."""
        value = parse_json(stream.read())
        check_text(value)
        return value
