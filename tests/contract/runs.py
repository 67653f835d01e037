"""How the tests start schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from config.installation import PROJECT
from tests.contract.conftest import Served

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIG = PROJECT / "tests" / "contract" / "schemathesis.toml"


def operations(methods: str, path: str, given: dict[str, str], *, token: str = "") -> str:
    """Return the part of the configuration for the operations whose paths a pattern matches."""
    # One condition: of several, any one would do.
    lines = ["[[operations]]", f"include-name-regex = '^({methods}) {path}'"]
    values = ", ".join(f'"{name}" = "{value}"' for name, value in given.items())
    lines.append(f"parameters = {{ {values} }}")
    if token:
        lines.append(f'headers = {{ Authorization = "Bearer {token}" }}')
    return "\n".join([*lines, ""])


def run(served: Served, folder: Path, settings: str, *options: str) -> None:
    """Ask the server all that the options say; fail with what schemathesis says if it found fault.

    What it said is left in said.txt of the folder, and the requests and answers in asked.har.
    """
    written = folder / "schemathesis.toml"
    written.write_text(settings)
    names = {"TOCSIN_API_KEY": served.key, "TOCSIN_LIFECYCLES": json.dumps(served.ids)}
    done = subprocess.run(
        [
            *(PROGRAM, "--config-file", written, "run", f"{served.url}/api/v1/schema"),
            *("--no-color", *options),
            *("--report", "har", "--report-har-path", folder / "asked.har"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **names},
        capture_output=True,
        text=True,
        check=False,
    )
    (folder / "said.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "Traceback" not in done.stdout + done.stderr
