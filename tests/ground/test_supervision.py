"""The supervisor and the pid files, with small real programs."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.processes import end_stale, read_pid_file, started_ticks, write_pid_file
from config.supervision import Program, Supervisor
from tests.ground.installations import until


def program(name: str, *command: str, stage: int = 0, stop_seconds: float = 3.0) -> Program:
    return Program(
        name=name,
        command=list(command),
        environment=dict(os.environ),
        directory=Path("/"),
        stage=stage,
        stop_seconds=stop_seconds,
    )


class Kept(Supervisor):
    """A supervisor that remembers what it said."""

    def __init__(self, run: Path) -> None:
        self.said: list[str] = []
        super().__init__(run, self.said.append)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.stop_all()


def pid_of(supervisor: Supervisor, name: str) -> int:
    supervisor.tick()
    return read_pid_file(supervisor.run / f"{name}.pid") or 0


def test_a_killed_program_comes_back_and_its_orphans_go(supervisor: Kept) -> None:
    supervisor.add(program("web-1", "sh", "-c", "sleep 500 & echo $!; wait"))
    log = supervisor.run / "web-1.log"
    orphan = int(until(lambda: log.read_text().strip(), "its child started"))
    first = pid_of(supervisor, "web-1")
    os.kill(first, signal.SIGKILL)
    until(lambda: pid_of(supervisor, "web-1") not in (0, first), "started again", seconds=2)
    until(lambda: started_ticks(orphan) is None, "its child gone")
    assert supervisor.said == ["web-1 ended (SIGKILL), starting it again"]


def test_a_program_that_keeps_ending_is_tried_ever_more_slowly(supervisor: Kept) -> None:
    supervisor.add(program("beat", "sh", "-c", "echo no use; exit 3"))
    started = time.monotonic()
    ends: list[float] = []
    while len(ends) < 5:
        supervisor.tick()
        if supervisor.quick_ends("beat") > len(ends):
            ends.append(time.monotonic() - started)
        time.sleep(0.01)
    pauses = [later - earlier for earlier, later in itertools.pairwise(ends)]
    assert pauses[0] > 0.09
    assert pauses[0] < pauses[-1] < 2
    assert any("keeps ending" in line and "no use" in line for line in supervisor.said)


def test_stages_stop_one_after_the_other_and_the_stubborn_by_force(supervisor: Kept) -> None:
    said_at = "import signal, sys, time\nsignal.signal(15, lambda *_: (print(time.time()), exit()))"
    alive = "print('on', flush=True)\ntime.sleep(500)"
    for name, stage in (("postgres", 4), ("web-1", 0), ("standby", 2)):
        supervisor.add(program(name, sys.executable, "-uc", f"{said_at}\n{alive}", stage=stage))
    deaf = "import signal, time\nsignal.signal(15, signal.SIG_IGN)"
    supervisor.add(
        program("worker-1", sys.executable, "-uc", f"{deaf}\n{alive}", stage=1, stop_seconds=0.3)
    )
    names = ("web-1", "worker-1", "standby", "postgres")
    logs = {name: supervisor.run / f"{name}.log" for name in names}
    for name in names:
        until(lambda name=name: "on" in logs[name].read_text(), f"{name} started")
    pids = [pid_of(supervisor, name) for name in names]
    supervisor.stop_all()
    stopped = [float(logs[n].read_text().split()[1]) for n in ("web-1", "standby", "postgres")]
    assert stopped == sorted(stopped)
    assert stopped[1] - stopped[0] > 0.3
    assert supervisor.said == ["worker-1 did not stop in time: ended by force"]
    assert [started_ticks(pid) for pid in pids] == [None] * 4
    assert not list(supervisor.run.glob("*.pid"))


def test_a_command_that_is_not_there_is_said_and_tried_again(supervisor: Kept) -> None:
    supervisor.add(program("web-1", "/no/such/program"))
    assert "does not start" in supervisor.said[0]
    supervisor.tick()
    assert supervisor.quick_ends("web-1") == 1


def test_run_once_ends_early_when_told(supervisor: Kept) -> None:
    begun = time.monotonic()
    going = iter([True, True, False])
    sleeper = program("migrate", "sleep", "500")
    assert supervisor.run_once(sleeper, going_on=lambda: next(going)) is None
    assert time.monotonic() - begun < 5
    assert supervisor.run_once(program("demo", "sh", "-c", "exit 7"), going_on=lambda: True) == 7


def test_stale_pid_files_end_only_the_very_process_they_name(tmp_path: Path) -> None:
    ours, other = (subprocess.Popen(["sleep", "500"], start_new_session=True) for _ in range(2))
    try:
        write_pid_file(tmp_path / "web-1.pid", ours.pid)
        (tmp_path / "beat.pid").write_text(f"{other.pid} 1\n")  # the number is used again
        (tmp_path / "standby.pid").write_text("4194000 1\n")
        (tmp_path / "postgres.pid").write_text("")
        assert end_stale(tmp_path, gentle={"postgres": (signal.SIGINT, 1.0)}) == ["web-1"]
        assert ours.wait(5) == -signal.SIGTERM
        assert other.poll() is None
        assert not list(tmp_path.glob("*.pid"))
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()
