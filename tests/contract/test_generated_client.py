"""A client that a generator makes of the served document works against the server."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import yaml

from incidents.engine import run_round
from tests.contract.conftest import Served

PACKAGE = "tocsin_client"
GENERATOR = Path(sys.executable).with_name("openapi-python-client")
# Bodies that are no JSON are sent as they are; the generator knows such ones by this type alone.
CONFIG = {
    "package_name_override": PACKAGE,
    "project_name_override": PACKAGE,
    "post_hooks": [],
    "content_type_overrides": {"application/yaml": "application/octet-stream"},
}
# A text body of a ping: the generator leaves such operations out.
LEFT_OUT = {"post_ping_pass", "post_ping_fail"}


class Generated:
    """The package that was generated, and a client of it that has the team's key."""

    def __init__(self, served: Served, document: dict[str, Any]) -> None:
        client = self.module("client")
        self.document = document
        self.models: Any = self.module("models")
        self.client = client.AuthenticatedClient(
            base_url=served.url, token=served.key, raise_on_unexpected_status=True
        )
        self.stranger = client.Client(base_url=served.url, raise_on_unexpected_status=True)

    def module(self, path: str) -> ModuleType:
        """Return a module of the package."""
        return importlib.import_module(f"{PACKAGE}.{path}")

    def __call__(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Call an operation, `tag.name`, with the key unless another client is given."""
        client = named.pop("client", self.client)
        return self.module(f"api.{operation}").sync(*arguments, client=client, **named)

    def detailed(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Call an operation; return status and headers, too."""
        module: Any = self.module(f"api.{operation}")
        return module.sync_detailed(*arguments, client=self.client, **named)


@pytest.fixture
def generated(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generated:
    with urllib.request.urlopen(f"{served.url}/api/v1/schema") as answer:
        document = json.load(answer)
    (tmp_path / "document.json").write_text(json.dumps(document))
    (tmp_path / "config.yml").write_text(yaml.safe_dump(CONFIG))
    done = subprocess.run(
        [
            *(GENERATOR, "generate", "--path", "document.json", "--config", "config.yml"),
            *("--meta", "none", "--output-path", PACKAGE),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [n for n in sys.modules if n.partition(".")[0] == PACKAGE]:
        monkeypatch.delitem(sys.modules, name)
    return Generated(served, document)


def test_a_generated_client_has_every_operation_and_does_what_it_says(
    generated: Generated, served: Served
) -> None:
    check_operations(generated)
    made = check_monitors(generated)
    check_pages(generated)
    check_incidents(generated, made)
    check_kinds(generated)
    check_status_page(generated, made)
    check_removal(generated, made)


def check_operations(generated: Generated) -> None:
    for item in generated.document["paths"].values():
        for operation in item.values():
            name = operation["operationId"]
            if name not in LEFT_OUT:
                tag = operation["tags"][0].replace("-", "_")
                assert callable(generated.module(f"api.{tag}.{name}").sync_detailed)  # type: ignore[attr-defined]


def check_monitors(generated: Generated) -> Any:
    models = generated.models
    body = models.MonitorRequest(name="by-client", silent_after=300)
    made = generated("monitors.create_monitor", body=body)
    assert isinstance(made, models.MonitorWithToken)
    assert isinstance(made.id, UUID)
    assert (made.name, made.silent_after, made.state) == ("by-client", 300, "pending")
    assert made.token
    refused = generated("monitors.create_monitor", body=body)
    assert isinstance(refused, models.Problem)
    assert refused.status == 409
    read = generated.detailed("monitors.read_monitor", made.id)
    change = models.PatchedMonitorRequest(description="changed")
    changed = generated(
        "monitors.update_monitor", made.id, body=change, if_match=read.headers["ETag"]
    )
    assert changed.description == "changed"
    late = generated("monitors.update_monitor", made.id, body=change, if_match=read.headers["ETag"])
    assert late.status == 412
    return made


def check_pages(generated: Generated) -> None:
    names, cursor = [], {}
    while True:
        page = generated("monitors.list_monitors", limit=1, **cursor)
        names += [monitor.name for monitor in page.results]
        if page.next_ is None:
            break
        [text] = parse_qs(urlsplit(page.next_).query)["cursor"]
        cursor = {"cursor": text}
    assert names == ["by-client", "backup"]


def check_incidents(generated: Generated, made: Any) -> None:
    models = generated.models
    for status in (models.PushStatus.PASS, models.PushStatus.FAIL):
        push = models.PushRequest(status=status, latency_ms=3.5, message="by client")
        told = generated("push.push_by_slug", made.slug, body=push, client=generated.stranger)
        assert (told.ok, told.monitor) == (True, "by-client")
    assert told.state == models.PushState.DOWN
    by_name = generated.module("client").AuthenticatedClient(  # type: ignore[attr-defined]
        base_url=generated.client._base_url, token=made.token
    )
    again = generated("push.push_by_name", "acme", "by-client", body=push, client=by_name)
    assert again.state == models.PushState.DOWN
    run_round()
    found = generated("incidents.list_incidents", monitor=str(made.id)).results
    assert [incident.cause for incident in found] == [models.Cause.FAILURE]
    noted = generated(
        "incidents.add_incident_note", found[0].id, body=models.NoteRequest(text="By script.")
    )
    read = generated("incidents.read_incident", found[0].id)
    assert read.timeline == noted.timeline
    assert "By script." in [event.text for event in read.timeline]
    results = generated("monitors.list_monitor_results", made.id).results
    assert [result.status for result in results] == ["fail", "fail", "pass"]


def check_kinds(generated: Generated) -> None:
    models = generated.models
    config = models.WebhookConfig(url="https://hooks.example.com/other")
    kind = models.WebhookChannelRequestKind.WEBHOOK
    body = models.WebhookChannelRequest(name="other", kind=kind, config=config)
    channel = generated("channels.create_channel", body=body)
    assert channel.config["secret"].startswith("whsec_")
    layer = {"unit": models.ShiftUnit.DAY, "handoff": "2027-03-01T09:00"}
    flat = models.FlatRotationRequest(name="flat", members=["ada@example.org"], **layer)
    rotation = generated("rotations.create_rotation", body=flat)
    assert rotation.layers[0].members == ["ada@example.org"]


def check_status_page(generated: Generated, made: Any) -> None:
    models = generated.models
    body = models.StatusPageRequest(name="Ours", slug="ours", published=True)
    page = generated("status_pages.create_status_page", body=body)
    line = models.StatusPageComponentRequest(name="Backups", monitors=[made.id])
    component = generated("status_page_components.create_status_page_component", page.id, body=line)
    assert component.monitors == [made.id]
    lines = generated("status_page_components.list_status_page_components", page.id)
    assert [each.id for each in lines.results] == [component.id]


def check_removal(generated: Generated, made: Any) -> None:
    assert generated.detailed("monitors.delete_monitor", made.id).status_code == 204
    gone = generated("monitors.read_monitor", made.id)
    assert isinstance(gone, generated.models.Problem)
    assert (gone.status, gone.title) == (404, "Not Found")
