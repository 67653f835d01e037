"""Where an embedded installation keeps its things, for awkward directories too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import environ
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict

from config import embedded
from config.installation import PROJECT, SOCKET_PATH_BYTES, Layout, make_private_dir
from config.procfile import read_procfile
from tests.ground.installations import open_directory


def test_data_dir_is_absolute_and_defaults_to_var() -> None:
    assert embedded.data_dir({}) == PROJECT / "var"
    assert embedded.data_dir({"TOCSIN_DATA": ""}) == PROJECT / "var"
    assert embedded.data_dir({"TOCSIN_DATA": "here"}) == Path.cwd() / "here"


@pytest.mark.parametrize("name", ["plain", "With Capitals", "a%20b?c#d&e", "ü", "long" + "x" * 120])
def test_urls_lead_every_reader_to_the_same_sockets(name: str, tmp_path: Path) -> None:
    data = tmp_path / name
    layout, env = Layout(data), embedded.connection_env(data)
    wanted = str(layout.postgres_socket)
    assert len(os.fsencode(wanted)) + len("/.s.PGSQL.5432") <= SOCKET_PATH_BYTES
    assert conninfo_to_dict(env["DATABASE_URL"])["host"] == wanted
    django = environ.Env.db_url_config(env["DATABASE_URL"])
    assert (django["OPTIONS"]["host"], django["NAME"], django["USER"]) == (
        wanted,
        "tocsin",
        "tocsin",
    )
    options = redis.Redis.from_url(env["REDIS_URL"]).connection_pool.connection_kwargs
    assert (options["path"], options["db"]) == (str(layout.valkey_socket), 0)
    assert urlsplit(env["REDIS_URL"]).scheme == "unix"


def test_processes_that_start_together_get_one_secret_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    code = "import sys; from config.installation import *; print(secret_key(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(data)]
    started = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    keys = {process.communicate(timeout=20)[0] for process in started}
    assert len(keys) == 1
    assert len(keys.pop()) > 50
    assert [path.name for path in data.iterdir()] == ["secret_key"]
    assert (data / "secret_key").stat().st_mode & 0o777 == 0o600


def test_the_servers_keep_strangers_out() -> None:
    with open_directory() as place:
        data = place / "data"
        embedded.prepare(data, durable=False)
        assert data.stat().st_mode & 0o066 == 0
        assert (data / "postgres").stat().st_mode & 0o777 == 0o700
        assert (data / "run").stat().st_mode & 0o777 == 0o700
        assert "peer" in (data / "postgres/cluster/pg_hba.conf").read_text()
        assert "listen_addresses = ''" in (data / "postgres/cluster/postgresql.conf").read_text()
        valkey = embedded.valkey_command(data).command
        assert valkey[valkey.index("--port") + 1] == "0"


def test_a_directory_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(RuntimeError, match="in the way"):
        make_private_dir(loose)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(RuntimeError, match="in the way"):
        make_private_dir(link)


def test_the_procfile_names_every_kind_of_process() -> None:
    programs = read_procfile(PROJECT, environment={})
    assert [p.name for p in programs] == [
        "web-1",
        "ingest-1",
        "worker-engine-1",
        "worker-deliver-1",
        "beat",
        "standby",
    ]
    assert {p.name: p.stage for p in programs if p.stage != 1} == {
        "web-1": 0,
        "ingest-1": 0,
        "standby": 2,
    }


def test_a_line_that_is_no_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web gunicorn\n")
    with pytest.raises(ValueError, match="web gunicorn"):
        read_procfile(tmp_path, environment={})
