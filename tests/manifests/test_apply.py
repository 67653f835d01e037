"""Documents of the other kind, Secrets, and what holds for every apply."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Namespace, Scope, Team
from incidents.models import AlertRule, Channel
from monitors.models import Monitor
from tests.conftest import Api
from tests.factories import TeamFactory, make_key
from tests.manifests.bundles import (
    ALERTING,
    actions,
    apply,
    bundle,
    export,
    push_monitor,
    refused,
    secret,
)


def push(namespace: str, name: str, token: str) -> int:
    answer = Client().post(
        f"/api/push/{namespace}/{name}",
        {"status": "up"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.status_code


def test_documents_in_any_order_are_applied_and_then_unchanged(api: Api) -> None:
    text = bundle(push_monitor("backup", extra=ALERTING), push_monitor("other"), secret("tok"))
    dry = apply(api, text, "?dry_run=true")
    assert set(actions(dry).values()) == {"created"}
    assert api.get("monitors")["results"] == []
    first = apply(api, text)
    assert actions(first) == {
        "Monitor backup": "created",
        "Monitor other": "created",
        "Secret tok": "created",
    }
    assert set(actions(apply(api, text)).values()) == {"unchanged"}
    shown = {m["name"]: m for m in api.get("monitors")["results"]}
    assert (shown["backup"]["silent_after"], shown["backup"]["grace"]) == (90000, 3600)
    assert (shown["backup"]["interval"], shown["backup"]["timeout"]) == (86400, 10)


def test_the_defaults_are_those_of_the_product_page(api: Api) -> None:
    apply(
        api,
        bundle(
            secret("tok"),
            "apiVersion: monitoring.yuptime.io/v1\nkind: Monitor\nmetadata: {name: m}\n"
            "spec: {type: push, target: {push: {tokenSecretRef: {name: tok, key: token}}}}\n",
        ),
    )
    monitor = api.get("monitors")["results"][0]
    assert monitor["namespace"] == "acme"
    assert (monitor["silent_after"], monitor["grace"], monitor["interval"]) == (300, 60, 60)


def test_a_shared_secret_opens_its_monitors_and_changes_for_all(api: Api) -> None:
    old, new = "tok-aaaaaaaaaaaaaaaaaaaa", "tok-bbbbbbbbbbbbbbbbbbbb"
    apply(api, bundle(push_monitor("a"), push_monitor("b"), secret("tok", old)))
    assert push("acme", "a", old) == push("acme", "b", old) == 201
    answer = apply(api, secret("tok", new), "?dry_run=true")
    assert answer["results"][0]["changes"] == [
        {"field": "stringData.token", "from": "********", "to": "********"}
    ]
    assert push("acme", "a", old) == 201
    assert actions(apply(api, secret("tok", new))) == {"Secret tok": "updated"}
    assert push("acme", "a", old) == push("acme", "b", old) == 401
    assert push("acme", "a", new) == push("acme", "b", new) == 201


def test_a_stored_secret_counts_as_present_and_base64_is_read(api: Api) -> None:
    apply(
        api,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: tok}\n"
        "data: {token: dG9rLWNjY2NjY2NjY2NjY2NjY2NjY2Nj}\n",
    )
    assert actions(apply(api, push_monitor("a"))) == {"Monitor a": "created"}
    assert push("acme", "a", "tok-cccccccccccccccccccc") == 201


def test_another_key_of_a_secret_is_named(api: Api) -> None:
    text = push_monitor("a").replace("key: token", "key: other")
    assert refused(api, bundle(secret("tok"), text)) == {
        "documents[1].spec.target.push.tokenSecretRef.key": "not_found"
    }


WRONG = [
    ("expireSeconds: 90000", "expireSeconds: -1", "target.push.expireSeconds", "min_value"),
    ("expireSeconds: 90000", "expireSeconds: '5'", "target.push.expireSeconds", "invalid"),
    ("expireSeconds: 90000", "expireSecs: 90000", "target.push.expireSecs", "unknown"),
    ("intervalSeconds: 86400", "intervalSeconds: 0", "schedule.intervalSeconds", "min_value"),
    ("type: push", "type: http", "type", "unsupported"),
    ("  type: push\n", "", "type", "required"),
    ("        name: tok", "        name: nope", "target.push.tokenSecretRef.name", "not_found"),
    ("        key: token\n", "", "target.push.tokenSecretRef.key", "required"),
    ("    push:", "    http:", "target.push", "required"),
]


@pytest.mark.parametrize(
    ("old", "new", "field", "code"), WRONG, ids=[w[1].strip() or w[2] for w in WRONG]
)
def test_each_mistake_refuses_all_and_is_named(
    api: Api, old: str, new: str, field: str, code: str
) -> None:
    wrong = push_monitor("b").replace(old, new)
    assert wrong != push_monitor("b")
    problems = refused(api, bundle(secret("tok"), push_monitor("a"), wrong))
    assert problems[f"documents[2].spec.{field}"] == code
    assert api.get("monitors")["results"] == []
    assert refused(api, push_monitor("a"))  # the Secret was not kept


def test_all_problems_are_told_at_once(api: Api) -> None:
    text = bundle(
        push_monitor("a", "missing"),
        push_monitor("a/b"),
        push_monitor("c").replace("Monitor", "Zebra"),
        push_monitor("d").replace("yuptime.io/v1", "yuptime.io/v9"),
        secret("tok").replace("stringData", "stringdata"),
        "[1, 2]\n",
        "metadata: {}\n",
        push_monitor("results"),
        push_monitor("twice"),
        push_monitor("twice"),
    )
    assert refused(api, text) == {
        "documents[0].spec.target.push.tokenSecretRef.name": "not_found",
        "documents[1].metadata.name": "invalid",
        "documents[2].kind": "unknown",
        "documents[3].apiVersion": "unknown",
        "documents[4].stringdata": "unknown",
        "documents[5]": "invalid",
        "documents[6].apiVersion": "required",
        "documents[7].metadata.name": "reserved",
        "documents[9].metadata.name": "duplicate",
    }


def test_a_namespace_is_claimed_once_and_is_then_nobody_elses(api: Api, rival: Api) -> None:
    text = bundle(secret("tok", namespace="yup"), push_monitor("a", namespace="yup"))
    apply(api, text, "?dry_run=true")
    with scopes_disabled():
        assert not Namespace.objects.filter(name="yup").exists()
    apply(api, text)
    assert refused(rival, text) == {
        "documents[0].metadata.namespace": "taken",
        "documents[1].metadata.namespace": "taken",
    }
    assert rival.get("monitors")["results"] == []


def test_a_foreign_secret_is_exactly_like_a_missing_one(api: Api, rival: Api) -> None:
    apply(api, secret("tok"))
    foreign = apply(rival, push_monitor("a", namespace="rival"), expect=400)
    missing = apply(rival, push_monitor("a", namespace="rival"), expect=400)
    assert foreign == missing
    assert "not_found" in str(foreign)


def test_a_read_key_may_not_apply_and_may_export(team: Team, api: Api) -> None:
    apply(api, bundle(secret("tok"), push_monitor("a")))
    reader = Api(make_key(team, Scope.READ))
    assert "error" not in apply(reader, secret("tok"), expect=403)
    assert "name: a" in export(reader)
    apply(Api(make_key(team, Scope.WRITE)), secret("tok"))
    Api(None)("POST", "apply", b"", expect=401)
    Api(None)("GET", "export", expect=401)


def test_a_change_is_shown_and_made(api: Api) -> None:
    apply(api, bundle(secret("tok"), push_monitor("a")))
    text = push_monitor("a").replace("expireSeconds: 90000", "expireSeconds: 120")
    dry = apply(api, text, "?dry_run=true")
    assert dry["results"] == [
        {
            "kind": "Monitor",
            "namespace": "acme",
            "name": "a",
            "action": "updated",
            "changes": [{"field": "spec.target.push.expireSeconds", "from": 90000, "to": 120}],
        }
    ]
    assert api.get("monitors")["results"][0]["silent_after"] == 90000
    apply(api, text)
    assert api.get("monitors")["results"][0]["silent_after"] == 120


def test_what_this_kind_cannot_say_stays_as_it_is(api: Api) -> None:
    text = bundle(secret("tok"), push_monitor("a"))
    apply(api, text)
    monitor = api.get("monitors")["results"][0]
    api("PATCH", f"monitors/{monitor['id']}", {"severity": "info"}, expect=200)
    assert set(actions(apply(api, text)).values()) == {"unchanged"}
    exported = export(api)
    assert "apiVersion: tocsin/v1" in exported
    assert "severity: info" in exported
    assert set(actions(apply(api, exported)).values()) == {"unchanged"}


def test_an_alertmanager_of_its_own_is_a_rule_that_lets_others_go_on(api: Api) -> None:
    text = bundle(
        secret("tok"), push_monitor("a*", extra=ALERTING), push_monitor("b", extra=ALERTING)
    )
    answer = apply(api, text)
    assert "plain http" in answer["warnings"][0]
    rules = api.get("alert-rules")["results"]
    assert rules[0]["continue"] is True
    assert rules[0]["match"]["names"] == ["a[*]", "b"]
    channel = api.get(f"channels/{rules[0]['channels'][0]}")
    assert channel["kind"] == "alertmanager"
    assert channel["config"] == {
        "url": "http://alertmanager:9093",
        "labels": {"severity": "warning"},
    }
    monitor = api.get("monitors")["results"][0]["id"]
    hit = api.post("alert-rules/dry-run", monitor=monitor, cause="silence")
    assert [each["name"] for each in hit["channels"]] == ["Alertmanager alertmanager:9093"]
    assert [each["name"] for each in hit["rules"]][-1] == "Everything else"
    exported = export(api)
    assert "alertmanagerUrl: http://alertmanager:9093" in exported
    assert "AlertRule" in exported  # the catch-all; not the rule that stands for the route
    assert "a[*]" not in exported
    assert set(actions(apply(api, exported)).values()) == {"unchanged"}
    without = bundle(push_monitor("a*"), push_monitor("b"))
    changed = apply(api, without, "?dry_run=true")["results"][0]["changes"]
    assert changed[0]["field"] == "spec.alerting"
    apply(api, without)
    with scopes_disabled():
        assert AlertRule.objects.filter(is_catch_all=False).count() == 0
        assert Channel.objects.count() == 0


def test_a_route_is_repaired_when_its_rule_or_channel_was_deleted(api: Api) -> None:
    text = bundle(secret("tok"), push_monitor("a", extra=ALERTING))
    apply(api, text)
    for path in ("alert-rules", "channels"):
        thing = api.get(path)["results"][0]["id"]
        api("DELETE", f"{path}/{thing}", expect=204)
        assert actions(apply(api, text))["Monitor a"] == "updated"
        assert actions(apply(api, text))["Monitor a"] == "unchanged"
        assert len(api.get("alert-rules")["results"]) == 2


def test_a_bad_alertmanager_is_named(api: Api) -> None:
    wrong = ALERTING.replace("http://alertmanager:9093", "ftp://x")
    assert refused(api, bundle(secret("tok"), push_monitor("a", extra=wrong))) == {
        "documents[1].spec.alerting.alertmanagerUrl": "invalid"
    }
    wrong = ALERTING.replace("severity:", "monitor:")
    assert refused(api, bundle(secret("tok"), push_monitor("a", extra=wrong))) == {
        "documents[1].spec.alerting.labels": "invalid"
    }
    wrong = ALERTING.replace("http://alertmanager:9093", "http://10.0.0.1")
    assert refused(api, bundle(secret("tok"), push_monitor("a", extra=wrong)))


def test_prune_takes_only_what_an_apply_made(api: Api) -> None:
    api.make("monitors", name="by-hand")
    apply(api, bundle(secret("tok"), push_monitor("a", extra=ALERTING), push_monitor("b")))
    apply(api, push_monitor("b"))
    assert len(api.get("monitors")["results"]) == 3
    dry = apply(api, push_monitor("b"), "?dry_run=true&prune=true")
    pruned = apply(api, push_monitor("b"), "?prune=true")
    assert actions(dry) == actions(pruned) == {"Monitor b": "unchanged", "Monitor a": "deleted"}
    assert "is kept" in pruned["warnings"][0]
    assert {m["name"] for m in api.get("monitors")["results"]} == {"b", "by-hand"}
    assert len(api.get("alert-rules")["results"]) == 1
    pruned = apply(api, secret("last"), "?prune=true")
    assert actions(pruned) == {
        "Secret last": "created",
        "Monitor b": "deleted",
        "Secret tok": "deleted",
    }
    assert [m["name"] for m in api.get("monitors")["results"]] == ["by-hand"]


def test_a_deleted_monitor_that_is_made_by_hand_again_is_not_pruned(api: Api) -> None:
    apply(api, bundle(secret("tok"), push_monitor("a")))
    api("DELETE", f"monitors/{api.get('monitors')['results'][0]['id']}", expect=204)
    api.make("monitors", name="a")
    apply(api, secret("last"), "?prune=true")
    assert [m["name"] for m in api.get("monitors")["results"]] == ["a"]


def test_the_quota_is_a_402_and_nothing_is_made(db: None) -> None:
    team = TeamFactory(slug="small", quota=1)
    api = Api(make_key(team))
    text = bundle(
        secret("tok", namespace="small"),
        push_monitor("a", namespace="small"),
        push_monitor("b", namespace="small"),
    )
    assert apply(api, text, expect=402)["status"] == 402
    assert api.get("monitors")["results"] == []


def test_weak_and_broken_tokens(api: Api) -> None:
    answer = apply(api, bundle(secret("tok", "short"), push_monitor("a")))
    assert "can be guessed" in answer["warnings"][0]
    assert "short" not in str(answer)
    broken = secret("tok").replace("tok-0123456789abcdef0123", '"line\\n"')
    assert refused(api, bundle(broken, push_monitor("a"))) == {
        "documents[0].stringData.token": "invalid"
    }


def test_thousands_of_monitors_take_a_bounded_number_of_queries(api: Api, team: Team) -> None:
    def text(count: int, grace: int) -> str:
        lines = "".join(f"  - {{name: m{n:05}, labels: {{n: '{n}'}}}}\n" for n in range(count))
        return bundle(
            secret("tok"),
            "apiVersion: tocsin/v1\nkind: MonitorSet\nmetadata: {name: all}\nspec:\n"
            f"  defaults: {{token_secret: {{name: tok, key: token}}, grace: {grace}}}\n"
            f"  monitors:\n{lines}",
        )

    counts = []
    for count in (10, 2000):
        with CaptureQueriesContext(connection) as caught:
            apply(api, text(count, 30))
        created = len(caught)
        with CaptureQueriesContext(connection) as caught:
            again = apply(api, text(count, 30))
        assert {each["action"] for each in again["results"]} == {"unchanged"}
        counts.append((created, len(caught)))
    assert counts[0][1] == counts[1][1]
    assert counts[1][0] <= counts[0][0] + 10
    apply(api, text(2000, 60))
    with scopes_disabled():
        assert Monitor.objects.filter(team=team, grace=60).count() == 2000
