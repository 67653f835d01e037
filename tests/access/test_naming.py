"""Another team's things in bodies, filters and cursors: named there they are nowhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled
from drf_spectacular.generators import SchemaGenerator

from monitors.models import Transition
from tests.access.asking import ask
from tests.access.world import HOOK, HOUR, LAYER, MISSING, Side, fill
from tests.conftest import Api

NOBODY = "nobody@nowhere.example"
_POST = {"title": "x"}
_TIMES = {"start": "2028-03-01T00:00:00Z", "end": "2028-03-01T01:00:00Z"}
PAGE = "status-pages/{id}"
UPDATES = f"{PAGE}/posts/{{post}}/updates"
# Route, method, what of the other team is named, and the body that names it.
NAMED: tuple[tuple[str, str, str, Any], ...] = (
    ("alert-rules", "POST", "escalation-policies", lambda x: {"name": "x", "policy": x}),
    ("alert-rules", "POST", "channels", lambda x: {"name": "x", "channels": [x]}),
    ("alert-rules/{id}", "PATCH", "escalation-policies", lambda x: {"policy": x}),
    ("alert-rules/{id}", "PATCH", "channels", lambda x: {"channels": [x]}),
    ("alert-rules/dry-run", "POST", "monitors", lambda x: {"monitor": x}),
    *(
        (route, method, thing, lambda x, k=key: {"name": "x", "steps": [{"targets": [{k: x}]}]})
        for route, method in (
            ("escalation-policies", "POST"),
            ("escalation-policies/{id}", "PATCH"),
        )
        for key, thing in (("channel", "channels"), ("rotation", "rotations"), ("member", "member"))
    ),
    (
        "contact-methods",
        "POST",
        "member",
        lambda x: {"member": x, "kind": "webhook", "config": HOOK},
    ),
    ("contact-methods/{id}", "PATCH", "member", lambda x: {"member": x}),
    ("incidents/{id}/assign", "POST", "member", lambda x: {"member": x}),
    ("incidents/{id}/assign", "POST", "escalation-policies", lambda x: {"policy": x}),
    ("maintenances", "POST", "monitors", lambda x: {"name": "x", "monitors": [x], **HOUR}),
    (
        "maintenances",
        "POST",
        "status-pages",
        lambda x: {"name": "x", "labels": {"a": "b"}, "status_page": x, **HOUR},
    ),
    ("maintenances/{id}", "PATCH", "monitors", lambda x: {"monitors": [x]}),
    ("maintenances/{id}", "PATCH", "status-pages", lambda x: {"status_page": x}),
    ("monitors/bulk-action", "POST", "monitors", lambda x: {"action": "pause", "ids": [x]}),
    ("rotations", "POST", "member", lambda x: {"name": "x", "layers": [{**LAYER, "members": [x]}]}),
    ("rotations", "POST", "member", lambda x: {"name": "x", **LAYER, "members": [x]}),
    ("rotations/{id}", "PATCH", "member", lambda x: {"layers": [{**LAYER, "members": [x]}]}),
    ("rotations/{id}", "PATCH", "member", lambda x: {"members": [x]}),
    ("rotations/{id}/overrides", "POST", "member", lambda x: {"member": x, **_TIMES}),
    ("rotations/{id}/overrides/{override}", "PATCH", "member", lambda x: {"member": x}),
    (f"{PAGE}/components", "POST", "monitors", lambda x: {"name": "x", "monitors": [x]}),
    (f"{PAGE}/components/{{component}}", "PATCH", "monitors", lambda x: {"monitors": [x]}),
    (f"{PAGE}/posts", "POST", "component", lambda x: {**_POST, "components": [x]}),
    (
        f"{PAGE}/posts",
        "POST",
        "component",
        lambda x: {**_POST, "component_statuses": {x: "major_outage"}},
    ),
    (f"{PAGE}/posts/{{post}}", "PATCH", "component", lambda x: {"components": [x]}),
    (
        f"{PAGE}/posts/{{post}}",
        "PATCH",
        "component",
        lambda x: {"component_statuses": {x: "major_outage"}},
    ),
    (UPDATES, "POST", "component", lambda x: {"component_statuses": {x: "major_outage"}}),
    (
        f"{UPDATES}/{{update}}",
        "PATCH",
        "component",
        lambda x: {"component_statuses": {x: "major_outage"}},
    ),
    (
        f"{PAGE}/subscribers",
        "POST",
        "component",
        lambda x: {"kind": "email", "address": "a@example.org", "components": [x]},
    ),
    (f"{PAGE}/subscribers/{{subscriber}}", "PATCH", "component", lambda x: {"components": [x]}),
)
# What a list can be narrowed to, and what of the other team is tried.
FILTERS: tuple[tuple[str, str, str], ...] = (
    ("monitors", "namespace", "mark"),
    ("monitors", "name", "name"),
    ("monitors", "search", "mark"),
    ("monitors", "label", "label"),
    ("incidents", "monitor", "monitors"),
    ("incidents", "search", "mark"),
    ("deliveries", "incident", "incidents"),
    ("deliveries", "channel", "channels"),
    ("maintenances", "monitor", "monitors"),
    ("members", "email", "member"),
    ("contact-methods", "member", "member"),
    ("namespaces", "name", "mark"),
    ("audit-events", "actor", "member"),
    ("audit-events", "thing", "monitors"),
    ("export", "namespace", "mark"),
)
# Filters and fields that name nothing of a team's.
PLAIN = {"state", "active", "since", "until", "action", "kind", "status", "days", "at", "cursor"}
PLAIN |= {"limit", "dry_run", "prune", "key", "format"}
NEW_ADDRESSES = {("members", "email"), ("invitations", "email")}


def operations() -> Iterator[tuple[str, str, Any]]:
    """Give route, method and what the OpenAPI document says."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    for path, methods in document["paths"].items():
        if path.startswith("/api/v1/"):
            for method, operation in methods.items():
                if method in ("get", "post", "patch", "delete"):
                    yield path.removeprefix("/api/v1/"), method.upper(), (operation, document)


