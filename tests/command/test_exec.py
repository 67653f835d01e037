"""`tocsin exec`: the job is as it is without it, and the monitor knows how it ended."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.command.conftest import COMMAND, call, environment, results, start
from tests.factories import MonitorFactory
from tests.monitors.pushing import slug_of
from tests.providers import Answer, Provider

PYTHON = sys.executable
SLUG = "Abcdefghij12"


def lines(done):
    return done.stderr.decode().splitlines()


@pytest.fixture
def monitor(site):
    return MonitorFactory(team=site.team, name="backup")


@pytest.mark.parametrize(("code", "status"), [(0, "pass"), (1, "fail"), (77, "fail")])
def test_the_exit_code_is_kept_and_pushed(site, monitor, code, status):
    done = site.execute(
        monitor, "--", "sh", "-c", f"echo out; echo err >&2; sleep 0.2; exit {code}"
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"out\n", b"err\n")
    (result,) = results()
    assert result.status == status
    assert 200 <= result.latency_ms < 20_000
    first, *rest = result.message.split("\n")
    assert re.fullmatch(rf"Exit code {code} after [0-9.]+ m?s\.", first)
    assert sorted(rest) == ["err", "out"]


@pytest.mark.parametrize("name", ["KILL", "SEGV", "TERM", "PIPE"])
def test_a_job_that_a_signal_ends_gives_128_and_its_number(site, monitor, name):
    done = site.execute(monitor, "--", "sh", "-c", f"kill -{name} $$")
    assert done.returncode == 128 + getattr(signal, f"SIG{name}")
    (result,) = results()
    assert result.status == "fail"
    assert result.message.startswith(f"Ended by SIG{name} after ")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_go_to_the_job_which_decides(site, monitor, name):
    script = f"trap 'echo heard; exit 5' {name[3:]}; echo ready; while :; do sleep 0.05; done"
    running = start(
        "exec", "--", "sh", "-c", script, TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor)
    )
    assert running.stdout.readline() == b"ready\n"  # at once: nothing keeps it back
    running.send_signal(getattr(signal, name))
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (5, b"heard\n", b"")
    assert [result.status for result in results()] == ["fail"]


def test_a_key_at_the_terminal_reaches_the_job_once(site, monitor):
    script = (
        "import signal, time\n"
        "heard = []\n"
        "signal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
        "print('ready', flush=True)\n"
        "while not heard: time.sleep(0.05)\n"
        "time.sleep(0.5)\n"
        "print(f'heard {len(heard)}')\n"
    )
    settings = environment(TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor))
    child, terminal = pty.fork()
    if child == 0:
        os.execve(COMMAND, [str(COMMAND), "exec", "--", PYTHON, "-c", script], settings)
    shown = b""
    while b"ready" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while b"heard 1" not in shown and b"heard 2" not in shown:
        shown += os.read(terminal, 1000)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert b"heard 1" in shown
    assert os.waitstatus_to_exitcode(status) == 0
    assert results()[0].status == "pass"


def test_input_and_arguments_are_the_jobs_own(site, monitor):
    done = site.execute(
        monitor, "sh", "-c", 'cat; echo "$1"', "sh", "--label", given=b"one\x00\xfftwo\n"
    )
    assert (done.returncode, done.stdout) == (0, b"one\x00\xfftwo\n--label\n")


def test_of_a_big_output_all_is_passed_on_and_its_end_is_pushed(site, monitor):
    script = (
        "import sys; sys.stdout.write('é' * 3_000_000 + 'end'); sys.stderr.write('e' * 500_000)"
    )
    done = site.execute(monitor, "--tail-bytes", "1000", "--", PYTHON, "-X", "utf8", "-c", script)
    assert done.stdout == ("é" * 3_000_000 + "end").encode()
    assert done.stderr == b"e" * 500_000
    (result,) = results()
    tail = result.message.split("\n", 1)[1]
    assert tail.startswith("…")
    assert len(tail.encode()) <= 1000 + len("…".encode())


@pytest.mark.parametrize("most", range(8, 13))
def test_a_character_is_never_cut(site, monitor, most):
    done = site.execute(monitor, "--tail-bytes", str(most), "--", "printf", "%s", "ab€😀€😀")
    assert done.stdout == "ab€😀€😀".encode()
    tail = results()[-1].message.split("\n", 1)[1]
    assert tail.startswith("…")
    assert "ab€😀€😀".endswith(tail[1:])
    assert most - len(tail[1:].encode()) < 4


def test_binary_output_is_passed_on_and_told_as_text(site, monitor):
    data = bytes(range(256)) * 40
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 40)"
    done = site.execute(monitor, "--tail-bytes", "10000", "--", PYTHON, "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")
    (result,) = results()
    assert "ABC" in result.message
    assert "\x00" not in result.message
    assert "\x1b" not in result.message


def test_colours_and_bars_become_lines(site, monitor):
    site.execute(
        monitor, "--", "printf", r"\033[31mred\033[0m 10%%\r90%%\r\n\033]0;title\007done\n"
    )
    assert results()[0].message.split("\n")[1:] == ["red 10%", "90%", "done"]


def test_the_order_of_both_streams_is_kept_where_they_go_to_one_place(site, monitor, tmp_path):
    script = "for i in $(seq 200); do echo o$i; echo e$i >&2; done"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run(
            [COMMAND, "exec", "--", "sh", "-c", script],
            env=environment(TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor)),
            stdout=log,
            stderr=log,
            check=True,
        )
    wanted = [f"{stream}{n}" for n in range(1, 201) for stream in "oe"]
    assert (tmp_path / "log").read_text().split() == wanted


def test_without_a_tail_the_job_has_the_terminal_itself(site, monitor):
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [COMMAND, "exec", "--tail-bytes", "0", "--", "sh", "-c", "test -t 1 && test -t 0"],
        env=environment(TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor)),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\n" not in results()[0].message


def test_what_a_parent_leaves_behind_is_no_hindrance(site, monitor, tmp_path):
    # Signals that it ignored, descriptors that it opened or closed.
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "kept = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "os.dup2(kept, 9, inheritable=True)\n"
        "os.close(0)\n"
        "os.close(1)\n"
        "job = 'echo kept >&9; echo lost; echo told >&2; exit 6'\n"
        "os.execv(sys.argv[2], [sys.argv[2], 'exec', '--', 'sh', '-c', job])\n"
    )
    done = subprocess.run(
        [PYTHON, "-c", script, str(tmp_path / "file"), COMMAND],
        env=environment(TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor)),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (6, b"told\n")
    assert (tmp_path / "file").read_bytes() == b"kept\n"
    assert sorted(results()[0].message.split("\n")[1:]) == ["lost", "told"]


def test_a_reader_that_goes_away_ends_the_job_as_without_us(site, monitor):
    running = start("exec", "--", "yes", TOCSIN_URL=site.url, TOCSIN_SLUG=slug_of(monitor))
    assert running.stdout.read(4) == b"y\ny\n"
    running.stdout.close()
    assert running.wait(30) == 128 + signal.SIGPIPE
    running.stdin.close()
    running.stderr.close()
    assert results()[0].status == "fail"


def test_a_job_whose_time_is_over_ends_with_all_that_it_started(site, monitor, tmp_path):
    script = f"(sleep 3; touch {tmp_path}/late) & sleep 60"
    done = site.execute(monitor, "--timeout", "1s", "--", "sh", "-c", script)
    assert done.returncode == 124
    (result,) = results()
    assert result.status == "fail"
    assert result.message.startswith("Ended after its time was over: ")
    time.sleep(3)
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize(("name", "code"), [("no-such-program", 127), ("not-executable", 126)])
def test_what_cannot_be_run_fails_as_in_a_shell(site, monitor, tmp_path, name, code):
    (tmp_path / "not-executable").write_text("")
    done = site.execute(monitor, "--", str(tmp_path / name))
    assert done.returncode == code
    assert len(lines(done)) == 1
    (result,) = results()
    assert result.status == "fail"
    assert result.message.startswith("Could not be started: ")


def test_a_script_without_a_first_line_for_the_kernel_runs_as_in_a_shell(site, monitor, tmp_path):
    script = tmp_path / "job"
    script.write_text('echo "$1"; exit 4\n')
    script.chmod(0o755)
    done = site.execute(monitor, "--", str(script), "given")
    assert (done.returncode, done.stdout) == (4, b"given\n")


def test_only_fails_are_pushed_where_that_is_asked_for(site, monitor):
    assert site.execute(monitor, "--fail-only", "--", "true").returncode == 0
    assert site.execute(monitor, "--fail-only", "--", "false").returncode == 1
    assert [result.status for result in results()] == ["fail"]


def test_labels_token_and_files_of_secrets(site, tmp_path):
    made = site.made("guarded", require_token=True)
    (tmp_path / "token").write_text(f"{made['token']}\n")
    (tmp_path / "slug").write_text(f"{made['slug']}\n")
    by_slug = {"TOCSIN_SLUG_FILE": str(tmp_path / "slug")}
    by_name = ["--namespace", "acme", "--name", "guarded"]
    for given, more in (([], by_slug), (by_name, {})):
        done = call(
            "exec",
            *given,
            "--label",
            "host=a=b",
            "--",
            "true",
            TOCSIN_URL=site.url,
            TOCSIN_TOKEN_FILE=str(tmp_path / "token"),
            **more,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert [result.labels for result in results()] == [{"host": "a=b"}] * 2


# Whatever becomes of the push


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "TOCSIN_SLUG"),
        ({"TOCSIN_SLUG": SLUG}, "TOCSIN_URL"),
        ({"TOCSIN_SLUG": SLUG, "TOCSIN_URL": "tocsin.example"}, "https://"),
        ({"TOCSIN_SLUG": "é\n/../", "TOCSIN_URL": "http://127.0.0.1:9"}, "slug"),
        ({"TOCSIN_SLUG_FILE": "/no/such", "TOCSIN_URL": "http://127.0.0.1:9"}, "No such file"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_costs_one_line(settings, words):
    done = call("exec", "--", "sh", "-c", "echo out; exit 3", **settings)
    assert (done.returncode, done.stdout) == (3, b"out\n")
    (line,) = lines(done)
    assert line.startswith("tocsin: the result was not pushed: ")
    assert words in line


def test_a_wrong_slug_costs_one_line(site):
    done = call("exec", "--", "false", TOCSIN_URL=site.url, TOCSIN_SLUG=SLUG)
    assert done.returncode == 1
    assert lines(done) == ["tocsin: the result was not pushed: No monitor has this slug."]


def test_a_server_that_is_down_costs_a_bounded_time_and_one_line():
    began = time.monotonic()
    done = call(
        "exec",
        "--give-up-after",
        "2s",
        "--",
        "true",
        TOCSIN_URL="http://secret@127.0.0.1:9",
        TOCSIN_SLUG=SLUG,
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 8
    (line,) = lines(done)
    assert "cannot reach 127.0.0.1:9: connection refused" in line
    assert SLUG not in line
    assert "secret" not in line


@pytest.mark.parametrize("answer", [Answer(delay_seconds=60), Answer(drip_seconds=1)])
def test_a_server_that_hangs_costs_a_bounded_time_and_one_line(answer):
    with Provider(lambda n: answer) as server:
        began = time.monotonic()
        url = f"http://127.0.0.1:{server.port}"
        given = ["--give-up-after", "2s", "--", "sh", "-c", "exit 9"]
        done = call("exec", *given, TOCSIN_URL=url, TOCSIN_SLUG=SLUG)
        assert done.returncode == 9
        assert time.monotonic() - began < 8
        assert len(lines(done)) == 1
        assert SLUG not in lines(done)[0]


def test_a_second_signal_ends_the_waiting_for_the_server():
    with Provider(lambda n: Answer(delay_seconds=60)) as server:
        url = f"http://127.0.0.1:{server.port}"
        given = ["--give-up-after", "5m", "--", "sh", "-c", "exit 9"]
        running = start("exec", *given, TOCSIN_URL=url, TOCSIN_SLUG=SLUG)
        server.wait(1, 20)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=15)
        assert running.returncode == 9


def test_it_is_sent_again_under_one_key_until_it_is_stored():
    told = [Answer(reset=True), 503, Answer(429, {"Retry-After": "1"}), 502]
    stored = Answer(201, body=b'{"received_at": "2027-03-01T09:00:00Z"}')
    with Provider(lambda n: told[n - 1] if n <= len(told) else stored) as server:
        url = f"http://127.0.0.1:{server.port}"
        done = call("exec", "--", "true", TOCSIN_URL=url, TOCSIN_SLUG=SLUG)
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(server.got) == 5
        assert len({request.headers["idempotency-key"] for request in server.got}) == 1
        assert len({request.body for request in server.got}) == 1
        assert server.got[3].at - server.got[2].at >= 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, body=b"<html>"),
        Answer(302, {"Location": "http://127.0.0.1:9/"}),
        Answer(400, body=b"\xff"),
        Answer(201, body=b"[" * 100_000),
        Answer(404, body=b'{"detail": "\\u001b[31mred\\nlines\\n", "title": 4, "errors": 7}'),
    ],
)
def test_an_answer_that_is_no_tocsins_costs_one_line(answer):
    with Provider(lambda n: answer) as server:
        url = f"http://127.0.0.1:{server.port}"
        done = call("exec", "--", "true", TOCSIN_URL=url, TOCSIN_SLUG=SLUG)
    assert done.returncode == 0
    assert len(server.got) == 1
    (line,) = lines(done)
    assert "\x1b" not in line


class Forgetful:
    """Stands before the site: stores the first push and loses its answer."""

    def __init__(self, site) -> None:
        self.site = site

    def __call__(self, provider, number):
        import http.client

        got = provider.got[number - 1]
        inner = http.client.HTTPConnection(self.site.url.removeprefix("http://"))
        headers = {k: got.headers[k] for k in ("content-type", "idempotency-key")}
        inner.request("POST", got.path, got.body, headers)
        reply = inner.getresponse()
        body = reply.read()
        inner.close()
        return Answer(reset=True) if number == 1 else Answer(reply.status, body=body)


def test_a_push_whose_answer_was_lost_is_stored_once(site, monitor):
    with Provider() as proxy:
        lose = Forgetful(site)
        proxy.answer = lambda number: lose(proxy, number)
        url = f"http://127.0.0.1:{proxy.port}"
        done = call("exec", "--", "true", TOCSIN_URL=url, TOCSIN_SLUG=slug_of(monitor))
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(proxy.got) == 2
    assert len(results()) == 1


def test_a_mistake_on_its_own_command_line_is_told_before_the_job_runs(tmp_path):
    for wrong in (["--tail"], ["--timeout", "soon"], ["--label", "x"]):
        done = call("exec", *wrong, "--", "touch", str(tmp_path / "ran"))
        assert done.returncode == 2
    assert call("exec").returncode == 2
    assert not (tmp_path / "ran").exists()


def test_the_help_has_a_line_for_crontabs():
    assert "15 3 * * *  tocsin exec" in call("exec", "--help").stdout.decode()
