"""`tocsin apply`, `diff` and `export`: a team's things as a file."""

from __future__ import annotations

import json

import pytest

from tests.command.conftest import call
from tests.command.test_commands import errors, text

DOCUMENTS = """\
apiVersion: v1
kind: Secret
metadata: {name: push-token, namespace: acme}
stringData: {token: a-very-secret-token}
---
apiVersion: monitoring.yuptime.io/v1
kind: Monitor
metadata: {name: backup-job, namespace: acme}
spec:
  type: push
  schedule: {intervalSeconds: 300, timeoutSeconds: 10}
  target:
    push:
      tokenSecretRef: {name: push-token, key: token}
      expireSeconds: 300
      gracePeriodSeconds: 60
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "monitors.yaml"
    path.write_text(DOCUMENTS)
    return path


def test_documents_are_applied_and_then_unchanged(site, file):
    applied = text(site("apply", "-f", str(file)))
    assert "+ Monitor acme/backup-job\n" in applied
    assert applied.endswith("Done: 2 created.\n")
    again = json.loads(site("apply", "-f", "-", "--json", given=DOCUMENTS.encode()).stdout)
    assert {result["action"] for result in again["results"]} == {"unchanged"}
    pushed = site(
        "push", "--namespace", "acme", "--name", "backup-job", TOCSIN_TOKEN="a-very-secret-token"
    )
    assert text(pushed).startswith("Stored: backup-job is up.")


def test_a_dry_run_and_a_diff_change_nothing_and_say_what_would(site, file):
    dry = text(site("apply", "--dry-run", "-f", str(file)))
    assert dry.endswith("Would be: 2 created.\n")
    assert text(site("monitors", "list")) == "No monitors found.\n"
    assert "+ Monitor acme/backup-job" in text(site("diff", "-f", str(file), expect=1))
    site("apply", "-f", str(file))
    assert text(site("diff", "-f", str(file))) == "Would be: 2 unchanged.\n"
    file.write_text(DOCUMENTS.replace("PeriodSeconds: 60", "PeriodSeconds: 90"))
    shown = text(site("diff", "-f", str(file), expect=1))
    assert "~ Monitor acme/backup-job\n" in shown
    assert "60 → 90\n" in shown
    file.write_text(DOCUMENTS.replace("a-very-secret", "another-secret"))
    shown = text(site("diff", "-f", str(file), expect=1))
    assert "~ Secret acme/push-token\n" in shown
    assert "-secret-token" not in shown


def test_what_a_file_no_longer_contains_is_pruned_only_when_asked(site, file):
    site("apply", "-f", str(file))
    file.write_text(DOCUMENTS.partition("---")[0])
    assert text(site("diff", "-f", str(file))) == "Would be: 1 unchanged.\n"
    assert "- Monitor acme/backup-job\n" in text(site("diff", "--prune", "-f", str(file), expect=1))
    assert "1 deleted" in text(site("apply", "--prune", "-f", str(file)))
    assert text(site("monitors", "list")) == "No monitors found.\n"


def test_an_export_applies_back_as_unchanged(site, file, tmp_path):
    site("apply", "-f", str(file))
    exported = site("export").stdout
    assert b"backup-job" in exported
    assert b"a-very-secret-token" not in exported
    kept = tmp_path / "kept.yaml"
    assert site("export", "--namespace", "acme", "-o", str(kept)).stdout == b""
    assert b"backup-job" in kept.read_bytes()
    for given in (exported, kept.read_bytes(), site("export", "--json").stdout):
        again = json.loads(site("apply", "-f", "-", "--json", given=given).stdout)
        assert {result["action"] for result in again["results"]} == {"unchanged"}
    assert b"backup-job" not in site("export", "--namespace", "other").stdout
    refused = site("export", "-o", str(tmp_path / "no" / "such"), expect=1)
    assert len(errors(refused)) == 1


def test_a_mistake_refuses_the_whole_and_names_document_and_field(site, file):
    file.write_text(DOCUMENTS.replace("type: push", "type: http"))
    for command, code in (("apply", 1), ("diff", 2)):
        done = site(command, "-f", str(file), expect=code)
        assert errors(done)[0].startswith("tocsin: document 2, spec.type: ")
    assert text(site("monitors", "list")) == "No monitors found.\n"
    file.write_text("a: [")
    assert "document 1: " in errors(site("apply", "-f", str(file), expect=1))[0]


def test_a_file_that_is_not_there_is_a_usage_error():
    assert call("apply", "-f", "/no/such.yaml").returncode == 2


SECOND = """\
---
apiVersion: tocsin/v1
kind: Monitor
metadata: {name: ledger}
spec: {silent_after: 600}
"""


def test_several_files_are_one_apply_so_that_none_prunes_the_others(site, file, tmp_path):
    second, third = tmp_path / "second.yaml", tmp_path / "third.json"
    second.write_text(SECOND)
    json_monitor = {"apiVersion": "tocsin/v1", "kind": "Monitor", "metadata": {"name": "fleet"}}
    third.write_text(json.dumps([{**json_monitor, "spec": {"description": "\U0001f514"}}]))
    every = ("-f", str(file), "-f", str(second), "-f", str(third))
    assert text(site("apply", "--prune", *every)).endswith("Done: 4 created.\n")
    assert text(site("diff", "--prune", *every)) == "Would be: 4 unchanged.\n"
    assert text(site("diff", "-f", str(third), "-f", str(third), expect=2)) == ""
    file.write_text("")  # a generator that failed
    refused = errors(site("apply", "--prune", *every, expect=1))
    assert str(file) in refused[0]
    assert "3 unchanged" not in text(site("monitors", "list"))
    assert "acme/backup-job" in text(site("monitors", "list"))


def test_a_key_twice_in_one_of_several_json_files_is_refused(site, file, tmp_path):
    double = tmp_path / "double.json"
    double.write_text('{"kind": "Monitor", "kind": "Channel"}')
    assert "kind twice" in errors(site("apply", "-f", str(file), "-f", str(double), expect=1))[0]
    assert text(site("monitors", "list")) == "No monitors found.\n"


def test_a_warning_counts_documents_as_a_mistake_does(site, file):
    routed = "      gracePeriodSeconds: 60\n  alerting: {alertmanagerUrl: 'http://example.org'}\n"
    file.write_text(DOCUMENTS.replace("      gracePeriodSeconds: 60\n", routed))
    warned = errors(site("apply", "-f", str(file)))
    assert warned[0].startswith("tocsin: warning: document 2, spec.alerting: ")