def test_every_filter_is_tried() -> None:
    tried = {(route, name) for route, name, _ in FILTERS}
    for route, _, (operation, _) in operations():
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query" and parameter["name"] not in PLAIN:
                assert (route, parameter["name"]) in tried


def test_every_field_that_names_something_is_tried() -> None:
    tried = set()
    for route, method, _, body in NAMED:
        tried |= {(route, method, name) for name in _names(body("x"))}
    for route, method, (operation, document) in operations():
        content = operation.get("requestBody", {}).get("content", {})
        for name in _references(content.get("application/json", {}).get("schema"), document):
            if (route, name) not in NEW_ADDRESSES:
                assert (route, method, name) in tried


def _names(value: Any) -> Iterator[str]:
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _names(inner)
    if isinstance(value, dict):
        yield from value


def _references(schema: Any, document: Any) -> Iterator[str]:
    """Give the names of the fields that are ids or addresses, however deep."""
    schema = _resolved(schema, document)
    if "items" in schema:
        yield from _references(schema["items"], document)
    for name, field in schema.get("properties", {}).items():
        field = _resolved(field, document)
        inner = _resolved(field.get("items"), document)
        if not field.get("readOnly"):
            if {field.get("format"), inner.get("format")} & {"uuid", "email"}:
                yield name
            yield from _references(field, document)


def _resolved(schema: Any, document: Any) -> Any:
    schema = schema or {}
    for each in schema.get("allOf", ()):
        schema = {**schema, **_resolved(each, document)}
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_in_a_body_what_is_foreign_is_as_missing_as_any(ours: Side, theirs: Side) -> None:
    api = ours.keys["write"]
    api.get("monitors")
    for route, method, thing, body in NAMED:
        path = fill(route, ours.ids)
        foreign = theirs.member if thing == "member" else theirs.ids[thing]
        missing = NOBODY if thing == "member" else MISSING
        own = ours.member if thing == "member" else ours.ids[thing]
        said = ask(api, method, path, body(foreign))
        other = ask(api, method, path, body(missing))
        assert said.status == 400, (method, route, thing, said)
        assert {each["code"] for each in json.loads(said.body)["errors"]} == {"not_found"}, route
        # An object that is keyed by ids says which of them it means.
        assert said.body.replace(foreign.encode(), missing.encode()) == other.body, route
        assert (said.status, said.queries) == (other.status, other.queries), (method, route, thing)
        found = ask(api, method, path, body(own))
        assert b"not_found" not in found.body, (method, route, thing, found)


def test_a_thing_of_another_page_of_ours_is_no_closer(ours: Side) -> None:
    api = ours.keys["write"]
    for route, method, thing, body in NAMED:
        if thing == "component":
            path = fill(route, ours.ids)
            said = ask(api, method, path, body(ours.spare["component"]))
            assert said.status == 400, (method, route)
            assert b"not_found" in said.body, (method, route)


