"""Wrong input, and machines that refuse: one line each, and nothing is harmed."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.command.conftest import COMMAND, call, environment, results
from tests.command.test_commands import errors, text
from tests.console.personas import make_incident
from tests.factories import MonitorFactory
from tests.monitors.pushing import slug_of

BYTES = os.fsdecode(b"\xff")


@pytest.fixture
def monitor(site):
    return MonitorFactory(team=site.team, name="backup")


@pytest.mark.parametrize("below", ["/api", "/api/v1/", "/api/push/Abcdefghij12/results"])
def test_an_address_that_goes_on_to_the_api_is_the_same_one(site, monitor, below):
    listed = site("monitors", "list", TOCSIN_URL=site.url + below)
    assert b"acme/backup" in listed.stdout


@pytest.mark.parametrize(
    "given",
    [
        ["monitors", "show", BYTES],
        ["monitors", "list", "--label", f"env={BYTES}"],
        ["push", "--namespace", "acme", "--name", BYTES, "--token", "wrong"],
        ["on-call", "--rotation", BYTES],
    ],
)
def test_arguments_that_are_no_text_cost_one_line(site, given):
    assert len(errors(site(*given, expect=1))) == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REQUESTS_CA_BUNDLE", "/no/such", "/no/such"),
        ("HTTPS_PROXY", "garbage://x", "no valid address"),
    ],
)
def test_what_requests_reads_from_the_environment_may_be_wrong(name, value, words):
    given = {"TOCSIN_URL": "https://127.0.0.1:9", "NO_PROXY": "", name: value}
    asked = call("monitors", "list", TOCSIN_API_KEY="tk_x", **given)
    assert asked.returncode == 1
    (line,) = errors(asked)
    assert words in line
    pushed = call("exec", "--", "sh", "-c", "exit 4", TOCSIN_SLUG="Abcdefghij12", **given)
    assert pushed.returncode == 4
    (line,) = errors(pushed)
    assert words in line


def test_closed_streams_are_empty_ones(site, monitor):
    make_incident(monitor)
    settings = environment(TOCSIN_URL=site.url, TOCSIN_API_KEY=site.key)
    for line, code in (
        ("monitors list >&-", 0),
        ("export >&-", 0),
        (f"push {slug_of(monitor)} --message - <&-", 0),
        ("incidents note backup - <&-", 1),
    ):
        done = subprocess.run(
            ["sh", "-c", f"{COMMAND} {line}"], env=settings, capture_output=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("given", [["monitors", "list"], ["export"], ["export", "-o", "/dev/full"]])
def test_a_full_disk_costs_one_line(site, monitor, given):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, *given],
            env=environment(TOCSIN_URL=site.url, TOCSIN_API_KEY=site.key),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    (line,) = errors(done)
    assert "No space left on device" in line


def test_an_export_to_a_pipe_or_device_leaves_it_one(site, monitor, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        site("export", "-o", str(pipe))
        assert b"backup" in reader.communicate(timeout=20)[0]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_notes_and_messages_may_be_any_bytes_and_any_length(site, monitor):
    make_incident(monitor)
    site("incidents", "note", "backup", "-", given=b"a\xff")
    assert "a\ufffd" in text(site("incidents", "show", "backup"))
    line = f"head -c 5000000 /dev/zero | tr '\\000' x | {COMMAND} push --message -"
    settings = environment(TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor))
    subprocess.run(["bash", "-o", "pipefail", "-c", line], env=settings, check=True)
    assert len(results()[-1].message) == 10_000


def test_an_empty_file_never_prunes_everything(site):
    document = b"apiVersion: tocsin/v1\nkind: Monitor\nmetadata: {name: a}\nspec: {}\n"
    site("apply", "-f", "-", given=document)
    for command, code in (("apply", 1), ("diff", 2)):
        refused = site(command, "--prune", "-f", "-", given=b" \n", expect=code)
        assert "no documents" in errors(refused)[0]
    assert "acme/a" in text(site("monitors", "list"))


def test_nesting_without_end_is_refused_by_the_server(site):
    refused = site("apply", "-f", "-", given=b"[" * 100_000, expect=1)
    assert errors(refused)[0].startswith("tocsin: document 1: ")


def test_monitors_are_paused_by_one_request(site, monitor):
    for name in ("two", "three"):
        MonitorFactory(team=site.team, name=name)
    names = ["backup", "acme/backup", "two", "three"]
    assert text(site("monitors", "pause", *names)).count("paused") == 3
