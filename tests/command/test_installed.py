"""The project installs the command, and it can be installed alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile

from config.installation import PROJECT
from tests.command.conftest import COMMAND, call


def test_the_command_stands_beside_python():
    assert COMMAND.is_file()
    assert call("--version").stdout == b"tocsin 0.1.0\n"


def test_a_package_of_it_holds_nothing_of_the_server(tmp_path):
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", tmp_path, PROJECT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {"tocsin", "tocsin-0.1.0.dist-info"}
    metadata = zipfile.ZipFile(wheel).read("tocsin-0.1.0.dist-info/METADATA").decode()
    needs = [x for x in metadata.splitlines() if x.startswith("Requires-Dist: ")]
    assert [need.split()[1].partition(">")[0] for need in needs] == ["click", "requests", "rich"]
