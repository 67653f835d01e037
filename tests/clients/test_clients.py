"""Public clients of Atlassian Statuspage, unchanged, read our pages in every state.

Each is told nothing but an address, by the means that it has for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import whadup
from prometheus_client.parser import text_string_to_metric_families

from tests.clients.modules import HERE, need_modules
from tests.clients.scenes import Scene, make_scenes, read_answers, serve
from tests.factories import TeamFactory


@pytest.fixture
def scenes(transactional_db: Any, settings: Any, monkeypatch: Any) -> Iterator[dict[str, Scene]]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serve(settings):
        yield make_scenes(TeamFactory(slug="acme"))


def test_a_client_from_pypi_reads_all_eight_answers_in_every_state(scenes, monkeypatch):
    found = {}
    for name, scene in scenes.items():
        # The client's own setting: it is read whenever one is made.
        monkeypatch.setattr(whadup, "API_BASE_URL", f"{scene.url}api/")
        client = whadup.GithubStatus()
        found[name] = read_answers(
            {
                "summary": client.summary(),
                "status": client.status(),
                "components": client.components(),
                "incidents": client.Incidents(),
                "incidents/unresolved": client.Incidents.unresolved(),
                "scheduled-maintenances": client.Maintenances(),
                "scheduled-maintenances/upcoming": client.Maintenances.upcoming(),
                "scheduled-maintenances/active": client.Maintenances.active(),
            }
        )
    assert found == {name: scene.expected.answers for name, scene in scenes.items()}


def test_a_client_from_npm_reads_every_state(scenes):
    need_modules()
    urls = [scene.url for scene in scenes.values()]
    command = ["node", "read.cjs", *urls]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for (name, scene), answers in zip(scenes.items(), json.loads(done.stdout), strict=True):
        expected = {key: scene.expected.answers[key] for key in answers}
        assert read_answers(answers) == expected, name


def test_an_exporter_for_prometheus_measures_every_state(scenes, tmp_path):
    metrics = run_exporter(scenes, tmp_path)
    assert metrics.keys() == scenes.keys()
    for name, scene in scenes.items():
        found, expected = metrics[name], scene.expected
        assert found["probe_check"] == [({}, 1.0)], name
        up = expected.indicator == "none"
        assert found["service_status"] == [({}, float(up))], name
        assert {labels["component_name"]: value for labels, value in found["component_status"]} == {
            part: float(status == "operational") for part, status in expected.statuses.items()
        }
        unresolved = [row for row in expected.incidents if row["status"] != "resolved"]
        assert [
            (labels["incident_name"], labels["impact"], labels["affected_components"])
            for labels, value in found.get("incident_info", [])
            if value
        ] == [(row["name"], row["impact"], ",".join(row["components"])) for row in unresolved]
        assert [
            (labels["maintenance_name"], labels["affected_components"])
            for labels, value in found.get("maintenance_info", [])
            if value
        ] == [(row["name"], ",".join(row["components"])) for row in expected.maintenances]


def run_exporter(scenes: dict[str, Scene], folder: Path) -> dict[str, dict[str, list[Any]]]:
    """Return by page and metric what one run of the exporter writes: labels and value."""
    services = {
        name: {"name": name, "type": "status_page", "url": f"{scene.url}api/v2/summary.json"}
        for name, scene in scenes.items()
    }
    (folder / "services.json").write_text(json.dumps(services))
    program = Path(sys.executable).with_name("statuspage-prometheus-exporter")
    environ = {"RUN_MODE": "once", "METRICS_TEXTFILE_PATH": str(folder / "metrics.prom")}
    done = subprocess.run(
        [program],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, list[Any]]] = {}
    for family in text_string_to_metric_families((folder / "metrics.prom").read_text()):
        for sample in family.samples:
            labels = dict(sample.labels)
            page = labels.pop("service_name", None)
            if page is not None:
                kind = sample.name.removeprefix("statuspage_")
                found.setdefault(page, {}).setdefault(kind, []).append((labels, sample.value))
    return found
