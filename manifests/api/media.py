"""Documents in and out: YAML by its several names, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer

from manifests.problems import Refused
from manifests.reading.documents import read_json, read_yaml


def problem_of(error: Refused) -> ValidationError:
    """Return the 400 that tells every problem with its path."""
    details: dict[str, list[ErrorDetail]] = {}
    for problem in error.problems:
        details.setdefault(problem.field, []).append(ErrorDetail(problem.detail, problem.code))
    return ValidationError(details)


class YamlParser(BaseParser):
    """`application/yaml`, read as manifests are."""

    media_type = "application/yaml"
    read = staticmethod(read_yaml)

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return a list of Documents. Raises ValidationError (400)."""
        try:
            return self.read(stream.read())
        except Refused as error:
            raise problem_of(error) from error


class TextYamlParser(YamlParser):
    """The same as `text/yaml`."""

    media_type = "text/yaml"


class OldYamlParser(YamlParser):
    """The same as `application/x-yaml`."""

    media_type = "application/x-yaml"


class DocumentsJSONParser(YamlParser):
    """`application/json`: one document, or a list of them."""

    media_type = "application/json"
    read = staticmethod(read_json)


class YamlRenderer(BaseRenderer):
    """Text that is YAML already; a problem stays the JSON that it is."""

    media_type = "application/yaml"
    format = "yaml"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the bytes."""
        if isinstance(data, str):
            return data.encode()
        return json.dumps(data).encode() if data is not None else b""


class DocumentsJSONRenderer(JSONRenderer):
    """The same documents as a JSON list."""
