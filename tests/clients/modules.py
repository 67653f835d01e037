"""The clients from npm, at locked versions, where Node is."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


@cache
def why_not() -> str:
    """Install what package-lock.json names unless it is there; return what is in the way."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no Node found"
    lock = (HERE / "package-lock.json").read_bytes()
    with (HERE / "package.json").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # other workers want the same
        stamp = MODULES / ".installed"
        if stamp.exists() and stamp.read_bytes() == lock:
            return ""
        done = subprocess.run(INSTALL, cwd=HERE, capture_output=True, text=True, timeout=150)
        if done.returncode:
            return f"npm could not install them: {done.stderr.strip()[-500:]}"
        stamp.write_bytes(lock)
    return ""


def need_modules() -> Path:
    """Return the folder of the clients from npm, or leave the test out and say why."""
    reason = why_not()
    if reason:
        if os.environ.get("TOCSIN_REQUIRE_NODE") == "1":
            pytest.fail(f"TOCSIN_REQUIRE_NODE=1 and {reason}")
        pytest.skip(f"{reason}: clients from npm are left out")
    return MODULES
