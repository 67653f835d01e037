"""What is special about rules, channels and pages."""

from __future__ import annotations

from typing import Any

from django_scopes import scopes_disabled

from incidents.models import Channel
from statuspages.models import StatusPage
from tests.conftest import Api
from tests.manifests.bundles import actions, apply, bundle, export, refused, secret


def test_rules_are_moved_and_settle_wherever_they_are_said_to_stand(api: Api) -> None:
    def rule(name: str, position: Any) -> str:
        spec = "{}" if position is None else f"{{position: {position}}}"
        return f"apiVersion: tocsin/v1\nkind: AlertRule\nmetadata: {{name: {name}}}\nspec: {spec}\n"

    def order() -> list[str]:
        return [each["name"] for each in api.get("alert-rules")["results"]][:-1]

    apply(api, bundle(rule("a", 0), rule("b", 1), rule("c", 2)))
    assert order() == ["a", "b", "c"]
    moved = bundle(rule("c", 0), rule("d", None), rule("a", 9))
    apply(api, moved)
    assert order() == ["c", "b", "d", "a"]
    assert set(actions(apply(api, moved)).values()) == {"unchanged"}
    far = bundle(rule("x", 50), rule("y", 60), rule("z", None))
    apply(api, far)
    assert set(actions(apply(api, far)).values()) == {"unchanged"}
    assert refused(api, bundle(rule("a", 0), rule("b", 0))) == {
        "documents[1].spec.position": "duplicate"
    }


def test_secrets_of_a_channel_are_kept_compared_and_masked(api: Api) -> None:
    channel = (
        "apiVersion: tocsin/v1\nkind: Channel\nmetadata: {name: pd}\n"
        "spec: {kind: pagerduty, secrets: {routing_key: {name: k, key: token}}}\n"
    )
    old, new = "a" * 32, "b" * 32
    apply(api, bundle(secret("k", old), channel))
    assert actions(apply(api, channel)) == {"Channel pd": "unchanged"}
    dry = apply(api, bundle(secret("k", new), channel), "?dry_run=true")
    assert dry["results"][1]["changes"] == [
        {"field": "spec.config.routing_key", "from": "********", "to": "********"}
    ]
    apply(api, secret("k", new))
    assert refused(api, channel) == {"documents[0].spec.secrets.routing_key": "required"}
    apply(api, bundle(secret("k", new), channel))
    with scopes_disabled():
        assert Channel.objects.get().config["routing_key"] == new
    wrong = channel.replace("routing_key", "colour")
    assert refused(api, wrong) == {"documents[0].spec.secrets.colour": "unknown"}
    other = channel.replace("pagerduty", "opsgenie")
    assert refused(api, other) == {"documents[0].spec.kind": "immutable"}


def test_the_password_of_a_page_comes_from_a_secret(api: Api) -> None:
    page = (
        "apiVersion: tocsin/v1\nkind: StatusPage\nmetadata: {name: p}\n"
        "spec: {name: P, password_secret: {name: k, key: token}}\n"
    )
    apply(api, bundle(secret("k", "first-password"), page))
    assert api.get("status-pages")["results"][0]["visibility"] == "password"
    assert actions(apply(api, bundle(secret("k", "first-password"), page))) == {
        "Secret k": "unchanged",
        "StatusPage p": "unchanged",
    }
    assert actions(apply(api, export(api))) == {"StatusPage p": "unchanged"}
    found = actions(apply(api, bundle(secret("k", "second-password"), page)))
    assert found == {"Secret k": "updated", "StatusPage p": "updated"}


def test_a_slug_of_another_teams_page_is_taken(api: Api, rival: Api) -> None:
    page = "apiVersion: tocsin/v1\nkind: StatusPage\nmetadata: {name: p}\nspec: {name: P}\n"
    apply(api, page)
    assert refused(rival, page) == {"documents[0].metadata.name": "taken"}
    with scopes_disabled():
        assert StatusPage.objects.count() == 1


def test_a_wrong_value_of_a_secret_is_told_where_it_is_used(api: Api) -> None:
    channel = (
        "apiVersion: tocsin/v1\nkind: Channel\nmetadata: {name: pd}\n"
        "spec: {kind: pagerduty, secrets: {routing_key: {name: k, key: token}}}\n"
    )
    problems = refused(api, bundle(secret("k", "not a key"), channel))
    assert problems == {"documents[1].spec.secrets.routing_key": "invalid"}
    assert "not a key" not in str(apply(api, bundle(secret("k", "not a key"), channel), expect=400))


def test_a_second_catch_all_and_one_that_is_narrowed_are_refused(api: Api) -> None:
    def rule(name: str, spec: str) -> str:
        return f"apiVersion: tocsin/v1\nkind: AlertRule\nmetadata: {{name: {name}}}\nspec: {spec}\n"

    assert refused(api, bundle(rule("a", "{catch_all: true}"), rule("b", "{catch_all: true}"))) == {
        "documents[1].spec.catch_all": "duplicate"
    }
    narrowed = rule("a", "{catch_all: true, position: 3, match: {names: [x]}}")
    assert set(refused(api, narrowed)) == {
        "documents[0].spec.position",
        "documents[0].spec.match",
    }
    assert refused(api, rule("Everything else", "{}")) == {
        "documents[0].spec.catch_all": "required"
    }
    apply(api, rule("Rest", "{catch_all: true}"))
    assert [each["name"] for each in api.get("alert-rules")["results"]] == ["Rest"]
    assert actions(apply(api, rule("Rest", "{catch_all: true}"))) == {"AlertRule Rest": "unchanged"}


def test_an_apply_has_a_limit_of_monitors(api: Api) -> None:
    def many(first: int) -> str:
        names = "".join(f"  - {{name: m{n}}}\n" for n in range(first, first + 6000))
        head = "apiVersion: tocsin/v1\nkind: MonitorSet\nmetadata: {name: s}\nspec:\n  monitors:\n"
        return head + names

    assert refused(api, bundle(many(0), many(6000))) == {"documents[1]": "max_length"}
