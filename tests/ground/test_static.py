"""Static files: hashed names that are kept for good where they were collected, plain ones else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.templatetags.static import static

from config.collecting import collect_arguments, fingerprint, is_collected, note_collected
from config.installation import PROJECT

ASK = """
import django, json, sys
django.setup()
from django.templatetags.static import static
from django.test import Client
names = ["tocsin.css", "bootstrap/css/bootstrap.min.css", "icon.svg", "no/such.js",
  "rest_framework/js/default.js"]
urls = {name: static(name) for name in names}
client = Client()
def ask(url):
    answer = client.get(url, headers={"Host": "127.0.0.1", "Accept-Encoding": "gzip"})
    answer.close()
    return [answer.status_code, answer.get("Cache-Control"), answer.get("Content-Encoding")]
said = {"hashed": ask(urls["tocsin.css"]), "plain": ask("/static/tocsin.css")}
print(json.dumps({"urls": urls, **said}))
"""


def test_in_tests_and_where_nothing_was_collected_names_are_plain():
    assert static("tocsin.css") == "/static/tocsin.css"
    assert type(staticfiles_storage._wrapped).__name__ == "StaticFilesStorage"


def manage(root: Path, *arguments: str) -> str:
    environ = {**os.environ, "STATIC_ROOT": str(root), "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("static")
    manage(place, "manage.py", *collect_arguments())
    return place


def test_collected_files_are_kept_for_good_and_plain_names_go_on_working(root):
    said = json.loads(manage(root, "-c", ASK))
    urls = said["urls"]
    assert re.fullmatch(r"/static/tocsin\.[0-9a-f]{12}\.css", urls["tocsin.css"])
    assert re.search(r"bootstrap\.min\.[0-9a-f]{12}\.css$", urls["bootstrap/css/bootstrap.min.css"])
    status, cached, encoding = said["hashed"]
    assert (status, encoding) == (200, "gzip")
    assert "immutable" in cached
    status, cached, _ = said["plain"]
    assert status == 200
    assert "max-age=300" in cached
    # What is not collected, and what is not there at all, keeps its name and breaks no page.
    assert urls["no/such.js"] == "/static/no/such.js"
    assert urls["rest_framework/js/default.js"] == "/static/rest_framework/js/default.js"


def test_files_that_others_name_by_hand_are_collected_too(root):
    for name in ("admin/css/base.css", "admin/js/theme.js", "icon.svg"):
        assert (root / name).is_file(), name
        assert list((root / name).parent.glob(f"{Path(name).stem}.*{Path(name).suffix}")), name
    swagger = root / "drf_spectacular_sidecar" / "swagger-ui-dist"
    assert (swagger / "swagger-ui-bundle.js").is_file()
    assert not list(root.rglob("*.map"))


def test_it_is_collected_anew_when_a_file_changes(tmp_path):
    project, place = tmp_path / "project", tmp_path / "root"
    (project / "static").mkdir(parents=True)
    place.mkdir()
    sheet = project / "static" / "a.css"
    sheet.write_text("a { color: red; }")
    assert not is_collected(project, place)
    note_collected(project, place)
    assert is_collected(project, place)
    before = fingerprint(project)
    sheet.write_text("a { color: blue; }")
    assert fingerprint(project) != before
    assert not is_collected(project, place)