def test_a_filter_by_what_is_foreign_finds_what_one_by_nothing_finds(
    ours: Side, theirs: Side
) -> None:
    api = ours.keys["admin"]
    api.get("monitors")
    values = {**theirs.ids, "mark": "quokka", "name": "quokka-m", "label": "of:quokka"}
    values["member"] = theirs.member
    nothing = {"mark": "nowhere", "name": "nowhere", "label": "of:nowhere", "member": NOBODY}
    for route, name, thing in FILTERS:
        foreign = ask(api, "GET", f"{route}?{name}={values[thing]}")
        missing = ask(api, "GET", f"{route}?{name}={nothing.get(thing, MISSING)}")
        assert foreign == missing, (route, name)
        assert foreign.status == 200, (route, name)
        if route != "export":
            assert json.loads(foreign.body)["results"] == [], (route, name)


def test_a_foreign_filter_of_a_bulk_action_acts_on_nothing(ours: Side, theirs: Side) -> None:
    for filters in ({"namespace": "quokka"}, {"search": "quokka"}, {"label": ["of:quokka"]}):
        body = {"action": "delete", "filter": filters}
        answer = ours.keys["write"]("POST", "monitors/bulk-action", body, expect=200).json()
        assert answer == {"action": "delete", "count": 0, "ids": []}
    theirs.keys["read"]("GET", f"monitors/{theirs.ids['monitors']}", expect=200)


def test_another_teams_cursor_shows_nothing_of_theirs(ours: Side, theirs: Side) -> None:
    mine, other = ours.keys["admin"], theirs.keys["admin"]
    for route in ("monitors", "members", "alert-rules", "contact-methods", "audit-events"):
        for n in range(2):
            other("POST", "monitors", {"name": f"quokka-{route}-{n}"}, expect=201)
            other("POST", "alert-rules", {"name": f"quokka-{route}-{n}"}, expect=201)
        link = other.get(f"{route}?limit=1")["next"]
        assert link, route
        said = ask(mine, "GET", link[link.index("/api/v1/") :])
        assert said.status in (200, 400), route
        assert b"quokka" not in said.body, route
    below = f"/api/v1/monitors/{theirs.ids['monitors']}/results"
    assert ask(mine, "GET", f"{below}?{link.partition('?')[2]}").status == 404


def test_a_cursor_counts_nothing_of_other_teams(ours: Side) -> None:
    # Transitions are numbered for all teams together.
    api, monitor = ours.keys["read"], ours.ids["monitors"]
    ours.keys["write"].post(f"monitors/{monitor}/pause")
    ours.keys["write"].post(f"monitors/{monitor}/resume")
    with scopes_disabled():
        numbers = list(Transition.objects.filter(monitor=monitor).values_list("id", flat=True))
    assert len(numbers) > 1
    path = f"monitors/{monitor}/transitions?limit=1"
    shown = api.get(path)
    cursor = parse_qs(urlsplit(shown["next"]).query)["cursor"][0]
    seen = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for text in (cursor.encode(), seen):
        assert not [number for number in numbers if f'"{number}"'.encode() in text]
    then = api.get(f"{path}&cursor={cursor}")
    assert then["results"] != shown["results"]
    assert len(then["results"]) == 1


def test_an_idempotency_key_is_the_api_keys_own(ours: Side, theirs: Side) -> None:
    headers, body = {"Idempotency-Key": "same"}, {"name": "quokka-secret"}
    first = theirs.keys["write"]("POST", "monitors", body, headers=headers, expect=201)
    mine = ours.keys["write"]("POST", "monitors", body, headers=headers, expect=201)
    assert "Idempotency-Replayed" not in mine
    assert mine.json()["token"] != first.json()["token"]
    # With another body a key that was used is 422 to its owner, and nothing to anybody else.
    theirs.keys["write"]("POST", "channels", {"x": 1}, headers=headers, expect=400)
    theirs.keys["write"]("POST", "monitors", {"name": "other"}, headers=headers, expect=422)
    ours.keys["admin"]("POST", "monitors", {"name": "other"}, headers=headers, expect=201)
    ours.keys["read"]("POST", "monitors", body, headers=headers, expect=403)


def test_a_lock_for_if_match_is_the_teams_own(ours: Side, theirs: Side) -> None:
    path = f"monitors/{ours.ids['monitors']}"
    locks = []
    for side in (ours, theirs):
        with CaptureQueriesContext(connection) as done:
            side.keys["write"]("PATCH", path, {}, headers={"If-Match": "*"})
        locks += [each["sql"] for each in done if "pg_advisory_xact_lock" in each["sql"]]
    assert len(set(locks)) == 2, "who waits for a lock knows that there is something to lock"


