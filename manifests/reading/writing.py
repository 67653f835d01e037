"""Writing documents as YAML that every reader understands alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from manifests.reading.documents import INTEGER, NUMBER

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]  # whichever of the two there is
    """Quotes what YAML 1.1 or 1.2 would take for anything but text, and repeats what repeats."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: an alias would be refused when the documents come back."""
        return True


for _tag, _pattern in (("int", INTEGER), ("float", NUMBER)):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern.pattern})$"), list("+-.0123456789")
    )


def write_yaml(documents: Iterable[dict[str, Any]], *, heading: Iterable[str] = ()) -> str:
    """Return the documents as one stream; `heading` are lines of comment before them."""
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        explicit_start=True,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return "".join(f"# {line}\n" for line in heading) + text
