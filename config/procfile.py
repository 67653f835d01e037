"""The Procfile, read as programs for the supervisor."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from config.supervision import Program

ALONE = {"beat", "standby"}  # one in an installation, so without a number
# Programs of a lower stage stop first, and each has so many seconds for it. With the servers'
# times (config/up.py), and a second for each end by force, all is over in 25.
STAGES = {"web": (0, 6.0), "ingest": (0, 6.0), "standby": (2, 2.0)}
WORKER_STAGE = (1, 4.0)


def read_procfile(project: Path, *, environment: Mapping[str, str]) -> list[Program]:
    """Return one program for each line `name: command` of the project's Procfile.

    Raises ValueError for any other line.

    A command is given to the shell, as other readers of a Procfile do.
    """
    programs = []
    for line in (project / "Procfile").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"([a-z][a-z0-9-]*):\s*(\S.*)", line)
        if found is None:
            raise ValueError(f"Procfile: not a `name: command`: {line!r}")
        name, command = found.groups()
        stage, seconds = STAGES.get(name, WORKER_STAGE)
        programs.append(
            Program(
                name=name if name in ALONE else f"{name}-1",
                command=["/bin/sh", "-c", f"exec {command}"],
                environment=environment,
                directory=project,
                stage=stage,
                stop_seconds=seconds,
                # What serves ends gracefully with a killed supervisor; the rest can be cut off
                # at any point, and should not work on beside its successor.
                death_signal=signal.SIGTERM if stage == 0 else signal.SIGKILL,
            )
        )
    return programs


def program_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return our environment for a program: ours, this Python's programs first, and `own`."""
    programs = str(Path(sys.executable).parent)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    path = os.pathsep.join([programs, ours.get("PATH", os.defpath)])
    return {**ours, "PATH": path, "PYTHONUNBUFFERED": "1", **own}
