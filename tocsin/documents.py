"""Files of documents, joined into what one apply takes."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from typing import Any

from tocsin.problems import Refused, plain

YAML, JSON = "application/yaml", "application/json"


def join_documents(bodies: Sequence[bytes]) -> tuple[bytes, str]:
    """Return what files hold as one body, and its media type. Raises Refused for a key twice.

    One file goes out as it is. Several become one stream of YAML, or a list if all are JSON.
    """
    if len(bodies) == 1:
        return bodies[0], YAML if _read_json(bodies[0]) is None else JSON
    read = [_read_json(body, object_pairs_hook=_refuse_doubles) for body in bodies]
    if all(documents is not None for documents in read):
        return json.dumps([d for documents in read for d in documents or ()]).encode(), JSON
    parts: list[bytes] = []
    for body, documents in zip(bodies, read, strict=True):
        if documents is None:
            parts.append(body.removeprefix(codecs.BOM_UTF8))
        else:
            # YAML knows no pair of escapes for one character, as JSON does.
            parts += (
                json.dumps(d, ensure_ascii=False).encode(errors="surrogatepass") for d in documents
            )
    return b"\n---\n".join(parts), YAML


def _read_json(body: bytes, **hooks: Any) -> list[Any] | None:
    try:
        found = json.loads(body, **hooks)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else [found]


def _refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
        raise Refused(f"a document has the key {plain(name, most=100)} twice")
    return found
