"""Settings as processes read them from their environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.installation import PROJECT

NAMES = (
    "PORT",
    "BASE_URL",
    "CANARY_URL",
    "CANARY_SECONDS",
    "DEBUG",
    "DEFAULT_FROM_EMAIL",
    "DJANGO_SLOTS",
    "MASS_GUARD_SECONDS",
    "METRICS_DIR",
    "MONITOR_QUOTA",
    "PUSH_LANE",
    "RESULT_DAYS",
    "STATIC_ROOT",
    "TOCSIN_ROLE",
    "WATCHDOG_SECONDS",
)
CODE = """
import json, sys
from config import settings
names = [*sys.argv[1].split(), "DATABASE_ROLE", "DATABASE_ROLE_REQUIRED"]
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def read_settings(data: Path, **environment: str) -> dict[str, Any]:
    """Return the settings of a process of its own in this environment alone."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, " ".join(NAMES)],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "TOCSIN_DATA": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_an_empty_variable_is_an_unset_one(tmp_path: Path) -> None:
    assert read_settings(tmp_path, **dict.fromkeys(NAMES, "")) == read_settings(tmp_path)


def test_an_empty_role_of_the_database_asks_for_none(tmp_path: Path) -> None:
    assert read_settings(tmp_path)["DATABASE_ROLE"] == "tocsin_app"
    assert read_settings(tmp_path, DATABASE_ROLE="")["DATABASE_ROLE"] == ""


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "8123"}, "http://127.0.0.1:8123"),
        ({"PORT": "8123", "BASE_URL": ""}, "http://127.0.0.1:8123"),
        ({"BASE_URL": "https://t.example.org/"}, "https://t.example.org"),
        (
            {"BASE_URL": "https://t.example.org", "TOCSIN_EMBEDDED": "1"},
            "https://t.example.org",
        ),
        (
            {"BASE_URL": "https://t.example.org", "CANARY_URL": "http://10.0.0.1/"},
            "http://10.0.0.1",
        ),
    ],
)
def test_canaries_go_where_people_do(tmp_path: Path, environment: dict[str, str], url: str) -> None:
    assert read_settings(tmp_path, **environment)["CANARY_URL"] == url
