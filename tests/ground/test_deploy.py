"""`manage.py check --deploy` with the environment of a production has nothing to say."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from config.installation import PROJECT

PRODUCTION = {
    "DATABASE_URL": "postgres://tocsin@db.invalid/tocsin",
    "REDIS_URL": "redis://broker.invalid/0",
    "SECRET_KEY": "9f3c1b7a5d2e8f604c6b1a9d7e3f5082kq-Zr_wXtYuIoPaSdFgHjKl",
    "ALLOWED_HOSTS": "tocsin.example.org",
    "BASE_URL": "https://tocsin.example.org",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**kept, **PRODUCTION, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_production_has_no_warning():
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert (done.returncode, done.stderr) == (0, "")


def test_cookies_and_headers_of_a_production():
    names = (
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SESSION_COOKIE_HTTPONLY",
        "CSRF_COOKIE_HTTPONLY",
        "SECURE_CONTENT_TYPE_NOSNIFF",
        "SECURE_HSTS_SECONDS",
    )
    line = f"from django.conf import settings; print(all(getattr(settings, n) for n in {names}))"
    done = run("-c", line)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_without_what_only_the_operator_knows_it_does_not_start(name):
    done = run("manage.py", "check", **{name: ""})
    assert done.returncode != 0
    assert f"Set {name}" in done.stderr
