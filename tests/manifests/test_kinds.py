"""Our own kinds: what a document says is what the team has, and what it has is what it exports."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import Maintenance
from manifests import exporting
from manifests.reading.documents import read_yaml
from statuspages.models import Component
from tests.conftest import Api
from tests.factories import TeamFactory, make_key
from tests.manifests.bundles import actions, apply, bundle, export, refused, secret

EVERYTHING = """\
apiVersion: tocsin/v1
kind: Maintenance
metadata: {name: nightly}
spec:
  monitors: [web, acme/db]
  starts_at: 2027-03-01T00:00:00Z
  ends_at: 2027-03-01T01:00:00Z
  rrule: FREQ=DAILY
  timezone: Europe/Berlin
---
apiVersion: tocsin/v1
kind: StatusPage
metadata: {name: acme-status}
spec:
  name: Acme
  published: true
  locale: de
  colours: {accent: '#1a7f37'}
  components:
  - {name: Website, monitors: [web]}
  groups:
  - name: Storage
    components:
    - {name: Database, description: Rows, monitors: [acme/db, web], rule: all}
    - {name: Backups, show_uptime: false}
  - name: Others
    components:
    - {name: Mail}
---
apiVersion: tocsin/v1
kind: AlertRule
metadata: {name: second}
spec: {position: 1, channels: [hook, pager]}
---
apiVersion: tocsin/v1
kind: AlertRule
metadata: {name: first}
spec:
  position: 0
  continue: true
  policy: ladder
  match:
    labels: {env: prod}
    severities: [critical]
    hours: [{from: '09:00', to: '17:00', weekdays: [4, 0]}]
---
apiVersion: tocsin/v1
kind: AlertRule
metadata: {name: Everything else}
spec: {catch_all: true, channels: [hook]}
---
apiVersion: tocsin/v1
kind: EscalationPolicy
metadata: {name: ladder}
spec:
  repeat: 2
  steps:
  - targets: [{rotation: primary}, {channel: pager}]
  - {delay: 300, targets: [{member: OWNER}]}
---
apiVersion: tocsin/v1
kind: Rotation
metadata: {name: primary}
spec:
  timezone: Europe/Berlin
  layers:
  - {unit: week, handoff: 2027-03-01T09:00, members: [OWNER]}
  - unit: day
    length: 2
    handoff: 2027-03-01T10:00
    members: [OWNER]
    restrictions: [{weekdays: [0], from: '09:00', to: '17:00'}]
