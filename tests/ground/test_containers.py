"""The files that put an installation into containers say the same as the Procfile."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.installation import PROJECT

DEPLOY = PROJECT / "deploy"
KUBERNETES = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]


def programs() -> dict[str, list[str]]:
    """Return the words of each program's command, without a worker's name and its role."""
    found = {}
    for line in (PROJECT / "Procfile").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, command = line.partition(":")
            words = shlex.split(re.sub(r"env TOCSIN_ROLE=\S+ | -n \S+", " ", command))
            found[name] = words
    return found


def documents(kind: str) -> dict[str, Any]:
    return {each["metadata"]["name"]: each for each in KUBERNETES if each.get("kind") == kind}


def pods() -> dict[str, Any]:
    return {
        name: each["spec"]["template"]["spec"]
        for name, each in (documents("Deployment") | documents("Job")).items()
    }


def test_compose_runs_every_program_of_the_procfile():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, command in programs().items():
        service = services[name]
        assert service["command"] == command, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        if name in {"web", "ingest"}:
            assert service["environment"] == {"TOCSIN_ROLE": name}


def test_kubernetes_runs_every_program_of_the_procfile_and_no_other():
    deployments = documents("Deployment")
    assert set(deployments) == set(programs())
    for name, command in programs().items():
        [container] = pods()[name]["containers"]
        assert container["command"] == command, name
        assert deployments[name]["spec"]["replicas"] >= 2, name


@pytest.mark.parametrize("name", sorted(pods()))
def test_a_pod_has_no_rights_and_writes_nowhere_but_in_tmp(name):
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert container["resources"]["limits"]["memory"]


def test_a_disruption_leaves_one_of_each():
    budgets = documents("PodDisruptionBudget")
    assert set(budgets) == set(programs())
    for name, budget in budgets.items():
        labels = budget["spec"]["selector"]["matchLabels"]
        assert labels == documents("Deployment")[name]["spec"]["template"]["metadata"]["labels"]


def test_ingest_and_web_are_probed_and_scale_apart():
    assert set(documents("HorizontalPodAutoscaler")) == {"ingest", "web"}
    assert set(documents("Service")) == {"ingest", "web"}
    for name in ("ingest", "web"):
        [container] = pods()[name]["containers"]
        assert {"name": "TOCSIN_ROLE", "value": name} in container["env"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/healthz"


def test_pushes_go_to_ingest():
    [rule] = documents("Ingress")["tocsin"]["spec"]["rules"]
    paths = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert paths == {"/api/push/": "ingest", "/api/ping/": "ingest", "/": "web"}


def test_kustomize_names_every_file():
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(
        path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"
    )


def test_the_image_holds_every_room_and_runs_as_nobody():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    rooms = set(project["tool"]["importlinter"]["root_packages"]) - {"tocsin"}
    copied = {Path(line.split()[1]).name for line in lines if line.startswith("COPY ")}
    assert rooms <= copied
    let_in = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {f"!{room}" for room in rooms} <= set(let_in)
    final = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert any(re.fullmatch(r"USER \d{4,}:\d{4,}", line) for line in final)
    assert any("--require-hashes" in line for line in lines)
