"""docs/operations.md names what an operator can set, is paged for, and is told to type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from config.installation import PROJECT

OPERATIONS = PROJECT / "docs" / "operations.md"
TEXT = OPERATIONS.read_text()
# What belongs to the shell or to a library that reads it itself, and is nobody's to set for us.
NOT_OURS = {"PATH", "HOME", "PYTHONPATH", "LC_ALL", "SHELL", "USER"}
READERS = {"get", "str", "int", "float", "bool", "list", "email_url", "getenv", "setdefault"}
ENV = re.compile(r"(^|\.)env(iron)?$")
NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}")
RUNBOOK = (
    "sweep-behind",
    "outbox-stuck",
    "listening-gap",
    "partitions-low",
    "push-latency",
    "deliveries-failing",
    "watchdog-stale",
    "canary-failing",
    "database-connections",
    "broker-down",
)


def variables_read() -> Iterator[str]:
    """Yield each name that the server's code reads from its environment."""
    for room in ("config", "accounts", "monitors", "incidents", "statuspages", "manifests"):
        for path in (PROJECT / room).rglob("*.py"):
            if path.name != "settings_test.py":
                yield from _read_in(path)


def _read_in(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _asked_of_env(node)) is not None:
            pass
        elif isinstance(node, ast.Subscript) and ENV.search(ast.unparse(node.value)):
            name = node.slice
        else:
            continue
        value = name.value if isinstance(name, ast.Constant) else constants.get(ast.unparse(name))
        if isinstance(value, str) and NAME.fullmatch(value):
            yield value


def _asked_of_env(call: ast.Call) -> ast.expr | None:
    """Return the name in `env.str(NAME, …)`, `environ.get(NAME)` or `is_on(environ, NAME)`."""
    called, given = ast.unparse(call.func), list(call.args)
    if called in ("_required", "_limit"):
        return given[0]
    if called.rpartition(".")[2] in READERS and ENV.search(called.rpartition(".")[0]):
        return given[0] if given else None
    if len(given) > 1 and ENV.search(ast.unparse(given[0])):
        return given[1]
    return None


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            names, values = node.targets[0], node.value
            if isinstance(names, ast.Tuple) and isinstance(values, ast.Tuple):
                pairs = list(zip(names.elts, values.elts, strict=True))
            else:
                pairs = [(names, values)]
            for name, value in pairs:
                if isinstance(value, ast.Constant):
                    yield ast.unparse(name), value.value


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, title
    return found.group(1)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_variable_that_is_read_is_in_the_table():
    read = set(variables_read()) - NOT_OURS
    assert {
        "DATABASE_URL",
        "WEB_WORKERS",
        "API_LIMIT",
        "TOCSIN_DATA",
        "OIDC_ONLY",
        "SENTRY_DSN",
    } <= read
    table = [line for line in section("Variables").splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`([A-Z0-9_]+)`", " ".join(line.split("|")[1] for line in table)))
    assert read - named == set(), "not in docs/operations.md"
    ours = named - {"FORWARDED_ALLOW_IPS", "DJANGO_SETTINGS_MODULE"}
    assert ours - read == set(), "nobody reads it"


@pytest.mark.parametrize("alert", RUNBOOK)
def test_each_alert_has_an_entry_that_says_what_to_do(alert):
    entry = re.search(rf"^### {alert}\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert entry
    assert len(entry.group(1).split()) > 20


def test_what_alerts_link_to_is_there():
    files = [*(PROJECT / "deploy").rglob("*.yaml"), *(PROJECT / "deploy").rglob("*.yml")]
    linked = {
        anchor
        for path in files
        for anchor in re.findall(r"operations\.md#([\w-]+)", path.read_text())
    }
    assert linked - anchors(TEXT) == set()


@pytest.mark.parametrize(
    "document", [OPERATIONS, *(PROJECT / "docs" / f"{n}.md" for n in ("scaling", "operator"))]
)
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text()), target


@pytest.mark.parametrize("name", ["operations", "scaling"])
def test_the_commands_that_are_told_exist(name):
    text = (PROJECT / "docs" / f"{name}.md").read_text()
    told = set(re.findall(r"manage\.py (\w+)", text))
    assert told
    assert told <= set(get_commands())


def test_the_deploy_named_here_fits_the_manifests():
    listed = yaml.safe_load((PROJECT / "deploy/kubernetes/kustomization.yaml").read_text())
    assert "migrate.yaml" in listed["resources"]
    for command in re.findall(r"^kubectl .*-l '?([\w!=, ()]+)'?$", TEXT, re.MULTILINE):
        assert "part" in command