---
apiVersion: tocsin/v1
kind: Channel
metadata: {name: hook}
spec: {kind: webhook, config: {url: https://hooks.example.org/x}}
---
apiVersion: tocsin/v1
kind: Channel
metadata: {name: pager}
spec:
  kind: pagerduty
  secrets: {routing_key: {name: keys, key: pagerduty}}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {pagerduty: '0123456789abcdef0123456789abcdef', token: tok-0123456789abcdef}
---
apiVersion: tocsin/v1
kind: MonitorSet
metadata: {name: hosts}
spec:
  defaults: {silent_after: 600, token_secret: {name: keys, key: token}}
  monitors:
  - {name: web, labels: {env: prod, tier: 1, on: yes}, severity: warning}
  - {name: db, silent_after: 60, schedule: {cron: '0 3 * * *', timezone: Europe/Berlin}}
---
apiVersion: tocsin/v1
kind: Monitor
metadata: {name: lone}
spec:
  description: "yes"
  failures_to_open: 3
  passes_to_close: 2
  latency_limit_ms: 250
  require_token: true
  arm_on_create: true
  runbook_url: https://runbooks.example.org/lone
  token_secret: {name: keys, key: token}
  alertmanager: {url: https://alertmanager.example.org, labels: {cluster: eu}}
"""


@pytest.fixture
def everything(team: Team, api: Api) -> str:
    return EVERYTHING.replace("OWNER", api.get("members")["results"][0]["email"])


def test_everything_is_made_out_of_order_and_then_unchanged(api: Api, everything: str) -> None:
    dry = apply(api, everything, "?dry_run=true")
    first = apply(api, everything)
    assert actions(dry) == actions(first)
    found = actions(first)
    assert len(found) == 13
    assert found.pop("AlertRule Everything else") == "updated"
    assert set(found.values()) == {"created"}
    assert set(actions(apply(api, everything)).values()) == {"unchanged"}
    rules = api.get("alert-rules")["results"]
    assert [rule["name"] for rule in rules][1:] == ["first", "second", "Everything else"]
    page = api.get("status-pages")["results"][0]
    lines = api.get(f"status-pages/{page['id']}/components")["results"]
    assert [(line["group"], line["name"]) for line in lines] == [
        (None, "Website"),
        ("Storage", "Database"),
        ("Storage", "Backups"),
        ("Others", "Mail"),
    ]
    monitors = {m["name"]: m for m in api.get("monitors")["results"]}
    assert monitors["web"]["labels"] == {"env": "prod", "tier": "1", "on": "yes"}
    assert (monitors["web"]["silent_after"], monitors["db"]["silent_after"]) == (600, 60)
    assert monitors["lone"]["description"] == "yes"
    assert monitors["lone"]["due_at"] is not None


def test_the_export_holds_no_secret_and_applies_back_unchanged(api: Api, everything: str) -> None:
    apply(api, everything)
    text = export(api)
    assert "0123456789abcdef" not in text
    assert "whsec_" not in text
    answer = apply(api, text)
    assert (
        len(answer["results"]) == 12
    )  # without the Secret, and the channel that routes make themselves
    assert set(actions(answer).values()) == {"unchanged"}
    assert export(api) == text
    assert set(actions(apply(api, text, "?prune=true")).values()) == {"unchanged"}
    as_json = api("GET", "export", headers={"Accept": "application/json"}, expect=200).json()
    assert as_json == list(yaml.safe_load_all(text))


def test_what_one_team_exported_another_can_apply_given_the_secrets(
    api: Api, everything: str
) -> None:
    apply(api, everything)
    text = export(api).replace("namespace: acme", "namespace: other").replace("acme/", "other/")
    other = Api(make_key(TeamFactory(slug="other", owner__email="second@example.org")))
    mine = api.get("members")["results"][0]["email"]
    text = text.replace(mine, "second@example.org").replace("acme-status", "other-status")
    keys = everything[everything.index("apiVersion: v1\n") :].split("---")[0]
    assert set(refused(other, text).values()) == {"not_found"}
    found = actions(apply(other, bundle(keys, text)))
    assert found.pop("AlertRule Everything else") in ("created", "updated")
    assert set(found.values()) == {"created"}
    assert set(actions(apply(other, text)).values()) == {"unchanged"}


def test_prune_takes_all_of_it_away_again(api: Api, everything: str) -> None:
    apply(api, everything)
    answer = apply(api, secret("last"), "?prune=true")
    assert actions(answer).pop("Secret last") == "created"
    assert {each["action"] for each in answer["results"][1:]} == {"deleted"}
    assert answer["warnings"] == ["Channel “hook” is kept: alert rules use it: Everything else."]
    for path in ("monitors", "rotations", "escalation-policies", "status-pages", "maintenances"):
        assert api.get(path)["results"] == [], path
    assert [rule["name"] for rule in api.get("alert-rules")["results"]] == ["Everything else"]
    assert [channel["name"] for channel in api.get("channels")["results"]] == ["hook"]


CHANGES = [
    ("repeat: 2", "repeat: 3", "EscalationPolicy ladder"),
    ("delay: 300", "delay: 600", "EscalationPolicy ladder"),
    ("length: 2", "length: 3", "Rotation primary"),
    ("channels: [hook, pager]", "channels: [hook]", "AlertRule second"),
    ("continue: true", "continue: false", "AlertRule first"),
    ("example.org/x", "example.org/y", "Channel hook"),
    ("locale: de", "locale: fr", "StatusPage acme-status"),
    ("rule: all", "rule: any", "StatusPage acme-status"),
    ("{name: Mail}", "{name: Post}", "StatusPage acme-status"),
    ("name: Others", "name: Rest", "StatusPage acme-status"),
    ("FREQ=DAILY", "FREQ=WEEKLY", "Maintenance nightly"),
    ("monitors: [web, acme/db]", "monitors: [web]", "Maintenance nightly"),
    ("failures_to_open: 3", "failures_to_open: 4", "Monitor lone"),
    ("severity: warning", "severity: info", "Monitor web"),
    ("'0 3 * * *'", "'0 4 * * *'", "Monitor db"),
]


@pytest.mark.parametrize(("old", "new", "thing"), CHANGES, ids=[c[1] for c in CHANGES])
def test_a_change_is_made_to_that_thing_alone(
    api: Api, everything: str, old: str, new: str, thing: str
) -> None:
    apply(api, everything)
    changed = everything.replace(old, new)
    assert changed != everything
    dry = apply(api, changed, "?dry_run=true")
    assert all(each["changes"] for each in dry["results"] if each["action"] == "updated")
    found = actions(apply(api, changed))
    assert {name for name, action in found.items() if action != "unchanged"} == {thing}
    assert set(actions(apply(api, changed)).values()) == {"unchanged"}
    assert set(actions(apply(api, export(api))).values()) == {"unchanged"}


def test_names_that_are_not_there_are_told_with_their_place(api: Api, everything: str) -> None:
    documents = [text for text in everything.split("---\n") if "kind: Channel" not in text]
    documents = [text for text in documents if "kind: Rotation" not in text]
    documents = [text.replace("{name: db,", "{name: base,") for text in documents]
    found = refused(api, bundle(*documents))
    assert found == {
        "documents[0].spec.monitors[1]": "not_found",
        "documents[1].spec.groups[0].components[0].monitors[0]": "not_found",
        "documents[2].spec.channels[0]": "not_found",
        "documents[2].spec.channels[1]": "not_found",
        "documents[4].spec.channels[0]": "not_found",
        "documents[5].spec.steps[0].targets[0].rotation": "not_found",
        "documents[5].spec.steps[0].targets[1].channel": "not_found",
    }


def test_a_thing_that_is_wrong_is_not_blamed_on_what_names_it(api: Api, everything: str) -> None:
    wrong = everything.replace("https://hooks.example.org/x", "nonsense")
    assert list(refused(api, wrong)) == ["documents[7].spec.config.url"]
    wrong = everything.replace("unit: day", "unit: year")
    assert list(refused(api, wrong)) == ["documents[6].spec.layers[1].unit"]


def test_a_set_names_the_monitor_that_is_wrong(api: Api) -> None:
    text = """\
apiVersion: tocsin/v1
kind: MonitorSet
metadata: {name: s}
spec:
  monitors:
  - {name: a}
  - {name: b, grace: -1}
  - {name: a}
  - {nam: c}
  - {name: d, token_secret: {name: x, key: y}}
"""
    assert refused(api, text) == {
        "documents[0].spec.monitors[1].grace": "min_value",
        "documents[0].spec.monitors[2].name": "duplicate",
        "documents[0].spec.monitors[3].nam": "unknown",
        "documents[0].spec.monitors[3].name": "required",
        "documents[0].spec.monitors[4].token_secret.name": "not_found",
    }


def test_what_a_document_of_ours_leaves_out_has_its_default(api: Api) -> None:
    text = "apiVersion: tocsin/v1\nkind: Monitor\nmetadata: {name: a}\nspec: {grace: 9}\n"
    apply(api, text)
    monitor = api.get("monitors")["results"][0]
    api("PATCH", f"monitors/{monitor['id']}", {"severity": "info"}, expect=200)
    dry = apply(api, text, "?dry_run=true")["results"][0]
    assert dry["changes"] == [{"field": "spec.severity", "from": "info", "to": "critical"}]


def test_components_that_are_not_mentioned_stay_with_their_history(
    api: Api, everything: str
) -> None:
    apply(api, everything)
    with scopes_disabled():
        before = dict(Component.objects.values_list("name", "pk"))
    bare = (
        "apiVersion: tocsin/v1\nkind: StatusPage\nmetadata: {name: acme-status}\n"
        "spec: {name: New, published: true}\n"
    )
    assert actions(apply(api, bare)) == {"StatusPage acme-status": "updated"}
    apply(api, everything.replace("  - {name: Website, monitors: [web]}\n", "  - {name: New}\n"))
    with scopes_disabled():
        after = dict(Component.objects.values_list("name", "pk"))
    assert before.pop("Website")
    assert after.pop("New")
    assert after == before


def test_windows_that_posts_made_are_not_exported(api: Api, everything: str) -> None:
    apply(api, everything)
    page = api.get("status-pages")["results"][0]
    line = api.get(f"status-pages/{page['id']}/components")["results"][0]
    api.make(
        f"status-pages/{page['id']}/posts",
        title="Work",
        impact="maintenance",
        scheduled_for="2027-03-01T00:00:00Z",
        scheduled_until="2027-03-01T01:00:00Z",
        components=[line["id"]],
        silence=True,
        body="x",
    )
    with scopes_disabled():
        assert Maintenance.objects.count() == 2
    assert export(api, "?kind=Maintenance").count("kind: Maintenance") == 1


def test_the_export_is_filtered(api: Api, rival: Api, everything: str) -> None:
    apply(api, everything)
    only = list(yaml.safe_load_all(export(api, "?kind=Channel")))
    assert {each["metadata"]["name"] for each in only} >= {"hook", "pager"}
    space = list(yaml.safe_load_all(export(api, "?namespace=acme")))
    assert {each["metadata"]["name"] for each in space} == {"web", "db", "lone"}
    assert yaml.safe_load(export(rival, "?namespace=acme")) is None
    api("GET", "export?kind=Zebra", expect=400)


def test_the_schema_holds_for_what_is_applied_and_for_what_is_exported(
    api: Api, everything: str
) -> None:
    answer = Client().get("/api/v1/manifests/schema")
    assert answer.status_code == 200
    schema = answer.json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    checker = jsonschema.Draft202012Validator
    checker.check_schema(schema)
    judge = checker(schema)
    apply(api, everything)
    assert len(schema["$defs"]) == len(schema["oneOf"]) == 10
    for document in read_yaml(everything.encode()):
        judge.validate(document.value)
    for document in yaml.safe_load_all(export(api)):
        judge.validate(document)
    good = next(each for each in yaml.safe_load_all(export(api)) if each["kind"] == "Monitor")
    for wrong in (
        good | {"kind": "Zebra"},
        good | {"more": 1},
        good | {"spec": good["spec"] | {"grace": -1}},
        good | {"metadata": {}},
    ):
        assert not judge.is_valid(wrong)


def test_many_monitors_are_exported_as_sets(
    api: Api, everything: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(api, everything)
    monkeypatch.setattr(exporting, "MOST_SINGLE_MONITORS", 2)
    monkeypatch.setattr(exporting, "MOST_OF_A_SET", 2)
    text = export(api)
    assert text.count("kind: MonitorSet") == 2
    assert "kind: Monitor\n" not in text
    answer = apply(api, text)
    assert len(answer["results"]) == 12
    assert set(actions(answer).values()) == {"unchanged"}
