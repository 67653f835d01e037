"""What schemathesis has to be told so that it makes, reads and deletes things of its own.

Left to itself it makes up names and ids, is refused, and has nothing to read or to delete. It also
takes a 404 for what was just made as a failure only where the link gave every parameter, and no
link gives `If-Match`.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable
from typing import Any

import schemathesis

from tests.contract import hooks  # noqa: F401 - registers what reads an export

IDS: dict[str, str] = json.loads(os.environ.get("TOCSIN_LIFECYCLES", "{}"))
WEBHOOK = "https://hooks.example.com/tocsin"
START, END = "2027-04-01T09:00:00Z", "2027-04-01T10:00:00Z"
PAGE = "/api/v1/status-pages/{id}"

# What is sent to make one of a kind, given a number that is new each time.
BODIES: dict[str, Callable[[int], dict[str, Any]]] = {
    "/api/v1/monitors": lambda n: {"name": f"m{n}"},
    "/api/v1/channels": lambda n: {
        "name": f"c{n}",
        "kind": "webhook",
        "config": {"url": WEBHOOK},
    },
    "/api/v1/rotations": lambda n: {
        "name": f"r{n}",
        "timezone": "Europe/Berlin",
        "unit": "week",
        "handoff": "2027-03-01T09:00",
        "members": ["ada@example.org"],
    },
    "/api/v1/escalation-policies": lambda n: {
        "name": f"e{n}",
        "steps": [{"delay": 0, "targets": [{"rotation": IDS["rotation"]}]}],
    },
    "/api/v1/alert-rules": lambda n: {"name": f"a{n}", "policy": IDS["policy"]},
    "/api/v1/maintenances": lambda n: {
        "name": f"w{n}",
        "monitors": [IDS["monitor"]],
        "starts_at": START,
        "ends_at": END,
    },
    "/api/v1/status-pages": lambda n: {"name": f"s{n}", "slug": f"s{n}"},
    f"{PAGE}/components": lambda n: {"name": f"p{n}"},
    f"{PAGE}/posts": lambda n: {"title": f"t{n}", "body": "We look."},
    f"{PAGE}/templates": lambda n: {"name": f"t{n}", "title": "Slow"},
}
CONDITIONS = {"If-Match", "If-None-Match", "Idempotency-Key"}
_numbers = itertools.count(1)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Leave what makes, reads and deletes one thing, linked, and from deletion to reading too."""
    paths = raw_schema["paths"]
    for path in list(paths):
        collection, _, last = path.rpartition("/")
        is_item = collection in BODIES and last.startswith("{")
        kept = {"get", "delete"} if is_item else {"post"} if path in BODIES else set()
        paths[path] = {method: paths[path][method] for method in paths[path].keys() & kept}
        if not paths[path]:
            del paths[path]
    operations = [operation for item in paths.values() for operation in item.values()]
    names = {operation["operationId"] for operation in operations}
    for operation in operations:
        given = operation.get("parameters", [])
        operation["parameters"] = [each for each in given if each["name"] not in CONDITIONS]
        for response in operation["responses"].values():
            links = response.get("links", {})
            response["links"] = {name: links[name] for name in sorted(links.keys() & names)}
    for path, item in paths.items():
        if "delete" in item:
            given = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+)}", path)}
            link = {"operationId": item["get"]["operationId"], "parameters": given}
            item["delete"]["responses"]["204"]["links"] = {"asked_again": link}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Send what the server takes when a thing is to be made."""
    if case.method.upper() == "POST" and case.operation.path in BODIES:
        case.body = BODIES[case.operation.path](next(_numbers))
