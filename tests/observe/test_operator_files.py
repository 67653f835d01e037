"""The dashboard and the alert rules are well formed, and name metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils.timezone import now
from prometheus_client.parser import text_string_to_metric_families

from config.installation import PROJECT
from incidents.engine import stamp
from monitors.partitions import ensure_partitions

DEPLOY = PROJECT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
_METRIC = re.compile(r"\btocsin_[a-z_]+")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def named() -> set[str]:
    """Return every metric that the dashboard and the rules ask for."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked += [rule["expr"] for rule in RULES]
    return {name for expression in asked for name in _METRIC.findall(expression)}


def exposed(text: str) -> set[str]:
    """Return the samples of an answer of /metrics, and those that a histogram will have."""
    names = set()
    for family in text_string_to_metric_families(text):
        names |= {sample.name for sample in family.samples}
        if family.type == "histogram":
            names |= {family.name + end for end in ("_bucket", "_sum", "_count")}
    return names


@pytest.mark.django_db
def test_every_metric_that_they_name_is_there() -> None:
    stamp("engine")
    stamp("deliver")
    ensure_partitions(now=now())
    text = Client().get("/metrics").content.decode()
    asked = named()
    assert len(asked) > 25
    # Known only where an installation runs: tests/system/test_observability.py asks one.
    missing = asked - exposed(text)
    assert missing <= {
        *("tocsin_listening_seconds", "tocsin_canary_seconds", "tocsin_watchdog_seconds"),
        *("tocsin_processes", "tocsin_process_memory_bytes", "tocsin_deliveries_recent"),
    }, missing


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    anchors = []
    for rule in RULES:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "https://tocsin.example.org/docs/operations.md"
        anchors.append(anchor)
    assert len(anchors) == len(set(anchors))
    assert all(re.fullmatch(r"\d+[smh]", rule["for"]) for rule in RULES if "for" in rule)


def test_the_runbook_has_what_the_rules_lead_to() -> None:
    page = PROJECT / "docs" / "operations.md"
    if not page.exists():
        pytest.skip("the runbook is not written yet")
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
    for rule in RULES:
        assert rule["annotations"]["runbook_url"].partition("#")[2] in anchors, rule["alert"]


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert DASHBOARD["schemaVersion"] >= 39
    [source, job] = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    assert job["datasource"]["uid"] == "${datasource}"
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(refs) == len(set(refs))
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            assert target["expr"].count("{") == target["expr"].count("}")
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    taken = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken)), "no two panels share a place"
    assert max(x for x, _ in taken) < 24


def test_the_example_scrapes_and_loads_the_rules() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    assert config["rule_files"] == ["alerts.yaml"]
    local, pods = config["scrape_configs"]
    assert local["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
    assert pods["authorization"]["credentials_file"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
def test_promtool_takes_the_rules() -> None:
    subprocess.run(
        ["promtool", "check", "rules", str(DEPLOY / "prometheus" / "alerts.yaml")], check=True
    )
