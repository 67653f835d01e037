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
from monitors.console.snippets import BY_NAME, BY_SLUG, WAYS, cron_of, plain_name, write_snippets
from monitors.models import PushKey, PushResult
from monitors.schedule import parse_cron
from monitors.services import create_monitor
from tests.console.personas import listen_now, make_personas

HOSTILE = 'x\'; rm -rf ~; echo "$(id)"\n- {{ 7 }}: *a'


def files(monitor, token=None, by="slug"):
    with scopes_disabled():
        slug = PushKey.objects.get(monitor=monitor).value
    return {
        f"{snippet.key}-{n}": text
        for snippet in write_snippets(monitor, slug, token=token, by=by)
        for n, (_, text) in enumerate(snippet.files)
    }


@pytest.fixture
def served(transactional_db, live_server, settings):
    """A monitor of a server that really listens."""
    settings.BASE_URL = live_server.url
    listen_now()
    people = make_personas()

    def make(**fields):
        return create_monitor(team=people.team, **{"name": "nightly", **fields})

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


@pytest.mark.parametrize("by", [BY_SLUG, BY_NAME])
def test_a_hostile_name_reaches_no_snippet(people, by):
    monitor, _ = create_monitor(team=people.team, name=HOSTILE)
    for text in files(monitor, by=by).values():
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


NAMES = ("nightly", "Nächtliche Sicherung 100%")
SHELL = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


def by_name(monitor, token):
    return files(monitor, token, by=BY_NAME)


def test_there_are_ten_ways_and_more_for_each_endpoint(people):
    monitor, token = create_monitor(team=people.team, name="nightly")
    with scopes_disabled():
        slug = PushKey.objects.get(monitor=monitor).value
    assert len(WAYS) >= 10
    for by, address in ((BY_SLUG, slug), (BY_NAME, "acme/nightly")):
        found = write_snippets(monitor, slug, token=None, by=by)
        assert [each.key for each in found] == [key for key, _ in WAYS]
        for each in found:
            text = "".join(part for _, part in each.files)
            named = "--namespace acme --name nightly" in text
            stored = each.key == "github" and by == BY_SLUG
            assert address in text or named or stored, each.key
            assert ("TOCSIN_TOKEN" in text) == (by == BY_NAME) or each.key == "tocsin", each.key
            assert token not in text
    assert len(write_snippets(monitor, slug, token=None, only=["go"])) == 1


@SHELL
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shown", [True, False])
def test_lines_for_shells_push_by_name(served, name, shown):
    monitor, token = served(name=name)
    found = by_name(monitor, token if shown else None)
    for each in ("curl-0", "curl-1"):
        done = run(["sh", "-c", found[each]], TOCSIN_TOKEN=token)
        assert done.returncode == 0, done.stderr
    for job in ("true", "false"):
        # What cron makes of it: a backslash before a percent sign goes.
        line = found["crontab-0"].split(" ", 5)[5].replace("/path/to/job", job).replace("\\%", "%")
        done = run(["sh", "-c", line], TOCSIN_TOKEN=token)
        assert done.returncode == 0, done.stderr
    assert statuses() == ["pass", "fail", "pass", "fail"]


@pytest.mark.skipif(shutil.which("wget") is None, reason="no wget here")
@pytest.mark.parametrize("by", [BY_SLUG, BY_NAME])
@pytest.mark.parametrize("shown", [True, False])
def test_the_lines_for_wget_push(served, by, shown):
    monitor, token = served(require_token=True)
    found = files(monitor, token if shown else None, by=by)
    for each in ("wget-0", "wget-1"):
        done = run(["sh", "-c", found[each]], TOCSIN_TOKEN=token)
        assert done.returncode == 0, done.stderr
    assert statuses() == ["pass", "fail"]
    with scopes_disabled():
        assert PushResult.objects.get(status="fail").message == "disk full"


