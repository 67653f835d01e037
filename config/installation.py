"""Where an embedded installation keeps its things, and how its servers are reached.

Nothing here starts anything: settings.py reads it in every process, `manage.py bootstrap` beside
a running `make up` included, so each answer depends on the data directory alone.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parent.parent
DATABASE = "tocsin"
SOCKET_PATH_BYTES = 107  # what a socket's address holds on Linux; other systems have less
POSTGRES_SOCKET_NAME = ".s.PGSQL.5432"


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the absolute directory that `TOCSIN_DATA` names, by default `var/` of the checkout."""
    named = environ.get("TOCSIN_DATA")
    return (Path(named).expanduser() if named else PROJECT / "var").resolve()


@dataclass(frozen=True)
class Layout:
    """The places of one embedded installation, worked out from its data directory."""

    data: Path

    @property
    def run(self) -> Path:
        """The directory of pid files and logs."""
        return self.data / "run"

    @property
    def postgres(self) -> Path:
        """The directory that belongs to the user PostgreSQL runs as.

        Under root `postgres` may be a link to a place that this user can reach.
        """
        return (self.data / "postgres").resolve()

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.postgres / "cluster"

    @property
    def short(self) -> Path:
        """The directory for sockets whose path below the data directory is too long."""
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path("/tmp") / f"tocsin-{os.geteuid()}-{digest}"  # noqa: S108 (checked when made)

    @property
    def postgres_socket(self) -> Path:
        """The directory of PostgreSQL's socket."""
        wanted = self.postgres / "socket"
        return wanted if _fits(wanted / POSTGRES_SOCKET_NAME) else self.short / "postgres"

    @property
    def valkey_socket(self) -> Path:
        """Valkey's socket."""
        wanted = self.run / "valkey.sock"
        return wanted if _fits(wanted) else self.short / "valkey.sock"

    @property
    def database_url(self) -> str:
        """The URL of the database, as libpq and django-environ both read it.

        The socket's directory is a parameter, since a host loses its capital letters in a URL.
        """
        return f"postgres://{DATABASE}@/{DATABASE}?host={quote(str(self.postgres_socket), safe='')}"

    @property
    def redis_url(self) -> str:
        """The URL of the broker, as redis-py reads it."""
        return f"unix://{quote(str(self.valkey_socket))}?db=0"


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES


def connection_env(data: Path) -> dict[str, str]:
    """Return DATABASE_URL, REDIS_URL and SECRET_KEY of the embedded installation at `data`.

    It starts nothing; the secret key is made at the first call. REDIS_URL has redis-py's form,
    `unix:///path?db=0`; Celery's broker wants `redis+socket:///path?virtual_host=0` for the same.
    """
    layout = Layout(data)
    return {
        "DATABASE_URL": layout.database_url,
        "REDIS_URL": layout.redis_url,
        "SECRET_KEY": secret_key(data),
    }


def secret_key(data: Path) -> str:
    """Return the secret key of the installation at `data`, made once and kept there (0600)."""
    kept = data / "secret_key"
    if not kept.exists():
        make_data_dir(data)
        descriptor, name = tempfile.mkstemp(prefix=".secret_key-", dir=data)
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(50))
            os.link(fresh, kept)  # fails where another process was first; theirs is then used
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return kept.read_text().strip()


def make_data_dir(data: Path) -> None:
    """Create the data directory for us alone; one that exists keeps its permissions.

    Under root others may pass through a new one, as PostgreSQL's user must, but not list it.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    try:
        data.mkdir(mode=0o700)
    except FileExistsError:
        return
    if os.geteuid() == 0:
        data.chmod(0o711)


def make_private_dir(path: Path, *, mode: int = 0o700) -> None:
    """Create a directory in a place where others write too, and trust only one of our own.

    Raises RuntimeError where something else is in the way.
    """
    try:
        path.mkdir(mode=mode)
        path.chmod(mode)
    except FileExistsError:
        found = path.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or found.st_mode & 0o066:
            raise RuntimeError(f"{path} is in the way: it is not a directory of ours") from None
