"""What is made is there, and what is deleted is gone: schemathesis follows the document's links.

Its checks `ensure_resource_availability` and `use_after_free` say so; the requests that it sent say
that the checks had something to look at.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.conftest import Served
from tests.contract.hooks_lifecycles import BODIES, PAGE
from tests.contract.runs import CONFIG, operations, run

# More steps than there are kinds, so that what was made in one is read and deleted in another.
STEPS = """
[phases.stateful]
max-steps = 30
inference.algorithms = []

[phases.stateful.generation]
mode = "positive"

[phases.stateful.checks]
ignored_auth.enabled = false
"""


@pytest.mark.timeout(300)
def test_what_is_made_is_there_and_what_is_deleted_is_gone(served: Served, tmp_path: Path) -> None:
    page = operations("POST", re.escape(f"{PAGE}/") + r"\w+$", {"path.id": served.ids["page"]})
    settings = "\n".join([CONFIG.read_text().replace(".hooks", ".hooks_lifecycles"), page, STEPS])
    run(served, tmp_path, settings, "--phases", "stateful", "--max-examples", "8")
    followed = Counter(lives(tmp_path / "asked.har"))
    # Which links are followed is left to chance, so not every kind has to have had its turn.
    for step in ("made and read", "deleted and asked"):
        kinds = {kind for kind in BODIES if followed[kind, step]}
        assert len(kinds) > len(BODIES) * 2 / 3, followed


def lives(har: Path) -> Iterator[tuple[str, str]]:
    """Yield which kind was read after it was made, and which was asked for after its deletion."""
    made: dict[str, str] = {}
    deleted: set[str] = set()
    for entry in json.loads(har.read_text())["log"]["entries"]:
        method, status = entry["request"]["method"], entry["response"]["status"]
        path = urlsplit(entry["request"]["url"]).path
        if method == "POST" and status == 201:
            made[f"{path}/{answer(entry)['id']}"] = re.sub(r"[0-9a-f-]{36}", "{id}", path)
        elif path not in made:
            continue
        elif method == "DELETE" and status == 204:
            deleted.add(path)
        elif method == "GET" and (path in deleted) == (status == 404):
            yield made[path], "deleted and asked" if path in deleted else "made and read"


def answer(entry: Any) -> Any:
    """Return the JSON that was answered."""
    return json.loads(entry["response"]["content"]["text"])
