"""Every route of the REST API against everybody who might knock.

A thing of another team is not there: path, body, header and method change nothing about that, and
neither does the work that the database has with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django_scopes import scopes_disabled

from accounts.models import ApiKey
from tests.access.asking import Said, ask
from tests.access.routes import ADMIN, API, CONSOLE_MODULES, OUTSIDE, READ, WRITE, all_routes
from tests.access.world import MISSING, Side, dead_keys, fill
from tests.conftest import Api

RANK = {READ: 0, WRITE: 1, ADMIN: 2}
BODIES: tuple[Any, ...] = ({}, b"{", {"text": "x", "name": "x", "nonsense": 1})
CHILDREN = ("override", "component", "post", "update", "subscriber", "template")
# Which of them a method heeds.
HEADERS = {
    "GET": "If-None-Match",
    "PATCH": "If-Match",
    "DELETE": "If-Match",
    "POST": "Idempotency-Key",
}


def calls() -> Iterator[tuple[str, str, str]]:
    """Give route, method and least scope."""
    for route, methods in API.items():
        for method, needed in methods.items():
            yield route, method, needed


def differences(route: str, ours: Side, theirs: Side) -> Iterator[tuple[str, str, str]]:
    """Give what is foreign to `ours`, and its path beside that of a thing that is nowhere."""
    nowhere = dict.fromkeys([*ours.ids, "rotation_id"], MISSING)
    yield "foreign", fill(route, theirs.ids), fill(route, nowhere)
    inner = [name for name in CHILDREN if f"{{{name}}}" in route]
    for n, name in enumerate(inner):
        # Down to here it is our own; what is below is of theirs, or of another parent of ours.
        rest = dict.fromkeys(inner[n:], MISSING)
        missing = fill(route, {**ours.ids, **rest})
        yield f"foreign {name}", fill(route, {**ours.ids, **_part(theirs.ids, rest)}), missing
        yield f"{name} elsewhere", fill(route, {**ours.ids, **_part(ours.spare, rest)}), missing
    if inner:
        parent = route.partition("/")[0]
        strayed = {**ours.ids, parent: theirs.ids[parent]}
        yield (
            "own below a foreign one",
            fill(route, strayed),
            fill(route, {**ours.ids, parent: MISSING}),
        )


def compare(
    api: Api, method: str, route: str, ours: Side, theirs: Side, body: Any = None, **extra: Any
) -> Iterator[tuple[str, str, Said, Said]]:
    """Give what is foreign, its path, what is said of it, and what of a thing that is nowhere."""
    known: dict[str, Said] = {}
    for what, foreign, missing in differences(route, ours, theirs):
        if missing not in known:
            known[missing] = ask(api, method, missing, body, **extra)
        yield what, foreign, ask(api, method, foreign, body, **extra), known[missing]


def _part(ids: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    return {name: ids[name] for name in names}


def test_every_route_is_accounted_for() -> None:
    found: dict[str, set[str]] = {}
    for path, view in all_routes():
        if view.__module__.startswith(CONSOLE_MODULES):
            continue
        actions = getattr(view, "actions", None)
        if path.startswith("api/v1/") and actions is not None:
            methods = {method.upper() for method in actions} - {"HEAD"}
            found.setdefault(path.removeprefix("api/v1/"), set()).update(methods)
        else:
            assert path in OUTSIDE, f"nobody has said who may come to {path}"
    assert found == {route: set(methods) for route, methods in API.items()}


def test_without_a_living_key_every_route_says_the_same(ours: Side) -> None:
    dead = dead_keys(ours.team)
    admin = ours.keys["admin"].key
    assert admin is not None
    schemes = {
        "no header": None,
        "another scheme": f"Basic {admin}",
        "no scheme": admin,
        "the scheme alone": "Bearer",
        "half a key": f"Bearer {admin[:20]}",
        "two keys": f"Bearer {admin} {admin}",
        "not ASCII": "Bearer tk_\u00e9_x",
        **{why: f"Bearer {text}" for why, text in dead.items()},
    }
    wordings: dict[str, set[str]] = {}
    everywhere = {"no header", "revoked", "unknown"}
    for route, method, _ in calls():
        paths = {fill(route, ours.ids), fill(route, dict.fromkeys(ours.ids, MISSING))}
        for why, header in schemes.items():
            if why not in everywhere and route not in ("monitors/{id}", "members", "export"):
                continue
            headers = {"Authorization": header} if header else {}
            said = {ask(Api(None), method, path, b"{", headers=headers) for path in paths}
            assert {each.status for each in said} == {401}, (why, method, route, said)
            assert len(said) == 1, (why, method, route, said)
            wordings.setdefault(why, set()).update(json.loads(each.body)["detail"] for each in said)
    assert len(wordings["no header"] | wordings["another scheme"] | wordings["no scheme"]) == 1
    # A key does not say what it died of, or whether it ever lived.
    assert len(set().union(*(wordings[why] for why in dead))) == 1


def test_a_key_goes_as_far_as_its_scope_and_no_further(ours: Side) -> None:
    refused = set()
    for route, method, needed in calls():
        path = fill(route, ours.ids)
        for scope, api in ours.keys.items():
            said = ask(api, method, path, {})
            if RANK[scope] < RANK[needed]:
                assert said.status == 403, (scope, method, path)
                refused.add(json.loads(said.body)["detail"])
            else:
                assert said.status not in (401, 403, 404, 405), (scope, method, path, said)
                assert said.status < 500, (method, path, said)
    assert len(refused) == 1


def test_a_key_that_may_not_learns_nothing_of_what_is_there(ours: Side, theirs: Side) -> None:
    for route, method, needed in calls():
        for scope, api in ours.keys.items():
            if RANK[scope] >= RANK[needed] or "{" not in route:
                continue
            paths = [fill(route, ours.ids)]
            paths += [path for _, *pair in differences(route, ours, theirs) for path in pair]
            said = {ask(api, method, path, b"{")[:3] for path in paths}
            assert len(said) == 1, (scope, method, route)


def test_what_is_foreign_is_as_missing_as_any(ours: Side, theirs: Side) -> None:
    for api in ours.keys.values():
        api.get("monitors")  # a key's first use is noted
    bodies: set[bytes] = set()
    for route, method, needed in calls():
        if "{" not in route:
            continue
        for scope, api in ours.keys.items():
            if RANK[scope] < RANK[needed]:
                continue
            tried = BODIES if scope == needed and method in ("POST", "PATCH") else BODIES[:1]
            for body in tried:
                for what, foreign, said, other in compare(api, method, route, ours, theirs, body):
                    assert said.status == 404, (what, method, foreign, said)
                    assert said == other, (what, method, foreign)
                    bodies.add(said.body)
    assert len(bodies) == 1


def test_headers_do_not_tell_what_is_foreign(ours: Side, theirs: Side) -> None:
    for route, method, _ in calls():
        if "{" not in route:
            continue
        tag = theirs.keys["admin"]("GET", fill(route, theirs.ids)).get("ETag", '"x"')
        for value in (tag, "*") if method in ("PATCH", "DELETE") else (tag,):
            headers = {HEADERS[method]: value}
            for what, foreign, said, other in compare(
                ours.keys["admin"], method, route, ours, theirs, {}, headers=headers
            ):
                assert said.status == 404, (what, method, foreign, headers, said)
                assert said == other, (what, method, foreign, headers)


def test_other_methods_tell_nothing_either(ours: Side, theirs: Side) -> None:
    for route, methods in API.items():
        unknown = [each for each in ("POST", "PATCH", "DELETE") if each not in methods]
        for method in (*unknown[:1], "PUT", "HEAD", "OPTIONS"):
            said = ask(Api(None), method, fill(route, ours.ids), b"{")
            assert said.status == 401, (method, route)
            if "{" not in route:
                continue
            for what, foreign, said, other in compare(
                ours.keys["admin"], method, route, ours, theirs
            ):
                assert said == other, (what, method, foreign)


def test_no_list_has_anything_of_another_team(ours: Side, theirs: Side) -> None:
    for route, method, _ in calls():
        if method != "GET" or "{" in route:
            continue
        for query in ("", "?limit=1", "?limit=1000"):
            said = ask(ours.keys["admin"], "GET", f"{route}{query}")
            assert said.status == 200, route
            leaks = [mark for mark in theirs.marks if mark.encode() in said.body]
            assert not leaks, (route, leaks)
            assert any(mark.encode() in said.body for mark in ours.marks), route
    for route, method, _ in calls():
        if method == "GET" and "{" in route:
            said = ask(ours.keys["admin"], "GET", fill(route, ours.ids))
            assert not [mark for mark in theirs.marks if mark.encode() in said.body], route


def test_a_key_is_dead_the_moment_it_is_revoked(ours: Side) -> None:
    api, headers = ours.keys["write"], {"Idempotency-Key": "once"}
    api("POST", "monitors", {"name": "first"}, headers=headers, expect=201)
    api("POST", "monitors", {"name": "first"}, headers=headers, expect=201)
    with scopes_disabled():
        key = ApiKey.objects.get(name="zebra write")
    ours.keys["admin"]("DELETE", f"api-keys/{key.pk}", expect=204)
    api("POST", "monitors", {"name": "first"}, headers=headers, expect=401)
    api("GET", f"monitors/{ours.ids['monitors']}", headers={"If-None-Match": "*"}, expect=401)
    # Revoked keys are not there any more, for nobody.
    for method in ("GET", "PATCH", "DELETE"):
        gone = ask(ours.keys["admin"], method, f"api-keys/{key.pk}", {})
        assert gone == ask(ours.keys["admin"], method, f"api-keys/{MISSING}", {})