@SHELL
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("result", "status"), [("success", "pass"), ("exit-code", "fail")])
def test_the_systemd_unit_tells_by_name_how_the_job_ended(served, name, result, status):
    monitor, token = served(name=name)
    unit = by_name(monitor, None)["systemd-0"]
    assert f"EnvironmentFile=/etc/tocsin/{plain_name(name)}.env" in unit
    line = next(x for x in unit.splitlines() if x.startswith("ExecStopPost="))
    command = line.removeprefix("ExecStopPost=/bin/sh -c '").removesuffix("'")
    command = command.replace("%%", "%").replace("$$", "$")
    done = run(["/bin/sh", "-c", command], SERVICE_RESULT=result, TOCSIN_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert statuses() == [status]


@SHELL
def test_the_github_step_pushes_by_name(served):
    monitor, token = served()
    step = yaml.safe_load(by_name(monitor, token)["github-0"])[0]
    assert step["env"]["TOCSIN_TOKEN"] == "${{ secrets.TOCSIN_TOKEN }}"
    given = {"TOCSIN_PUSH_URL": step["env"]["TOCSIN_PUSH_URL"], "TOCSIN_TOKEN": token}
    done = run(["bash", "-e", "-c", step["run"]], **given, STATUS="pass")
    assert done.returncode == 0, done.stderr
    assert statuses() == ["pass"]


@SHELL
def test_the_cronjob_tells_by_name_how_the_job_ended(served):
    monitor, token = served()
    text = by_name(monitor, token)["kubernetes-0"]
    assert token not in text
    job = yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    container = job["containers"][0]
    assert container["env"][0]["name"] == "TOCSIN_TOKEN"
    for end, code in (("true", 0), ("false", 1)):
        script = container["command"][2].replace("/path/to/job", end)
        done = run([*container["command"][:2], script], TOCSIN_TOKEN=token)
        assert done.returncode == code, done.stderr
    assert statuses() == ["pass", "fail"]


@SHELL
@pytest.mark.parametrize("by", [BY_SLUG, BY_NAME])
def test_the_loops_push(served, by):
    monitor, token = served(require_token=by == BY_SLUG)
    found = files(monitor, token, by=by)
    once = found["docker-0"].partition("sh -c '")[2].removesuffix("'")
    for text, check in ((once, ""), (found["docker-1"], "false")):
        script = text.replace(f"sleep {monitor.interval}", "exit 0").replace(
            "/path/to/check", check
        )
        done = run(["sh", "-c", script], TOCSIN_TOKEN=token)
        assert done.returncode == 0, done.stderr
    assert statuses() == ["pass", "fail"]
    assert f"-e TOCSIN_TOKEN={token}" in found["docker-0"]


@pytest.mark.parametrize("by", [BY_SLUG, BY_NAME])
@pytest.mark.parametrize("shown", [True, False])
def test_the_command_pushes_and_runs_jobs(served, by, shown):
    monitor, token = served(require_token=True)
    found = files(monitor, token if shown else None, by=by)
    for each, code in (("tocsin-0", 3), ("tocsin-1", 0)):
        script = found[each].replace("/path/to/job", "sh -c 'exit 3'")
        script = script.replace("\ntocsin ", f"\n{sys.executable} -m tocsin ")
        done = run(["sh", "-c", script], PYTHONPATH=str(PROJECT), TOCSIN_TOKEN=token)
        assert done.returncode == code, done.stderr
    assert statuses() == ["fail", "pass"]


@pytest.mark.parametrize("shown", [True, False])
def test_the_lines_with_the_command_push_by_name(served, shown):
    monitor, token = served()
    found = by_name(monitor, token if shown else None)
    line = found["crontab-1"].split(" ", 5)[5]
    unit = found["systemd-2"].splitlines()
    start = next(x for x in unit if x.startswith("ExecStart=")).removeprefix("ExecStart=")
    given = [x.removeprefix("Environment=") for x in unit if x.startswith("Environment=")]
    for command, environment in ((line, {}), (start, dict(x.split("=", 1) for x in given))):
        command = command.replace("/usr/local/bin/tocsin", f"{sys.executable} -m tocsin")
        command = command.replace("/path/to/job", "false")
        environment = {"TOCSIN_TOKEN": token, **environment}
        done = run(["sh", "-c", command], **environment, PYTHONPATH=str(PROJECT))
        assert (done.returncode, done.stderr) == (1, "")
    assert statuses() == ["fail", "fail"]


@pytest.mark.parametrize("by", [BY_SLUG, BY_NAME])
@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("way", ["python", "node"])
def test_programs_push(served, way, by, shown, tmp_path):
    if shutil.which("node") is None and way == "node":
        pytest.skip("no Node.js here")
    monitor, token = served(require_token=True)
    text = files(monitor, token if shown else None, by=by)[f"{way}-0"]
    program = tmp_path / ("push.py" if way == "python" else "push.mjs")
    program.write_text(text)
    done = run([way if way == "node" else "python3", str(program)], TOCSIN_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert statuses() == ["pass"]


@pytest.mark.parametrize("way", ["go", "powershell"])
@pytest.mark.parametrize("by", [BY_SLUG, BY_NAME])
def test_programs_that_cannot_run_here_have_address_and_token_in_place(people, way, by):
    monitor, token = create_monitor(team=people.team, name=NAMES[1], require_token=True)
    with_token, without = (files(monitor, each, by=by)[f"{way}-0"] for each in (token, None))
    address = "N%C3%A4chtliche%20Sicherung%20100%25" if by == BY_NAME else "/results"
    assert address in with_token
    assert f'Bearer {token}"' in with_token or f'Bearer "+"{token}"' in with_token
    assert 'os.Getenv("TOCSIN_TOKEN")' in without or "$env:TOCSIN_TOKEN" in without
    for opening, closing in ("()", "{}", "[]"):
        assert with_token.count(opening) == with_token.count(closing)
    assert way != "go" or ('"os"' in without and '"os"' not in with_token)
