"""What docs/command.md shows works."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from django_scopes import scopes_disabled

from config.installation import PROJECT
from monitors.models import Monitor
from tests.command.conftest import COMMAND, call, environment, results
from tests.console.personas import make_incident

TEXT = (PROJECT / "docs" / "command.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(site, tmp_path):
    """Run lines for shells as they are shown; the team has what they speak of."""
    made = site.made("backup")
    site.made("reports")
    with scopes_disabled():
        make_incident(Monitor.objects.get(name="backup"))
    (tmp_path / "slug").write_text(made["slug"])
    settings = environment(
        TOCSIN_URL=site.url, TOCSIN_API_KEY=site.key, SLUG=made["slug"], TOKEN=made["token"]
    )
    settings["PATH"] = f"{COMMAND.parent}:{settings['PATH']}"

    def run(line):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            check=False,
        )

    return run


def test_lines_for_shells_do_as_they_say(run):
    install, *others = blocks("sh")
    assert "pip install ." in install
    lines = [line for block in others for line in block.splitlines() if line]
    assert len(lines) >= 14
    for line in lines:
        done = run(line)
        assert (done.returncode, done.stderr) == (0, b""), (line, done)
    pushed = results()[2:]  # after those of the incident
    assert [result.status for result in pushed] == ["pass", "pass", "fail", "pass"]


def test_the_lines_for_cron_and_systemd_push(run, tmp_path):
    (cron,) = (line for line in TEXT.splitlines() if line.startswith("15 3 * * *"))
    unit = blocks("ini")[0]
    (service,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    (given,) = re.findall(r"^Environment=(TOCSIN_SLUG_FILE=.*)$", unit, re.MULTILINE)
    for line in (cron.split(maxsplit=5)[5], f"{given} {service.removeprefix('ExecStart=')}"):
        line = line.replace("/etc/tocsin/backup.slug", str(tmp_path / "slug"))
        line = line.replace("/usr/local/bin/tocsin", "tocsin")
        done = run(line.replace("/usr/local/bin/backup --all", "sh -c 'exit 3'"))
        assert (done.returncode, done.stderr) == (3, b"")
    assert [result.status for result in results()[2:]] == ["fail", "fail"]


def test_the_pipeline_shows_in_a_pull_request_and_applies_on_main(run, site, tmp_path):
    steps = yaml.safe_load(blocks("yaml")[0])["jobs"]["monitors"]["steps"]
    show, apply = (step["run"] for step in steps[-2:])
    assert [step["if"].split("'")[1] for step in steps[-2:]] == ["pull_request", "push"]
    document = "apiVersion: tocsin/v1\nkind: Monitor\nmetadata: {name: new}\nspec: {}\n"
    (tmp_path / "monitors.yaml").write_text(document)
    shown = run(show)
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (0, b"Would be: 1 created.")
    assert run(apply).stdout.splitlines()[-1] == b"Done: 1 created."
    assert run(show).stdout.splitlines()[-1] == b"Would be: 1 unchanged."
    (tmp_path / "monitors.yaml").write_text(document.replace("{}", "{no: such}"))
    assert run(show).returncode == 1  # what is refused must not pass
    assert run(apply).returncode == 1


def test_every_option_and_variable_that_is_named_exists():
    listed = b"".join(
        call(*command.split(), "--help").stdout
        for command in ("exec", "push", "apply", "diff", "monitors list", "incidents snooze")
    ).decode()
    for name in {*re.findall(r"`(--[a-z-]+)", TEXT), *re.findall(r"`(TOCSIN_[A-Z_]+)`", TEXT)}:
        assert name in listed, name
