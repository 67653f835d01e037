"""ETags of single resources: what `If-Match` and `If-None-Match` compare.

A tag has one part for what can be changed and, where a resource has fields that change by
themselves (how a monitor stands), a second one for those. The whole tag changes with every byte of
the answer; `If-Match` looks at the first part, since a push that arrives between reading and
writing loses nobody's work.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from typing import Any

from rest_framework.renderers import JSONRenderer

_TAG = re.compile(r'(W/)?"([^"]*)"')
_LENGTH = 22


def make_tag(data: Any, *, live_fields: Collection[str] = ()) -> str:
    """Return the strong ETag, quotes included, of an answer's data."""
    plain = json.loads(JSONRenderer().render(data))
    live = {name: plain.pop(name) for name in live_fields if name in plain}
    parts = [plain, live] if live else [plain]
    return '"' + "-".join(_digest(part) for part in parts) + '"'


def may_write(header: str, tag: str) -> bool:
    """Return whether `If-Match` allows a change of what has the ETag `tag`."""
    if header.strip() == "*":
        return True
    present = tag.strip('"').partition("-")[0]
    return any(
        not weak and given.partition("-")[0] == present for weak, given in _TAG.findall(header)
    )


def is_known(header: str, tag: str) -> bool:
    """Return whether `If-None-Match` says that the client has this very answer."""
    given = {text for _, text in _TAG.findall(header)}
    return header.strip() == "*" or tag.strip('"') in given


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]
