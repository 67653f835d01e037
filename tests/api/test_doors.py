"""Who gets in, and what the API says to those who do not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils.timezone import now
from django_scopes import scopes_disabled
from django_scopes.exceptions import ScopeError

from accounts.models import ApiKey, Scope, Team
from monitors.models import Monitor
from tests.api.test_incidents import make_incident
from tests.conftest import Api
from tests.factories import make_key

MISSING = "01890000-0000-7000-8000-000000000000"
IDS = (MISSING, "nonsense", "%00", "%2e", "1" * 500, "%F0%9F%98%80")


@pytest.fixture
def ours(api: Api, team: Team) -> dict[str, str]:
    """One thing of ours for each resource."""
    config = {"url": "https://hooks.example.org/x"}
    channel = api.make("channels", name="hook", kind="webhook", config=config)
    return {
        "monitors": api.make("monitors", name="m")["id"],
        "members": api.make("members", email="new@example.org")["id"],
        "invitations": api.make("invitations", email="newer@example.org")["id"],
        "api-keys": api.make("api-keys", name="k")["id"],
        "namespaces": api.make("namespaces", name="spare")["id"],
        "channels": channel["id"],
        "alert-rules": api.make("alert-rules", name="a")["id"],
        "escalation-policies": api.make(
            "escalation-policies", name="p", steps=[{"targets": [{"channel": channel["id"]}]}]
        )["id"],
        "contact-methods": api.get("contact-methods")["results"][0]["id"],
        "maintenances": api.make(
            "maintenances",
            name="night",
            labels={"env": "prod"},
            starts_at="2027-03-01T00:00:00Z",
            ends_at="2027-03-01T01:00:00Z",
        )["id"],
        "rotations": api.make("rotations", name="r", layers=[])["id"],
        "status-pages": api.make("status-pages", name="s", slug="s")["id"],
        "incidents": str(make_incident(team).pk),
        "deliveries": api("POST", f"channels/{channel['id']}/test", expect=202).json()["id"],
    }


CALLS = [
    ("monitors", "GET", ""),
    ("monitors", "PATCH", ""),
    ("monitors", "DELETE", ""),
    ("monitors", "POST", "/pause"),
    ("monitors", "POST", "/resume"),
    ("monitors", "POST", "/rotate-slug"),
    ("monitors", "POST", "/rotate-token"),
    ("monitors", "GET", "/results"),
    ("monitors", "GET", "/results.csv"),
    ("monitors", "GET", "/results.json"),
    ("monitors", "GET", "/transitions"),
    ("monitors", "GET", "/uptime"),
    ("incidents", "GET", ""),
    ("incidents", "POST", "/acknowledge"),
    ("incidents", "POST", "/resolve"),
    ("incidents", "POST", "/notes"),
    ("channels", "GET", ""),
    ("channels", "PATCH", ""),
    ("channels", "DELETE", ""),
    ("channels", "POST", "/test"),
    ("alert-rules", "GET", ""),
    ("alert-rules", "PATCH", ""),
    ("alert-rules", "DELETE", ""),
    ("escalation-policies", "GET", ""),
    ("escalation-policies", "PATCH", ""),
    ("escalation-policies", "DELETE", ""),
    ("maintenances", "GET", ""),
    ("maintenances", "PATCH", ""),
    ("maintenances", "DELETE", ""),
    ("rotations", "GET", ""),
    ("rotations", "PATCH", ""),
    ("rotations", "DELETE", ""),
    ("rotations", "GET", "/on-call"),
    ("rotations", "GET", "/shifts"),
    ("rotations", "GET", "/overrides"),
    ("rotations", "POST", "/overrides"),
    ("rotations", "POST", "/rotate-calendar-key"),
    ("rotations", "POST", "/revoke-calendar-key"),
    ("status-pages", "GET", ""),
    ("status-pages", "PATCH", ""),
    ("status-pages", "DELETE", ""),
    ("status-pages", "GET", "/components"),
    ("status-pages", "POST", "/components"),
    ("status-pages", "GET", "/posts"),
    ("status-pages", "POST", "/posts"),
    ("status-pages", "GET", "/subscribers"),
    ("status-pages", "POST", "/subscribers"),
    ("status-pages", "GET", "/templates"),
    ("status-pages", "POST", "/templates"),
    ("deliveries", "GET", ""),
    ("contact-methods", "GET", ""),
    ("contact-methods", "PATCH", ""),
    ("contact-methods", "DELETE", ""),
    ("contact-methods", "POST", "/send-code"),
    ("contact-methods", "POST", "/verify"),
    ("contact-methods", "POST", "/test"),
    ("members", "GET", ""),
    ("members", "PATCH", ""),
    ("members", "DELETE", ""),
    ("invitations", "GET", ""),
    ("invitations", "PATCH", ""),
    ("invitations", "DELETE", ""),
    ("invitations", "POST", "/resend"),
    ("api-keys", "GET", ""),
    ("api-keys", "PATCH", ""),
    ("api-keys", "DELETE", ""),
    ("namespaces", "GET", ""),
    ("namespaces", "DELETE", ""),
]
# What is looked at with the scope admin alone.
ADMINS_ONLY = {"api-keys", "audit-events"}


@pytest.mark.parametrize(("resource", "method", "rest"), CALLS)
def test_a_foreign_id_is_exactly_like_a_missing_one(
    api: Api, rival: Api, ours: dict[str, str], resource: str, method: str, rest: str
) -> None:
    def answer(row: str) -> Any:
        response = rival(method, f"{resource}/{row}{rest}", {"text": "x"})
        return response.status_code, response["Content-Type"], response.content

    foreign = answer(ours[resource])
    assert foreign[:2] == (404, "application/problem+json")
    assert {answer(row) for row in IDS} == {foreign}
    assert ours[resource] not in {row["id"] for row in rival.get(resource)["results"]}


@pytest.mark.parametrize(("resource", "method", "rest"), CALLS)
def test_a_read_key_reads_and_nothing_more(
    team: Team, ours: dict[str, str], resource: str, method: str, rest: str
) -> None:
    reader = Api(make_key(team, Scope.READ))
    response = reader(method, f"{resource}/{ours[resource]}{rest}", {})
    may_look = method == "GET" and resource not in ADMINS_ONLY
    assert response.status_code == (200 if may_look else 403)
    assert reader("POST", resource, {"name": "x"}).status_code in (403, 405)
    if response.status_code == 403:
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("resource", sorted(ADMINS_ONLY))
def test_keys_and_the_audit_log_are_for_administrators(team: Team, resource: str) -> None:
    for scope, status in ((Scope.READ, 403), (Scope.WRITE, 403), (Scope.ADMIN, 200)):
        Api(make_key(team, scope))("GET", resource, expect=status)


def test_a_write_key_writes(team: Team) -> None:
    Api(make_key(team, Scope.WRITE)).make("monitors", name="x")


@pytest.mark.parametrize(("resource", "method", "rest"), CALLS)
def test_without_a_key_nobody_learns_anything(
    ours: dict[str, str], resource: str, method: str, rest: str
) -> None:
    answers = set()
    for row in (ours[resource], MISSING):
        response = Api(None)(method, f"{resource}/{row}{rest}", {})
        assert response["WWW-Authenticate"].startswith("Bearer")
        answers.add((response.status_code, response.content))
    assert [status for status, _ in answers] == [401]


def test_bad_keys_are_a_401(api: Api, key: str) -> None:
    prefix = key.rsplit("_", 1)[0]
    for wrong in ("", "x", prefix, f"{prefix}_{'a' * 40}", key + "x", key.upper(), "tk_é_x"):
        response = Api(None)("GET", "monitors", headers={"Authorization": f"Bearer {wrong}"})
        assert response.status_code == 401, wrong
        assert response["Content-Type"] == "application/problem+json"
    for header in (f"Basic {key}", key, f"Token {key}"):
        response = Api(None)("GET", "monitors", headers={"Authorization": header})
        assert response.status_code == 401
    with scopes_disabled():
        ApiKey.objects.update(expires_at=now())
        api("GET", "monitors", expect=401)
        ApiKey.objects.update(expires_at=None, revoked_at=now())
        api("GET", "monitors", expect=401)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["nothing", "monitors/", "", "monitors/x/y/z", "monitors/x/test"])
def test_an_unknown_path_is_a_problem(api: Api, method: str, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.generic(method, f"/api/v1/{path}", b"{}", content_type="application/json")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


def test_other_refusals_are_problems_too(api: Api) -> None:
    for response, status in (
        (api("DELETE", "monitors"), 405),
        (api("PUT", f"monitors/{MISSING}", {}), 405),
        (api("GET", "monitors", headers={"Accept": "application/xml"}), 406),
        (api("POST", "monitors", b"<a/>", content_type="application/xml"), 415),
        (api("POST", "monitors", b"name=x", content_type="application/x-www-form-urlencoded"), 415),
    ):
        assert (response.status_code, response["Content-Type"]) == (
            status,
            "application/problem+json",
        )
        assert response.json()["status"] == status


def test_head_and_options(api: Api) -> None:
    assert api("HEAD", "monitors", expect=200).content == b""
    assert "POST" in api("OPTIONS", "monitors", expect=204)["Allow"]


def test_a_request_leaves_no_scope_behind(api: Api, rival: Api) -> None:
    api.make("monitors", name="x")
    rival("GET", "nothing")
    api("POST", "monitors", {"name": ""}, expect=400)
    with pytest.raises(ScopeError):
        Monitor.objects.all()


def test_a_thing_deleted_meanwhile_is_a_404(
    api: Api, ours: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The row goes between the view's look at it and the service's lock on it.
    lock = QuerySet.select_for_update

    def delete_first(rows: Any, *args: Any, **options: Any) -> Any:
        if rows.model.__name__ == "Heartbeat":
            rows.model._base_manager.all().delete()
        return lock(rows, *args, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", delete_first)
    api("PATCH", f"monitors/{ours['monitors']}", {"grace": 5}, expect=404)