def test_names_of_another_team_are_free(ours: Side, theirs: Side) -> None:
    api: Api = ours.keys["admin"]
    steps = [{"targets": [{"channel": ours.ids["channels"]}]}]
    page = f"status-pages/{ours.ids['status-pages']}"
    for path, body in (
        ("monitors", {"name": "quokka-m"}),
        ("channels", {"name": "quokka-c", "kind": "webhook", "config": HOOK}),
        ("alert-rules", {"name": "quokka-a"}),
        ("escalation-policies", {"name": "quokka-p", "steps": steps}),
        ("maintenances", {"name": "quokka-night", "labels": {"a": "b"}, **HOUR}),
        ("rotations", {"name": "quokka", "layers": []}),
        ("api-keys", {"name": "quokka-k"}),
        ("invitations", {"email": "new@quokka.example"}),
        ("status-pages", {"name": "quokka", "slug": "quokka-of-ours"}),
        (f"{page}/components", {"name": "quokka"}),
        (f"{page}/templates", {"name": "quokka"}),
        (f"{page}/subscribers", {"kind": "webhook", "address": "https://quokka.example/hook"}),
    ):
        api("POST", path, body, expect=201)


def test_names_that_are_everybodys_say_that_they_are_taken_and_no_more(
    ours: Side, theirs: Side
) -> None:
    api = ours.keys["admin"]
    page = f"status-pages/{ours.ids['status-pages']}"
    taken = {}
    for side, slug in ((theirs, "quokka"), (ours, "zebra")):
        for method, path, body, status in (
            ("POST", "namespaces", {"name": slug}, 409),
            ("POST", "status-pages", {"name": "x", "slug": slug}, 409),
            ("PATCH", page, {"slug": side.spare["status-pages"] and f"{slug}-2"}, 409),
        ):
            said = ask(api, method, path, body)
            assert said.status == status, (path, said)
            assert taken.setdefault((method, path), said.body) == said.body, path
            assert slug.encode() not in said.body, path
    for path, body in (
        ("monitors", {"name": "{}", "namespace": "quokka"}),
        ("monitors/bulk", [{"name": "{}", "namespace": "quokka"}]),
    ):
        # Whether the name is taken in there is theirs to know.
        answers = {
            ask(api, "POST", path, json.loads(json.dumps(body).replace("{}", name)))
            for name in ("quokka-m", "nowhere")
        }
        assert len(answers) == 1, path
        assert {each.status for each in answers} == {400}


def test_a_domain_is_taken_by_proof_alone(ours: Side, theirs: Side) -> None:
    domain = {"domain": "status.quokka.example"}
    theirs.keys["write"]("PATCH", f"status-pages/{theirs.ids['status-pages']}", domain, expect=200)
    said = ask(ours.keys["write"], "PATCH", f"status-pages/{ours.ids['status-pages']}", domain)
    assert said.status == 200, said


def test_documents_in_a_foreign_namespace_tell_nothing_of_it(ours: Side, theirs: Side) -> None:
    text = (
        "apiVersion: tocsin/v1\nkind: Monitor\nmetadata: {{name: {}, namespace: quokka}}\n"
        "spec: {{silent_after: 90}}\n"
    )
    for query in ("", "?dry_run=true", "?prune=true"):
        answers = [
            ask(
                ours.keys["write"],
                "POST",
                f"apply{query}",
                text.format(name).encode(),
                content_type="application/yaml",
            )
            for name in ("quokka-m", "missing-")
        ]
        assert answers[0] == answers[1], query
        assert answers[0].status == 400
        assert [each["code"] for each in json.loads(answers[0].body)["errors"]] == ["taken"]


def test_who_is_somewhere_else_is_not_known_here(ours: Side, theirs: Side) -> None:
    # An account's own name is its owner's to show, by accepting.
    api = ours.keys["admin"]
    shown = []
    for address in (theirs.member, NOBODY):
        body = {"email": address, "name": "As we call them"}
        made = api("POST", "members", body, expect=201).json()
        read = api.get(f"members/{made['id']}")
        assert {key: made[key] for key in read} == read
        shown.append({k: v for k, v in made.items() if k not in ("id", "email", "created_at")})
        assert "quokka member" not in str(api.get("members"))
    assert shown[0] == shown[1]
    assert shown[0]["name"] == "As we call them"
