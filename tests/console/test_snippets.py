"""What is pasted somewhere works there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import yaml
from django_scopes import scopes_disabled

from config.installation import PROJECT
from monitors.console.snippets import cron_of, plain_name, write_snippets
from monitors.models import PushKey, PushResult
from monitors.schedule import parse_cron
from monitors.services import create_monitor
from tests.console.personas import listen_now, make_personas

HOSTILE = 'x\'; rm -rf ~; echo "$(id)"\n- {{ 7 }}: *a'


def files(monitor, token=None):
    with scopes_disabled():
        slug = PushKey.objects.get(monitor=monitor).value
    return {
        f"{snippet.key}-{n}": text
        for snippet in write_snippets(monitor, slug, token=token)
        for n, (_, text) in enumerate(snippet.files)
    }


@pytest.fixture
def served(transactional_db, live_server, settings):
    """A monitor of a server that really listens."""
    settings.BASE_URL = live_server.url
    listen_now()
    people = make_personas()

    def make(**fields):
        return create_monitor(team=people.team, name="nightly", **fields)

    return make


def statuses():
    with scopes_disabled():
        return list(PushResult.objects.order_by("received_at").values_list("status", flat=True))


def run(command, **environment):
    quiet = {**os.environ, "no_proxy": "*", **environment}
    return subprocess.run(
        command, env=quiet, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("with_token", [False, True])
def test_lines_for_shells_push(served, with_token):
    monitor, token = served(require_token=with_token)
    found = files(monitor, token if with_token else None)
    for name in ("curl-0", "curl-1"):
        done = run(["sh", "-c", found[name]])
        assert done.returncode == 0, done.stderr
    for job, name in (("true", "crontab-0"), ("false", "crontab-0")):
        line = found[name].split(" ", 5)[5].replace("/path/to/job", job)
        done = run(["sh", "-c", line])
        assert done.returncode == 0, done.stderr
    assert statuses() == ["pass", "fail", "pass", "fail"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize(("result", "status"), [("success", "pass"), ("exit-code", "fail")])
def test_the_systemd_unit_tells_how_the_job_ended(served, result, status):
    monitor, _ = served()
    unit = files(monitor)["systemd-0"]
    line = next(x for x in unit.splitlines() if x.startswith("ExecStopPost="))
    command = line.removeprefix("ExecStopPost=/bin/sh -c '").removesuffix("'")
    done = run(["/bin/sh", "-c", command.replace("$$", "$")], SERVICE_RESULT=result)
    assert done.returncode == 0, done.stderr
    assert statuses() == [status]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_github_step_pushes(served):
    monitor, token = served(require_token=True)
    step = yaml.safe_load(files(monitor)["github-0"])[0]
    with scopes_disabled():
        slug = PushKey.objects.get(monitor=monitor).value
    from monitors.queries import push_url

    done = run(
        ["bash", "-e", "-c", step["run"]],
        TOCSIN_PUSH_URL=push_url(slug),
        TOCSIN_TOKEN=token,
        STATUS="fail",
    )
    assert done.returncode == 0, done.stderr
    assert statuses() == ["fail"]
    assert step["env"]["STATUS"] == "${{ job.status == 'success' && 'pass' || 'fail' }}"
    assert step["env"]["TOCSIN_PUSH_URL"] == "${{ secrets.TOCSIN_PUSH_URL }}"
    assert "TOCSIN_URL" not in step["env"], "that is where the API is, for the command tocsin"


@pytest.mark.parametrize("with_token", [False, True])
def test_the_lines_with_the_command_push_and_keep_the_exit_code(served, with_token):
    monitor, token = served(require_token=with_token)
    found = files(monitor, token if with_token else None)
    line = found["crontab-1"].split(" ", 5)[5]
    unit = dict(x.split("=", 1) for x in found["systemd-2"].splitlines() if x.startswith("Exec"))
    given = [
        x.removeprefix("Environment=").split("=", 1)
        for x in found["systemd-2"].splitlines()
        if x.startswith("Environment=")
    ]
    for command, environment in ((line, {}), (unit["ExecStart"], dict(given))):
        assert " /path/to/job" in command
        command = command.replace("/usr/local/bin/tocsin", f"{sys.executable} -m tocsin")
        command = command.replace("/path/to/job", "sh -c 'echo out; exit 3'")
        done = run(["sh", "-c", command], **environment, PYTHONPATH=str(PROJECT))
        assert (done.returncode, done.stderr) == (3, "")
    assert statuses() == ["fail", "fail"]


@pytest.mark.parametrize("given", ["shown", "environment", "none"])
def test_the_python_lines_push(served, given):
    monitor, token = served(require_token=given != "none")
    text = files(monitor, token if given == "shown" else None)["python-0"]
    done = run(["python3", "-c", text], TOCSIN_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert statuses() == ["pass"]


@pytest.mark.parametrize("with_token", [False, True])
def test_the_cronjob_is_one_that_kubernetes_takes(people, with_token):
    monitor, _ = create_monitor(
        team=people.team,
        name=HOSTILE,
        require_token=with_token,
        cron="15 3 * * *",
        cron_timezone="Europe/Berlin",
    )
    document = yaml.safe_load(files(monitor)["kubernetes-0"])
    spec = document["spec"]
    container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert document["metadata"]["name"] == plain_name(HOSTILE)
    assert (spec["schedule"], spec["timeZone"]) == ("15 3 * * *", "Europe/Berlin")
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert container["image"] == "curlimages/curl:8.11.1"
    assert container["command"][:2] == ["/bin/sh", "-c"]
    assert all(isinstance(argument, str) for argument in container["command"])
    assert "$(" not in container["command"][2], "Kubernetes would put a variable there"
    assert ("env" in container) == with_token


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("with_token", [False, True])
def test_the_cronjob_tells_how_the_job_ended(served, with_token):
    monitor, token = served(require_token=with_token)
    text = files(monitor, token if with_token else None)["kubernetes-0"]
    assert token not in text, "the token comes from a secret"
    job = yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    command = job["containers"][0]["command"]
    for end, code in (("true", 0), ("false", 1)):
        script = command[2].replace("/path/to/job", end)
        done = run([*command[:2], script], TOCSIN_TOKEN=token)
        assert done.returncode == code, done.stderr
    assert statuses() == ["pass", "fail"]


def test_a_hostile_name_reaches_no_snippet(people):
    monitor, _ = create_monitor(team=people.team, name=HOSTILE)
    for text in files(monitor).values():
        assert "rm -rf" not in text
        assert "$(id)" not in text


@pytest.mark.parametrize("interval", [1, 30, 60, 90, 300, 1_800, 3_600, 7_200, 86_400, 604_800])
def test_the_schedule_for_a_cadence_is_one(interval):
    parse_cron(cron_of(interval), "UTC")


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Nightly Backup!", "nightly-backup"), ("été", "t"), ("***", "tocsin-push"), ("-a-", "a")],
)
def test_plain_names(name, plain):
    assert plain_name(name) == plain
