"""The OpenAPI document is true: schemathesis finds no answer of the server that it does not allow.

A run with few examples for each operation is part of the suite. TOCSIN_CONTRACT=full asks for all
that schemathesis can think of, which takes a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.contract.conftest import Served
from tests.contract.runs import CONFIG, operations, run

FULL = os.environ.get("TOCSIN_CONTRACT") == "full"
PHASES = ["fuzzing", "stateful", *(["examples", "coverage"] if FULL else [])]
MOST = {"fuzzing": "3", "stateful": "20"}
MOST_OF_ALL = {"fuzzing": "10", "stateful": "200"}
METHODS = "GET|PATCH|POST"
# What the parameters below a path name; nothing that is there already is deleted.
PATHS = {
    "/api/v1/monitors/{id}": {"id": "monitor"},
    "/api/v1/incidents/{id}": {"id": "incident"},
    "/api/v1/channels/{id}": {"id": "channel"},
    "/api/v1/deliveries/{id}": {"id": "delivery"},
    "/api/v1/rotations/{id}": {"id": "rotation", "override": "override"},
    "/api/v1/escalation-policies/{id}": {"id": "policy"},
    "/api/v1/alert-rules/{id}": {"id": "rule"},
    "/api/v1/maintenances/{id}": {"id": "maintenance"},
    "/api/v1/contact-methods/{id}": {"id": "contact"},
    "/api/v1/invitations/{id}": {"id": "invitation"},
    "/api/v1/members/{id}": {"id": "member"},
    "/api/v1/status-pages/{id}": {
        "id": "page",
        **{name: name for name in ("component", "post", "update", "template", "subscriber")},
    },
}


def configuration(served: Served) -> str:
    """Return schemathesis.toml with what is there to be read and changed."""
    parts = [CONFIG.read_text()]
    for path, names in PATHS.items():
        given = {f"path.{name}": served.ids[thing] for name, thing in names.items()}
        parts.append(operations(METHODS, re.escape(path), given))
    parts.append(operations(METHODS, r"/api/(push|ping)/\{slug\}", {"path.slug": served.slug}))
    named = {"path.namespace": "acme", "path.name": "backup"}
    parts.append(operations(METHODS, r"/api/push/\{namespace\}", named, token=served.token))
    return "\n".join(parts)


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("phase", PHASES)
def test_the_server_answers_as_the_document_says(
    served: Served, phase: str, tmp_path: Path
) -> None:
    most = (MOST_OF_ALL if FULL else MOST).get(phase)
    few = ["--max-examples", most] if most else []
    # Where links lead, the ids are those of the things that were made on the way.
    settings = CONFIG.read_text() if phase == "stateful" else configuration(served)
    run(served, tmp_path, settings, "--phases", phase, *few)
    asked = json.loads((tmp_path / "asked.har").read_text())["log"]["entries"]
    answered = Counter(entry["response"]["status"] // 100 for entry in asked)
    # With a key that does not open, or ids of nothing, all would be refused and nothing be tested.
    assert answered[2] > sum(answered.values()) / 10, answered
