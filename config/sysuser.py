"""The user whom the embedded PostgreSQL runs as.

PostgreSQL refuses to run as root. Under root it therefore gets a system user of its own, and
everything it needs must be reachable for that user. No permission of an existing directory is
ever widened for that: what cannot be reached is put somewhere else.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER_USER = "tocsin-db"


@dataclass(frozen=True)
class Owner:
    """A user of this machine, by number and name."""

    uid: int
    gid: int
    name: str

    @classmethod
    def of(cls, uid: int) -> Owner:
        """Return the user with this number; KeyError where the machine does not know it."""
        entry = pwd.getpwuid(uid)
        return cls(entry.pw_uid, entry.pw_gid, entry.pw_name)

    @property
    def is_me(self) -> bool:
        """Whether this process already runs as that user."""
        return self.uid == os.geteuid()

    def popen_arguments(self) -> dict[str, Any]:
        """Return what makes `subprocess` start a program as this user."""
        if self.is_me:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_owner() -> Owner:
    """Return whom PostgreSQL runs as here: ourselves, or under root a system user of its own.

    The user is created at the first need; where the machine has no tool for that it is `nobody`.
    """
    if os.geteuid() != 0:
        return Owner.of(os.geteuid())
    for name in (SERVER_USER, "nobody"):
        if name == SERVER_USER and not _exists(name):
            _create_system_user(name)
        if _exists(name):
            return Owner.of(pwd.getpwnam(name).pw_uid)
    raise RuntimeError(f"PostgreSQL does not run as root: create the system user {SERVER_USER!r}")


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _create_system_user(name: str) -> None:
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    no_login = shutil.which("nologin", path=places) or "/bin/false"
    useradd = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    busybox = ["-S", "-D", "-H", "-h", "/nonexistent"]
    for command in (
        ["useradd", *useradd, "--shell", no_login, name],
        ["adduser", *busybox, "-s", no_login, name],
    ):
        tool = shutil.which(command[0], path=places)
        if tool:
            subprocess.run([tool, *command[1:]], capture_output=True, check=False)
        if _exists(name):
            break


def may(owner: Owner, path: Path, *, test: str) -> bool:
    """Return whether `owner` can use `path`; `test` is an operator of test(1), as `-x` or `-w`.

    It is tried by a process of that user, which judges every parent directory too.
    """
    tried = subprocess.run(
        ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)],
        cwd="/",
        check=False,
        **owner.popen_arguments(),
    )
    return tried.returncode == 0


def write_as(owner: Owner, path: Path, text: str) -> None:
    """Write a file as `owner`, so that root never follows a link in a directory of theirs."""
    subprocess.run(
        ["/bin/sh", "-c", 'cat > "$1.new" && mv "$1.new" "$1"', "sh", str(path)],
        input=text,
        text=True,
        cwd="/",
        check=True,
        **owner.popen_arguments(),
    )
