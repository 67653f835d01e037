"""The last touches to the OpenAPI document: what no single view of the API knows.

Where the installation is reached, what the tags mean, which operation leads to which, and what an
answer looks like in practice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings

from config.openapi_examples import DOCUMENTS, EXAMPLES
from incidents.api.channel_schemas import channel_schemas

_ABOUT = """\
Push monitoring for services that nobody can probe from outside.

**Keys.** Send `Authorization: Bearer <key>`. A key belongs to a team and has a scope: `read`,
`write` or `admin`. Pushes need no key: the slug in their path, or the monitor's own token, is
enough.

**Pages.** A list answers `next`, `previous` and `results`; `limit` is how many at once, and `next`
is followed as it is.

**Errors** are `application/problem+json` (RFC 9457); `errors` names each field that is wrong.

**Changes.** `PATCH` changes what is sent. With the `ETag` of what was read in `If-Match`, nobody
else's change is lost. With an `Idempotency-Key` a `POST` can be sent again safely for 24 hours.

**Limits.** Where the operator has set one, each answer says in `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset` how far it reaches.

Times are ISO 8601 in UTC, durations integers in seconds, ids UUIDs.
"""
_METHODS = ("get", "post", "patch", "delete")
_TAGS = {
    "monitors": "What is watched, its results and how it stood.",
    "push": "Results, sent by what is watched. The slug in the path is the credential.",
    "incidents": "What was opened by monitors and is acknowledged and resolved.",
    "alert-rules": "Which incident goes where.",
    "escalation-policies": "Whom an incident pages, in which order.",
    "rotations": "Who is on call, and when.",
    "rotation-overrides": "Who takes over for a while.",
    "channels": "Where the team's messages go.",
    "contact-methods": "How members are reached.",
    "deliveries": "What was sent, and what became of it.",
    "maintenances": "Planned time in which no incident opens.",
    "status-pages": "What the public sees.",
    "status-page-components": "The lines of a page.",
    "status-page-posts": "Incidents and planned work, as the public reads of them.",
    "status-page-updates": "How a post goes on.",
    "status-page-templates": "Words found before they are needed.",
    "status-page-subscribers": "Who is told of a page's posts.",
    "members": "The team's people.",
    "invitations": "Who was asked to join.",
    "namespaces": "Names that monitors live under.",
    "api-keys": "Keys of scripts.",
    "audit-events": "Who changed what.",
    "manifests": "Everything as files: apply and export.",
}
_OF_A_KIND = ("ChannelRequest", "ContactMethodRequest")
# Where the id of one thing stands in the answer to whom.
_SOURCES = {
    "create": ("201", "$response.body#/id"),
    "list": ("200", "$response.body#/results/0/id"),
}
_PARAMETER = re.compile(r"\{(\w+)\}")


def complete_document(result: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the document with all that is said here; a hook of drf-spectacular."""
    result["info"]["description"] = _ABOUT
    result["servers"] = [{"url": settings.BASE_URL}]
    used = {tag for _, _, operation in _operations(result) for tag in operation["tags"]}
    result["tags"] = [
        {"name": name, "description": text} for name, text in _TAGS.items() if name in used
    ]
    components = result["components"]
    components["securitySchemes"]["pushToken"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A monitor's own token, shown when it is created or rotated.",
    }
    schemas = components["schemas"]
    schemas.update(channel_schemas({name: schemas[name] for name in _OF_A_KIND}))
    components["schemas"] = dict(sorted(components["schemas"].items()))
    for name, example in EXAMPLES.items():
        schemas[name]["example"] = example
    for _, _, operation in _operations(result):
        for code, response in operation["responses"].items():
            response["description"] = response["description"] or HTTPStatus(int(code)).phrase
    # Several documents in a row are no one value that a schema could describe.
    exported = result["paths"]["/api/v1/export"]["get"]["responses"]["200"]["content"]
    exported["application/yaml"] = {"example": DOCUMENTS}
    _add_links(result)
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in result["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _add_links(result: dict[str, Any]) -> None:
    """Link what creates or lists things to what can be done with one of them."""
    known: dict[str, Any] = result["paths"]
    for path, _, operation in _operations(result):
        verb = operation["operationId"].partition("_")[0]
        if verb not in _SOURCES:
            continue
        status, source = _SOURCES[verb]
        links = _links_from(path, known, source)
        if operation["operationId"] == "create_monitor":
            links |= _push_links(known)
        if links:
            operation["responses"][status]["links"] = links


def _links_from(path: str, known: dict[str, Any], source: str) -> dict[str, Any]:
    given = _PARAMETER.findall(path)
    links = {}
    for other, item in known.items():
        wanted = _PARAMETER.findall(other)
        if not other.startswith(f"{path}/{{") or len(wanted) != len(given) + 1:
            continue
        parameters = {name: f"$request.path.{name}" for name in given} | {wanted[-1]: source}
        for method in _METHODS:
            if method in item:
                name = item[method]["operationId"]
                links[name] = {"operationId": name, "parameters": parameters}
    return links


def _push_links(known: dict[str, Any]) -> dict[str, Any]:
    return {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"slug": "$response.body#/slug"},
        }
        for path, item in known.items()
        if "{slug}" in path
        for operation in (item[method] for method in _METHODS if method in item)
    }
