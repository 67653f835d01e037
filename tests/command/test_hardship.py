"""`tocsin exec` at three in the morning: a job must not notice that somebody watches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command.conftest import COMMAND, environment, results, start
from tests.factories import MonitorFactory
from tests.monitors.pushing import slug_of
from tests.providers import Answer, Provider


@pytest.fixture
def monitor(site):
    return MonitorFactory(team=site.team, name="backup")


@pytest.fixture
def settings_of(site, monitor):
    return environment(TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor))


def test_what_is_left_in_the_background_lives_on_and_keeps_us_not_waiting(
    settings_of, monitor, tmp_path
):
    script = (
        "echo started; "
        f"(until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo told; echo again >&2; "
        f"touch {tmp_path}/lived) & exit 0"
    )
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        done = subprocess.run(
            [COMMAND, "exec", "--", "sh", "-c", script],
            env=settings_of,
            stdout=out,
            stderr=err,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0
    assert results()[0].message.endswith("\nstarted")
    (tmp_path / "go").touch()
    until = time.monotonic() + 20
    while (tmp_path / "err").read_bytes() != b"again\n" and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "lived").exists()
    assert (tmp_path / "out").read_bytes() == b"started\ntold\n"
    assert (tmp_path / "err").read_bytes() == b"again\n"


def test_a_full_disk_does_not_end_a_job_that_does_not_mind(settings_of, monitor, tmp_path):
    script = f"echo a; echo b; echo c; touch {tmp_path}/done"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, "exec", "--", "sh", "-c", script], env=settings_of, stdout=full, check=False
        )
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    assert results()[0].message.endswith("a\nb\nc")


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_a_signal_that_comes_after_the_job_keeps_its_exit_code(name):
    answers = [Answer(delay_seconds=2), Answer(201, body=b'{"received_at": "x"}')]
    with Provider(lambda n: answers[min(n, 2) - 1]) as server:
        url = f"http://127.0.0.1:{server.port}"
        running = start(
            "exec", "--", "sh", "-c", "exit 9", TOCSIN_URL=url, TOCSIN_SLUG="Abcdefghij12"
        )
        server.wait(1, 20)
        running.send_signal(getattr(signal, name))
        running.communicate(timeout=30)
    assert running.returncode == 9


@pytest.mark.parametrize("most", [7, 8, 10, 12, 20])
def test_where_files_are_short_the_job_runs_without_a_tail(settings_of, monitor, most):
    done = subprocess.run(
        ["sh", "-c", f"ulimit -n {most}; exec {COMMAND} exec -- sh -c 'echo out; exit 4'"],
        env=settings_of,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, b"out\n")
    assert b"cannot run" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_where_memory_is_short_the_job_runs(settings_of, monitor):
    script = (
        "import resource, sys\n"
        "from tocsin.commands import main\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "most = pages * resource.getpagesize() + (4 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "main(['exec', '--', 'sh', '-c', 'echo out; exit 4'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=settings_of, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, b"out\n")
    assert len(done.stderr.splitlines()) == 1


def test_an_environment_as_poor_as_that_of_cron(site, monitor):
    done = subprocess.run(
        [COMMAND, "exec", "--", "/bin/sh", "-c", "printf '\\303\\251'; exit 2"],
        env={"LC_ALL": "C", "TOCSIN_URL": site.url, "TOCSIN_SLUG": slug_of(monitor)},
        cwd="/",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "é".encode(), b"")
    assert results()[0].message.endswith("\né")


def test_one_in_another_keeps_the_exit_code_too(settings_of, monitor):
    done = subprocess.run(
        [COMMAND, "exec", "--", COMMAND, "exec", "--", "bash", "-c", "bash -c 'exit 9'"],
        env=settings_of,
        check=False,
    )
    assert done.returncode == 9
    assert [result.status for result in results()] == ["fail", "fail"]


def test_all_streams_closed_and_nothing_set_costs_nothing():
    line = f'{COMMAND} exec -- sh -c "exit 3" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", line], env=environment(), check=False).returncode == 3


def test_a_reader_of_errors_that_went_away_costs_nothing():
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [COMMAND, "exec", "--", "sh", "-c", "exit 3"], env=environment(), stderr=theirs, check=False
    )
    os.close(theirs)
    assert done.returncode == 3
