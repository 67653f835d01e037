"""Keys and namespaces by the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils.timezone import now

from accounts.models import Scope, Team
from tests.conftest import Api
from tests.factories import make_key


def test_a_key_is_shown_once_and_works(api: Api) -> None:
    made = api.make("api-keys", name="ci", scope="write")
    assert set(made) == {
        "id",
        "name",
        "scope",
        "prefix",
        "key",
        "last_used_at",
        "expires_at",
        "created_at",
    }
    assert made["key"].startswith(f"tk_{made['prefix']}_")
    fresh = Api(made["key"])
    fresh.make("monitors", name="x")
    fresh("GET", "api-keys", expect=403)
    shown = api.get(f"api-keys/{made['id']}")
    assert "key" not in shown
    assert shown["last_used_at"]
    assert {row["name"] for row in api.get("api-keys")["results"]} == {"ci", "script"}


def test_a_revoked_key_opens_nothing_and_is_gone(api: Api) -> None:
    made = api.make("api-keys", name="ci")
    api("DELETE", f"api-keys/{made['id']}", expect=204)
    Api(made["key"])("GET", "monitors", expect=401)
    for method in ("GET", "PATCH", "DELETE"):
        api(method, f"api-keys/{made['id']}", {}, expect=404)
    assert [row["name"] for row in api.get("api-keys")["results"]] == ["script"]


def test_a_key_ends_when_it_was_to(api: Api) -> None:
    later = (now() + timedelta(days=1)).isoformat()
    made = api.make("api-keys", name="ci", expires_at=later)
    assert made["expires_at"].endswith("Z")
    assert made["scope"] == "read"
    for wrong in (now().isoformat(), "tomorrow", 5, "2027-01-01T00:00:00", ["x"]):
        problem = api("POST", "api-keys", {"name": "x", "expires_at": wrong}, expect=400).json()
        assert problem["errors"][0]["field"] == "expires_at"
    assert api.make("api-keys", name="y", expires_at=None)["expires_at"] is None


def test_a_key_is_renamed_and_nothing_else(api: Api) -> None:
    made = api.make("api-keys", name="ci")
    path = f"api-keys/{made['id']}"
    for other in ({"scope": "admin"}, {"expires_at": "2100-01-01T00:00:00Z"}):
        refused = api("PATCH", path, {"name": "x", **other}, expect=400).json()
        assert refused["errors"][0]["code"] == "immutable"
    sent = {**api.get(path), "name": "deploy"}
    changed = api("PATCH", path, sent, expect=200).json()
    assert (changed["name"], changed["scope"]) == ("deploy", "read")
    api("PATCH", path, {"name": 5}, expect=400)
    api("PATCH", path, {"nme": "x"}, expect=400)
    for bad in ({"name": "x", "scope": "root"}, {"name": ""}, {"scope": "read"}, [], "x"):
        api("POST", "api-keys", bad, expect=400)


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
def test_a_smaller_key_makes_none(team: Team, scope: Scope) -> None:
    Api(make_key(team, scope))("POST", "api-keys", {"name": "x", "scope": "read"}, expect=403)


def test_a_namespace_is_claimed_and_given_back(api: Api, rival: Api) -> None:
    made = api.make("namespaces", name="web")
    assert set(made) == {"id", "name", "created_at"}
    assert api.get(f"namespaces/{made['id']}") == made
    assert {row["name"] for row in api.get("namespaces")["results"]} == {"acme", "web"}
    assert [row["name"] for row in api.get("namespaces?name=web")["results"]] == ["web"]
    mine = api("POST", "namespaces", {"name": "web"}, expect=409).json()
    assert rival("POST", "namespaces", {"name": "web"}, expect=409).json() == mine
    assert rival("POST", "namespaces", {"name": "acme"}, expect=409).json() == mine
    api("DELETE", f"namespaces/{made['id']}", expect=204)
    rival.make("namespaces", name="web")


def test_a_namespace_that_holds_something_stays(api: Api) -> None:
    monitor = api.make("monitors", name="m", namespace="web")
    [web] = api.get("namespaces?name=web")["results"]
    api("DELETE", f"namespaces/{web['id']}", expect=409)
    api("DELETE", f"monitors/{monitor['id']}", expect=204)
    api("DELETE", f"namespaces/{web['id']}", expect=204)
    [own] = api.get("namespaces")["results"]
    api("DELETE", f"namespaces/{own['id']}", expect=409)


@pytest.mark.parametrize("name", ["", "Web", "a b", "-a", "a" * 64, 5, None, "é", "a/b", ["a"]])
def test_what_is_no_name_is_refused(api: Api, name: object) -> None:
    problem = api("POST", "namespaces", {"name": name}, expect=400).json()
    assert problem["errors"][0]["field"] == "name"
